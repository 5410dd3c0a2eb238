"""A purge leaves no byte of what a run held alone, in any object; all else stays readable, and what stays is named."""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import partial

import pytest
from tests.support.faulty import Crash, FaultyBucket
from tests.support.grep import grep
from tests.support.stores import tiny_location, tiny_store

from holdall.collecting.at_once import collect_packs
from holdall.errors import DamageError, RunHeldError, RunNotFoundError
from holdall.format.damage import DamageRecord
from holdall.format.layout import PackName, run_log
from holdall.retention.performing import remove_older
from holdall.retention.purge_plan import SAME_CHUNKS, SAME_FILE, PurgePlan, plan_purge
from holdall.retention.purging import Purged, purge
from holdall.runs.run import Run
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.damage import record_damage
from holdall.trees.location import Location
from holdall.trees.source import bytes_item

SECRET = b"password=hunter2"


def noise(seed: int, size: int = 80_000) -> bytes:
    return random.Random(seed).randbytes(size)


def with_secrets(seed: int, size: int = 80_000) -> bytes:
    """Bytes of several chunks, each of which holds the secret."""
    return b"".join(SECRET + noise(seed + n, 200) for n in range(size // 216))


class World:
    """Runs that share what they hold: `before` wrote some of it first, `after` shares what the leaking run wrote."""

    def __init__(self) -> None:
        self.bucket = MemoryBucket()
        store = tiny_store(self.bucket)
        self.before = self.run(store, "before", {"weights.bin": noise(1)})
        self.leak = store.runs.start(experiment="e", name="leak", tags={"token": SECRET.decode()})
        self.leak.log_params({"key": SECRET.decode()})
        files = {"dump.bin": with_secrets(100), "data.bin": noise(2), "weights.bin": noise(1)}
        self.leak._log_items([bytes_item(path, data) for path, data in files.items()])  # in common packs
        self.leak.log_bytes(SECRET, "small.txt")
        for n in range(40):
            self.leak.log_bytes(SECRET + noise(5000 + n, 4_000), f"many/{n}.txt")  # so many that they move to a pack
        self.leak.finish()
        self.after = self.run(store, "after", {"copy.bin": noise(2), "own.bin": noise(4)})

    def run(self, store: Store, name: str, files: dict[str, bytes]) -> Run:
        run = store.runs.start(experiment="e", name=name)
        for path, data in files.items():
            run.log_bytes(data, path)
        run.finish()
        return run

    def location(self, seed: int = 30, bucket: Bucket | None = None) -> Location:
        return tiny_location(bucket or self.bucket, seed=seed, create=False)

    def plan(self, seed: int = 31) -> PurgePlan:
        return plan_purge(self.location(seed), self.leak.id)

    def purge(self, seed: int = 32, bucket: Bucket | None = None) -> Purged:
        location = self.location(seed, bucket)
        return purge(location, plan_purge(location, self.leak.id), partial(collect_packs, location))

    def fresh(self, seed: int = 33) -> Store:
        return tiny_store(self.bucket, seed=seed, create=False)

    def is_whole(self) -> None:
        """All but the leaking run is as it was, and nothing is wrong with the store."""
        store = self.fresh()
        assert store.runs.get(self.before.id).read("weights.bin") == noise(1)
        assert store.runs.get(self.after.id).read("copy.bin") == noise(2)
        assert store.runs.get(self.after.id).read("own.bin") == noise(4)
        assert store.maintenance.check().problems == []


@pytest.fixture(scope="module")
def made() -> World:
    return World()


@pytest.fixture
def world(made: World) -> World:
    """A copy of it."""
    world = World.__new__(World)
    world.__dict__.update(made.__dict__)
    world.bucket = MemoryBucket(objects=dict(made.bucket.objects))
    return world


def test_a_purged_files_bytes_are_in_no_object(world: World) -> None:
    """Not in a pack, an entry, a checkpoint's facts, a hint; and what other runs need is where it can be read."""
    assert len(grep(world.bucket, SECRET)) > 10
    done = world.purge()
    assert done.packs
    assert done.left == ()
    assert done.moved == (world.after.id,)
    assert grep(world.bucket, SECRET) == []
    world.is_whole()
    with pytest.raises(RunNotFoundError):
        world.fresh().runs.get(world.leak.id).state  # noqa: B018
    assert len([key for key in world.bucket.objects if key.startswith(run_log(world.leak.id))]) == 1


def test_hints_and_records_of_damage_go_too(world: World) -> None:
    """None leads to a pack that is gone."""
    packs = world.plan().names
    record_damage(world.bucket, DamageRecord(min(packs), 1, "test", "bad", ()))
    assert any(
        str(pack).encode() in data for pack in packs for key, data in world.bucket.objects.items() if "hints/" in key
    )
    world.purge()
    rest = b"".join(data for key, data in world.bucket.objects.items() if key.startswith(("hints/", "gc/damaged")))
    assert not any(str(pack).encode() in rest for pack in packs)
    assert not any(key.startswith("gc/damaged") for key in world.bucket.objects)


def test_a_plan_writes_nothing_and_names_what_goes(world: World) -> None:
    """The run, its size, the packs, and the runs whose other content is copied first."""
    before = dict(world.bucket.objects)
    plan = world.plan()
    assert world.bucket.objects == before
    assert (plan.name, plan.files, plan.deleted, plan.purged, plan.moving) == (
        "leak",
        44,
        False,
        False,
        (world.after.id,),
    )
    assert plan.pack_bytes == sum(len(world.bucket.objects[pack.key]) for pack in plan.names)


def test_what_other_runs_hold_of_the_content_stays_and_is_named(world: World) -> None:
    """The same file under another path, a file with some of its chunks, and who holds these."""
    store = world.fresh(40)
    same = world.run(store, "same", {"kept/dump.bin": with_secrets(100), "other.bin": noise(9)})
    part = world.run(store, "part", {"longer.bin": with_secrets(100) + noise(7)})
    store.registry.register(f"runs:/{same.id}/kept", "fraud")
    store.registry.set_alias("fraud", "champion", 1)
    store.deployments.record(f"runs:/{part.id}/longer.bin", "eu-west")
    part.delete()
    found = {left.uri: left for left in world.plan().remaining}
    whole, piece = found[f"runs:/{same.id}/kept/dump.bin"], found[f"runs:/{part.id}/longer.bin"]
    assert (whole.what, whole.path, whole.held_by) == (SAME_FILE, "dump.bin", ("models:/fraud/1 (@champion)",))
    assert (piece.what, piece.path, piece.deleted, piece.held_by) == (SAME_CHUNKS, "", True, ("deployed at eu-west",))
    assert f"runs:/{world.before.id}/weights.bin" in found
    assert f"runs:/{same.id}/other.bin" not in found
    world.purge()
    world.is_whole()
    assert world.fresh(42).runs.get(same.id).read("kept/dump.bin") == with_secrets(100)
    assert grep(world.bucket, SECRET + noise(5000, 100)) == [], "what nobody else holds is gone"


def test_what_is_held_is_refused_by_name(world: World) -> None:
    """Versions with their aliases, and the tag; then, once these are gone, it is done."""
    store = world.fresh(40)
    store.registry.register(f"runs:/{world.leak.id}/dump.bin", "fraud")
    store.registry.set_alias("fraud", "champion", 1)
    with pytest.raises(RunHeldError, match=r"models:/fraud/1 \(@champion\)"):
        world.purge()
    store.registry.delete_version("fraud", "1")
    run = store.runs.get(world.leak.id)
    run.set_tags({"holdall.keep": ""})
    run.flush()
    with pytest.raises(RunHeldError, match=r"holdall\.keep"):
        world.purge()
    run.delete_tag("holdall.keep")
    run.flush()
    world.purge()
    assert grep(world.bucket, SECRET) == []


@pytest.mark.parametrize("meanwhile", ["pinned", "tagged", "restored"])
def test_a_run_that_somebody_wants_meanwhile_is_not_purged(world: World, meanwhile: str) -> None:
    """Between the plan and the purge: it is refused, and nothing of it is lost."""
    location = world.location()
    plan = plan_purge(location, world.leak.id)
    store = world.fresh(45)
    if meanwhile == "pinned":
        store.registry.register(f"runs:/{world.leak.id}/dump.bin", "fraud")
    if meanwhile == "tagged":
        run = store.runs.get(world.leak.id)
        run.set_tags({"holdall.keep": ""})
        run.flush()
    bucket = FaultyBucket(world.bucket)

    def restore(_: int, when: str, verb: str, key: str) -> None:
        if (when, verb) == ("before", "delete_many") and meanwhile == "restored":
            bucket.on = None
            store.runs.get(world.leak.id).restore()

    bucket.on = restore
    location.bucket = bucket
    with pytest.raises(RunHeldError):
        purge(location, plan, partial(collect_packs, location))
    assert world.fresh(46).runs.get(world.leak.id).read("dump.bin") == with_secrets(100)
    world.is_whole()


def test_children_are_named_and_stay(world: World) -> None:
    """The runs that say that they are part of it."""
    child = world.fresh(40).runs.start(experiment="e", parent=world.leak.id)
    child.finish()
    assert world.plan().children == (child.id,)


def test_what_was_uploaded_and_never_committed_goes(world: World) -> None:
    """A file whose commit failed is in the packs of the run's sessions, and no tree knows it."""
    bucket = FaultyBucket(world.bucket)
    run = tiny_store(bucket, seed=48, create=False).runs.start(experiment="e", name="failing")

    def crash(_: int, when: str, verb: str, key: str) -> None:
        if (when, verb) == ("before", "put") and key.startswith("runs/"):
            raise Crash

    run.flush()
    bucket.on = crash
    with pytest.raises(Crash):
        run.log_bytes(b"uncommitted" * 10_000, "late.bin")
    bucket.on = None
    assert grep(world.bucket, b"uncommitteduncommitted")
    location = world.location()
    purge(location, plan_purge(location, run.id), partial(collect_packs, location))
    assert grep(world.bucket, b"uncommitteduncommitted") == []
    world.is_whole()


def test_a_copy_in_another_sessions_pack_goes_too(world: World) -> None:
    """Stored again by a run that was purged without its packs being collected since."""
    packs = {key: data for key, data in world.bucket.objects.items() if key.startswith("packs/")}
    for key in world.bucket.objects.copy():
        if key.startswith("hints/"):
            del world.bucket.objects[key]  # so that nothing is shared; nor does a run before hold the path
    other = world.run(world.fresh(40), "other", {"copy.bin": with_secrets(100)})
    assert len([key for key in grep(world.bucket, SECRET) if key.startswith("packs/") and key not in packs]) > 0
    for key in list(world.bucket.objects):
        if key.startswith(run_log(other.id)):
            del world.bucket.objects[key]
    world.purge()
    assert grep(world.bucket, SECRET) == []


def test_a_writer_that_shares_the_content_anew_keeps_it_until_it_is_copied(world: World) -> None:
    """Whoever refers to a pack between the copying and the collection is seen by this; then it is done again."""
    location, store = world.location(), world.fresh(40)
    late: list[Run] = []

    def busy(packs: frozenset[PackName]) -> Collection[PackName]:
        if not late:
            run = store.runs.start(experiment="e", name="late")
            run._writing().chunk_index.load_footers(packs)  # as who read them before the hints went
            run.log_bytes(noise(2), "late.bin")
            run.finish()
            late.append(run)
        return collect_packs(location, packs)

    done = purge(location, plan_purge(location, world.leak.id), busy)
    assert done.left == ()
    assert late[0].id in done.moved
    assert grep(world.bucket, SECRET) == []
    assert world.fresh(50).runs.get(late[0].id).read("late.bin") == noise(2)
    world.is_whole()


def test_what_a_versioned_run_held_goes_as_well(world: World) -> None:
    """Replaced, trimmed, or an earlier version; and one that another run keeps as such is named, and stays."""
    store = world.fresh(40)
    other = store.runs.start(experiment="e", name="other", paths="versioned")
    leak = store.runs.start(experiment="e", name="versioned", paths="versioned")
    for seed in (7, 8):
        other.log_bytes(with_secrets(9000 + 500 * seed), "last.bin", on_conflict="replace")
    for seed in (7, 9, 10):
        leak.log_bytes(with_secrets(9000 + 500 * seed) + noise(70), "last.bin", on_conflict="replace", keep_last=2)
    for run in (other, leak):
        run.finish()
    location = world.location()
    plan = plan_purge(location, leak.id)
    assert {(left.uri, left.what) for left in plan.remaining} >= {(f"runs:/{other.id}/last.bin", SAME_CHUNKS)}
    purge(location, plan, partial(collect_packs, location))
    for seed in (9, 10):
        assert grep(world.bucket, SECRET + noise(9000 + 500 * seed, 200)) == []
    kept = [version.version for version in other.versions("last.bin")]
    assert [other.read("last.bin", version=each) for each in kept] == [with_secrets(9000 + 500 * n) for n in (8, 7)]
    world.is_whole()


def test_trimming_a_small_file_removes_no_secret(world: World) -> None:
    """The run's log has it until the run is purged, as the guide says."""
    run = world.fresh(60).runs.start(name="versioned", paths="versioned")
    for data in (b"a small secret", b"clean"):
        run.log_bytes(data, "small.txt", on_conflict="replace", keep_last=1)
    run.finish()
    assert grep(world.bucket, b"a small secret")
    location = world.location()
    purge(location, plan_purge(location, run.id), partial(collect_packs, location))
    assert grep(world.bucket, b"a small secret") == []


def test_a_collection_may_sweep_the_log_meanwhile(world: World) -> None:
    """What the run was made of is known to the purge all the same, also in a second round."""
    location, store = world.location(), world.fresh(40)
    rounds: list[int] = []

    def swept(packs: frozenset[PackName]) -> Collection[PackName]:
        if not rounds:
            run = store.runs.start(experiment="e", name="late")
            run._writing().chunk_index.load_footers(packs)
            run.log_bytes(noise(2), "late.bin")
            run.finish()
            assert remove_older(world.location(41), world.leak.id)
        rounds.append(len(packs))
        return collect_packs(location, packs)

    done = purge(location, plan_purge(location, world.leak.id), swept)
    assert (done.left, len(rounds)) == ((), 2)
    assert grep(world.bucket, SECRET) == []
    world.is_whole()


def test_where_some_run_cannot_be_read_nothing_is_purged(world: World) -> None:
    """Nobody knows then what it needs."""
    keys = [key for key in world.bucket.objects if key.startswith(run_log(world.after.id))]
    world.bucket.objects[min(keys)] = b"no entry"
    before = dict(world.bucket.objects)
    with pytest.raises(DamageError):
        world.purge()
    assert world.bucket.objects == before


def test_a_run_that_is_purged_already_has_nothing_left_to_do(world: World) -> None:
    """A plan says so; a run that never was is not found."""
    world.purge()
    plan = world.plan(60)
    assert (plan.purged, plan.packs, plan.files) == (True, (), 0)
    before = dict(world.bucket.objects)
    assert world.purge(61).packs == ()
    assert world.bucket.objects == before
    with pytest.raises(RunNotFoundError):
        plan_purge(world.location(), "0" * 32)


def test_killed_at_any_request_the_next_purge_goes_on(made: World) -> None:
    """Before each request that changes something: afterwards no byte is left, and nothing else is lost."""
    at = 0
    while True:
        world = World.__new__(World)
        world.__dict__.update(made.__dict__)
        world.bucket = MemoryBucket(objects=dict(made.bucket.objects))
        bucket, left = FaultyBucket(world.bucket), [at]

        def crash(_: int, when: str, verb: str, __: str, left: list[int] = left) -> None:
            if when == "before" and verb in ("put", "delete", "delete_many"):
                left[0] -= 1
                if left[0] < 0:
                    raise Crash

        location = world.location(32, bucket)
        plan = plan_purge(location, world.leak.id)
        bucket.on = crash
        try:
            purge(location, plan, partial(collect_packs, location))
            break
        except Crash:
            bucket.on = None
        assert world.fresh(70).runs.get(world.after.id).read("copy.bin") == noise(2)
        world.purge(71)
        assert grep(world.bucket, SECRET) == [], at
        at += 1
    world.is_whole()
    assert at > 8
