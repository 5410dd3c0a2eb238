"""Worker processes: what is called in them comes back, whatever becomes of it."""

from __future__ import annotations

import asyncio
import logging
import operator
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

import pytest
from tests.support import in_workers

from holdall.errors import ArtifactNotFoundError, WorkerDiedError, WorkerLostError
from holdall.workers import crew as crews
from holdall.workers import process
from holdall.workers.crew import LEAST_MEMORY, Crew, crew_of
from holdall.workers.frames import MAX_FRAME

MEMORY = 256 << 20


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    """Two workers, for all tests that do not end them."""
    made = Crew(2, MEMORY)
    yield made
    made.close()


def test_calls_come_back_and_workers_stay(crew: Crew) -> None:
    """Two workers add side by side, in processes of their own, and are the same ones at the next claim."""
    with crew.claim(5) as workers:
        assert [worker.call(operator.add, 1, 2).result() for worker in workers] == [3, 3]
        pids = {worker.call(os.getpid).result() for worker in workers}
        assert len(pids - {os.getpid()}) == 2
    with crew.claim(2) as workers:
        assert {worker.pid for worker in workers} == pids


def _note(done: list[int], number: int, _: object) -> None:
    done.append(number)


def test_calls_are_done_in_their_order(crew: Crew) -> None:
    """Several may be out; each is done when those before it are."""
    done: list[int] = []
    with crew.claim(1) as (worker,):
        futures = [worker.call(operator.neg, number) for number in range(100)]
        for number, future in enumerate(futures):
            future.add_done_callback(partial(_note, done, number))
        assert [future.result() for future in futures] == [-number for number in range(100)]
    assert done == sorted(done)


def test_word_comes_before_the_result(crew: Crew) -> None:
    """What a call tells, from whichever thread, has been heard when its result is there."""
    heard: list[int] = []
    with crew.claim(1) as (worker,):
        assert worker.call(in_workers.count_to, 50, notify=heard.append).result() == 50
        assert heard == list(range(50))
        assert worker.call(in_workers.count_to, 5).result() == 5


def test_a_call_whose_word_is_not_taken_fails(crew: Crew) -> None:
    """With what the listener raised; the call is given up, and the worker goes on."""
    with crew.claim(1) as (worker,):
        future = worker.call(in_workers.tell_until_cancelled, notify=lambda value: operator.truediv(1, 0))
        with pytest.raises(ZeroDivisionError):
            future.result(30)
        assert worker.call(os.getpid).result(30) == worker.pid


# --- failures -----------------------------------------------------------------


def test_an_error_arrives_as_it_was_raised(crew: Crew) -> None:
    """Its class, facts, hint and cause, and a note of where it happened."""
    error = ArtifactNotFoundError("run", "a/b")
    error.hint = "look"
    with crew.claim(1) as (worker,):
        found = worker.call(in_workers.fail, error, KeyError("x")).exception()
    assert isinstance(found, ArtifactNotFoundError)
    assert (found.args, found.hint, repr(found.__cause__)) == (error.args, "look", "KeyError('x')")
    assert any(f"in worker process {worker.pid}" in note and "in fail" in note for note in found.__notes__)


def test_an_error_that_cannot_travel_is_told(crew: Crew) -> None:
    """By its class and text; and so is a result that cannot."""
    with crew.claim(1) as (worker,):
        with pytest.raises(RuntimeError, match=r"in_workers\.UnreadableError: this and that"):
            worker.call(in_workers.fail_unreadably).result()
        with pytest.raises(TypeError, match="lock"):
            worker.call(in_workers.return_a_lock).result()


def test_out_of_memory_comes_back_as_such(crew: Crew) -> None:
    """The worker that had too little for one call does the next."""
    with crew.claim(1) as (worker,):
        with pytest.raises(MemoryError):
            worker.call(bytearray, 1 << 60).result()
        assert worker.call(operator.add, 1, 2).result() == 3


def test_what_is_too_large_to_travel_is_refused(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content is not to travel: neither there, which is refused here, nor back, which fails there."""
    with crew.claim(1) as (worker,):
        with pytest.raises(ValueError, match="may travel"):
            worker.call(bytes, MAX_FRAME + 1).result()
        monkeypatch.setattr("holdall.workers.frames.MAX_FRAME", 1000)
        with pytest.raises(ValueError, match="1000 may"):
            worker.call(len, bytes(1001))
        assert worker.call(len, b"abc").result() == 3


@pytest.mark.parametrize("length", [MAX_FRAME + 1, 3])
def test_nonsense_in_the_pipe_loses_the_worker(length: int) -> None:
    """Neither a length that no frame has nor bytes that are none are waited for or believed."""
    crew = Crew(1, MEMORY)
    with crew.claim(1) as (worker,):
        future = worker.call(in_workers.write_nonsense, length)
        if length == 3:
            os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerDiedError):
            future.result(30)
    crew.close()


def test_a_killed_worker_is_an_error_and_another_takes_its_place() -> None:
    """The call that it had fails and says which signal it was; the other worker goes on."""
    crew = Crew(2, MEMORY)
    with crew.claim(2) as (one, other):
        future = one.call(time.sleep, 60)
        os.kill(one.pid, signal.SIGKILL)
        with pytest.raises(WorkerLostError, match="SIGKILL ended it, as the system does when memory runs out"):
            future.result(30)
        with pytest.raises(WorkerDiedError):
            one.call(os.getpid).result(30)
        assert other.call(os.getpid).result(30) == other.pid
        os.kill(other.pid, signal.SIGTERM)
        with pytest.raises(WorkerLostError, match="SIGTERM"):
            other.call(time.sleep, 60).result(30)
    with crew.claim(2) as workers:
        assert len({worker.call(os.getpid).result(30) for worker in workers} - {one.pid, other.pid}) == 2
    crew.close()


def test_a_worker_that_died_in_its_sleep_is_not_claimed() -> None:
    """Another one is started, and nothing is said."""
    crew = Crew(1, MEMORY)
    with crew.claim(1) as (first,):
        pass
    os.kill(first.pid, signal.SIGKILL)
    first.join(30)
    with pytest.raises(ProcessLookupError):
        os.kill(first.pid, 0)  # it is no zombie either
    with crew.claim(1) as (second,):
        assert second.call(operator.add, 1, 2).result(30) == 3
    crew.close()


# --- giving up ----------------------------------------------------------------


def test_who_leaves_a_claim_in_a_hurry_cancels_its_calls(crew: Crew, tmp_path: Path) -> None:
    """They get a KeyboardInterrupt there and clean up, and the worker is there for the next claim."""
    with pytest.raises(ZeroDivisionError), crew.claim(1) as (worker,):
        future, later = worker.call(in_workers.clean_up, tmp_path / "x"), worker.call(time.sleep, 60)
        while not (tmp_path / "x.begun").exists():
            time.sleep(0.01)
        raise ZeroDivisionError
    assert [type(one.exception()) for one in (future, later)] == [KeyboardInterrupt] * 2
    assert (tmp_path / "x").read_text() == "cleaned up"
    with crew.claim(2) as workers:
        assert worker.pid in [again.call(os.getpid).result() for again in workers]


def test_who_does_not_let_go_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that swallows its KeyboardInterrupt is not waited for."""
    monkeypatch.setattr(crews, "_SETTLING", 0.2)
    crew, begun = Crew(1, MEMORY), threading.Event()
    with pytest.raises(ZeroDivisionError), crew.claim(1) as (worker,):
        future = worker.call(in_workers.never_end, notify=lambda value: begun.set())
        assert begun.wait(30)
        raise ZeroDivisionError
    assert isinstance(future.exception(30), WorkerDiedError)
    crew.close()


def test_a_worker_does_not_heed_sigint(crew: Crew) -> None:
    """A terminal sends it to all of a group; whoever typed it meant the parent, which says what is to end."""
    with crew.claim(1) as (worker,):
        assert worker.call(in_workers.interrupt).result() == worker.pid
        assert os.getpgid(worker.pid) != os.getpgrp()


# --- claims -------------------------------------------------------------------


def test_a_worker_has_its_share_and_no_workers_of_its_own(crew: Crew) -> None:
    """A share of all memory; and a crew that has travelled to it is empty there."""
    with crew.claim(1) as (worker,):
        assert worker.call(process.memory).result() == worker.memory == MEMORY // 3
        assert worker.call(in_workers.claimed, crew_of(2, MEMORY)).result() == 0


@pytest.mark.parametrize(
    ("asked", "memory", "count"), [(4, 8 * LEAST_MEMORY, 4), (4, 3 * LEAST_MEMORY, 2), (4, 1000, 0), (0, MEMORY, 0)]
)
def test_memory_bounds_how_many_there_are(asked: int, memory: int, count: int) -> None:
    """No worker gets less than it needs, nor the parent: there are fewer, and all have no more than they may."""
    crew = Crew(asked, memory)
    assert crew.count == count
    assert (crew.count + 1) * crew.share <= memory
    with Crew(0, memory).claim(3) as workers:
        assert workers == []


def test_stores_with_equal_settings_share_a_crew() -> None:
    """Also one that was pickled."""
    assert crew_of(3, MEMORY) is crew_of(3, MEMORY) is pickle.loads(pickle.dumps(crew_of(3, MEMORY)))
    assert crew_of(3, MEMORY) is not crew_of(4, MEMORY)


def test_threads_that_claim_at_once_share_what_there_is(crew: Crew) -> None:
    """No worker is claimed twice, no claim waits for another, and there are never more than the crew's."""
    held: set[int] = set()
    most: list[int] = []

    def work(number: int) -> int:
        with crew.claim(2) as workers:
            mine = {worker.pid for worker in workers}
            assert not mine & held
            held.update(mine)
            most.append(len(held))
            results = [worker.call(operator.add, number, 1).result(30) for worker in workers]
            held.difference_update(mine)
        assert set(results) <= {number + 1}
        return len(results)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(work, range(200))) > 0
    assert max(most) <= 2
    with crew.claim(2) as workers:
        assert len(workers) == 2


def test_what_was_kept_goes_with_the_claim(crew: Crew, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was registered for its end is done, also beside one that fails; what is cached stays."""
    with crew.claim(2) as workers:
        wait([worker.call(in_workers.keep, "a", 1, tmp_path / "released") for worker in workers])
        assert workers[0].call(in_workers.find, "a").result() == (1, 1)
    with crew.claim(2) as workers:
        assert [worker.call(in_workers.find, "a").result() for worker in workers] == [(None, 1)] * 2
    assert (tmp_path / "released").exists()
    assert "the last comes first" in caplog.text


def test_what_changed_around_the_parent_goes_along(crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that was set after the worker started, and one that was unset; and its folder."""
    with crew.claim(1) as (worker,):
        worker.call(in_workers.keep, "b", 1, tmp_path / "released").result()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_PROFILE", "later")
    with crew.claim(1) as (worker,):
        assert worker.call(in_workers.surroundings, "AWS_PROFILE").result() == ("later", str(tmp_path))
        assert worker.call(in_workers.find, "b").result() == (None, None)
    monkeypatch.delenv("AWS_PROFILE")
    with crew.claim(1) as (worker,):
        assert worker.call(in_workers.surroundings, "AWS_PROFILE").result()[0] is None


def test_what_a_worker_logs_is_in_the_parents_log(crew: Crew, caplog: pytest.LogCaptureFixture) -> None:
    """At its level, and only what the parent's level lets pass."""
    caplog.set_level(logging.INFO, "holdall")
    with crew.claim(1) as (worker,):
        worker.call(in_workers.log, "a\x1b[2Jb").result()
    (record,) = [record for record in caplog.records if "said there" in record.getMessage()]
    assert (record.levelname, record.name) == ("WARNING", "holdall")
    assert "whispered" not in caplog.text


def test_what_a_worker_prints_disturbs_nobody(crew: Crew, capfd: pytest.CaptureFixture[str]) -> None:
    """Its standard output is nowhere, and its input is empty."""
    with crew.claim(1) as (worker,):
        assert worker.call(in_workers.write_to_all_streams).result()
    assert capfd.readouterr().out == ""


def test_a_worker_imports_no_framework(crew: Crew) -> None:
    """Nor what the parent has imported, nor its main module."""
    with crew.claim(1) as (worker,):
        there = set(worker.call(in_workers.imported).result())
    assert there.isdisjoint({"pytest", "numpy", "torch", "pandas", "sklearn", "site", "holdall.store"})


def test_a_loop_of_asyncio_can_wait_for_workers(crew: Crew) -> None:
    """A call's future is one of Python's, which a loop wraps."""

    async def work() -> list[int]:
        with crew.claim(2) as workers:
            calls = [asyncio.wrap_future(worker.call(operator.add, 1, 2)) for worker in workers]
            return list(await asyncio.gather(*calls))

    assert asyncio.run(work()) == [3, 3]


def test_who_is_idle_is_let_go() -> None:
    """After its time, and not while it is claimed; the next claim starts others."""
    crew = Crew(2, MEMORY, idle=0.2)
    with crew.claim(2) as workers:
        time.sleep(0.5)
        assert [worker.call(operator.add, 1, 2).result() for worker in workers] == [3, 3]
    for worker in workers:
        worker.join(30)
        assert worker.lost
    with crew.claim(1) as (another,):
        assert another.pid not in [worker.pid for worker in workers]
        assert another.call(operator.add, 1, 2).result() == 3
    crew.close()


def test_the_log_tells_how_many_were_started(caplog: pytest.LogCaptureFixture) -> None:
    """And what each may hold, to whoever turns it on."""
    caplog.set_level(logging.INFO, "holdall")
    crew = Crew(2, MEMORY)
    for _ in range(2):
        with crew.claim(1):
            pass
    crew.close()
    assert [record.getMessage() for record in caplog.records] == [
        "1 worker processes were started, with 85.3 MiB of memory for the work of each"
    ]


def test_a_closed_crew_has_nobody() -> None:
    """Those who are idle go at once, those who are claimed when they are given back."""
    crew = Crew(2, MEMORY)
    with crew.claim(2):
        pass
    with crew.claim(1) as (claimed,):
        crew.close()
        assert claimed.call(operator.add, 1, 2).result() == 3
    claimed.join(30)
    assert claimed.lost
    with crew.claim(2) as workers:
        assert workers == []
    assert not [thread for thread in threading.enumerate() if thread.name == f"holdall-worker-{claimed.pid}"]
