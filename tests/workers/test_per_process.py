"""A value of each process: a child makes its own, whatever its parent's threads were doing."""

from __future__ import annotations

import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

from holdall.workers.per_process import PerProcess


def test_it_is_made_once_when_it_is_first_asked_for() -> None:
    """By one of the threads that ask at once; the others get the same."""
    values: PerProcess[object] = PerProcess()
    start, made = threading.Barrier(8), []

    def make() -> object:
        made.append(object())
        return made[-1]

    def ask(_: int) -> object:
        start.wait()
        return values.get(make)

    assert values.peek() is None
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(8)))
    assert found == [made[0]] * 8
    assert (len(made), values.peek()) == (1, made[0])


def test_a_child_makes_its_own_also_while_the_parents_is_being_made() -> None:
    """The lock that another thread held when it forked is not the child's; and what it has stays the parent's."""
    values: PerProcess[int] = PerProcess()
    making, forked = threading.Event(), threading.Event()

    def slowly() -> int:
        making.set()
        forked.wait(30)
        return os.getpid()

    with ThreadPoolExecutor(1) as threads:
        parents = threads.submit(values.get, slowly)
        making.wait(30)
        if (child := os.fork()) == 0:
            os._exit(0 if values.get(os.getpid) == os.getpid() else 1)
        forked.set()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert (code, parents.result(), values.peek()) == (0, os.getpid(), os.getpid())


def test_a_copy_elsewhere_begins_without() -> None:
    """Connections do not travel."""
    values: PerProcess[threading.Lock] = PerProcess()
    values.get(threading.Lock)
    assert pickle.loads(pickle.dumps(values)).peek() is None
