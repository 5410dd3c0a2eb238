"""Reading a run while its packs are collected: purged, moved to other packs, or really damaged."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.faulty import FaultyBucket
from tests.support.logs import packs_in
from tests.support.stores import Serial, tiny_store

from holdall.errors import IntegrityError, RunNotFoundError
from holdall.format.damage import DamageRecord
from holdall.format.layout import PACKS, parse_key, run_log
from holdall.runs.differences import diff
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.damage import record_damage
from holdall.trees.session import Draft, Session
from holdall.trees.source import bytes_item

TEXT = "".join(random.Random(1).choices("abcdefgh\n", k=90_000))
FILES = {f"many/{n:03}.bin": random.Random(n).randbytes(900 + n) for n in range(90)}


class World:
    """A finished run whose files and listing lie in packs, and a reader of which something may overtake a request."""

    def __init__(self) -> None:
        self.bucket = MemoryBucket()
        self.writer = tiny_store(self.bucket, pool=Serial())
        run = self.writer.runs.start()
        run._log_items([bytes_item("text.txt", TEXT.encode()), *(bytes_item(*each) for each in FILES.items())])
        run.finish()
        self.run_id = run.id
        self.seen = FaultyBucket(self.bucket)
        self.store: Store = tiny_store(self.seen, seed=1, create=False, pool=Serial())
        self.run: Run = self.store.runs.get(run.id)
        self.other = self.store.runs.start()
        self.other.log_text("other", "other.txt")

    def overtake(self, event: Callable[[], object], at: int) -> None:
        """Have something happen before the reader's `at`th request for bytes of a pack from now on."""
        left = at

        def before(_: int, phase: str, verb: str, key: str) -> None:
            nonlocal left
            left -= phase == "before" and verb == "get_range" and key.startswith(PACKS)
            if left == 0:
                left = -1
                event()

        self.seen.on = before

    def purge(self) -> None:
        """As `run purge` and a collector."""
        run = self.writer.runs.get(self.run_id)
        run.delete()
        session = Session.resume(self.writer._location, run_log(self.run_id), deleted=True)
        assert session is not None
        session.append(lambda: Draft([{"op": "purge"}]), closing=True)
        self.sweep(packs_in(self.bucket))

    def move(self) -> None:
        """As one who copies the run's content to other packs, and a collector."""
        old = packs_in(self.bucket)
        for name in old:
            if (key := parse_key(name)) and key.pack:
                record_damage(self.bucket, DamageRecord(key.pack, 0, "test", "to be moved"))
        (healed,) = tiny_store(self.bucket, seed=2, create=False, pool=Serial()).maintenance.repair([self.run_id])
        assert healed.whole
        self.sweep(old)

    def lose(self) -> None:
        """As a disk that loses an object."""
        self.sweep(packs_in(self.bucket))

    def sweep(self, names: list[str]) -> None:
        for name in names:
            self.bucket.delete(name)


@pytest.fixture
def world() -> World:
    return World()


def halves(run: Run) -> bytes:
    with run.open("text.txt") as file:
        return b"".join(iter(lambda: file.read(5_000), b""))


def fetched(run: Run, folder: Path) -> bytes:
    run.download(None, folder)
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES
    return (folder / "text.txt").read_bytes()


def selected(run: Run, folder: Path) -> bytes:
    run._fetch_selected(run._select(), folder)
    return (folder / "text.txt").read_bytes()


WAYS: dict[str, Callable[[World, Path], object]] = {
    "open": lambda world, _: halves(world.run),
    "read": lambda world, _: world.run.read("text.txt"),
    "read_ranges": lambda world, _: b"".join(world.run.read_ranges("text.txt", [(0, 50_000), (50_000, 90_000)])),
    "load_text": lambda world, _: world.run.load_text("text.txt").encode(),
    "download": lambda world, folder: fetched(world.run, folder),
    "fetch what was selected": lambda world, folder: selected(world.run, folder),
    "by address": lambda world, _: world.store.artifacts.read(f"runs:/{world.run_id}/text.txt"),
    "download by address": lambda world, folder: world.store.artifacts.download(
        f"runs:/{world.run_id}/text.txt", folder
    ).read_bytes(),
}
LISTS: dict[str, Callable[[World], object]] = {
    "entries": lambda world: [entry.path for entry in world.run.entries()],
    "list": lambda world: [found.path for found in world.store.artifacts.list(f"runs:/{world.run_id}/many")],
    "entry": lambda world: world.run.entry("text.txt").size,
    "manifest": lambda world: world.run.manifest,
    "manifest_digest": lambda world: world.run.manifest_digest,
    "diff": lambda world: diff(world.run, None, world.other, None).removed,
}


def requests_of(read: Callable[[], object], world: World) -> int:
    """How many requests for bytes of packs it makes, undisturbed."""
    world.seen.requests.clear()
    read()
    return world.seen.count("get_range", PACKS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.every(2)
def test_what_moves_while_it_is_read_is_read_where_it_is_now(way: str, world: World, tmp_path: Path) -> None:
    """Whichever request finds its pack gone: the newest entry says where the content is."""
    count = requests_of(lambda: WAYS[way](world, tmp_path / "0"), world)
    for at in {1, count // 2, count} - {0}:
        again = World()
        again.overtake(again.move, at)
        assert WAYS[way](again, tmp_path / str(at)) == TEXT.encode()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_purged_while_it_is_read_is_a_run_that_is_not_there(way: str, world: World, tmp_path: Path) -> None:
    """No reader takes a purge for damage."""
    count = requests_of(lambda: WAYS[way](world, tmp_path / "0"), world)
    for at in {1, count}:
        again = World()
        again.overtake(again.purge, at)
        with pytest.raises(RunNotFoundError):
            WAYS[way](again, tmp_path / str(at))


@pytest.mark.parametrize("way", WAYS)
def test_what_is_lost_is_damage(way: str, world: World, tmp_path: Path) -> None:
    """Where the log has nothing new, a pack that is gone is damage."""
    world.overtake(world.lose, 1)
    with pytest.raises(IntegrityError):
        WAYS[way](world, tmp_path)


@pytest.mark.parametrize("way", LISTS)
def test_a_listing_that_moves_is_read_where_it_is_now(way: str, world: World) -> None:
    """Each path comes once, also where a node of the tree is gone in the middle."""
    expected = LISTS[way](world)
    count = requests_of(lambda: LISTS[way](world), world)
    assert count
    for at in {1, count // 2, count} - {0}:
        again = World()
        again.overtake(again.move, at)
        assert LISTS[way](again) == expected


@pytest.mark.parametrize("way", LISTS)
def test_a_listing_of_a_run_that_is_purged_says_that_it_is_not_there(way: str, world: World) -> None:
    """As for its files."""
    world.overtake(world.purge, 1)
    with pytest.raises(RunNotFoundError):
        LISTS[way](world)


def test_check_needs_only_what_the_newest_entry_needs(world: World) -> None:
    """Packs that only superseded trees refer to may be gone: that is what a collection leaves, and no damage."""
    world.move()
    assert [found for found in world.writer.maintenance.check().problems if not found.harmless] == []
    world.lose()
    assert [found for found in world.writer.maintenance.check().problems if not found.harmless] != []
