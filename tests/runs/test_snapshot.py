"""A snapshot of a run: one look, by which everything is read, whatever others do later."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.runs.test_collected_meanwhile import FILES, TEXT, World
from tests.support.stores import tiny_store

from holdall.errors import ArtifactNotFoundError, RunNotFoundError, VersionChangedError
from holdall.format.entry import InlineBlob
from holdall.runs.reading import RunReader
from holdall.runs.run import Run
from holdall.runs.snapshot import RunSnapshot
from holdall.runs.writing import RunWriter
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store


@pytest.fixture
def world() -> World:
    return World()


def counted(bucket: MemoryBucket) -> tuple[Store, RequestCounter]:
    """A reader of a store, and what it asks."""
    asked = RequestCounter()
    return tiny_store(TraceBucket(bucket, asked), seed=1, create=False), asked


def test_it_stays_as_it_was_taken() -> None:
    """Files, measurements, tags and status that come later do not show."""
    run = tiny_store(MemoryBucket()).runs.start()
    run.log_text("all is well", "a.txt")
    run.log_metrics({"loss": 1.0})
    before = run.snapshot()
    run.log_text("later", "b.txt")
    run.log_metrics({"loss": 0.5})
    run.set_tag("late", "yes")
    run.finish()
    assert (before.info.status, list(before.manifest), before.data.metrics) == ("RUNNING", ["a.txt"], {"loss": 1.0})
    assert [point.value for point in before.history("loss")] == [1.0]
    assert before.load_text("a.txt") == "all is well"
    with pytest.raises(ArtifactNotFoundError):
        before.read("b.txt")
    assert list(run.snapshot().manifest) == ["a.txt", "b.txt"]


def test_what_replaces_a_file_is_not_in_it() -> None:
    """In a versioned run a path goes on to hold what it held."""
    run = tiny_store(MemoryBucket()).runs.start(paths="versioned")
    run.log_text("first", "a.txt")
    before = run.snapshot()
    run.log_text("second", "a.txt", on_conflict="replace")
    run.delete_artifact("a.txt")
    assert before.load_text("a.txt") == "first"
    assert list(before.manifest) == ["a.txt"]


def test_it_has_every_verb_that_reads_and_none_that_writes() -> None:
    """What a run can do beyond reading, a snapshot cannot even be asked for."""
    writers = {name for name in dir(Run) if not name.startswith("_")} - set(dir(RunSnapshot))
    assert {"log_text", "log_metrics", "set_tags", "delete", "finish", "trim"} <= writers
    assert not issubclass(RunSnapshot, RunWriter)
    assert {name for name in dir(RunReader) if not name.startswith("_")} <= set(dir(RunSnapshot))


COUNTS: dict[str, tuple[Callable[[Run | RunSnapshot], object], int]] = {
    "each file of a folder": (lambda run: [run.read(path) for path in sorted(run.manifest)], 0),
    "one file, often": (lambda run: [run.entry("many/003.bin").size for _ in range(20)], 0),
    "the whole listing, often": (lambda run: [run.manifest_digest for _ in range(5)], 0),
}


@pytest.mark.parametrize("many", COUNTS)
def test_the_log_is_read_once(world: World, many: str) -> None:
    """However much is asked: one listing, and each entry and each node of the tree once."""
    store, asked = counted(world.bucket)
    run = store.runs.get(world.run_id)
    snapshot = run.snapshot()
    taken = dict(asked.requests)
    assert taken == {"get": 2, "list": 1}, "the descriptor, the newest entry"
    answer = COUNTS[many][0](snapshot)
    assert (asked.requests["get"], asked.requests["list"]) == (taken["get"], taken["list"])
    by_snapshot = asked.requests["get_range"]
    asked.requests.clear()
    assert COUNTS[many][0](run) == answer
    assert asked.requests["list"] > 1
    assert asked.requests["get_range"] > by_snapshot


def test_what_it_remembers_is_bounded(world: World) -> None:
    """However long it lives: some hundred nodes of the tree are kept, and 32 MiB of entries."""
    snapshot = world.run.snapshot()
    for path in FILES:
        snapshot.read(path)
    blobs = snapshot._view().paths.blobs
    assert 0 < len(blobs._nodes._entries) <= blobs._nodes._capacity == 256
    entry = next(iter(blobs._entries._entries.values()), None) or world.run._view().head
    assert entry is not None
    large = replace(entry, blobs=(InlineBlob(b"", 0, 0, 0, bytes(10 << 20)),))
    for n in range(1000):
        blobs.remember(replace(large, n=n))
    assert len(blobs._entries._entries) == 3
    for n in range(1000):
        blobs.remember(replace(large, n=n, blobs=(InlineBlob(b"", 0, 0, 0, b"x"),)))
    assert len(blobs._entries._entries) == 256


def test_a_pack_that_is_gone_makes_it_look_again(world: World) -> None:
    """Where content was moved meanwhile, it is read where it is now; nothing of it changes."""
    snapshot = world.run.snapshot()
    manifest = snapshot.manifest
    world.move()
    assert snapshot.load_text("text.txt") == TEXT
    assert {path: snapshot.read(path) for path in FILES} == FILES
    assert snapshot.manifest == manifest


def test_a_run_that_was_purged_is_not_there(world: World) -> None:
    """What was seen of it does not bring its content back; and nothing else is taken for it."""
    snapshot = world.run.snapshot()
    assert snapshot.info.status == "FINISHED"
    world.purge()
    for _ in range(2):
        with pytest.raises(RunNotFoundError):
            snapshot.read("text.txt")


def test_it_travels_as_it_was_taken(tmp_path: Path) -> None:
    """In another process it shows the same entries, not those that came meanwhile, and keeps its promise."""
    store = Store.open(str(tmp_path), workers=0)
    run = store.runs.start()
    run.log_text("all is well", "a.txt")
    store.registry.register(f"runs:/{run.id}/a.txt", "text")
    before, _ = store.artifacts.snapshot("models:/text/1")
    assert before._promise is not None
    run.log_text("later", "b.txt")
    there = pickle.loads(pickle.dumps(before))
    run.log_text("later still", "c.txt")
    assert list(there.manifest) == ["a.txt"]
    assert list(pickle.loads(pickle.dumps(there)).manifest) == ["a.txt"]
    assert list(there.snapshot().manifest) == ["a.txt"]
    assert there._promise == before._promise


def registered(bucket: MemoryBucket) -> tuple[Store, Run]:
    store = tiny_store(bucket)
    run = store.runs.start(paths="versioned")
    run.log_bytes(b"weights", "model/weights.bin")
    store.registry.register(f"runs:/{run.id}/model", "fraud")
    store.registry.set_alias("fraud", "champion", 1)
    return store, run


def test_an_alias_that_moves_changes_no_snapshot() -> None:
    """An address is resolved when the snapshot is taken."""
    store, run = registered(MemoryBucket())
    before, path = store.artifacts.snapshot("models:/fraud@champion")
    other = store.runs.start()
    other.log_bytes(b"others", "model/weights.bin")
    store.registry.set_alias("fraud", "champion", store.registry.register(f"runs:/{other.id}/model", "fraud").version)
    assert (before.id, path, before.read(f"{path}/weights.bin")) == (run.id, "model", b"weights")
    assert store.artifacts.snapshot("models:/fraud@champion")[0].id == other.id


def test_a_version_is_what_was_registered() -> None:
    """A run that holds something else there gives no snapshot; the tree is walked once, not for each verb."""
    bucket = MemoryBucket()
    store, _ = registered(bucket)
    reader, asked = counted(bucket)
    snapshot, path = reader.artifacts.snapshot("models:/fraud/1")
    asked.requests.clear()
    assert [snapshot.read(f"{path}/weights.bin") for _ in range(3)] == [b"weights"] * 3
    assert asked.requests["list"] == 0
    promise = snapshot._promise
    assert promise is not None
    broken = type(promise)(promise.version, promise.path, "sha256:" + "0" * 64)
    with pytest.raises(VersionChangedError):
        RunSnapshot._taken(store._location, snapshot.id, broken)


def test_threads_share_one(world: World) -> None:
    """Many threads read many files by one snapshot, while its packs move: each gets the bytes of each."""
    snapshot = world.run.snapshot()
    data = {**FILES, "text.txt": TEXT.encode()}
    paths = sorted(data) * 3
    with ThreadPoolExecutor(8) as threads:
        pending = [threads.submit(snapshot.read, path) for path in paths[: len(paths) // 2]]
        world.move()
        pending += [threads.submit(snapshot.read, path) for path in paths[len(paths) // 2 :]]
        assert [each.result() == data[path] for each, path in zip(pending, paths, strict=True)] == [True] * len(paths)


def test_what_it_shows_of_itself() -> None:
    """A notebook shows it as it shows a run."""
    run = tiny_store(MemoryBucket()).runs.start(name="first")
    assert repr(run.snapshot()).replace("RunSnapshot", "Run") == repr(run)
