"""Domains: whatever a run does, all of it is under the keys of its experiment, and nothing of others is."""

from __future__ import annotations

import pickle
import random
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
from tests.runs.test_own_keys import CONTENT, logged, sealed_by
from tests.support.sealed import sealed_store

from holdall.chunks.reader import ChunkReader
from holdall.errors import HoldallError
from holdall.format.layout import parse_key
from holdall.keys.sealed_bucket import sealing_of, writing_to
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store
from holdall.trees.journal import Journal

LARGE = random.Random(9).randbytes(90_000)


def packed(store: Store, experiment: str) -> Run:
    run = store.runs.start(experiment=experiment)
    run.log_bytes(LARGE, "large.bin")
    run.finish()
    return run


def versioned(store: Store, experiment: str) -> Run:
    run = store.runs.start(experiment=experiment, paths="versioned")
    for n in range(3):
        run.log_bytes(LARGE[n * 10_000 :], "large.bin", on_conflict="replace")
    run.finish()
    return run


def folded(store: Store, experiment: str) -> Run:
    """A run with so many entries that some of them carry checkpoints."""
    run = store.runs.start(experiment=experiment)
    for n in range(80):
        run.log_bytes(CONTENT[: 2_000 + n], f"small/{n}.bin")
        run.log_metric("pulse", float(n))
    run.finish()
    return run


def registered(store: Store, experiment: str) -> Run:
    run = packed(store, experiment)
    store.registry.register(f"runs:/{run.id}/large.bin", f"of-{experiment}")
    return run


def lineage(store: Store, experiment: str) -> Run:
    """A run that read an artifact of another one, of another experiment."""
    source = packed(store, "weather" if experiment == "patients" else "patients")
    run = store.runs.start(experiment=experiment)
    run.log_bytes(run.use_artifact(f"runs:/{source.id}/large.bin").read(), "again.bin")
    run.finish()
    return run


def deleted(store: Store, experiment: str) -> Run:
    run = packed(store, experiment)
    run.delete()
    run.restore()
    return run


def resumed(store: Store, experiment: str) -> Run:
    run = store.runs.resume(packed(store, experiment).id)
    run.log_bytes(LARGE[::-1], "other.bin")
    run.finish()
    return run


def compacted(store: Store, experiment: str) -> Run:
    """A run of which half is gone, and whose packs were compacted."""
    run = store.runs.start(experiment=experiment, paths="versioned")
    run.log_bytes(LARGE, "large.bin")
    run.log_bytes(CONTENT[:5_000], "large.bin", on_conflict="replace")
    run.finish()
    store.maintenance.compact(0)
    return run


KINDS: list[Callable[[Store, str], Run]] = [
    packed,
    versioned,
    folded,
    registered,
    lineage,
    deleted,
    resumed,
    compacted,
]


def sessions_of(store: Store, bucket: MemoryBucket) -> Iterator[tuple[str, bytes]]:
    """Each run with a session that wrote to it."""
    for key in bucket.objects:
        parsed = parse_key(key)
        if parsed and parsed.log.startswith("runs/"):
            location = store.experiments._location
            for op in Journal(location.bucket, location.pool, parsed.log).read(parsed.number).ops:
                if op["op"] == "open":
                    yield parsed.log, bytes.fromhex(op["session"])


def domains_of_packs(store: Store, bucket: MemoryBucket) -> dict[bytes, set[str]]:
    """The names of the keys that open blobs of packs, by session."""
    location = store.experiments._location
    ring, reader = location.ring(), ChunkReader(location.bucket, location.pool)
    assert ring is not None
    found: dict[bytes, set[str]] = defaultdict(set)
    for key, data in bucket.objects.items():
        parsed = parse_key(key)
        if parsed and parsed.kind == "pack" and parsed.pack:
            for row in reader.footer(parsed.pack).rows:
                ref = row.ref(parsed.pack)
                found[parsed.pack.session].add(ring.of_store.domain_of(ref, data[row.offset : row.offset + row.stored]))
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_all_of_a_run_is_under_the_keys_of_its_experiment(kind: Callable[[Store, str], Run]) -> None:
    """Entries and blobs of runs of both experiments open by their own keys, and shredding one spares the other."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    id = store.experiments.create("patients", encryption="own")
    own, usual = kind(store, "patients"), kind(store, "weather")
    assert (sealed_by(bucket, store, own), sealed_by(bucket, store, usual)) == ({f"{id} 0"}, {"0"})
    found = domains_of_packs(store, bucket)
    for log, session in sessions_of(store, bucket):
        expected = {f"{id} 0"} if log.startswith(f"runs/{id[:8]}") else {"0"}
        assert found.get(session, expected) == expected
    reader = sealed_store(bucket, seed=1, create=False)
    before = {entry.path: reader.runs.get(usual.id).read(entry.path) for entry in reader.runs.get(usual.id).entries()}
    assert before
    store.experiments.shred(id)
    store.maintenance.gc(delay=0)
    reader = sealed_store(bucket, seed=2, create=False)
    assert {path: reader.runs.get(usual.id).read(path) for path in before} == before
    assert not [problem for problem in reader.maintenance.check().problems if not problem.harmless]


def test_blobs_of_one_domain_are_none_of_another() -> None:
    """Packs and entries of two experiments that hold the same content, swapped, are errors each time."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    for name in ("patients", "staff"):
        store.experiments.create(name, encryption="own")
    runs = [packed(store, name) for name in ("patients", "staff", "weather")]
    whole, tried = dict(bucket.objects), 0
    packs = sorted(key for key in whole if key.startswith("packs/"))
    entries = {run.id: sorted(key for key in whole if key.startswith(f"runs/{run.id}/")) for run in runs}
    pairs = [(a, b) for a in packs for b in packs if a != b and len(whole[a]) == len(whole[b])]
    pairs += [
        (a, b)
        for one in runs
        for other in runs
        if one is not other
        for a, b in zip(entries[one.id], entries[other.id], strict=False)
    ]
    for a, b in pairs[::3]:
        bucket.objects[a] = whole[b]
        reader = sealed_store(bucket, seed=3, create=False)
        assert _damage(reader, runs), (a, b)
        bucket.objects[a] = whole[a]
        tried += 1
    assert tried >= 4


def _damage(reader: Store, runs: list[Run]) -> bool:
    """Whether something of the runs is refused; nothing reads as another's."""
    refused = False
    for run in runs:
        try:
            refused |= reader.runs.get(run.id).read("large.bin") != LARGE
        except HoldallError:
            refused = True
    return refused or bool(reader.maintenance.check().problems)


def test_workers_get_the_keys_of_their_runs() -> None:
    """A bucket that travels to a worker process seals by the keys of the log that it writes to."""
    store = sealed_store(MemoryBucket())
    id = store.experiments.create("patients", encryption="own")
    run = logged(store, "patients", b"x")
    bucket = store.experiments._location.bucket
    for log, name in ((f"runs/{run.id}", f"{id} 0"), ("runs/" + "0" * 32, "0")):
        there = pickle.loads(pickle.dumps(sealing_of(writing_to(bucket, log))))
        assert there.own.name == name
