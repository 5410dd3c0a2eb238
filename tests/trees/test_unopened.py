"""What is small is logged by one entry, without a session, and a session opens before it looks at packs."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.collected import BIG as OLD
from tests.support.collected import World
from tests.support.faulty import FaultyBucket
from tests.support.logs import entries_of, ops_of
from tests.support.stores import tiny_store

from holdall.errors import RunDeletedError
from holdall.format.layout import PACKS, RUNS
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.trees.session import STATE_EVERY
from holdall.trees.source import bytes_item, local_items

BIG = random.Random(4).randbytes(100_000)


def flushed(work: Callable[[Run], object]) -> Callable[[Run], object]:
    def both(run: Run) -> None:
        work(run)
        run.flush()

    return both


SMALL: dict[str, Callable[[Run], object]] = {
    "log_text": lambda run: run.log_text("all is well", "new.txt"),
    "log_params": flushed(lambda run: run.log_params({"rate": 0.1})),
    "log_metrics": flushed(lambda run: run.log_metrics({"loss": 0.1})),
    "set_tags": flushed(lambda run: run.set_tags({"team": "a"})),
    "log_batch": lambda run: run.log_batch(params=[("trees", 100)], tags=[("team", "a")]),
    "delete_artifact": lambda run: run.delete_artifact("old.txt"),
    "replace": lambda run: run.log_text("other", "old.txt", on_conflict="replace"),
    "finish": lambda run: run.finish("FAILED"),
    "delete": lambda run: run.delete(),
    "resume": lambda run: run._reopen({}),
    "many at once": lambda run: run._log_items([bytes_item(f"{n}.txt", b"x" * n) for n in range(200)]),
}


def ended(bucket: MemoryBucket) -> Run:
    run = tiny_store(bucket).runs.start(paths="versioned")
    run.log_text("all is well", "old.txt")
    run.finish()
    return run


@pytest.mark.parametrize("verb", SMALL)
def test_one_entry_logs_what_is_small(verb: str) -> None:
    """The end of the log is read, a listing and an entry, and one entry is created: it opens and closes nothing."""
    run = ended(bucket := MemoryBucket())
    counter = TraceBucket(bucket, count := RequestCounter())
    store = tiny_store(counter, seed=5, create=False)
    store._location.ready_to_write()
    before, known = count.total, len(entries_of(bucket, run.id))
    SMALL[verb](store.runs.get(run.id))
    assert count.total - before == 3
    (entry,) = entries_of(bucket, run.id)[known:]
    assert not ops_of([entry], "open")
    assert not ops_of([entry], "close")
    assert not [key for key in bucket.objects if key.startswith(PACKS)]
    assert store.maintenance.check().problems == []


def test_the_second_time_costs_one_request() -> None:
    """What the first time read of the log is known."""
    run = ended(bucket := MemoryBucket())
    counter = TraceBucket(bucket, count := RequestCounter())
    again = tiny_store(counter, seed=5, create=False).runs.get(run.id)
    again.log_text("a", "a.txt")
    before = count.total
    again.log_text("b", "b.txt")
    assert count.total - before == 1


def test_a_process_that_logged_little_leaves_no_session() -> None:
    """At its end there is nothing to close, so nothing is written."""
    run = ended(bucket := MemoryBucket())
    again = tiny_store(bucket, seed=5, create=False).runs.get(run.id)
    again.log_text("a", "a.txt")
    known = len(entries_of(bucket, run.id))
    again._writing().close()
    assert len(entries_of(bucket, run.id)) == known


def test_a_session_opens_before_it_looks_at_packs() -> None:
    """W1: `open` is acknowledged before the garbage is listed, a hint or footer read or a pack created."""
    run = ended(bucket := MemoryBucket())
    seen: list[tuple[str, str]] = []
    faulty = FaultyBucket(bucket)
    faulty.on = lambda _, when, verb, key: seen.append((verb, key)) if when == "before" else None
    again = tiny_store(faulty, seed=5, create=False).runs.get(run.id)
    again.log_text("a", "a.txt")
    del seen[:]
    again.log_bytes(BIG, "big.bin")
    assert seen[0][0] == "put"
    assert seen[0][1].startswith(RUNS)
    assert any(key.startswith("gc/") for _, key in seen[1:])
    assert ops_of(entries_of(bucket, run.id)[-2:], "open")
    assert entries_of(bucket, run.id)[-2].state is None


def test_a_file_that_is_longer_than_it_said_opens_the_session(tmp_path: Path) -> None:
    """Its size was that of the listing; then it goes into packs as if it had said so."""
    run = ended(bucket := MemoryBucket())
    (tmp_path / "grows.bin").write_bytes(b"x")
    items = local_items(tmp_path, "")
    (tmp_path / "grows.bin").write_bytes(BIG)
    again = tiny_store(bucket, seed=5, create=False).runs.get(run.id)
    again._log_items(items)
    again._writing().close()
    assert again.read("grows.bin") == BIG
    entries = entries_of(bucket, run.id)
    assert len(ops_of(entries, "open")) == len(ops_of(entries, "close"))


def test_checkpoints_need_no_session_while_they_need_no_pack() -> None:
    """Runs that are only ever written to by single entries are read with few requests, too."""
    run = ended(bucket := MemoryBucket())
    again = tiny_store(bucket, seed=5, create=False).runs.get(run.id)
    for n in range(2 * STATE_EVERY):
        again.log_text(str(n), f"{n}.txt")
    entries = entries_of(bucket, run.id)
    assert len([entry for entry in entries if entry.state]) >= 2
    assert len(ops_of(entries, "open")) == 1
    assert len(tiny_store(bucket, seed=1, create=False).runs.get(run.id).manifest) == 2 * STATE_EVERY + 1


def test_a_checkpoint_that_needs_a_pack_opens_the_session_first() -> None:
    """What is inline moves into a pack once it is much: not before `open`, and not in the same entry."""
    run = ended(bucket := MemoryBucket())
    again = tiny_store(bucket, seed=5, create=False).runs.get(run.id)
    for n in range(STATE_EVERY + 3):
        again.log_bytes(random.Random(n).randbytes(4000), f"{n}.bin")
    entries = entries_of(bucket, run.id)
    moved = next(entry for entry in entries if entry.state and entry.n > STATE_EVERY)
    assert ops_of([entries[moved.n - 1]], "open")
    assert entries[moved.n - 1].state is None
    store = tiny_store(bucket, seed=99, create=False)
    assert store.maintenance.check().problems == []
    assert store.runs.get(run.id).read("7.bin") == random.Random(7).randbytes(4000)


def test_what_was_condemned_before_a_session_opened_is_not_referred_to() -> None:
    """W2 comes after `open`, however long the handle was there: a pack that goes meanwhile is not borrowed from."""
    world = World()
    again = tiny_store(world.bucket, seed=8, create=False).runs.get(world.run.id)
    again.log_text("a", "a.txt")
    world.declare("condemn", world.old)
    again.log_bytes(OLD, "second.bin")
    world.sweep(world.old)
    assert again.read("second.bin") == OLD


def test_a_large_commit_of_a_server_closes_its_session_with_it() -> None:
    """`once`: an entry that opens, one that commits and closes, and nothing is left to do at the end."""
    run = ended(bucket := MemoryBucket())
    known = len(entries_of(bucket, run.id))
    again = tiny_store(bucket, seed=5, create=False).runs.get(run.id)
    again._log_items([bytes_item("big.bin", BIG)], once=True)
    entries = entries_of(bucket, run.id)[known:]
    assert [[op["op"] for op in entry.ops] for entry in entries] == [["open"], ["commit", "close"]]
    again._log_items([bytes_item("more.bin", BIG[::-1])], once=True)
    assert again.read("more.bin") == BIG[::-1]


def test_a_run_that_a_key_names_begins_without_a_session() -> None:
    """It is often written to by a process that writes to many: what it began need not be closed."""
    bucket = MemoryBucket()
    run = tiny_store(bucket).runs.ensure("root")
    run.log_text("a", "a.txt")
    assert not ops_of(entries_of(bucket, run.id), "open")
    assert len(entries_of(bucket, run.id)) == 2


def test_a_deleted_run_is_refused_at_once() -> None:
    """Before anything is buffered or read, as if the session were opened."""
    run = ended(bucket := MemoryBucket())
    run.delete()
    with pytest.raises(RunDeletedError):
        tiny_store(bucket, seed=5, create=False).runs.get(run.id).log_param("a", 1)
