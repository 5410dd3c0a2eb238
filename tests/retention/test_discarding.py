"""Discarding a run: gone for good at once, unless something holds it; killed halfway, the next call finishes it."""

from __future__ import annotations

import pytest
from tests.support.stores import tiny_store

from holdall.errors import RunDeletedError, RunHeldError, RunNotFoundError
from holdall.retention.discarding import DISCARDED
from holdall.retention.performing import append_tombstone
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBucket())


def test_a_discarded_run_reads_as_not_there(store: Store) -> None:
    """It is said to have been purged; discarding it again, or a run that never was, is no error."""
    run = store.runs.start()
    run.log_text("x", "f.txt")
    assert store.maintenance.discard(run.id) is True
    with pytest.raises(RunNotFoundError) as error:
        store.runs.get(run.id).read("f.txt")
    assert error.value.purged
    assert store.maintenance.discard(run.id) is False
    assert store.maintenance.discard("0" * 32) is False


def test_what_holds_a_run_keeps_it_from_being_discarded(store: Store) -> None:
    """A run with the tag that keeps it, or a pin, stays as it is, and is not even deleted."""
    kept, pinned = store.runs.start(tags={"holdall.keep": "yes"}), store.runs.start()
    kept.log_text("x", "f.txt")
    store.log_model(pinned, lambda model_input: model_input, "m", registered_model_name="held", pip_requirements=[])
    for run in (kept, pinned):
        run.flush()
        with pytest.raises(RunHeldError):
            store.maintenance.discard(run.id)
        assert run.info.lifecycle_stage == "active"
    assert kept.read("f.txt") == b"x"


def test_a_discarding_that_was_killed_is_finished(store: Store) -> None:
    """Deleted and not yet purged, a run is purged by the next call."""
    run = store.runs.start()
    append_tombstone(store._location, run.id, tag=DISCARDED)
    assert store.maintenance.discard(run.id) is True
    assert store.runs.search(stage=None) == []
    with pytest.raises(RunNotFoundError):
        _ = run.record


def test_an_open_session_meets_what_discarded_its_run(store: Store) -> None:
    """Who was writing to the run is told so, and writes nothing behind the purge."""
    run = store.runs.start()
    run.log_text("x", "f.txt")
    store.maintenance.discard(run.id)
    with pytest.raises((RunDeletedError, RunNotFoundError)):
        run.log_text("y", "g.txt")
