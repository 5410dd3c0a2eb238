"""What the previous run says of a path: a way to what hints do not find, and nothing that anybody relies on."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.folders import folder_of, shared_store
from tests.support.stores import TINY, entropy, tiny_location, tiny_store

from holdall.chunks.dedup import ChunkQuery
from holdall.chunks.pool import Pool
from holdall.format.chunking import Chunker
from holdall.format.entry import LogEntry
from holdall.format.layout import HINTS, PACKS, RUNS, PackName, generation_key, parse_key, run_log
from holdall.format.records import Descriptor, encode_generation
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import Request, TraceBucket
from holdall.store import Store
from holdall.trees.journal import Journal
from holdall.trees.previous import Beginning, PreviousVersions
from holdall.trees.session import Draft, Session

SIZE = 96 << 10  # a dozen packs
NAME = "data.bin"


def changed(data: bytes, *, every: int = 12) -> bytes:
    """The same with some bytes changed in a third of its chunks, evenly."""
    edited = bytearray(data)
    edited[:: every << 10] = bytes(byte ^ 255 for byte in edited[:: every << 10])
    return bytes(edited)


def log(store: Store, data: bytes, name: str = NAME) -> Run:
    """Log a file as a finished run."""
    with store.runs.start() as run:
        run.log_bytes(data, name)
    return run


class Asked:
    """A handle of its own, and what it asks."""

    def __init__(self, bucket: MemoryBucket, seed: int) -> None:
        self.requests: list[tuple[str, str]] = []
        self.store = tiny_store(TraceBucket(bucket, self._note), seed=seed, create=False)

    def _note(self, request: Request) -> None:
        self.requests.append((request.verb, request.key))

    def lists_runs(self) -> bool:
        """Whether it looked which runs there are."""
        return any(verb == "list" and key.startswith(RUNS) and len(key) == len(RUNS) + 8 for verb, key in self.requests)


def without_hints(bucket: MemoryBucket) -> None:
    """As if all chunks that have one had changed."""
    for key in [key for key in bucket.objects if key.startswith(HINTS)]:
        bucket.delete(key)


def a_version(seed: int = 1) -> tuple[MemoryBucket, bytes]:
    """A store with a run that holds a file, and no hint."""
    bucket, data = MemoryBucket(), entropy(seed)(SIZE)
    log(tiny_store(bucket), data)
    without_hints(bucket)
    return bucket, data


def store_of(bucket: MemoryBucket, sizes: Chunker, pack: int) -> Store:
    """A store with chunks and packs of some sizes."""
    location = tiny_location(bucket, create=False)
    location.create(Descriptor("0" * 32, 0, sizes, pack))
    return Store(location)


def chunks_of(sizes: Chunker, data: bytes) -> set[bytes]:
    """What an exact index of all chunks would tell apart."""
    ends = sizes.cut_points(data, final=True)
    return {data[start:stop] for start, stop in pairwise([0, *ends])}


def new_bytes(run: Run) -> int:
    return run.state.new_bytes


def test_of_a_database_with_a_third_of_its_chunks_changed_the_rest_is_not_stored_again() -> None:
    """Where each hint of the older version was to a chunk that changed, its two other thirds are found all the same."""
    base, source = sqlite3.connect(":memory:"), random.Random(5)
    base.execute("create table samples (id integer primary key, features blob)")
    base.executemany("insert into samples values (?, ?)", ((n, source.randbytes(700)) for n in range(2400)))
    bucket, first = MemoryBucket(), base.serialize()
    sizes = Chunker(1024, 4096, 16384)
    log(store_of(bucket, sizes, 256 << 10), first)
    without_hints(bucket)
    touched = ((source.randbytes(700), n) for n in range(0, 2400, 30))
    base.executemany("update samples set features = ? where id = ?", touched)
    second = base.serialize()
    new = sum(map(len, chunks_of(sizes, second) - chunks_of(sizes, first)))
    assert 0.2 * len(second) < new < 0.4 * len(second)
    assert new_bytes(log(tiny_store(bucket, seed=1, create=False), second)) == new


def test_each_version_of_a_chain_finds_the_one_before() -> None:
    """Of eight versions without a hint that helps, each stores what changed."""
    bucket, data = a_version()
    for seed in range(1, 8):
        data = changed(data, every=11 + seed)
        run = log(tiny_store(bucket, seed=seed, create=False), data)
        without_hints(bucket)
        assert new_bytes(run) < 0.4 * SIZE
        assert run.read(NAME) == data


def test_the_first_run_of_an_experiment_asks_for_no_other() -> None:
    """Who has just made the experiment knows that there is nothing before."""
    bucket = MemoryBucket()
    tiny_location(bucket)
    asked = Asked(bucket, 1)
    log(asked.store, entropy(1)(SIZE))
    assert not asked.lists_runs()


@pytest.mark.parametrize("size", [100, 1000])
def test_small_content_asks_for_no_other_run(size: int) -> None:
    """What is stored sooner than looked for, in an entry or in a pack, costs what it did."""
    bucket, _ = a_version()
    asked = Asked(bucket, 1)
    log(asked.store, entropy(2)(size), "other.bin")
    assert not asked.lists_runs()


def test_what_hints_find_asks_for_no_other_run() -> None:
    """The same file again is found by its hints, and so is one with something appended."""
    bucket, data = MemoryBucket(), entropy(1)(SIZE)
    log(store_of(bucket, TINY.chunker, 128 << 10), data)
    for seed, more in enumerate((b"", b"a little more"), 1):
        asked = Asked(bucket, seed)
        log(asked.store, data + more)
        assert not asked.lists_runs()


def test_finding_the_version_before_takes_a_few_requests() -> None:
    """A page of keys, the newest entry of that run, a recipe; a node where the entry has it not; else footers."""
    bucket, data = a_version()
    asked = Asked(bucket, 1)
    run = log(asked.store, changed(data))
    others = [(verb, key) for verb, key in asked.requests if key.startswith(RUNS) and run.id not in key]
    assert Counter(verb for verb, _ in others) == {"list": 1, "get": 1}


def test_a_process_knows_the_run_that_it_ended_last() -> None:
    """Run after run in one process: the one before is not looked for, its newest entry is read."""
    bucket = MemoryBucket()
    tiny_location(bucket)
    asked, data = Asked(bucket, 1), entropy(1)(SIZE)
    log(asked.store, data)
    without_hints(bucket)
    assert new_bytes(log(asked.store, changed(data))) < 0.45 * SIZE
    assert not asked.lists_runs()


def test_a_versioned_run_is_its_own_predecessor() -> None:
    """What a resumed run puts in the place of a checkpoint is held against that checkpoint, and no run is listed."""
    bucket, data = MemoryBucket(), entropy(1)(SIZE)
    run = tiny_store(bucket).runs.start(paths="versioned")
    run.log_bytes(data, "last.pt")
    run.finish()
    without_hints(bucket)
    asked = Asked(bucket, 1)
    again = asked.store.runs.resume(run.id)
    before = new_bytes(again)
    again.log_bytes(changed(data), "last.pt", on_conflict="replace")
    assert new_bytes(again) - before < 0.45 * SIZE
    assert not asked.lists_runs()


def test_a_path_that_no_other_run_has_costs_a_page_and_two_entries() -> None:
    """However many runs there are, it is known after these that none is the one before."""
    bucket = MemoryBucket()
    for seed in range(5):
        log(tiny_store(bucket, seed=seed, create=not seed), entropy(seed)(100))
    asked = Asked(bucket, 9)
    run = log(asked.store, entropy(20)(SIZE), "new.bin")
    others = [verb for verb, key in asked.requests if key.startswith(RUNS) and run.id not in key]
    assert Counter(others) == {"list": 1, "get": 2}


def test_small_files_are_found_where_their_neighbours_are(tmp_path: Path) -> None:
    """Of a folder, each file's own place says which pack to look into; recipes of small files are not fetched."""
    bucket = MemoryBucket()
    for n in range(120):
        (tmp_path / f"{n:03}.jpg").write_bytes(entropy(n)(900))
    with tiny_store(bucket).runs.start() as run:
        run.log_artifacts(tmp_path)
    without_hints(bucket)
    for n in range(0, 120, 10):
        (tmp_path / f"{n:03}.jpg").write_bytes(entropy(500 + n)(900))
    with tiny_store(bucket, seed=1, create=False).runs.start() as run:
        run.log_artifacts(tmp_path)
    assert new_bytes(run) == 12 * 900


def damage_entries(bucket: MemoryBucket) -> None:
    for key in [key for key in bucket.objects if key.startswith(RUNS)]:
        bucket.objects[key] = b"{}\n{}\n"


def lose_entries(bucket: MemoryBucket) -> None:
    for key in [key for key in bucket.objects if key.startswith(RUNS)]:
        bucket.delete(key)


def lose_packs(bucket: MemoryBucket) -> None:
    for key in [key for key in bucket.objects if key.startswith(PACKS)]:
        bucket.delete(key)


def damage_packs(bucket: MemoryBucket) -> None:
    for key in [key for key in bucket.objects if key.startswith(PACKS)]:
        bucket.objects[key] = bytes(len(bucket.objects[key]))


def zero_chunks(bucket: MemoryBucket) -> None:
    """Their footers, and recipes, speak as before."""
    for key in [key for key in bucket.objects if key.startswith(PACKS)]:
        bucket.objects[key] = bucket.objects[key][:8] + bytes(4000) + bucket.objects[key][4008:]


def condemn(bucket: MemoryBucket) -> None:
    packs = sorted(found.pack for key in bucket.objects if (found := parse_key(key)) and found.pack)
    bucket.put(generation_key(0, "condemn"), encode_generation(0, "condemn", packs))


@pytest.mark.parametrize("harm", [damage_entries, lose_entries, lose_packs, damage_packs, zero_chunks, condemn])
def test_what_is_wrong_with_the_version_before_is_no_error(harm: Callable[[MemoryBucket], None]) -> None:
    """Gone, damaged or condemned, it is no use and no obstacle: the new version is stored whole, and reads."""
    bucket, data = a_version()
    harm(bucket)
    newer = changed(data)
    run = log(tiny_store(bucket, seed=1, create=False), newer)
    assert run.read(NAME) == newer


def test_nothing_that_is_condemned_is_referred_to() -> None:
    """W3 holds for what a recipe named: after the condemned packs are deleted the new version reads whole."""
    bucket, data = a_version()
    condemn(bucket)
    old = [key for key in bucket.objects if key.startswith(PACKS)]
    run = log(tiny_store(bucket, seed=1, create=False), changed(data))
    for key in old:
        bucket.delete(key)
    assert tiny_store(bucket, seed=2, create=False).runs.get(run.id).read(NAME) == changed(data)


def test_a_deleted_run_helps_until_it_is_purged() -> None:
    """What a tombstone speaks of is there for seven days, and is shared as any other; of a purged run nothing is."""
    bucket, data = a_version()
    (id,) = {key.split("/")[1] for key in bucket.objects if key.startswith(RUNS)}
    tiny_store(bucket, seed=1, create=False).runs.get(id).delete()
    assert new_bytes(log(tiny_store(bucket, seed=2, create=False), changed(data))) < 0.45 * SIZE


def test_a_purged_run_is_no_use_and_no_error() -> None:
    """Its newest entry says so, and nothing else of it is asked for."""
    bucket, data = a_version()
    (id,) = {key.split("/")[1] for key in bucket.objects if key.startswith(RUNS)}
    location = tiny_location(bucket, seed=1, create=False)
    Store(location).runs.get(id).delete()
    session = Session.resume(location, run_log(id), deleted=True)
    assert session is not None
    session.append(lambda: Draft([{"op": "purge"}]), closing=True)
    run = log(tiny_store(bucket, seed=2, create=False), changed(data))
    assert new_bytes(run) == SIZE
    assert run.read(NAME) == changed(data)


def test_a_run_that_is_long_behind_its_last_state_is_left_alone() -> None:
    """As one whose state is too large for an entry may be, or one that somebody has forged: advice costs little."""
    bucket, data = a_version()
    log_key = next(key for key in bucket.objects if key.startswith(RUNS)).partition("/log/")[0]
    journal = Journal(bucket, Pool(workers=1), log_key)
    last = journal.read(journal.newest() or 0)
    for _ in range(300):
        nothing = {"op": "x-nothing"}
        last = LogEntry(log_key, last.n + 1, f"{last.n:032x}", last.sha256, 0, "other", last.state_at, (nothing,))
        last = journal.create(last) or last
    asked = Asked(bucket, seed=2)
    run = log(asked.store, changed(data))
    assert run.read(NAME) == changed(data)
    assert asked.lists_runs()
    assert sum(key.startswith(log_key) for _, key in asked.requests) < 10


def test_of_many_packs_the_richest_are_looked_into() -> None:
    """However many packs a recipe names, as a forged one may, so many footers are read for one window at most."""
    bucket, _ = a_version()
    location = tiny_location(bucket, seed=1, create=False)
    with Store(location).runs.start() as run:
        session = run._writing()
        known = PreviousVersions(location.bucket, location.pool, Beginning.of(location, session.view))
        ids = [n.to_bytes(32) for n in range(200)]
        known._places = {id: PackName(b"s" * 16, n % 100) for n, id in enumerate(ids)}
        packs = known.packs_of([ChunkQuery(id, 1000 + n, 0) for n, id in enumerate(ids)], ask=False)
        assert len(packs) == 64
        assert {pack.number for pack in packs} == set(range(36, 100))


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_look_at_the_version_before_as_one_process_does(tmp_path: Path, workers: int) -> None:
    """What is shared among workers finds what hints do not, wherever in the file a worker begins."""
    data = entropy(1)(SIZE)
    newer = folder_of(tmp_path, {NAME: changed(data)})
    with shared_store(tmp_path, 0)[0].runs.start() as run:
        run.log_artifacts(folder_of(tmp_path, {NAME: data}))
    shutil.rmtree(tmp_path / "store" / "hints")
    with shared_store(tmp_path, workers, seed=1)[0].runs.start() as run:
        run.log_artifacts(newer)
    assert new_bytes(run) < 0.45 * SIZE
    assert run.read(NAME) == changed(data)
