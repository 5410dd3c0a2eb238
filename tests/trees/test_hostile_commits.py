"""Commits that no writer of ours makes: a check names each of them, and a reader refuses what is false of a file."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.support.stores import Serial, tiny_store

from holdall.errors import DamageError, IntegrityError, StoreExistsError
from holdall.format.digest import blob_id, sha256
from holdall.format.document import Json
from holdall.format.entry import InlineBlob
from holdall.format.layout import CANARY, PACKS, run_log
from holdall.format.records import encode_canary
from holdall.format.reference import CHUNK, NODE, InEntry, Ref
from holdall.format.sealing import PLAIN
from holdall.format.tree import Entry, Kind
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees import tree_builder
from holdall.trees.session import Draft
from holdall.trees.snapshot import InlineBlobs, restate
from holdall.trees.source import bytes_item
from holdall.trees.view import View

LARGE, OTHER = (random.Random(seed).randbytes(70_000) for seed in range(2))


class World:
    """A store, and a run of two large files, one small one, and a version of what is below `m`."""

    def __init__(self) -> None:
        self.bucket = MemoryBucket()
        self.store = tiny_store(self.bucket, pool=Serial())
        self.run = self.store.runs.start()
        self.run.log_bytes(LARGE, "large.bin")
        self.run.log_bytes(OTHER, "other.bin")
        self.run.log_text("small", "m/small.txt")
        self.store.registry.register(f"runs:/{self.run.id}/m", "fraud")

    def entry(self, path: str) -> Entry:
        found = self.run.entry(path)
        assert found is not None
        return found

    def commit(self, make: Callable[[InlineBlobs], Sequence[Entry]], files: int | None = None) -> None:
        """Commit entries as any program could, with the blobs that it puts inline."""
        inline = InlineBlobs([], PLAIN)
        entries = make(inline)
        root = tree_builder.build(entries, lambda data: inline.place(data, NODE))
        op = _op(root, entries) | ({} if files is None else {"files": files})
        self.run._writing().append(lambda: Draft([op], inline.blobs))


def _op(root: Ref, entries: Sequence[Entry]) -> Json:
    files = [entry for entry in entries if entry.kind is Kind.FILE]
    size = sum(entry.size for entry in files)
    return {
        "op": "commit",
        "tree": root.to_json(),
        "files": len(files),
        "bytes": size,
        "new_bytes": 0,
        "stored_bytes": 0,
    }


def text(path: str, data: bytes = b"abc", sha: bytes | None = None) -> Callable[[InlineBlobs], list[Entry]]:
    """A small file whose bytes are in the entry."""

    def make(inline: InlineBlobs) -> list[Entry]:
        return [Entry(path, Kind.FILE, len(data), sha or sha256(data), content=inline.place(data, CHUNK))]

    return make


def nowhere(inline: InlineBlobs) -> list[Entry]:
    """A file whose bytes are a blob that the entry has not."""
    ref = Ref(blob_id(b"abc"), InEntry(None), 9, 3, 3, 0)
    return [Entry("x", Kind.FILE, 3, sha256(b"abc"), content=ref)]


def lists_too_little(world: World) -> None:
    """An entry whose state has not all paths."""

    def state(view: View, blobs: list[InlineBlob]) -> Json:
        entries = list(view.paths.walk())
        return restate(view, entries[1:], view.state.environment, world.run._writing().writer(), blobs)

    world.run._writing().append(lambda: Draft([], state=state))


Break: TypeAlias = Callable[[World], object]
CASES: dict[str, tuple[Break, str]] = {
    "content of another SHA-256": (
        lambda w: w.commit(text("x", sha=sha256(b"abd"))),
        "its content has another SHA-256 than was logged",
    ),
    "the content of another file": (
        lambda w: w.commit(lambda _: [replace(w.entry("m/small.txt"), path="x", sha256=sha256(b"other"))]),
        "its content has another SHA-256 than was logged",
    ),
    "the recipe of another file": (
        lambda w: w.commit(lambda _: [replace(w.entry("large.bin"), path="x", content=w.entry("other.bin").content)]),
        "its recipe is that of another file",
    ),
    "a blob that is nowhere": (lambda w: w.commit(nowhere), "there is no such blob"),
    "an empty file that is not": (
        lambda w: w.commit(lambda _: [Entry("x", Kind.FILE, 0, sha256(b"abc"))]),
        "it is empty, and its SHA-256 is not that of no bytes",
    ),
    "another number of files": (lambda w: w.commit(text("x"), files=2), "a commit says it adds 2 files, and adds 1"),
    "a path with other content": (
        lambda w: w.commit(text("m/small.txt")),
        "'m/small.txt' is committed where something stands already",
    ),
    "a path below a file": (
        lambda w: w.commit(text("other.bin/x")),
        "'other.bin/x' is committed below 'other.bin', where something stands already",
    ),
    "a path below a version": (lambda w: w.commit(text("m/x")), "'m/x' is committed below what a pin keeps as it is"),
    "a state of fewer paths": (lists_too_little, "its state lists other paths than were committed"),
    "the canary of another store": (
        lambda w: w.bucket.objects.update({CANARY: encode_canary("1" * 32)}),
        "it is not the canary of this store",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_check_names_a_commit_that_breaks_a_law(case: str) -> None:
    """Each law broken in a store that is whole otherwise; and nothing is wrong before."""
    world = World()
    assert tiny_store(world.bucket, create=False, pool=Serial()).maintenance.check().problems == []
    wrong, said = CASES[case]
    wrong(world)
    found = tiny_store(world.bucket, create=False, pool=Serial()).maintenance.check()
    assert not found.intact
    assert any(said in problem.detail for problem in found.problems), found.problems


@pytest.mark.parametrize("case", list(CASES)[:4])
def test_a_reader_refuses_a_file_of_false_content(case: str, tmp_path: Path) -> None:
    """Whether it is read, opened, or downloaded: wrong bytes are never given out, and nothing is left on the disk."""
    world = World()
    CASES[case][0](world)
    run = Store(world.store._location).runs.get(world.run.id)
    for read in (run.read, lambda path: run.open(path).read()):
        with pytest.raises(IntegrityError):
            read("x")
    with pytest.raises(IntegrityError):
        run.download("x", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert run.read("large.bin") == LARGE


@pytest.mark.parametrize("case", ["a path with other content", "a path below a file"])
def test_a_listing_refuses_paths_that_exclude_each_other(case: str) -> None:
    """All that can be listed is listed first; then an error says which path it is."""
    world = World()
    CASES[case][0](world)
    with pytest.raises(DamageError, match="was committed"):
        list(world.run.entries())


def test_a_store_is_not_made_twice() -> None:
    """Who asks for a new store is told that one is there."""
    store = tiny_store(MemoryBucket(), pool=Serial())
    with pytest.raises(StoreExistsError):
        store.maintenance.create()


def test_a_check_names_a_last_state_whose_paths_are_lost() -> None:
    """Its tree lies in a pack that is gone: the run is named, with the pack that it needs."""
    bucket = MemoryBucket()
    run = tiny_store(bucket, pool=Serial()).runs.start()
    run._log_items([bytes_item(f"d/{n:05}", f"small {n}".encode() * 5) for n in range(1_200)])
    run.log_text("beside it", "other.txt")  # so that the state has a tree of its own
    run.finish()
    for key in [key for key in bucket.objects if key.startswith(PACKS)]:
        del bucket.objects[key]
    found = tiny_store(bucket, create=False, pool=Serial()).maintenance.check()
    assert any(problem.where == run_log(run.id) and "the pack is gone" in problem.detail for problem in found.problems)
    assert found.missing
