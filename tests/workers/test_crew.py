"""Worker processes: what is called in them comes back, whatever becomes of it, and none outlives its use."""

from __future__ import annotations

import operator
import os
import pickle
import signal
import time
from collections.abc import Iterator

import pytest

from holdall.errors import ArtifactNotFoundError, WorkerDiedError
from holdall.workers import process
from holdall.workers.crew import Crew, crew_of

MEMORY = 256 << 20


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    """Two workers, for all tests that do not end them."""
    made = Crew(2, MEMORY)
    yield made
    made.close()


def fail(error: Exception, cause: Exception) -> None:
    """Raise an error in answer to another."""
    raise error from cause


def test_calls_come_back_and_workers_stay(crew: Crew) -> None:
    """Two workers add side by side, in processes of their own, and are the same ones at the next claim."""
    with crew.claim(5) as workers:
        assert [worker.call(operator.add, 1, 2).result() for worker in workers] == [3, 3]
        pids = {worker.call(os.getpid).result() for worker in workers}
        assert len(pids - {os.getpid()}) == 2
    with crew.claim(2) as workers:
        assert {worker.pid for worker in workers} == pids


def test_an_error_arrives_as_it_was_raised(crew: Crew) -> None:
    """Its class, facts, hint and cause, and a note of where it happened."""
    error = ArtifactNotFoundError("run", "a/b")
    error.hint = "look"
    with crew.claim(1) as (worker,):
        future = worker.call(pickle.loads, b"nothing of this kind")
        with pytest.raises(pickle.UnpicklingError):
            future.result()
        found = worker.call(fail, error, KeyError("x")).exception()
    assert isinstance(found, ArtifactNotFoundError)
    assert (found.args, found.hint, repr(found.__cause__)) == (error.args, "look", "KeyError('x')")
    assert any("in worker process" in note and "in fail" in note for note in found.__notes__)


def test_a_killed_worker_is_an_error_and_another_takes_its_place() -> None:
    """The call that it had fails and says which signal it was; the other worker goes on."""
    crew = Crew(2, MEMORY)
    with crew.claim(2) as (one, other):
        future = one.call(time.sleep, 60)
        os.kill(one.pid, signal.SIGKILL)
        with pytest.raises(WorkerDiedError, match="SIGKILL"):
            future.result(30)
        with pytest.raises(WorkerDiedError):
            one.call(os.getpid).result(30)
        assert other.call(os.getpid).result(30) == other.pid
    with crew.claim(2) as workers:
        assert len({worker.call(os.getpid).result(30) for worker in workers} - {one.pid}) == 2
    crew.close()


def test_who_leaves_a_claim_in_a_hurry_cancels_its_calls(crew: Crew) -> None:
    """They get a KeyboardInterrupt there, and the worker is there for the next claim."""
    with pytest.raises(ZeroDivisionError), crew.claim(1) as (worker,):
        future = worker.call(time.sleep, 60)
        raise ZeroDivisionError
    assert isinstance(future.exception(), KeyboardInterrupt)
    with crew.claim(1) as (again,):
        assert again.call(os.getpid).result() == worker.pid


def test_a_worker_has_its_share_and_no_workers_of_its_own(crew: Crew) -> None:
    """A share of all memory; and a crew that has travelled to it is empty there."""
    with crew.claim(1) as (worker,):
        assert worker.call(process.memory).result() == worker.memory == MEMORY // 2
        assert worker.call(claimed, crew_of(2, MEMORY)).result() == 0


def claimed(crew: Crew) -> int:
    """How many workers a crew gives."""
    with crew.claim(2) as workers:
        return len(workers)
