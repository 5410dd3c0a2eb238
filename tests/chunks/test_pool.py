"""The pool: bounded, never still, alive after a fork."""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Iterator

import pytest

from holdall.chunks.pool import Pool


def test_tasks_hold_no_more_than_the_budget() -> None:
    """However many tasks there are, what they hold together stays within the budget."""
    pool, held, most, lock = Pool(workers=8, memory=100), [0], [0], threading.Lock()

    def task() -> None:
        with lock:
            held[0] += 40
            most[0] = max(most[0], held[0])
        time.sleep(0.001)
        with lock:
            held[0] -= 40

    for future in [pool.submit_with_budget(40, task) for _ in range(50)]:
        future.result()
    assert 0 < most[0] <= 80


def test_a_task_larger_than_the_budget_runs_alone() -> None:
    """A task that wants more than there is waits for all of it, and then runs."""
    assert Pool(memory=10).submit_with_budget(1000, lambda: "done").result() == "done"


def test_a_failed_task_gives_back_what_it_held() -> None:
    """After a failure, the whole budget can be had again."""
    pool = Pool(memory=10)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            pool.submit_with_budget(10, lambda: 1 / 0).result()
        with pytest.raises(ZeroDivisionError):
            pool.run_with_budget(10, lambda: 1 / 0)
    assert pool.submit_with_budget(10, lambda: 1).result() == 1


def test_map_keeps_the_order_and_raises_the_first_failure() -> None:
    """Results come in the order of the items; a failure is raised, not lost."""
    pool = Pool(workers=4)
    assert pool.map(lambda n: n * n, range(100)) == [n * n for n in range(100)]
    with pytest.raises(ZeroDivisionError):
        pool.map(lambda n: 1 // n, range(-5, 5))


def test_a_task_that_gives_work_to_its_own_pool_is_refused() -> None:
    """Tasks that wait for tasks can fill the pool and wait for ever, so they are refused at once."""
    pool = Pool(workers=1)
    with pytest.raises(AssertionError, match="must not give work"):
        pool.submit(lambda: pool.map(abs, [1, 2])).result()


def test_a_forked_child_gets_threads_of_its_own() -> None:
    """After a fork, the child's pool works, though its parent's threads are not there."""
    pool = Pool(workers=2)
    assert pool.submit(os.getpid).result() == os.getpid()
    child = os.fork()
    if not child:
        os._exit(0 if pool.submit(os.getpid).result(timeout=20) == os.getpid() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_pool_survives_pickling() -> None:
    """A pool that was sent to another process is an equal one."""
    pool = pickle.loads(pickle.dumps(Pool(workers=3, memory=77)))
    assert (pool._workers, pool._memory) == (3, 77)
    assert pool.map(abs, [-1, -2]) == [1, 2]


def test_a_stream_keeps_its_order_and_holds_few() -> None:
    """Groups come in order, also empty ones; no more of them are taken ahead than was said."""
    taken: list[int] = []

    def groups() -> Iterator[tuple[int, list[int]]]:
        for n in range(100):
            taken.append(n)
            yield n, [n] * (n % 3)

    for n, found in Pool(workers=2).stream(lambda item: item * 2, groups(), ahead=8):
        assert found == [2 * n] * (n % 3)
        assert len(taken) - n <= 9
    assert len(taken) == 100


def test_a_stream_gives_what_came_before_a_failure() -> None:
    """Of a task or of what gives it work, here another stream: what is before the failure was yielded."""
    pool = Pool(workers=4)

    def fail_at_60(item: int) -> int:
        if item == 60:
            raise ValueError("60")
        return item

    first = pool.stream(fail_at_60, ((n, [n]) for n in range(100)), ahead=16)
    second = pool.stream(abs, ((n, [n]) for n, _ in first), ahead=16)
    found: list[int] = []
    with pytest.raises(ValueError, match="60"):
        found.extend(n for n, _ in second)
    assert found == list(range(60))
