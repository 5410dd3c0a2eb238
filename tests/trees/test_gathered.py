"""What lies in many entries of a log comes together as the run ends."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.support.stores import tiny_store

from holdall.format.layout import PackName
from holdall.format.reference import InEntry
from holdall.format.tree import Kind
from holdall.runs.run import Run
from holdall.runs.versions import PathRule
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store
from holdall.trees.folding import SCATTERED
from holdall.trees.snapshot import INLINE

MANY = SCATTERED + 4


def logged(store: Store, count: int, size: int, paths: PathRule | None = None) -> Run:
    """A finished run with so many commits, of one file each."""
    run = store.runs.start(paths=paths)
    for n in range(count):
        run.log_bytes(random.Random(n).randbytes(size), f"{n:03}.bin")
    run.finish()
    return run


def places(run: Run) -> set[object]:
    """Where the content of a run's files is."""
    return {entry.content.location for entry in run.entries() if entry.kind is Kind.FILE and entry.content}


@pytest.mark.parametrize("paths", ["immutable", "versioned"])
def test_many_small_commits_are_read_in_three_requests(tmp_path: Path, paths: PathRule) -> None:
    """A finished run's small content is in the entry that ended it, however many commits it came in."""
    bucket = MemoryBucket()
    run = logged(tiny_store(bucket), MANY, 100, paths)
    asked = RequestCounter()
    there = tiny_store(TraceBucket(bucket, asked), create=False).runs.get(run.id)
    there.download(None, tmp_path)
    assert asked.total == 3  # the descriptor, a listing, the entry
    assert places(there) == {InEntry(MANY + 1)}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        f"{n:03}.bin": random.Random(n).randbytes(100) for n in range(MANY)
    }
    assert run._view().state.inline == 100 * MANY


def test_content_in_few_entries_stays_where_it_is() -> None:
    """A run of as many commits as are fetched side by side ends with an entry that carries none of their content."""
    run = logged(tiny_store(MemoryBucket()), SCATTERED, 100)
    assert len(places(run)) == SCATTERED


def test_more_than_an_entry_carries_goes_to_a_pack() -> None:
    """Content that lies in many entries and is too much for one goes into a pack, though less than is ever moved."""
    size = INLINE // MANY + 100
    run = logged(tiny_store(MemoryBucket()), MANY, size)
    assert all(isinstance(place, PackName) for place in places(run))
    assert all(run.read(f"{n:03}.bin") == random.Random(n).randbytes(size) for n in range(MANY))


def test_a_run_that_goes_on_is_gathered_again() -> None:
    """After a resumed run's end its content is in one entry, what was gathered before and what came since."""
    store = tiny_store(MemoryBucket())
    run = logged(store, MANY, 100)
    again = store.runs.resume(run.id)
    for n in range(MANY):
        again.log_bytes(b"%d" % n, f"more/{n}.bin")
    assert len(places(again)) == MANY + 1
    again.finish()
    assert len(places(again)) == 1
    assert again.read("more/3.bin") == b"3"
    assert again.read("003.bin") == random.Random(3).randbytes(100)


def test_earlier_versions_come_along() -> None:
    """A versioned run whose paths were replaced many times keeps each version readable after its end."""
    run = tiny_store(MemoryBucket()).runs.start(paths="versioned")
    for n in range(MANY):
        run.log_text(f"first {n}", f"{n}.txt")
        run.log_text(f"then {n}", f"{n}.txt", on_conflict="replace")
    run.finish()
    assert len(places(run)) == 1
    for n in range(MANY):
        now, before = run.versions(f"{n}.txt")
        assert run.load_text(f"{n}.txt") == f"then {n}"
        assert run.load_text(f"{n}.txt", version=before.version) == f"first {n}"
        assert now.current
