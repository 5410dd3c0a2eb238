"""A versioned run is copied with its earlier versions: what each path held, in its order, however it came about."""

from __future__ import annotations

import random

import pytest
from tests.support.copied import Pair, intact, noise, opened, pair
from tests.support.depth import examples
from tests.support.faulty import Crash, FaultyBucket
from tests.support.logs import entries_of

from holdall.errors import HoldallError
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.trees import session

PATHS = ("last.pt", "best.pt", "dir", "dir/a", "dir/b")


def timeline(run: Run) -> tuple[dict[str, str], dict[str, list[bytes]]]:
    """What a run holds, and of each path the contents that it kept, the newest first."""
    manifest = run.manifest
    kept: dict[str, list[bytes]] = {}
    for path in PATHS:
        try:
            kept[path] = [run.read(path, version=one.version) for one in run.versions(path) if one.version is not None]
        except HoldallError:
            kept[path] = []
    return manifest, kept


def same(stores: Pair, id: str, *, exactly: bool = True) -> bool:
    """Whether both runs tell the same; else the copy may keep versions that are older than all of the source's."""
    copy, source = timeline(stores.copy.runs.get(id)), timeline(stores.source.runs.get(id))
    shorter = {path: kept[: len(source[1][path])] for path, kept in copy[1].items()}
    return copy == source if exactly else (copy[0], shorter) == source


def put(run: Run, path: str, seed: int, *, size: int = 70_000, keep_last: int | None = None) -> None:
    run.log_bytes(noise(size, seed), path, on_conflict="replace", keep_last=keep_last)


def test_earlier_versions_come_along() -> None:
    """A series of checkpoints under one name is the same in the copy, and each later copy adds to it."""
    stores = pair()
    run = stores.source.runs.start(paths="versioned")
    for seed in range(3):
        put(run, "last.pt", seed)
        put(run, "best.pt", seed // 2, size=500)
    assert stores.outcomes() == ["new"]
    assert same(stores, run.id)
    assert stores.outcomes() == ["same"]
    put(run, "last.pt", 7)
    run.delete_artifact("best.pt")
    assert stores.outcomes() == ["more"]
    assert same(stores, run.id)
    run.finish()
    assert stores.outcomes() == ["more"]
    assert same(stores, run.id)
    assert intact(stores.copy)


def test_what_the_source_keeps_no_longer_is_trimmed_in_the_copy() -> None:
    """Versions that the source has given up since are given up in the copy; those between two copies never come."""
    stores = pair()
    run = stores.source.runs.start(paths="versioned")
    for seed in range(3):
        put(run, "last.pt", seed)
    stores.run()
    for seed in range(3, 8):
        put(run, "last.pt", seed, keep_last=2)
    stores.run()
    assert same(stores, run.id)
    assert len(stores.copy.runs.get(run.id).versions("last.pt")) == 2


def test_a_file_that_was_a_directory_is_copied() -> None:
    """Names that meant a file and then a directory, and a file again, are the same in the copy."""
    stores = pair()
    run = stores.source.runs.start(paths="versioned")
    put(run, "dir", 1, size=100)
    put(run, "dir", 2, size=100)
    run.delete_artifact("dir")
    put(run, "dir/a", 3, size=100)
    put(run, "dir/a", 4, size=100)
    put(run, "dir/b", 5, size=100)
    run.delete_artifact("dir")
    put(run, "dir", 6, size=100)
    stores.run()
    assert same(stores, run.id)
    assert intact(stores.copy)


def change(run: Run, source: random.Random) -> None:
    """Do something to a versioned run that it allows."""
    path = source.choice(PATHS)
    try:
        if source.random() < 0.3:
            run.delete_artifact(path)
        else:
            put(run, path, source.randrange(4), size=100, keep_last=source.choice([None, None, 1, 2]))
    except HoldallError:
        run.set_tag("refused", path)


@pytest.mark.parametrize("seed", [*range(examples(8)), 110, 141, 159])
@pytest.mark.every(2)
def test_any_history_is_copied(seed: int) -> None:
    """Whatever happened to the paths of a run, and whenever it was copied: the copy tells the same, or older too."""
    stores, source = pair(), random.Random(seed)
    run = stores.source.runs.start(paths="versioned")
    for _ in range(4):
        for _ in range(source.randrange(1, 9)):
            change(run, source)
        run.flush()
        assert stores.run().complete, seed
        assert same(stores, run.id, exactly=False), seed
    assert intact(stores.copy)


@pytest.mark.long
def test_a_copy_of_versions_that_dies_is_continued() -> None:
    """Whichever put it dies at, the next copy leaves what an undisturbed one does."""
    stores = pair()
    run = stores.source.runs.start(paths="versioned")
    for seed in range(4):
        put(run, "last.pt", seed, size=300)
        put(run, "dir/a", seed, size=200)
    run.delete_artifact("dir/a")
    run.flush()
    assert isinstance(stores.here.inner, MemoryBucket)
    for at in range(1, 40):
        there, puts = FaultyBucket(MemoryBucket("there")), [0]

        def die(_: int, moment: str, verb: str, key: str, puts: list[int] = puts, at: int = at) -> None:
            puts[0] += (moment, verb) == ("before", "put") and key.startswith("runs/")
            if puts[0] >= at:
                raise Crash

        there.on = die
        try:
            Pair(stores.here, there).run()
        except Crash:
            session._open_sessions.clear()
        there.on = None
        again = Pair(stores.here, there)
        assert again.run().complete
        assert same(again, run.id), at
        assert opened(there).maintenance.check().problems == []
        if puts[0] < at:
            break
    assert at > 5
    assert len(entries_of(there, run.id)) < 20
