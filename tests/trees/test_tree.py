"""Trees against a dict: whatever was put in is found, in order, with few requests."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.depth import examples
from tests.support.stores import Serial

from holdall.chunks.chunk_index import ChunkIndex
from holdall.chunks.pack_names import PackNames
from holdall.chunks.pool import Pool
from holdall.chunks.writer import ChunkWriter
from holdall.errors import FormatError
from holdall.format.chunking import Chunker
from holdall.format.codec import UNCOMPRESSED
from holdall.format.digest import blob_id, sha256
from holdall.format.entry import InlineBlob, LogEntry
from holdall.format.paths import ancestors, sort_key
from holdall.format.reference import JSON_BLOB, NODE, Ref
from holdall.format.tree import Entry, Kind
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.trees import tree_builder
from holdall.trees.blobs import _LEAST, RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.paths import Paths
from holdall.trees.tree import Tree

names = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=6).filter(
    lambda name: name not in (".", "..")
)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


def without_directories(some: dict[str, None]) -> dict[str, None]:
    """Only paths that have none of the others below them, so that all can be files."""
    parents = {parent for path in some for parent in ancestors(path)}
    return {path: None for path in some if path not in parents}


trees_of_files = st.dictionaries(paths, st.none(), min_size=1, max_size=60).map(without_directories)


def entry(path: str) -> Entry:
    """An empty file there."""
    return Entry(path, Kind.FILE, 0, sha256(b""))


def ascending(found: dict[str, Entry]) -> list[Entry]:
    """Entries in the tree's order."""
    return sorted(found.values(), key=lambda entry: sort_key(entry.path))


class Ground:
    """A bucket to grow trees in."""

    def __init__(self, bucket: MemoryBucket | None = None, pool: Pool | None = None) -> None:
        self.bucket, self.pool = bucket or MemoryBucket(), pool or Serial()
        self.count = RequestCounter()
        known = ChunkIndex(self.bucket, self.pool)
        self.writer = ChunkWriter(self.bucket, self.pool, known, PackNames(b"s" * 16), Chunker(), 32 << 20)

    def blobs(self) -> RunBlobReader:
        """Read with nothing at hand, and count the requests."""
        traced = TraceBucket(self.bucket, self.count)
        return RunBlobReader(traced, self.pool, Journal(traced, self.pool, "runs/" + "0" * 32))

    def plant(self, make: Callable[[Callable[[bytes], Ref]], Ref | None]) -> Tree:
        """The tree that is made here, read with nothing at hand."""
        root = make(lambda data: self.writer.put_blob(data, NODE))
        assert root
        self.writer.flush()
        return Tree(self.blobs(), root)


@settings(max_examples=examples(30), deadline=None)
@given(trees_of_files, st.lists(paths, max_size=10), st.data())
def test_a_tree_finds_what_a_dict_would(there: dict[str, None], others: list[str], data: st.DataObject) -> None:
    """Each path is found or not as in a dict, what follows it is named, and a walk gives all in order."""
    ground, entries = Ground(), {path: entry(path) for path in there}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_builder, "NODE_SIZE", 600)  # several levels of few rows
        tree = ground.plant(lambda place: tree_builder.build(ascending(entries), place))
    order = [found.path for found in ascending(entries)]
    assert [found.path for found in tree.walk()] == order
    for path, found in tree.find([*there, *others]).items():
        assert found.entry == entries.get(path)
        later = [other for other in order if sort_key(other) > sort_key(path)]
        assert found.following == (later[0] if later else None)
    prefix = data.draw(st.sampled_from(order)).rpartition("/")[0] or order[0]
    expected = [path for path in order if path == prefix or path.startswith(prefix + "/")]
    assert [found.path for found in tree.walk(prefix)] == expected


@settings(max_examples=examples(30), deadline=None)
@given(trees_of_files, st.data())
def test_merging_is_the_union(both: dict[str, None], data: st.DataObject) -> None:
    """A tree merged with more entries holds both, and the new one where both have a path."""
    old = data.draw(st.lists(st.sampled_from(sorted(both)), min_size=1))
    new = data.draw(st.lists(st.sampled_from(sorted(both))))
    ground = Ground()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_builder, "NODE_SIZE", 600)
        tree = ground.plant(lambda place: tree_builder.build(ascending({p: entry(p) for p in old}), place))
        added = {path: Entry(path, Kind.LINK, target="x") for path in new}
        merged = ground.plant(lambda place: tree_builder.merge(tree, ascending(added), place))
    assert list(merged.walk()) == ascending({p: entry(p) for p in old} | added)


@settings(max_examples=examples(30), deadline=None)
@given(trees_of_files, st.data())
def test_what_is_removed_from_a_tree_is_not_in_it(both: dict[str, None], data: st.DataObject) -> None:
    """A merge may remove paths, there or not, and add others; without any path left there is no tree."""
    old = data.draw(st.lists(st.sampled_from(sorted(both)), min_size=1))
    new = data.draw(st.lists(st.sampled_from(sorted(both))))
    gone = set(data.draw(st.lists(st.sampled_from(sorted(both))))) - set(new)
    ground = Ground()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_builder, "NODE_SIZE", 600)
        tree = ground.plant(lambda place: tree_builder.build(ascending({p: entry(p) for p in old}), place))
        added = {path: Entry(path, Kind.LINK, target="x") for path in new}
        expected = {p: entry(p) for p in old if p not in gone} | added
        if not expected:
            assert tree_builder.merge(tree, [], lambda data: ground.writer.put_blob(data, NODE), gone) is None
            return
        merged = ground.plant(lambda place: tree_builder.merge(tree, ascending(added), place, gone))
    assert list(merged.walk()) == ascending(expected)


def test_looking_up_one_path_reads_one_node_per_level() -> None:
    """In a tree of 20,000 paths, finding one takes two requests, and a directory's listing no more than it needs."""
    ground = Ground(pool=Pool())
    entries = [entry(f"dir{i // 100:03}/file{i % 100:02}") for i in range(20_000)]
    tree = ground.plant(lambda place: tree_builder.build(entries, place))
    assert tree.find(["dir123/file45"])["dir123/file45"].entry == entries[12345]
    assert ground.count.requests.total() == 2
    assert len(list(Tree(ground.blobs(), tree.root).walk("dir150"))) == 100
    assert ground.count.requests.total() <= 5


def test_paths_of_many_commits_are_walked_as_one() -> None:
    """Commits since the last state are merged in order, and what is below a path is found in any of them."""
    ground = Ground()
    trees = [ground.plant(partial(tree_builder.build, [entry(p) for p in some])) for some in (["a", "c/x"], ["b"])]
    held = Paths(ground.blobs(), [tree.root for tree in trees])
    assert [found.path for found in held.walk()] == ["a", "b", "c/x"]
    assert held.below(["a", "c", "d"]) == {"c": "c/x"}
    assert set(held.find(["a", "b", "c"])) == {"a", "b"}


def test_two_commits_that_give_one_path_other_content_are_named() -> None:
    """All paths are listed, the earlier content stands, and then an error says which path was committed twice."""
    ground = Ground()
    other = replace(entry("b"), executable=True)
    first, again, second = (
        ground.plant(partial(tree_builder.build, some)).root
        for some in ([entry("a"), entry("b")], [entry("b"), entry("c")], [other])
    )
    assert [found.path for found in Paths(ground.blobs(), [first, again]).walk()] == ["a", "b", "c"]
    walk = Paths(ground.blobs(), [first, again, second]).walk()
    assert [next(walk) for _ in "abc"] == [entry("a"), entry("b"), entry("c")]
    with pytest.raises(FormatError, match="'b' was committed twice"):
        next(walk)


class Log(Journal):
    """A log whose every entry carries one blob, and that remembers which entries it was asked for."""

    def __init__(self) -> None:
        super().__init__(MemoryBucket(), Serial(), "runs/" + "0" * 32)
        self.asked: list[int] = []

    def read(self, n: int) -> LogEntry:
        self.asked.append(n)
        data = str(n).encode()
        blob = InlineBlob(blob_id(data), UNCOMPRESSED, len(data), JSON_BLOB, data)
        return LogEntry(self.log, n, "", None, 0, "", None, (), (blob,))

    def ref(self, n: int) -> Ref:
        return self.read(n).blobs[0].ref(0).carried_by(n)


def test_what_was_used_last_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more entries are kept than are to be, and what is used again outlives what is not."""
    monkeypatch.setattr("holdall.trees.blobs._KEPT_BYTES", 3 * _LEAST)
    log = Log()
    refs = [log.ref(n) for n in range(10)]
    blobs = RunBlobReader(MemoryBucket(), Serial(), log)
    log.asked.clear()
    for n in (0, 1, 2, 0, 3, 0, 1):  # 3 drops 1, since 0 was used again
        assert blobs.read([refs[n]]) == [str(n).encode()]
    assert log.asked == [0, 1, 2, 3, 1]
    log.asked.clear()
    assert blobs.read(refs) == [str(n).encode() for n in range(10)]  # more at once than are kept: each read once
    assert sorted(log.asked) == [2, 4, 5, 6, 7, 8, 9]
    log.asked.clear()
    blobs.read(refs[:7])
    assert log.asked == list(range(7))


def test_threads_share_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgetting in one thread does not take from another what it is about to use."""
    monkeypatch.setattr("holdall.trees.blobs._KEPT_BYTES", 2 * _LEAST)
    log = Log()
    refs = [log.ref(n) for n in range(5)]
    blobs = RunBlobReader(MemoryBucket(), Serial(), log)

    def look(seed: int) -> bool:
        numbers = [(seed * step) % 5 for step in range(200)]
        return all(blobs.read([refs[n]]) == [str(n).encode()] for n in numbers)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(look, range(1, 9)))
