"""Packs that are mostly dead are emptied: what lives moves once, nothing is lost, and the packs become garbage."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.faulty import Crash, FaultyBucket
from tests.support.stores import TINY, Serial, tiny_location, tiny_store

from holdall.errors import InvalidArgumentError
from holdall.format.chunking import Chunker
from holdall.format.layout import run_log
from holdall.format.records import Descriptor
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store

ROOMY = replace(TINY, pack_size=64 << 10)
WIDE = replace(TINY, chunker=Chunker(1024, 4096, 16384), pack_size=256 << 10)  # a recipe is 1 % of what it lists


def _store(bucket: MemoryBucket, descriptor: Descriptor = ROOMY) -> Store:
    """A store whose packs hold a checkpoint in two or three."""
    location = tiny_location(bucket, create=False, pool=Serial())
    location.create(descriptor)
    return Store(location)


def _bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def _checkpoint(step: int, scale: int = 1) -> bytes:
    """A frozen backbone, and parts between that are trained."""
    parts = range(1, 6)
    return b"".join(_bytes(part, scale * 20_000) + _bytes(100 * step + part, scale * 5_000) for part in parts)


def _log(store: Store, steps: range, scale: int = 1) -> list[Run]:
    """Log a checkpoint and a note in a run for each step."""
    runs = []
    for step in steps:
        runs.append(run := store.runs.start(experiment="train"))
        run.log_bytes(_checkpoint(step, scale), "model.bin")
        run.log_bytes(b"step %d" % step, "note.txt")
        run.finish()
    return runs


def _series(
    bucket: MemoryBucket, *, steps: int = 8, last: int = 3, descriptor: Descriptor = ROOMY, scale: int = 1
) -> tuple[Store, list[Run]]:
    """A store with a series of checkpoints of which only the last ones are left."""
    store = _store(bucket, descriptor)
    runs = _log(store, range(steps), scale)
    for run in runs[:-last]:
        for key in [key for key in bucket.objects if key.startswith(f"{run_log(run.id)}/")]:
            del bucket.objects[key]
    return store, runs[-last:]


def _collect(bucket: MemoryBucket) -> None:
    """Delete what no run refers to."""
    tiny_store(bucket, seed=99, create=False, pool=Serial()).maintenance.gc(delay=0)


def _size(bucket: MemoryBucket) -> int:
    return sum(map(len, bucket.objects.values()))


def _whole(bucket: MemoryBucket, runs: list[Run], *, steps: int = 8, scale: int = 1) -> None:
    store = tiny_store(bucket, create=False)
    for step, run in zip(range(steps - len(runs), steps), runs, strict=True):
        assert store.runs.get(run.id).read("model.bin") == _checkpoint(step, scale)
        assert store.runs.get(run.id).read("note.txt") == b"step %d" % step
    assert [problem for problem in store.maintenance.check().problems if not problem.harmless] == []


def test_a_series_takes_what_its_last_checkpoints_need() -> None:
    """Within five per cent of a store that never held anything else; without compaction it is more."""
    bucket, fresh = MemoryBucket(), MemoryBucket()
    _, runs = _series(bucket, descriptor=WIDE, scale=4)
    _collect(bucket)
    loose = _size(bucket)
    done = tiny_store(bucket, create=False).maintenance.compact(0.02)
    assert done.failed == {}
    _collect(bucket)
    _whole(bucket, runs, scale=4)
    _log(_store(fresh, WIDE), range(5, 8), 4)
    assert _size(bucket) < 1.05 * _size(fresh) < loose
    held = tiny_store(bucket, create=False).maintenance.du().held
    assert held.dead < 0.02 * held.stored  # as was asked for, the recipes that were replaced among them


def test_what_runs_share_is_copied_once() -> None:
    """Ten runs with the same content take it along together, and share it as before."""
    bucket = MemoryBucket()
    store, runs = _series(bucket, last=2)
    for _ in range(8):
        runs.append(run := store.runs.start())
        run.log_bytes(_checkpoint(7), "model.bin")
        run.finish()
    plan = store.maintenance.compact(0, dry_run=True)
    before = dict(bucket.objects)
    assert (plan.copied, bucket.objects) == (0, before)
    done = tiny_store(bucket, seed=5, create=False).maintenance.compact(0)
    assert 0 < done.copied < plan.live
    assert (done.freed, done.live) == (plan.freed, plan.live)
    spaces = {run.run_id: run.space for run in store.maintenance.du().runs}
    assert [spaces[run.id].unique for run in runs[2:]] == [0] * 8


def test_what_is_compressed_is_copied_as_it_is() -> None:
    """Content keeps its codec and its stored length: nothing is encoded anew."""
    bucket = MemoryBucket()
    store, runs = _series(bucket, last=1)
    before = store.maintenance.du().total
    tiny_store(bucket, seed=6, create=False).maintenance.compact(0)
    after = store.maintenance.du().total
    assert (after.files, after.logical) == (before.files, before.logical)
    assert abs(after.stored - before.stored) < 100
    _whole(bucket, runs)


def test_killed_at_any_request_nothing_is_lost() -> None:
    """Before or after each request of a compaction, the store is intact, and the next one goes on."""
    made = MemoryBucket()
    _, runs = _series(made, steps=4, last=2)
    counter = FaultyBucket(MemoryBucket("memory", dict(made.objects)))
    tiny_store(counter, seed=7, create=False, pool=Serial()).maintenance.compact(0)
    for k in range(1, len(counter.requests) + 1):
        bucket = MemoryBucket("memory", dict(made.objects))
        faulty = FaultyBucket(bucket)
        faulty.on = _dies_at(k)
        with pytest.raises(Crash):
            tiny_store(faulty, seed=7, create=False, pool=Serial()).maintenance.compact(0)
        _collect(bucket)
        _whole(bucket, runs, steps=4)
    tiny_store(bucket, seed=8, create=False).maintenance.compact(0)
    _collect(bucket)
    _whole(bucket, runs, steps=4)


def test_a_collection_in_between_takes_nothing_that_lives() -> None:
    """At each request of a compaction another process collects all that it may; nothing is lost, and it ends."""
    made = MemoryBucket()
    _, runs = _series(made, steps=4, last=2)
    counter = FaultyBucket(MemoryBucket("memory", dict(made.objects)))
    tiny_store(counter, seed=7, create=False, pool=Serial()).maintenance.compact(0)
    for k in range(1, len(counter.requests) + 1, 2):
        bucket = MemoryBucket("memory", dict(made.objects))
        faulty = FaultyBucket(bucket, on=_collects_at(k, bucket))
        assert tiny_store(faulty, seed=7, create=False, pool=Serial()).maintenance.compact(0).failed == {}
        _collect(bucket)
        _whole(bucket, runs, steps=4)


def _collects_at(k: int, bucket: MemoryBucket) -> Callable[[int, str, str, str], None]:
    def on(number: int, when: str, verb: str, key: str) -> None:
        if (number, when) == (k, "before"):
            _collect(bucket)

    return on


def _dies_at(k: int) -> Callable[[int, str, str, str], None]:
    died: list[int] = []

    def on(number: int, when: str, verb: str, key: str) -> None:
        late = number > k  # a refused put, as the canary's is, has no "after"
        if not died and (late or (number, when) == (k, "after" if k % 2 else "before")):
            died.append(number)
            raise Crash

    return on


def test_a_run_that_is_written_meanwhile_keeps_what_it_gets() -> None:
    """Another writer adds to the run while its content moves: the compactor takes that in and begins anew."""
    bucket = MemoryBucket()
    _, runs = _series(bucket, last=1)
    faulty, other = FaultyBucket(bucket), tiny_store(bucket, seed=9, create=False)
    added: list[int] = []

    def on(number: int, when: str, verb: str, key: str) -> None:
        if (when, verb) == ("before", "put") and key.startswith("packs/") and not added:
            added.append(number)
            other.runs.get(runs[0].id).log_bytes(_bytes(77, 3_000), "late.bin")

    faulty.on = on
    done = tiny_store(faulty, seed=10, create=False).maintenance.compact(0)
    assert added
    assert done.failed == {}
    _collect(bucket)
    _whole(bucket, runs)
    assert tiny_store(bucket, create=False).runs.get(runs[0].id).read("late.bin") == _bytes(77, 3_000)


def test_deleted_runs_move_too_and_stay_deleted() -> None:
    """What can be restored is moved like the rest."""
    bucket = MemoryBucket()
    store, runs = _series(bucket)
    runs[0].delete()
    assert tiny_store(bucket, seed=11, create=False).maintenance.compact(0).failed == {}
    _collect(bucket)
    (told,) = [run for run in store.maintenance.du().runs if run.deleted]
    assert told.run_id == runs[0].id
    store.runs.get(runs[0].id).restore()
    _whole(bucket, runs)


def test_new_runs_share_what_has_moved() -> None:
    """Hints lead to the new packs: the same content, logged again, takes what it takes beside one that never moved."""
    grown = []
    for moved in (False, True):
        bucket = MemoryBucket()
        _series(bucket, last=1)
        if moved:
            assert tiny_store(bucket, seed=12, create=False).maintenance.compact(0).copied
        _collect(bucket)
        before = _size(bucket)
        again = tiny_store(bucket, seed=13, create=False).runs.start()
        again.log_bytes(_checkpoint(7), "model.bin")
        again.finish()
        grown.append(_size(bucket) - before)
    assert grown[1] < grown[0] + 8_000  # its recipe, of 125,000 bytes of content


def test_packs_of_a_run_that_is_being_written_are_left_alone() -> None:
    """Its writer may refer to what looks dead."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    run = store.runs.start()
    for n in range(4):
        run.log_bytes(_bytes(n, 80_000), f"{n}.bin")
    assert store.maintenance.du().held.dead == 0 or store.maintenance.compact(0, dry_run=True).packs == ()
    with pytest.raises(InvalidArgumentError):
        store.maintenance.compact(-1)


def test_a_damaged_run_stops_it() -> None:
    """What it refers to is not known, so nothing would be freed; it is named."""
    bucket = MemoryBucket()
    _, runs = _series(bucket)
    for key in [key for key in bucket.objects if key.startswith(run_log(runs[0].id))]:
        bucket.objects[key] = b"{}" + bucket.objects[key][2:]
    before = dict(bucket.objects)
    found = tiny_store(bucket, create=False).maintenance.compact(0)
    assert (found.packs, found.unknown) == ((), (runs[0].id,))
    assert bucket.objects == before


def test_earlier_versions_move_too() -> None:
    """A versioned run keeps what its paths held, and reads it from the new packs."""
    bucket = MemoryBucket()
    store = _store(bucket)
    run = store.runs.start(paths="versioned")
    for epoch in range(4):
        run.log_bytes(_checkpoint(epoch), "last.pt", on_conflict="replace")
    run.trim("last.pt", keep_last=3)
    run.finish()
    before = _versions(run)
    assert before == [_checkpoint(3), _checkpoint(2), _checkpoint(1)]
    done = tiny_store(bucket, seed=14, create=False).maintenance.compact(0)
    assert (done.failed, done.run_ids) == ({}, (run.id,))
    _collect(bucket)
    assert _versions(tiny_store(bucket, create=False).runs.get(run.id)) == before
    assert [problem for problem in store.maintenance.check().problems if not problem.harmless] == []


def _versions(run: Run) -> list[bytes]:
    return [run.read("last.pt", version=found.version) for found in run.versions("last.pt")]
