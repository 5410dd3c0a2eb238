"""Logging an unchanged file again reads nothing; what does not fit is read. SPEC.md, "Garbage"; real files."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.faulty import FaultyBucket
from tests.support.logs import entries_of, packs_in
from tests.support.stores import Serial, tiny_location
from tests.support.watched import Recorder

from holdall.chunks.pool import Pool
from holdall.errors import ArtifactExistsError, FencedOffError, SourceChangedError, SourceUnreadableError
from holdall.format.entry import LogEntry
from holdall.format.layout import GARBAGE, PACKS, PackName, generation_key, parse_key, run_log
from holdall.format.records import encode_generation
from holdall.runs.run import Run
from holdall.settings import read_settings
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.session import Session
from holdall.trees.source import local_items
from holdall.trees.stamps import AGE, settled_stamp
from holdall.trees.stat_cache import StatCache
from holdall.trees.transaction import Transaction
from holdall.trees.unchanged_files import LEAST

SIZE = LEAST + 1000
CONTENT = random.Random(1).randbytes(SIZE)
_opened: list[str] | None = None


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        _opened.append(os.fsdecode(arguments[0]))


sys.addaudithook(_listen)  # for good; it costs nothing while nobody listens


@contextmanager
def opened(name: str) -> Iterator[list[str]]:
    """The paths of this name that are opened in the block, by any of Python's ways to open."""
    global _opened
    found: list[str] = []
    everything: list[Any] = []
    _opened = everything
    try:
        yield found
    finally:
        _opened = None
        found += [path for path in everything if Path(path).name == name]


def later() -> int:
    """A time at which what exists now is old enough."""
    return time.time_ns() + 2 * AGE


class World:
    """A store, and a local file of 300 packs and more whose content a run holds that has ended."""

    def __init__(self, folder: Path, content: bytes = CONTENT) -> None:
        self.place = folder / "model.bin"
        self.place.write_bytes(content)
        if settled_stamp(self.place, now=later()) is None:
            pytest.skip(f"the file system of {folder} is not trusted")
        self.cache = StatCache(folder / "cache", now=later)
        self.bucket = MemoryBucket()
        tiny_location(self.bucket)
        self.run = self.start()
        self.run.log_artifact(self.place)
        self.run.finish()
        self.old = self.packs()

    def location(self, cache: StatCache | None = None) -> Location:
        """The store as another process sees it; `seen` has its requests."""
        self.seen = FaultyBucket(self.bucket)
        seed = time.monotonic_ns()
        location = tiny_location(self.seen, seed=seed, create=False, pool=Serial())
        location.stat_cache = cache or self.cache
        return location

    def start(self) -> Run:
        """A new run, in a new process as it were."""
        return Store(self.location()).runs.start()

    def packs(self) -> list[PackName]:
        return [key.pack for name in packs_in(self.bucket) if (key := parse_key(name)) and key.pack]

    def requests(self, verb: str, prefix: str) -> int:
        return sum(asked == verb and key.startswith(prefix) for asked, key in self.seen.requests)

    def log(self) -> tuple[Run, int]:
        """Log the file into a new run; how often it was opened."""
        run = self.start()
        self.seen.requests.clear()
        with opened(self.place.name) as opens:
            run.log_artifact(self.place)
        return run, len(opens)

    def holds(self, run: Run, content: bytes = CONTENT) -> bool:
        return Store(self.location()).runs.get(run.id).read("model.bin") == content

    def declare(self, word: str, packs: list[PackName]) -> None:
        self.bucket.put(generation_key(0, word), encode_generation(0, word, packs))

    def sweep(self, packs: list[PackName]) -> None:
        for pack in packs:
            self.bucket.delete(pack.key)

    def transaction(self, run: Run) -> Transaction:
        session = Session.resume(self.location(), run_log(run.id))
        assert session is not None
        return Transaction(session)

    def fence(self, run: Run) -> None:
        """As the collector: a fence in the open run's log."""
        last = entries_of(self.bucket, run.id)[-1]
        op = {"op": "fence", "generation": 0}
        entry = LogEntry(last.log, last.n + 1, "f" * 32, last.sha256, 0, "collector", last.state_at, (op,))
        assert Journal(self.bucket, Pool(workers=1), last.log).create(entry).write_id == entry.write_id


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# --- what is recalled


def test_an_unchanged_file_is_not_opened(world: World) -> None:
    """A new run refers to the same chunks and the same recipe: of packs a footer and a chunk are read; one PUT."""
    run, opens = world.log()
    assert opens == 0
    assert world.packs() == world.old
    assert world.requests("get_range", PACKS) == 2 * (len(world.old) - 1)  # the last has the old run's tree
    assert world.requests("list", GARBAGE) == 1
    assert world.requests("get", "hints/") == 0
    assert world.requests("put", "") == 1
    assert world.holds(run)


def test_without_a_cache_it_is_opened(world: World) -> None:
    """It is off by default, as is to be seen by the same count."""
    run = Store(tiny_location(world.bucket, seed=5, create=False)).runs.start()
    with opened("model.bin") as opens:
        run.log_artifact(world.place)
    assert len(opens) == 1
    assert Store._over(MemoryBucket(), Pool(), cache=world.place.parent)._location.stat_cache is None


def test_the_same_path_again_needs_only_the_digest(world: World) -> None:
    """What stands in the run already is compared by its SHA-256; the bucket's packs are not asked."""
    run, _ = world.log()
    world.seen.requests.clear()
    with opened("model.bin") as opens:
        entry = run.log_artifact(world.place)
    assert entry is not None
    assert entry.size == SIZE
    assert (opens, world.seen.requests) == ([], [])


def test_other_content_at_the_same_path_is_refused_unread(world: World, tmp_path: Path) -> None:
    """The error names both digests, one of which was recalled."""
    run = world.start()
    run.log_bytes(b"something else", "model.bin")
    with opened("model.bin") as opens, pytest.raises(ArtifactExistsError):
        run.log_artifact(world.place)
    assert opens == []


def test_what_was_only_hashed_is_recalled_as_far_as_that_goes(world: World) -> None:
    """Hashed against a path that is taken, it is read once more for its chunks, and then no more."""
    run, _ = world.log()
    world.cache.file.unlink()
    counts = []
    for again in (run, run, world.start(), world.start()):
        with opened("model.bin") as opens:
            again.log_artifact(world.place)
        counts.append(len(opens))
    assert counts == [2, 0, 2, 0]  # one to make its pages clean, one to read it


def test_many_files_are_recalled_beside_new_ones(world: World, tmp_path: Path) -> None:
    """Of a folder only what is new or small is opened; chunks that files share are proven once."""
    folder = tmp_path / "folder"
    folder.mkdir()
    contents = {f"{n}.bin": CONTENT[n * 1000 :] + bytes(n * 1000) for n in range(4)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    world.start().log_artifacts(folder)
    contents |= {"small.txt": b"small", "new.bin": random.Random(2).randbytes(SIZE)}
    for name in ("small.txt", "new.bin"):
        (folder / name).write_bytes(contents[name])
    run = world.start()
    counts = {}
    for name in contents:
        with opened(name) as opens:
            run.log_artifact(folder / name, "one by one")
        counts[name] = len(opens)
    assert counts == {"0.bin": 0, "1.bin": 0, "2.bin": 0, "3.bin": 0, "small.txt": 1, "new.bin": 2}
    other = world.start()
    other.log_artifacts(folder)
    got = Store(world.location()).runs.get(other.id)
    assert {name: got.read(name) for name in contents} == contents


def test_two_files_for_one_path_are_told_apart(world: World) -> None:
    """What is recalled belongs to a local file: another one that is to stand at the same path is held against it."""
    other = world.place.with_name("other.bin")
    other.write_bytes(CONTENT[::-1])
    world.start().log_artifact(other)
    items = local_items(world.place, "same") + local_items(other, "same")
    for run in (world.start(), world.start()):
        with pytest.raises(ArtifactExistsError):
            run._log_items(items)
        items.reverse()
    run = world.start()
    run._log_items([*local_items(world.place, "a"), *local_items(world.place, "b")])
    assert run.read("a") == run.read("b") == CONTENT


def test_small_files_stay_in_the_entry_beside_what_is_recalled(world: World) -> None:
    """What is recalled makes no pack of what would have fitted into the log."""
    folder = world.place.parent
    (folder / "a.txt").write_bytes(b"before")
    (folder / "z.txt").write_bytes(b"behind")
    run = world.start()
    run._log_items([item for name in ("a.txt", "model.bin", "z.txt") for item in local_items(folder / name, name)])
    assert world.packs() == world.old
    assert (run.read("a.txt"), run.read("z.txt")) == (b"before", b"behind")
    assert world.holds(run)


def test_a_file_of_one_chunk_repeated_is_recalled(tmp_path: Path) -> None:
    """Zeros are one chunk, which a recipe names a thousand times; an equal file beside it shares it."""
    world = World(tmp_path, bytes(2 * LEAST))
    run, opens = world.log()
    assert opens == 0
    assert world.holds(run, bytes(2 * LEAST))


def test_what_is_recalled_counts_as_logged_and_as_saved(world: World) -> None:
    """An observer hears of every byte, and that none had to travel; the commit says so as well."""
    location = world.location()
    location.observer = recorder = Recorder()
    run = Store(location).runs.start()
    run.log_artifact(world.place)
    (told,) = recorder.told
    assert (told.total, told.done, told.saved) == (SIZE, SIZE, SIZE)
    (commit,) = [op for entry in entries_of(world.bucket, run.id) for op in entry.ops if op["op"] == "commit"]
    assert (commit["files"], commit["bytes"], commit["new_bytes"]) == (1, SIZE, 0)


def test_the_executable_bit_is_the_files_own(world: World) -> None:
    """It is looked at anew; changing it moves ctime, so that the file is read once more."""
    world.place.chmod(0o755)
    run, opens = world.log()
    assert opens == 2
    (entry,) = run._log_items(local_items(world.place, "model.bin")).entries
    assert entry.executable
    other, opens = world.log()
    assert opens == 0
    assert other._log_items(local_items(world.place, "model.bin")).entries[0].executable


# --- what is not


def test_a_changed_file_is_read(world: World) -> None:
    """Same size, mtime put back: ctime tells."""
    status = world.place.stat()
    time.sleep(0.02)
    world.place.write_bytes(CONTENT[::-1])
    os.utime(world.place, ns=(status.st_atime_ns, status.st_mtime_ns))
    run, opens = world.log()
    assert opens == 2
    assert world.holds(run, CONTENT[::-1])


def test_a_file_that_was_young_when_it_was_read_is_read_again(world: World) -> None:
    """What changed less than two seconds before may change again within one tick."""
    world.place.touch()
    now = world.place.stat().st_ctime_ns
    world.cache = StatCache(world.place.parent / "cache", now=lambda: now + AGE - 1)
    assert [world.log()[1] for _ in range(2)] == [1, 1]
    world.cache = StatCache(world.place.parent / "cache", now=lambda: now + AGE)
    assert [world.log()[1] for _ in range(3)] == [2, 0, 0]


def test_a_small_file_is_read(world: World) -> None:
    """Reading it is quicker than an fdatasync, and it may have no chunks in packs at all."""
    world.place.write_bytes(CONTENT[: LEAST - 1])
    assert [world.log()[1] for _ in range(2)] == [1, 1]


def test_a_file_that_changes_while_it_is_read_is_not_remembered(world: World) -> None:
    """That is the error that it always was; afterwards nothing is known of it."""
    world.place.write_bytes(CONTENT)
    run = world.start()
    (item,) = local_items(world.place, "model.bin")
    transaction = Transaction(run._writing())
    with pytest.raises(SourceChangedError), transaction._unchanged.open(item) as stream:
        while stream.readinto(memoryview(bytearray(1 << 20))):
            world.place.touch()
    assert transaction._unchanged._read == {}
    assert world.log()[1] == 2


def test_a_file_that_is_gone_is_an_error_as_always(world: World) -> None:
    """It is walked before anything is recalled."""
    world.place.unlink()
    with pytest.raises(SourceUnreadableError):
        world.log()


def test_another_store_reads_it_for_itself(world: World) -> None:
    """What one store holds says nothing about another, even at the same cache."""
    cache, other = world.cache, MemoryBucket()
    store = Store._over(other, Pool(), trusted=True)
    store._location.stat_cache = cache
    run = store.runs.start()
    with opened("model.bin") as opens:
        run.log_artifact(world.place)
    assert len(opens) == 2
    assert run.read("model.bin") == CONTENT


def test_a_failed_commit_leaves_nothing_remembered(world: World) -> None:
    """What was staged and not committed is read again."""
    world.cache.file.unlink()
    run = world.start()
    transaction = Transaction(run._writing())
    transaction.stage(local_items(world.place, "model.bin"))
    run.log_bytes(b"a rival", "model.bin")
    with pytest.raises(ArtifactExistsError):
        transaction.publish()
    assert world.log()[1] == 2


# --- packs that are gone, damaged or condemned (W2, W3)


def test_a_missing_pack_makes_it_read(world: World) -> None:
    """Only what was in that pack is stored again; and afterwards the file is recalled from where it now is."""
    world.sweep(world.old[5:6])
    run, opens = world.log()
    assert opens == 2
    assert 0 < len(set(world.packs()) - set(world.old)) < 10
    assert world.holds(run)
    assert world.log()[1] == 0


def test_a_damaged_or_exchanged_footer_makes_it_read(world: World) -> None:
    """A footer must be whole, and each chunk stand in it as it is remembered."""
    good = dict(world.bucket.objects)
    first, second = (pack.key for pack in world.old[:2])
    for wrong in (good[first][:-1] + b"x", good[second], good[first][: len(good[first]) // 2]):
        world.bucket.objects[first] = wrong
        run, opens = world.log()
        assert opens == 2
        assert world.holds(run)
        world.bucket.objects.clear()
        world.bucket.objects.update(good)


def test_a_condemned_pack_makes_it_read(world: World) -> None:
    """What an incomplete generation condemns is not referred to again."""
    world.declare("condemn", world.old[:3])
    run, opens = world.log()
    assert opens == 2
    world.sweep(world.old[:3])
    assert world.holds(run)


def test_packs_are_visited_once_and_condemned_ones_never(world: World) -> None:
    """One look at the garbage, then one request for each footer that is not known yet."""
    world.declare("condemn", world.old[:1])
    session = world.start()._writing()
    world.seen.requests.clear()
    for packs in (world.old[:4], world.old[:6], world.old[:6]):
        session.chunk_index.load_footers(packs)
    asked = [("get_range", pack.key) for pack in world.old[1:6]]
    assert world.seen.requests == [("list", GARBAGE), ("get", generation_key(0, "condemn")), *asked]


def test_all_packs_gone_is_as_if_nothing_were_remembered(world: World) -> None:
    """A store that lost everything takes the file as new."""
    world.sweep(world.old)
    run, opens = world.log()
    assert opens == 2
    assert world.holds(run)


# --- a fence on the way (W4)


@pytest.fixture
def staged(world: World) -> tuple[World, Run, Transaction]:
    """The file, recalled and not yet committed."""
    run = world.start()
    transaction = world.transaction(run)
    with opened("model.bin") as opens:
        transaction.stage(local_items(world.place, "model.bin"))
    assert opens == []
    return world, run, transaction


def test_a_fence_makes_it_copy_what_was_recalled(staged: tuple[World, Run, Transaction]) -> None:
    """As for what was read: chunks are copied out of packs that are condemned, while they are there."""
    world, run, transaction = staged
    world.declare("condemn", world.old)
    world.fence(run)
    with opened("model.bin") as opens:
        assert transaction.publish().committed
    assert opens == []
    world.sweep(world.old)
    assert world.holds(run)


def test_after_a_fence_what_is_gone_is_read_from_the_file(staged: tuple[World, Run, Transaction]) -> None:
    """The chunks are gone, the local file is not; and from then on it is recalled from its new place."""
    world, run, transaction = staged
    world.declare("condemn", world.old)
    world.declare("done", world.old)
    world.fence(run)
    world.sweep(world.old)
    with opened("model.bin") as opens:
        assert transaction.publish().committed
    assert len(opens) == 2
    assert world.holds(run)
    assert world.log()[1] == 0


def test_after_a_fence_a_file_that_changed_meanwhile_is_refused(staged: tuple[World, Run, Transaction]) -> None:
    """Its chunks are gone and its bytes are others now: nothing is committed, and again it succeeds."""
    world, run, transaction = staged
    world.declare("condemn", world.old)
    world.fence(run)
    world.sweep(world.old)
    world.place.write_bytes(CONTENT[::-1])
    with pytest.raises(SourceChangedError, match=r"model\.bin: it changed while it was logged"):
        transaction.publish()
    other, opens = world.log()
    assert opens == 2
    assert world.holds(other, CONTENT[::-1])


def test_after_a_fence_a_file_that_is_gone_too_fails_by_name(staged: tuple[World, Run, Transaction]) -> None:
    """Neither the bucket nor the disk has it: the error is that of the disk, and says which file."""
    world, run, transaction = staged
    world.declare("condemn", world.old)
    world.fence(run)
    world.sweep(world.old)
    world.place.unlink()
    with pytest.raises(SourceUnreadableError, match=r"model\.bin") as caught:
        transaction.publish()
    assert isinstance(caught.value.__context__.__context__, FencedOffError)  # type: ignore[union-attr]


def test_in_a_versioned_run_an_unchanged_file_is_read_once(tmp_path: Path) -> None:
    """Logged again it is no version and not read; changed, it is read, and replaces; so is what it was before."""
    world = World(tmp_path)
    run = Store(world.location()).runs.start(paths="versioned")
    other = random.Random(2).randbytes(SIZE)
    for content, versions in ((CONTENT, 1), (CONTENT, 1), (other, 2), (other, 2), (CONTENT, 3)):
        changed = content != world.place.read_bytes()  # the world has logged the first already
        if changed:
            world.place.write_bytes(content)
        with opened(world.place.name) as opens:
            run.log_artifact(world.place, on_conflict="replace")
        assert (bool(opens), len(run.versions("model.bin"))) == (changed, versions)
    assert world.holds(run)


# --- the setting


def test_the_setting_switches_it_on(tmp_path: Path) -> None:
    """`HOLDALL_STAT_CACHE=1`, and a folder to keep it in; else it is off."""
    assert not read_settings({}).stat_cache
    assert not read_settings({"HOLDALL_STAT_CACHE": "0"}).stat_cache
    assert read_settings({"HOLDALL_STAT_CACHE": "1"}).stat_cache
    url = str(tmp_path / "store")
    assert Store.open(url, stat_cache=True)._location.stat_cache is None
    assert Store.open(url, cache=tmp_path)._location.stat_cache is None
    assert Store.open(url, cache=tmp_path, stat_cache=True)._location.stat_cache is not None
