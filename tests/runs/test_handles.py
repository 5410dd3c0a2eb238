"""Handles to runs: one for each that is written to, and of others only so many."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable

import pytest
from tests.support.depth import DEEP
from tests.support.logs import entries_of, ops_of
from tests.support.runlogs import put_runs
from tests.support.stores import tiny_store

from holdall.runs.handles import MOST
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees import session

MANY = 3 * MOST


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBucket())


def passed_by(store: Store, many: int = MANY) -> None:
    """Asks for so many other runs."""
    for n in range(many):
        store.runs.get(f"{n:032x}")


def test_a_service_that_reads_many_runs_holds_few(store: Store) -> None:
    """Whoever reads a million runs by their ids has no million handles afterwards, nor sessions of what it wrote to."""
    ids = put_runs(store._location.bucket, 40)
    known = len(session._open_sessions)
    first = weakref.ref(store.runs.get(ids[0]))
    for id in ids:
        assert store.runs.get(id).state.status == "FINISHED"
        store.runs.get(id).log_text("small", "more.txt")
    passed_by(store)
    gc.collect()
    assert len(store.runs._handles) == MOST
    assert first() is None
    assert len(session._open_sessions) == known


def test_a_process_that_opens_very_many_runs_holds_no_more_for_it(store: Store) -> None:
    """Ten thousand handles, as a server of pages asks for them: what they take is bounded, and the last are let go."""

    def opened(first: int, count: int) -> int:
        for n in range(first, first + count):
            store.runs.get(f"{n:032x}")
        gc.collect()
        return tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0

    tracemalloc.start()
    try:
        opened(0, MOST)
        before = opened(MOST, MOST)
        after = opened(2 * MOST, 4 * MOST)
    finally:
        tracemalloc.stop()
    opened(6 * MOST, 100_000 if DEEP else 10_000)
    assert len(store.runs._handles) == MOST
    assert len(store.runs._handles._alive) == MOST
    assert after - before < 200_000, after - before


def begins(run: Run) -> None:
    run.log_bytes(bytes(range(256)) * 300, "large.bin")


def waits(run: Run) -> None:
    run.log_metrics({"loss": 0.5})


@pytest.mark.parametrize("write", [begins, waits])
def test_a_run_that_is_written_to_has_one_session_and_loses_nothing(store: Store, write: object) -> None:
    """However many others are asked for meanwhile, and also if nobody has its handle but the store."""
    id = store.runs.start().id
    store.runs.get(id).finish()
    write(store.runs.get(id))  # type: ignore[operator]
    passed_by(store)
    gc.collect()
    store.runs.get(id).log_bytes(bytes(range(255)) * 300, "more.bin")
    store.runs.flush()
    entries = entries_of(store._location.bucket, id)
    assert len(ops_of(entries, "open")) == 2  # when it was started, and for what is large
    store.runs.get(id).finish()
    passed_by(store)
    assert len(store.runs._handles) == MOST


def test_what_waits_in_a_forgotten_handle_is_found_and_flushed(store: Store) -> None:
    """A search writes it first, whoever asked for how many others since."""
    id = store.runs.start().id
    store.runs.get(id).log_params({"rate": 1})
    passed_by(store)
    gc.collect()
    assert [found.info.run_id for found in store.runs.search("params.rate = '1'")] == [id]


def test_work_in_the_background_keeps_its_run(store: Store) -> None:
    """Also a failure that nobody has asked for yet: `flush` raises it."""
    id = store.runs.start().id
    store.runs.get(id).finish()
    store.runs.get(id).later(int, "nonsense")
    passed_by(store)
    gc.collect()
    with pytest.raises(ValueError, match="nonsense"):
        store.runs.flush()


def test_a_handle_that_somebody_has_is_the_one_that_others_get(store: Store) -> None:
    """So that what it knows of the log is known, and its session is theirs."""
    mine = store.runs.get("0" * 31 + "f")
    passed_by(store)
    assert store.runs.get(mine.id) is mine


def kept(run: Run) -> Run:
    return run


def other(run: Run) -> Run:
    return run._handle()


@pytest.mark.parametrize("form", [kept, other], ids=["first", "second"])
@pytest.mark.parametrize("gone", [False, True], ids=["kept", "let go"])
def test_what_is_logged_by_a_handle_that_was_forgotten_is_found_and_flushed(
    store: Store, form: Callable[[Run], Run], gone: bool
) -> None:
    """A thread that has it logs on, however many others were asked for since it was idle, and then lets it go."""
    id = store.runs.start().id
    store.runs.get(id).finish()
    mine: Run | None = form(store.runs.get(id))
    passed_by(store)
    gc.collect()
    assert mine
    mine.log_params({"rate": 1})
    if gone:
        mine = None
        gc.collect()
    store.runs.flush()
    assert len(ops_of(entries_of(store._location.bucket, id), "param")) == 1


@pytest.mark.parametrize("form", [kept, other], ids=["first", "second"])
def test_who_asks_for_a_run_that_was_forgotten_gets_what_waits_in_it(store: Store, form: Callable[[Run], Run]) -> None:
    """Whoever logged it has let its handle go: no second session begins beside the first."""
    id = store.runs.start().id
    store.runs.get(id).finish()
    mine: Run | None = form(store.runs.get(id))
    passed_by(store)
    gc.collect()
    assert mine
    mine.log_params({"rate": 1})
    mine = None
    gc.collect()
    assert store.runs.get(id)._is_busy
    assert store.runs.get(id).state.params == {"rate": "1"}
