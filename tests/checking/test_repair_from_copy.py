"""What a store has lost is taken from a copy of it, and proven by its digests before it is written."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.support.depth import DEEP, thinned
from tests.support.faulty import Crash, Fault, FaultyBucket
from tests.support.logs import packs_in
from tests.support.stores import entropy, tiny_location

from holdall.chunks.pool import Pool
from holdall.errors import InvalidArgumentError, StoreNotFoundError, TransientStorageError
from holdall.format.layout import EXPERIMENTS, RUNS, PackName, generation_key, log_key, run_log
from holdall.format.records import encode_generation
from holdall.storage.local import LocalBucket
from holdall.storage.memory import MemoryBucket
from holdall.store import RunRepair, Store
from holdall.trees.session import Draft

BIG, TOGETHER = entropy(51)(60_000), [entropy(60 + n)(3_000) for n in range(10)]
Damage: TypeAlias = Callable[[MemoryBucket, str], None]


def flipped(bucket: MemoryBucket, key: str) -> None:
    data = bytearray(bucket.objects[key])
    data[len(data) // 3] ^= 4
    bucket.objects[key] = bytes(data)


def truncated(bucket: MemoryBucket, key: str) -> None:
    bucket.objects[key] = bucket.objects[key][: len(bucket.objects[key]) // 2]


def deleted(bucket: MemoryBucket, key: str) -> None:
    del bucket.objects[key]


DAMAGES = [flipped, truncated, deleted]


def located(bucket: MemoryBucket, ids: int, sessions: int, *, create: bool = False) -> Store:
    """A store whose runs have the ids of one seed, and whose sessions, so packs, have those of another."""
    location = tiny_location(bucket, seed=sessions, create=create)
    run_ids, others = entropy(ids), location.entropy
    location.entropy = lambda size: run_ids(size) if size == 6 else others(size)
    process = {"command": ["train.py"], "entry_script": "train.py", "source_type": "LOCAL"}
    location.environment = lambda: {
        "process": process,
        "repository": None,
        "host": {"user": "u"},
        "distributions": {f"d{n}": "1" for n in range(30)},
    }
    return Store(location)


def fill(store: Store) -> list[str]:
    """Three runs: a large file and many facts; many files, of which one is like the first run's; a deleted one."""
    first = store.runs.start()
    first.log_params({f"p{n}": "v" * 500 for n in range(150)})
    first.log_stream(io.BytesIO(BIG), "weights.bin")
    first.log_text("small", "notes/a.txt")
    first.log_metric("loss", 0.5, step=1)
    first.finish()
    second = store.runs.start()
    for n, data in enumerate(TOGETHER):
        second.log_bytes(data, f"parts/{n}.bin")
    second.log_stream(io.BytesIO(BIG[:30_000] + TOGETHER[0]), "like.bin")
    second.finish()
    third = store.runs.start()
    third.log_stream(io.BytesIO(TOGETHER[3] * 9), "alone.bin")
    third.finish()
    return [first.id, second.id, third.id]


class Copied:
    """A store and its copies: `mirror` object by object, `made` by copying runs, `copy` with yet other packs."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        whole, self.copy, self.made = MemoryBucket("whole", self.objects), MemoryBucket("copy"), MemoryBucket("made")
        self.runs = fill(located(whole, 1, 2, create=True))
        opened(whole).maintenance.copy_to(Store(tiny_location(self.made, seed=4)))
        assert fill(located(self.copy, 1, 3, create=True)) == self.runs
        for bucket in (whole, self.copy):  # the last is deleted; who copies runs copies none that is
            opened(bucket).runs.get(self.runs[2]).delete()
        self.mirror = MemoryBucket("mirror", dict(self.objects))
        assert not set(packs_in(self.copy)) & set(packs_in(self.mirror))
        self.in_packs = [self.runs[0], self.runs[2]]  # those whose listings are not in log entries
        self.contents = contents(MemoryBucket("whole", self.objects), self.runs)
        self.facts = facts(MemoryBucket("whole", self.objects), self.runs)

    def lost(self) -> MemoryBucket:
        """The store, to be damaged."""
        return MemoryBucket("lost", dict(self.objects))

    @cached_property
    def logs(self) -> list[str]:
        return [key for key in self.objects if key.startswith(RUNS)]


def opened(bucket: MemoryBucket, seed: int = 9) -> Store:
    return Store(tiny_location(bucket, seed=seed, create=False))


def contents(bucket: MemoryBucket, runs: list[str]) -> dict[str, bytes]:
    """Every file of every run, byte by byte."""
    store = opened(bucket)
    return {f"{id}/{path}": store.runs.get(id).read(path) for id in runs for path in store.runs.get(id).manifest}


def facts(bucket: MemoryBucket, runs: list[str]) -> list[tuple[object, ...]]:
    """What else is said of each run."""
    states = [opened(bucket).runs.get(id).state for id in runs]
    return [(s.params, s.tags, s.metrics, s.status, s.files, s.bytes, s.started, s.ended, s.deleted) for s in states]


@pytest.fixture(scope="module")
def copied() -> Copied:
    return Copied()


def heal(bucket: MemoryBucket, donor: MemoryBucket) -> list[RunRepair]:
    """Record what is damaged, plan, and do what was planned."""
    opened(bucket, 21).maintenance.check(record=True)
    before = dict(bucket.objects)
    planned = opened(bucket, 22).maintenance.repair(source=opened(donor), dry_run=True)
    assert bucket.objects == before
    done = opened(bucket, 22).maintenance.repair(source=opened(donor))
    assert done == planned
    assert bucket.objects.items() >= before.items(), "something was overwritten or deleted"
    return done


@pytest.mark.parametrize("kind", ["mirror", "copy", "made"])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.every(3)
def test_every_pack_in_turn_is_healed(copied: Copied, kind: str, damage: Damage) -> None:
    """Flipped, cut or gone: all files of all runs are as they were, nothing needs the pack, and a check says so."""
    donor: MemoryBucket = getattr(copied, kind)
    assert len(packs_in(copied.lost())) > 8
    for key in thinned(packs_in(copied.lost()), 4):
        bucket = copied.lost()
        damage(bucket, key)
        done = heal(bucket, donor)
        assert all(plan.whole for plan in done), done
        bucket.objects.pop(key, None)  # nothing needs it: what is left of it may be collected
        bucket.objects.pop(f"gc/damaged/{key.rpartition('/')[2]}", None)
        assert contents(bucket, copied.runs) == copied.contents, key
        assert facts(bucket, copied.runs) == copied.facts
        found = opened(bucket).maintenance.check()
        assert found.intact, found.problems
        assert opened(bucket).maintenance.repair(source=opened(donor)) == []


@pytest.mark.parametrize("kind", ["mirror", "copy", "made"])
def test_all_packs_lost_at_once_are_healed(copied: Copied, kind: str) -> None:
    """Where no pack is left, every byte comes from the copy."""
    bucket = copied.lost()
    for key in packs_in(bucket):
        del bucket.objects[key]
    assert all(plan.whole for plan in heal(bucket, getattr(copied, kind)))
    assert contents(bucket, copied.runs) == copied.contents
    assert facts(bucket, copied.runs) == copied.facts
    assert opened(bucket).maintenance.check().intact


def test_without_a_copy_a_run_whose_listing_is_lost_stays_lost(copied: Copied) -> None:
    """What a copy makes good is not good by itself: the same loss, the same plan, and nothing written."""
    bucket = copied.lost()
    for key in packs_in(bucket):
        del bucket.objects[key]
    before = dict(bucket.objects)
    plans = opened(bucket).maintenance.repair()
    assert {plan.run_id for plan in plans if plan.lost} == set(copied.in_packs)
    assert not any(plan.whole for plan in plans)
    assert bucket.objects == before


def test_what_nothing_here_proves_is_said(copied: Copied) -> None:
    """The paths of a run whose listing is lost are the copy's word; those that a mirror's node proves are not."""
    for kind, said in (("mirror", False), ("copy", True), ("made", True)):
        bucket = copied.lost()
        for key in packs_in(bucket):
            del bucket.objects[key]
        plans = heal(bucket, getattr(copied, kind))
        assert {plan.run_id for plan in plans if plan.word} == set(copied.in_packs if said else ())
        assert all("the paths that it holds" in word for plan in plans for word in plan.word)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.every(3)
def test_every_log_entry_in_turn_is_healed_from_a_mirror(copied: Copied, damage: Damage) -> None:
    """What is missing is put back as it was; what is damaged is said again behind it, and put back once it is gone."""
    for key in thinned(copied.logs, 4):
        bucket = copied.lost()
        damage(bucket, key)
        newest = key == min(each for each in copied.logs if each.startswith(key[:37]))
        done = heal(bucket, copied.mirror)
        (entry,) = [entry for plan in done for entry in plan.entries]
        if damage is truncated and newest:  # nothing proves which bytes were there, and they are in the way
            assert "by hand" in entry.lost
        else:
            assert not entry.lost
            assert facts(bucket, copied.runs) == copied.facts
            assert contents(bucket, copied.runs) == copied.contents
        if damage is deleted:
            assert bucket.objects == copied.objects
            assert bool(entry.proof) != newest
            assert [bool(plan.word) for plan in done] == [newest]
            continue
        del bucket.objects[key]
        heal(bucket, copied.mirror)
        assert bucket.objects[key] == copied.objects[key]
        assert facts(bucket, copied.runs) == copied.facts
        assert opened(bucket).maintenance.check().intact
        assert opened(bucket).maintenance.repair(source=opened(copied.mirror)) == []


def test_a_whole_log_comes_back_from_a_mirror(copied: Copied) -> None:
    """A run of which no object is left is listed again, with all that it held; so is an experiment."""
    bucket = copied.lost()
    for key in [key for key in bucket.objects if key.startswith((run_log(copied.runs[0]), EXPERIMENTS))]:
        del bucket.objects[key]
    assert [plan.run_id for plan in heal(bucket, copied.mirror)] == copied.runs[:1]
    (experiment,) = opened(bucket).maintenance.repair_logs(opened(copied.mirror))
    assert experiment.whole
    assert bucket.objects == copied.objects


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_experiments_entry_is_put_back_or_named(copied: Copied, damage: Damage) -> None:
    """Its log has no checkpoints, so what is damaged is named until its object is removed; then it is put back."""
    bucket = copied.lost()
    (key,) = [key for key in bucket.objects if key.startswith(EXPERIMENTS)]
    damage(bucket, key)
    (plan,) = opened(bucket).maintenance.repair_logs(opened(copied.mirror))
    assert plan.whole == (damage is deleted)
    if damage is not deleted:
        assert bucket.objects[key] != copied.objects[key]
        del bucket.objects[key]
        (plan,) = opened(bucket).maintenance.repair_logs(opened(copied.mirror))
    assert plan.whole
    assert bucket.objects == copied.objects
    assert opened(bucket).maintenance.repair_logs(opened(copied.mirror)) == []


def test_a_lost_entry_is_told_by_a_copy_of_other_packs(copied: Copied) -> None:
    """Such a copy has no entry to put back; what the run says is stated again, on its word."""
    for key in copied.logs[1:]:
        bucket = copied.lost()
        del bucket.objects[key]
        plans = opened(bucket, 22).maintenance.repair(source=opened(copied.copy))
        if plans:
            assert all(plan.whole for plan in plans), plans
            assert contents(bucket, copied.runs) == copied.contents
            assert [each[:6] for each in facts(bucket, copied.runs)] == [each[:6] for each in copied.facts]


def test_a_mirror_that_was_written_to_gives_nothing_that_does_not_fit(copied: Copied) -> None:
    """An entry that is not the one that was lost is refused: its digest is not what the next entry says."""
    bucket, other = copied.lost(), MemoryBucket("other", dict(copied.objects))
    key = log_key(run_log(copied.runs[0]), 1)
    run_log_of_second = log_key(run_log(copied.runs[1]), 1)
    other.objects[key] = other.objects[run_log_of_second]
    del bucket.objects[key]
    (plan,) = heal(bucket, other)
    assert [bool(entry.lost) for entry in plan.entries] == [True]
    assert key not in bucket.objects


def test_a_store_that_is_no_copy_heals_nothing(copied: Copied) -> None:
    """It is asked, has nothing that fits, and the plan says where it was sought; nothing is written."""
    bucket, other = copied.lost(), MemoryBucket("other")
    tiny_location(other, seed=77)
    for key in packs_in(bucket):
        del bucket.objects[key]
    before = dict(bucket.objects)
    plans = opened(bucket).maintenance.repair(source=opened(other))
    assert [plan.whole for plan in plans] == [False] * 3
    assert {plan.run_id for plan in plans if "memory://other holds no such run" in plan.lost} == set(copied.in_packs)
    assert all("memory://other does not have" in file.lost for plan in plans for file in plan.files)
    assert bucket.objects == before


def test_a_copy_that_is_damaged_too_is_told(copied: Copied) -> None:
    """What is whole in neither is lost; what is whole in one is healed."""
    bucket, other = copied.lost(), MemoryBucket("other", dict(copied.objects))
    for key in packs_in(bucket):
        del bucket.objects[key]
        flipped(other, key)
    plans = opened(bucket).maintenance.repair(source=opened(other))
    assert not all(plan.whole for plan in plans)
    reasons = [plan.lost for plan in plans if plan.lost] + [
        file.lost for plan in plans for file in plan.files if file.lost
    ]
    assert reasons
    assert all("memory://other" in reason for reason in reasons)


def test_a_run_that_was_purged_in_the_copy_is_told(copied: Copied) -> None:
    """Its content is not there either, and a run that was purged here is never brought back from a copy."""
    bucket, other = copied.lost(), MemoryBucket("other", dict(copied.copy.objects))
    opened(other, 31).runs.resume(copied.runs[0])._writing().append(lambda: Draft([{"op": "purge"}]))
    for key in packs_in(bucket):
        del bucket.objects[key]
    plans = {plan.run_id: plan for plan in opened(bucket).maintenance.repair(source=opened(other))}
    assert "memory://other holds no such run" in plans[copied.runs[0]].lost
    purged = copied.lost()
    opened(purged, 32).runs.resume(copied.runs[0])._writing().append(lambda: Draft([{"op": "purge"}]))
    for key in sorted(key for key in purged.objects if key.startswith(run_log(copied.runs[0])))[1:]:
        del purged.objects[key]
    before = dict(purged.objects)
    assert opened(purged).maintenance.repair(source=opened(copied.mirror)) == []
    assert purged.objects == before


def test_a_place_that_cannot_be_the_copy_is_refused(copied: Copied) -> None:
    """No store there, or the very store that is to be healed."""
    with pytest.raises(StoreNotFoundError, match="memory://empty"):
        opened(copied.lost()).maintenance.repair(source=opened(MemoryBucket("empty")))
    with pytest.raises(InvalidArgumentError, match="no copy of it"):
        opened(copied.lost()).maintenance.repair(source=opened(copied.lost()))


@pytest.mark.parametrize("kind", ["mirror", "copy", "made"])
@pytest.mark.every(3)
def test_a_repair_that_is_killed_at_any_request_goes_on(copied: Copied, kind: str) -> None:
    """Before and after each request that writes: the next repair completes what was begun, and nothing is lost."""
    donor: MemoryBucket = getattr(copied, kind)
    lost = packs_in(copied.lost())[:1] + [log_key(run_log(copied.runs[1]), 2)] * (kind == "mirror")
    for at in thinned(range(1, 100), 3):
        bucket, writes = copied.lost(), 0
        for key in lost:
            del bucket.objects[key]

        def die(number: int, when: str, verb: str, key: str, at: int = at) -> None:
            nonlocal writes
            writes += verb == "put"
            if writes == at:
                raise Crash

        faulty = FaultyBucket(bucket, on=die)
        try:
            store = Store(tiny_location(faulty, seed=41, create=False))
            store.maintenance.repair(source=opened(donor))
        except Crash:
            assert all(plan.whole for plan in opened(bucket, 42).maintenance.repair(source=opened(donor)))
            assert contents(bucket, copied.runs) == copied.contents
            assert opened(bucket).maintenance.check().intact
        else:
            assert at > 6, "it was killed nowhere"
            return


def test_a_copy_that_cannot_be_reached_is_named(copied: Copied) -> None:
    """Its error, with its address; what was healed before is, and another call does the rest."""
    bucket = copied.lost()
    for key in packs_in(bucket):
        del bucket.objects[key]
    faulty = FaultyBucket(copied.mirror)
    faulty.plan(Fault("get_range", "fail", times=None))
    with pytest.raises(TransientStorageError, match="memory://mirror"):
        opened(bucket).maintenance.repair(source=Store(tiny_location(faulty, create=False)))
    assert all(plan.whole for plan in opened(bucket).maintenance.repair(source=opened(copied.mirror)))
    assert contents(bucket, copied.runs) == copied.contents


def test_blobs_of_a_mirror_come_by_the_stretch(copied: Copied) -> None:
    """Neighbours in a pack are one request there, as for any reader: not one for each chunk."""
    bucket = copied.lost()
    for key in packs_in(bucket):
        del bucket.objects[key]
    asked = FaultyBucket(copied.mirror)
    opened(bucket).maintenance.repair(source=Store(tiny_location(asked, create=False)), dry_run=True)
    chunks = opened(copied.mirror).maintenance.check(quick=True).blobs
    assert asked.count("get_range") < chunks / 2


def test_what_a_collector_took_for_unused_is_copied_when_its_entry_comes_back(copied: Copied) -> None:
    """The entries that referred to packs were lost, so these are condemned: they go, and the run is whole."""
    bucket = copied.lost()
    for key in [key for key in copied.logs if key.startswith(run_log(copied.runs[0])) and not key.endswith("f" * 16)]:
        del bucket.objects[key]
    unused = [PackName.parse(key.rpartition("/")[2], key) for key in opened(bucket).maintenance.check().orphans]
    assert len(unused) > 2
    bucket.put(generation_key(0, "condemn"), encode_generation(0, "condemn", unused))
    plans = opened(bucket, 22).maintenance.repair(source=opened(copied.mirror))
    assert [plan.run_id for plan in plans] == copied.runs[:1]
    for pack in unused:
        del bucket.objects[pack.key]
    assert contents(bucket, copied.runs) == copied.contents
    assert facts(bucket, copied.runs) == copied.facts
    assert opened(bucket).maintenance.check().intact


def test_a_damaged_pack_may_be_collected_once_it_is_healed(copied: Copied) -> None:
    """Nothing needs it then: the next collection deletes it, and all files are there."""
    key = packs_in(copied.lost())[0]
    bucket = copied.lost()
    flipped(bucket, key)
    heal(bucket, copied.mirror)
    found = opened(bucket, 23).maintenance.gc(delay=0)
    assert found.freed.packs >= 1  # and what only superseded states name
    assert key not in bucket.objects
    assert contents(bucket, copied.runs) == copied.contents
    assert opened(bucket).maintenance.check().intact


@pytest.mark.parametrize("engine", ["threads", "dask"] if DEEP else ["threads"])
def test_many_workers_heal_as_one_does(copied: Copied, engine: str, tmp_path: Path) -> None:
    """The same plans in the same order, and the same runs whole; a shard that is done again finds nothing left."""
    if engine == "dask":
        pytest.importorskip("distributed", reason="pip install 'holdall[dask]'")
    folders = [LocalBucket(tmp_path / name) for name in ("store", "mirror")]
    for folder in folders:
        for key, data in copied.objects.items():
            folder.put(key, data)
    here, mirror = (Store._over(folder, Pool()) for folder in folders)
    for key in packs_in(folders[0]):
        folders[0].delete(key)
    expected = here.maintenance.repair(source=mirror, dry_run=True)
    assert len(expected) == 3
    assert here.maintenance.repair(source=mirror, engine=engine, workers=2, dry_run=True) == expected
    assert here.maintenance.repair(source=mirror, engine=engine, workers=2) == expected
    assert here.maintenance.repair(source=mirror, engine=engine, workers=2) == []
    assert here.maintenance.check().intact
