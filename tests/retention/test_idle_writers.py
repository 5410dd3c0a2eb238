"""Who was idle while a run was purged and its entries removed never hears that what it logs was written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.stores import tiny_store

from holdall.errors import NotFoundError, RunDeletedError, RunNotFoundError
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers.trace import RequestCounter, TraceBucket
from holdall.store import Store

GONE = (RunDeletedError, RunNotFoundError)
LATER = 3600.0  # seconds


class World:
    """Two processes: one is idle, the other goes on with the same run."""

    def __init__(self) -> None:
        self.bucket = MemoryBucket()
        self.idle, self.busy = tiny_store(self.bucket), tiny_store(self.bucket, seed=1, create=False)

    def wakes(self, run: Run, late: float = LATER) -> None:
        """Let the idle process's clocks have gone on."""
        session = run._hold.session
        assert session is not None
        now = session.journal.clocks()
        session.journal.clocks = lambda: (now[0] + late, now[1] + late)

    def goes_on(self, id: str) -> None:
        """Log some entries by the other process, so that the idle one's next number lies below the deletion."""
        run = self.busy.runs.get(id)
        for n in range(3):
            run.log_text("x", f"busy/{n}.txt")


def _purged(store: Store, id: str) -> None:
    store.maintenance.purge(id)


def _discarded(store: Store, id: str) -> None:
    store.maintenance.discard(id)
    store.maintenance.gc(delay=0)


LOGGING: dict[str, Callable[[Run], object]] = {
    "small": lambda run: run.log_text("late", "late.txt"),
    "large": lambda run: run.log_bytes(bytes(range(256)) * 400, "late.bin"),
    "buffered": lambda run: _buffered(run),
    "finish": lambda run: run.finish(),
    "tag": lambda run: _tagged(run),
    "delete": lambda run: run.delete(),
    "resume": lambda run: run._reopen({"again": "yes"}),
    "part": lambda run: _part(run),
}


def _buffered(run: Run) -> None:
    run.log_metrics({"loss": 1.0})
    run.flush()


def _tagged(run: Run) -> None:
    run.set_tag("a", "b")
    run.flush()


def _part(run: Run) -> None:
    with run.group(name="g", rank=0, world_size=2) as group:
        group.log_text("late", "part.txt")


@pytest.mark.parametrize("opened", [True, False], ids=["open", "no-session"])
@pytest.mark.parametrize("gone", [_purged, _discarded])
@pytest.mark.parametrize("verb", LOGGING)
def test_what_is_logged_below_a_purge_is_never_acknowledged(
    verb: str, gone: Callable[[Store, str], None], opened: bool
) -> None:
    """Its number is free again, so the bucket creates it; one listing more tells that nobody will read it."""
    world = World()
    run = world.idle.runs.start()
    if not opened:
        run.finish()
        run = world.idle.runs.get(run.id)
        run.log_text("early", "early.txt")
    world.goes_on(run.id)
    gone(world.busy, run.id)
    world.wakes(run)
    with pytest.raises(GONE):
        LOGGING[verb](run)
    with pytest.raises(NotFoundError):
        _ = world.busy.runs.get(run.id).record


@pytest.mark.parametrize(("late", "listings"), [(0.0, 0), (LATER, 1)], ids=["awake", "idle"])
def test_an_idle_writer_to_a_run_that_stands_looks_once(late: float, listings: int) -> None:
    """What it logs is there; who wrote a moment ago does not look at all."""
    world = World()
    counter = RequestCounter()
    run = tiny_store(TraceBucket(world.bucket, counter), seed=2, create=False).runs.start()
    world.wakes(run, late)
    before = counter.requests["list"]
    run.log_text("a", "a.txt")
    run.log_text("b", "b.txt")
    assert counter.requests["list"] - before == listings
    assert world.busy.runs.get(run.id).read("b.txt") == b"b"
