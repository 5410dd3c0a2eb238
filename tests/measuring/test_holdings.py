"""What a bucket's bytes are for: held against every blob of every pack, looked at by itself."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial

import pytest
from tests.support.faulty import Fault, FaultyBucket
from tests.support.stores import tiny_location, tiny_store

from holdall.chunks.garbage import look_at_garbage
from holdall.chunks.reader import ChunkReader
from holdall.errors import AccessDeniedError, RunNotFoundError, StorageError
from holdall.format.document import encode_document
from holdall.format.entry import LogEntry
from holdall.format.layout import PackName, generation_key, log_key, parse_key, run_log
from holdall.format.records import encode_generation
from holdall.format.reference import InEntry
from holdall.measuring.holdings import Holdings
from holdall.storage.bucket import Bytes, ObjectInfo
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store
from holdall.trees.heads import list_heads
from holdall.trees.journal import Journal
from holdall.trees.references import references
from holdall.trees.views import read_views, run_name

DAY = 24 * 3600 * 1000
NOW = 1_700_000_000_000  # as the clock of a tiny store says


def _bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def packs_of(bucket: MemoryBucket) -> list[PackName]:
    return [key.pack for key in map(parse_key, sorted(bucket.objects)) if key and key.kind == "pack" and key.pack]


def expected(bucket: MemoryBucket) -> Counter[str]:
    """What packs hold, blob by blob: each is whatever the most alive run needs it for, and takes a row of 48 bytes."""
    location = tiny_location(bucket, create=False)
    needs: dict[tuple[PackName, int], set[bool]] = {}
    for view in read_views(location, list_heads(bucket, "runs/"), run_name):
        for ref in references(view):
            if isinstance(ref.location, PackName):
                needs.setdefault((ref.location, ref.offset), set()).add(view.state.deleted)
    found, reader = Counter[str](), ChunkReader(bucket, location.pool)
    for pack in packs_of(bucket):
        rows = reader.footer(pack).rows
        users = [needs.get((pack, row.offset), set()) for row in rows]
        if not any(users):
            found["unused"] += len(bucket.objects[pack.key])
        elif not any(False in those for those in users):
            found["deleted"] += len(bucket.objects[pack.key])
        else:
            found["rest"] += 8 + 40 + 48
            for row, those in zip(rows, users, strict=True):
                kind = "needed" if False in those else "deleted_inside" if those else "dead"
                found[kind] += row.stored
                found["rest" if those else "dead"] += 48
    return found


def assert_adds_up(bucket: MemoryBucket, store: Store | None = None) -> Holdings:
    """Assert that what is told adds up, and that it is what looking at every blob finds."""
    store = store or tiny_store(bucket, create=False)
    found, stats = store.maintenance.du(), store.maintenance.stats()
    held, sizes = found.held, {key: len(data) for key, data in bucket.objects.items()}
    assert held.total == stats.object_bytes == sum(sizes.values())
    assert held.objects == stats.objects == len(sizes)
    parts = (stats.pack_bytes, stats.log_bytes, stats.hint_bytes, stats.other_bytes, stats.foreign_bytes)
    assert sum(parts) == stats.object_bytes
    assert held.hints == stats.hint_bytes
    assert (held.foreign, held.other) == (stats.foreign_bytes, stats.other_bytes)
    assert held.folded == _told_again(bucket)
    blobs = expected(bucket)
    logs = sum(sizes[key] for key in sizes if key.startswith("runs/") and _deleted(store, key))
    assert held.dead == blobs["dead"]
    assert held.deleted == blobs["deleted"] + logs
    assert held.deleted_inside == blobs["deleted_inside"]
    assert held.stored + held.listings == blobs["needed"] + blobs["rest"]
    assert held.reclaimable + held.recent + held.quarantine == blobs["unused"]
    assert held.unknown == 0
    due = store.maintenance.gc(dry_run=True)
    assert held.quarantine <= due.waiting.bytes  # those that a verdict spares, or a run, are not in quarantine
    assert held.reclaimable == due.garbage.bytes
    assert held.recent - due.young.bytes - due.unfinished.bytes == due.waiting.bytes - held.quarantine - spared(bucket)
    return held


def spared(bucket: MemoryBucket) -> int:
    """The bytes of packs that are condemned, and that runs refer to."""
    needed = {pack for blobs in needs(bucket).values() for pack, _ in blobs}
    return sum(len(bucket.objects[pack.key]) for pack in needed & look_at_garbage(bucket).condemned)


def _told_again(bucket: MemoryBucket) -> int:
    """What entries before a checkpoint take that carry no measurement, and nothing that is needed."""
    location, found = tiny_location(bucket, create=False), 0
    for view in read_views(location, list_heads(bucket, "runs/"), run_name):
        journal, needed = view.paths.blobs.journal, {ref.location for ref in references(view)}
        for n in range((view.head and view.head.state_at) or 0) if not view.state.purged else ():
            entry = journal.read(n)
            if InEntry(n) not in needed and not any(op["op"] == "metric" for op in entry.ops):
                found += len(bucket.objects[log_key(journal.log, n)])
    return found


def _deleted(store: Store, key: str) -> bool:
    return any(run.deleted and key.startswith(f"runs/{run.run_id}/") for run in store.maintenance.du().runs)


def _logged(store: Store, *files: bytes, experiment: str = "Default", end: bool = True) -> Run:
    run = store.runs.start(experiment=experiment)
    for number, data in enumerate(files):
        run.log_bytes(data, f"{number}.bin")
    if end:
        run.finish()
    return run


# --- kinds of stores ---------------------------------------------------------------


def _nothing(_: MemoryBucket, __: Store) -> None:
    """A store without runs."""


def _fresh(_: MemoryBucket, store: Store) -> None:
    """Runs that share files, in part or all, large and small."""
    one, two = _bytes(1, 80_000), _bytes(2, 40_000)
    _logged(store, one, two)
    _logged(store, one[:30_000] + _bytes(3, 5_000), b"small")
    _logged(store, two[20_000:], end=False)


def _folded(_: MemoryBucket, store: Store) -> None:
    """Small files that the log carried, and a pack has since; trees of checkpoints that later ones replaced."""
    run = store.runs.start()
    for n in range(70):
        run.log_bytes(_bytes(n, 5_000), f"{n}.bin")
        if n % 9 == 0:
            run.log_metric("loss", n)
    run.finish()


def _versioned(_: MemoryBucket, store: Store) -> None:
    """A versioned run: what paths held before is kept, but for what was trimmed; another shares an earlier version."""
    run = store.runs.start(paths="versioned")
    for epoch in range(6):
        run.log_bytes(_bytes(epoch, 90_000), "last.pt", on_conflict="replace")
        run.log_bytes(_bytes(epoch, 3_000), "small.pt", on_conflict="replace")
    run.trim("last.pt", keep_last=2)
    _logged(store, _bytes(4, 90_000))
    run.finish()


def _commits(_: MemoryBucket, store: Store) -> None:
    """Many commits to packs: the nodes of each are dead once the run's end lists all paths in one place."""
    _logged(store, *(_bytes(n, 80_000) for n in range(9)))


def _killed(bucket: MemoryBucket, store: Store) -> None:
    """A writer that was killed between its packs and its commit, beside one that was not."""
    _logged(store, _bytes(1, 80_000))
    faulty = FaultyBucket(bucket)
    faulty.plan(Fault("put", "fail", key="runs/", at=2, times=None, error=partial(AccessDeniedError, reason="killed")))
    run = tiny_store(faulty, seed=7, create=False).runs.start()
    with pytest.raises(StorageError):
        run.log_bytes(_bytes(8, 90_000), "b")


def _deletions(_: MemoryBucket, store: Store) -> None:
    """Deleted runs: alone in their packs, beside others in them, and with all of their content shared."""
    alone, both, shared = _bytes(1, 90_000), _bytes(2, 90_000), _bytes(3, 80_000)
    _logged(store, alone).delete()
    _logged(store, both).delete()
    _logged(store, both[:70_000])
    _logged(store, shared)
    _logged(store, shared).delete()


def _lost_writer(bucket: MemoryBucket, store: Store) -> None:
    """The run that wrote the packs is gone; two others refer to stretches of them that overlap in part."""
    data = _bytes(5, 120_000)
    first = _logged(store, data)
    _logged(store, data[:80_000])
    _logged(store, data[40_000:])
    _drop(bucket, first)


def _foreign(bucket: MemoryBucket, store: Store) -> None:
    """Objects that are not holdall's, left-overs of a probe, a record of damage."""
    _logged(store, _bytes(1, 80_000))
    (pack, *_) = packs_of(bucket)
    bucket.objects |= {"README": b"x" * 77, "runs/zz/log/1": b"y", f"probe/{'a' * 32}/now": b"1"}
    bucket.objects |= {f"gc/damaged/{pack}": encode_document({"pack": str(pack)})}


def _drop(bucket: MemoryBucket, run: Run) -> None:
    for key in [key for key in bucket.objects if key.startswith(f"{run_log(run.id)}/")]:
        del bucket.objects[key]


def _purged(bucket: MemoryBucket, store: Store) -> None:
    """A purged run: its stub is there, and packs that nothing refers to; another run shares a part of them."""
    data = _bytes(4, 90_000)
    run = _logged(store, data, _bytes(5, 80_000))
    _logged(store, data[:70_000])
    run.delete()
    location = tiny_location(bucket, seed=9, create=False)
    journal = Journal(location.bucket, location.pool, run_log(run.id))
    head = journal.read(journal.newest() or 0)
    purge = LogEntry(head.log, head.n + 1, "f" * 32, head.sha256, 0, "test", head.state_at, ({"op": "purge"},))
    journal.create(purge)


def _condemned(bucket: MemoryBucket, store: Store) -> None:
    """Generations of collections: one done, one with a verdict that spares some, one only condemned."""
    runs = [_logged(store, _bytes(n, 80_000)) for n in range(4)]
    kept = _logged(store, _bytes(9, 80_000))
    for run in runs:
        _drop(bucket, run)
    live = {pack for pack in packs_of(bucket) if pack.session in {p.session for p in _packs(bucket, kept)}}
    first, second, third, *_ = [pack for pack in packs_of(bucket) if pack not in live]
    said = {0: {"condemn": [PackName(b"x" * 16, 0)], "done": [PackName(b"x" * 16, 0)]}}
    said |= {1: {"condemn": [first, second, *live], "verdict": [first]}, 2: {"condemn": [third]}}
    for generation, words in said.items():
        for word, packs in words.items():
            bucket.put(generation_key(generation, word), encode_generation(generation, word, packs))


def _packs(bucket: MemoryBucket, run: Run) -> set[PackName]:
    location = tiny_location(bucket, create=False)
    (view,) = read_views(location, list_heads(bucket, f"{run_log(run.id)}/"), run_name)
    return {ref.location for ref in references(view) if isinstance(ref.location, PackName)}


KINDS: dict[Callable[[MemoryBucket, Store], None], set[str]] = {
    _nothing: set(),
    _fresh: {"dead"},  # nodes of commits, which the run's last one replaced
    _folded: {"recent"},
    _versioned: {"recent"},
    _commits: {"dead"},
    _killed: {"recent"},
    _deletions: {"deleted", "deleted_inside"},
    _lost_writer: {"dead"},
    _purged: {"dead", "recent"},
    _condemned: {"quarantine", "recent"},
    _foreign: {"foreign"},
}
NAMES = [make.__name__.strip("_") for make in KINDS]


@pytest.mark.parametrize("make", KINDS, ids=NAMES)
@pytest.mark.every(2)
def test_it_adds_up_to_what_the_bucket_holds(make: Callable[[MemoryBucket, Store], None]) -> None:
    """Of every kind of store, each byte is counted once, and each blob as what it is."""
    bucket = MemoryBucket()
    make(bucket, tiny_store(bucket))
    held = assert_adds_up(bucket)
    seldom = ("deleted", "deleted_inside", "dead", "quarantine", "recent", "foreign")
    assert {name for name in seldom if getattr(held, name)} == KINDS[make]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.every(2)
def test_it_adds_up_whatever_was_done(seed: int) -> None:
    """Runs of random files that share random parts, some deleted, ended or gone: nothing is counted twice, or lost."""
    bucket, draw = MemoryBucket(), random.Random(seed)
    store, base = tiny_store(bucket, seed=seed), _bytes(seed, 200_000)
    runs = []
    for number in range(8):
        run = store.runs.start(experiment=f"e{number % 2}")
        for name in range(draw.randrange(1, 6)):
            start = draw.randrange(0, 190_000)
            run.log_bytes(base[start : start + draw.choice([100, 5_000, 30_000, 90_000])], f"{name}.bin")
        if draw.random() < 0.7:
            run.finish()
        runs.append(run)
    for run in draw.sample(runs, 2):
        run.delete()
    _drop(bucket, draw.choice(runs))
    assert_adds_up(bucket)


class Dated(MemoryBucket):
    """A bucket that tells when its objects were created: those that are there were at once, what comes later when."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[str, int] = {}
        self.now = NOW - 2 * DAY

    def put(self, key: str, data: Bytes) -> None:
        super().put(key, data)
        self.times[key] = self.now

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        for info in super().list(prefix, limit=limit):
            yield replace(info, modified=self.times.get(info.key, NOW))


def test_only_what_the_next_collection_takes_is_called_reclaimable() -> None:
    """Packs that nothing refers to are too new for a day, and as long as a run that may refer to them is open."""
    bucket = Dated()
    store = tiny_store(bucket)
    old = _logged(store, _bytes(1, 80_000))
    _drop(bucket, old)
    _logged(store, _bytes(2, 80_000), end=False).delete()
    bucket.now = NOW
    new = _logged(store, _bytes(3, 90_000))
    _drop(bucket, new)
    held = assert_adds_up(bucket)
    assert 80_000 < held.reclaimable < 90_000
    assert 90_000 < held.recent < 110_000


def test_what_cannot_be_read_makes_nothing_dead() -> None:
    """A run whose log is damaged perhaps needs what nothing else does: it is called unknown, and adds up."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    _logged(store, *(_bytes(n, 80_000) for n in range(4)))
    run = _logged(store, _bytes(77, 80_000))
    assert assert_adds_up(bucket).dead
    for key in [key for key in bucket.objects if key.startswith(run_log(run.id))]:
        bucket.objects[key] = b"{}" + bucket.objects[key][2:]
    held = tiny_store(bucket, create=False).maintenance.du().held
    assert held.total == sum(map(len, bucket.objects.values()))
    assert held.unknown > 80_000
    assert (held.dead, held.reclaimable) == (0, 0)


def test_a_run_that_claims_too_much_changes_no_sum() -> None:
    """A pack that is shorter than what runs refer to in it: its bytes are counted once all the same."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    _logged(store, _bytes(1, 80_000), _bytes(2, 80_000)).delete()
    _logged(store, _bytes(1, 80_000))
    for pack in packs_of(bucket):
        bucket.objects[pack.key] = bucket.objects[pack.key][:700]
    held = tiny_store(bucket, create=False).maintenance.du().held
    assert held.total == sum(map(len, bucket.objects.values()))
    assert min(asdict(held).values()) >= 0


# --- what deleting would free ---------------------------------------------------------


def needs(bucket: MemoryBucket) -> dict[str, dict[tuple[PackName, int], int]]:
    """The stored length of each blob in a pack that a run needs, by run."""
    location = tiny_location(bucket, create=False)
    return {
        view.paths.blobs.journal.log[5:]: {
            (ref.location, ref.offset): ref.stored for ref in references(view) if isinstance(ref.location, PackName)
        }
        for view in read_views(location, list_heads(bucket, "runs/"), run_name)
    }


@pytest.mark.parametrize("seed", range(4))
def test_what_deleting_frees_is_what_goes(seed: int) -> None:
    """Runs alone, in part and wholly shared: held against every blob that they and the others need."""
    bucket, draw = MemoryBucket(), random.Random(seed)
    store, base = tiny_store(bucket, seed=seed), _bytes(seed, 100_000)
    starts = [draw.randrange(0, 60_000) for _ in range(6)]
    runs = [_logged(store, base[at : at + 40_000], _bytes(at, 3_000)) for at in starts]
    going = {run.id for run in draw.sample(runs, 1 + seed)}
    freed, by_run = store.maintenance.freed_by(going), needs(bucket)
    ours = {blob: size for id in going for blob, size in by_run[id].items()}
    stays = {blob: size for id, blobs in by_run.items() if id not in going for blob, size in blobs.items()}
    whole = {pack for pack, _ in ours} - {pack for pack, _ in stays}
    assert set(freed.run_ids) == going
    assert freed.packs == sum(len(bucket.objects[pack.key]) for pack in whole)
    assert freed.dead == sum(size for (pack, at), size in (ours.items() - stays.items()) if pack not in whole)
    assert freed.shared == sum(size for blob, size in ours.items() if blob in stays)
    told = {one.run_id: one.bytes for one in freed.sharing}
    assert told == {
        id: sum(size for blob, size in blobs.items() if blob in ours)
        for id, blobs in by_run.items()
        if id not in going and not blobs.keys().isdisjoint(ours)
    }
    newest = [min(key for key in bucket.objects if key.startswith(f"{run_log(id)}/")) for id in going]
    logs = [key for key in bucket.objects if key.startswith(tuple(run_log(id) for id in going))]
    assert freed.logs == sum(len(bucket.objects[key]) for key in {*logs} - {*newest})
    assert freed.total == freed.packs + freed.logs


def test_an_experiment_frees_what_its_runs_share_among_them() -> None:
    """Two runs with the same content free nothing alone, and everything together."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    runs = [_logged(store, _bytes(1, 90_000), experiment="a") for _ in range(2)]
    _logged(store, _bytes(2, 90_000), experiment="b")
    alone = store.maintenance.freed_by([runs[0].id])
    assert alone.shared >= 90_000
    assert [one.run_id for one in alone.sharing] == [runs[1].id]
    together = store.maintenance.freed_by(experiment_ids=[store.experiments.ensure("a")])
    assert together.packs > 90_000
    assert (together.shared, together.sharing) == (0, ())
    assert together == store.maintenance.freed_by([run.id for run in runs])


def test_what_stands_in_the_way_is_said() -> None:
    """A pinned run cannot be purged; what cannot be read stops collections, and an unknown id is an error."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    pinned, broken = _logged(store, _bytes(1, 9_000)), _logged(store, _bytes(2, 9_000))
    store.registry.create_model("m")
    store.registry.create_version("m", f"runs:/{pinned.id}")
    key = min(key for key in bucket.objects if key.startswith(run_log(broken.id)))
    bucket.objects[key] = b"{}" + bucket.objects[key][2:]
    found = tiny_store(bucket, create=False).maintenance.freed_by([pinned.id])
    assert (found.pinned, found.unknown) == ((pinned.id,), (broken.id,))
    with pytest.raises(RunNotFoundError):
        store.maintenance.freed_by(["ab" * 16])
