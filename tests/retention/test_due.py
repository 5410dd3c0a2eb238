"""What is due is planned, and carried out behind the very entry that was judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.clocked import DAY, ClockedBucket
from tests.support.faulty import Crash, FaultyBucket
from tests.support.logs import entries_of, ops_of
from tests.support.stores import tiny_location, tiny_store

from holdall.collecting.following import follow
from holdall.errors import RunNotFoundError
from holdall.format.layout import log_key, run_log
from holdall.retention.due import RetentionPlan, due
from holdall.retention.performing import Retained, perform
from holdall.runs.policy import RetentionPolicy
from holdall.runs.run import Run
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.journal import Journal
from holdall.trees.log import next_entry


class World:
    """An experiment of runs that began a day after one another, in a bucket with a clock."""

    def __init__(self, runs: int = 4, **policy: object) -> None:
        self.bucket = ClockedBucket()
        self.store = tiny_store(self.bucket)
        self.id = self.store.experiments.create("e")
        self.store.experiments.set_retention(self.id, **policy)  # type: ignore[arg-type]
        self.runs = [self.finished(f"run {n}") for n in range(runs)]

    def finished(self, name: str, **tags: str) -> Run:
        run = self.store.runs.start(experiment="e", name=name, tags=tags)
        run.log_bytes(name.encode() * 100, "a.txt")
        run.finish()
        self.bucket.now += DAY
        return run

    def due(self, bucket: Bucket | None = None, **given: object) -> RetentionPlan:
        location = tiny_location(bucket or self.bucket, seed=50, create=False)
        return due(location, self.bucket.now, **given)  # type: ignore[arg-type]

    def collect(self, bucket: Bucket | None = None) -> Retained:
        location = tiny_location(bucket or self.bucket, seed=51, create=False)
        return perform(location, self.due(bucket))

    def fresh(self, seed: int = 60) -> Store:
        return tiny_store(self.bucket, seed=seed, create=False)

    def stages(self) -> dict[str, str]:
        found = self.fresh().runs.search(stage=None)
        return {record.info.run_name[4:]: record.info.lifecycle_stage for record in found}


def test_what_no_rule_keeps_is_deleted_and_purged_seven_days_later() -> None:
    """Two windows: until the second ends a run can be restored; then its stub is all that is left of it."""
    world = World(last=2)
    first, second = (run.id for run in world.runs[:2])
    assert sorted(world.collect().expired) == sorted((second, first))
    assert world.stages() == {"0": "deleted", "1": "deleted", "2": "active", "3": "active"}
    world.bucket.now += 7 * DAY - 1
    assert {one.why for one in world.due().waiting} == {"it can still be restored"}
    world.fresh().runs.get(first).restore()
    world.bucket.now += 1
    assert world.collect() == Retained(purged=(second,))
    assert world.stages() == {"0": "active", "2": "active", "3": "active"}
    keys = [key for key in world.bucket.objects if key.startswith(run_log(second))]
    assert len(keys) == 1
    assert world.fresh().maintenance.check().problems == []
    assert world.due().empty, "what was restored is not deleted again"


def test_the_entry_that_deletes_says_by_which_policy() -> None:
    """With its time, in a reserved tag, and nothing stands between it and the entry that was judged."""
    world = World(runs=1, expire="1h")
    before = entries_of(world.bucket, world.runs[0].id)
    world.collect()
    entry = entries_of(world.bucket, world.runs[0].id)[len(before)]
    (tag,) = ops_of([entry], "tag")
    assert (tag["key"], set(json.loads(tag["value"]))) == ("holdall.expired", {"time", "policy"})
    assert entry.ops[-1] == {"op": "tombstone"}


def tagged(run: Run, key: str) -> None:
    run.set_tags({key: ""})
    run.flush()


def restored(_: World, run: Run) -> None:
    if run.state.deleted:
        run.restore()
    else:
        tagged(run, "a")


def deleted_again(_: World, run: Run) -> None:
    if run.state.deleted:
        run.restore()
    run.delete()


MEANWHILE: dict[str, Callable[[World, Run], object]] = {
    "a tag": lambda _, run: tagged(run, "a"),
    "a file": lambda _, run: run.log_bytes(b"x", "late.txt"),
    "a version": lambda world, run: world.fresh(61).registry.register(f"runs:/{run.id}/a.txt", "fraud"),
    "a restoration": restored,
    "another deletion": deleted_again,
}


@pytest.mark.parametrize(
    ("what", "stage"),
    [(what, "expire") for what in MEANWHILE]
    + [(what, "purge") for what in MEANWHILE if what not in ("a tag", "a file")],
)
def test_a_run_that_changed_meanwhile_is_left_to_the_next_plan(what: str, stage: str) -> None:
    """Whatever is written between the plan and its performance, its number is taken: nothing is deleted."""
    world = World(runs=1, expire="1h")
    run = world.fresh(70).runs.get(world.runs[0].id)
    if stage == "purge":
        world.collect()
        world.bucket.now += 7 * DAY
    plan = world.due()
    assert [one.run_id for one in (*plan.expire, *plan.purge)] == [run.id]
    MEANWHILE[what](world, run)
    done = perform(tiny_location(world.bucket, seed=52, create=False), plan)
    assert done == Retained(left=(run.id,))
    assert run.read("a.txt") == b"run 0" * 100


def test_a_writer_that_comes_between_looking_and_writing_is_met() -> None:
    """The entry is created only if it is the next one; a rival's stands."""
    world = World(runs=1, expire="1h")
    bucket = FaultyBucket(world.bucket)
    rival = world.fresh(70).runs.get(world.runs[0].id)

    def on(_: int, when: str, verb: str, key: str) -> None:
        if (when, verb) == ("before", "put") and key.startswith("runs/"):
            bucket.on = None
            rival.set_tags({"a": "b"})
            rival.flush()

    plan = world.due()
    bucket.on = on
    assert perform(tiny_location(bucket, seed=52, create=False), plan).left == (rival.id,)
    assert not rival.state.deleted


HOLDS: dict[str, Callable[[World, Run], object]] = {
    "keep": lambda _, run: tagged(run, "holdall.keep"),
    "version": lambda world, run: world.fresh(61).registry.register(f"runs:/{run.id}/a.txt", "fraud"),
    "deployment": lambda world, run: world.fresh(61).deployments.record(f"runs:/{run.id}/a.txt", "eu-west"),
    "writer": lambda _, run: run._writing().open(),
}


@pytest.mark.parametrize("what", HOLDS)
def test_what_is_held_is_neither_deleted_nor_purged(what: str) -> None:
    """By a version, a tag, a deployment, or who writes to it; deleted by hand it waits all the same."""
    world = World(runs=1, expire="1h")
    held = world.store.runs.get(world.runs[0].id)
    HOLDS[what](world, held)
    world.bucket.now += DAY
    assert world.due().empty
    assert list(world.due().kept) == [held.id]
    if what != "writer":
        held.delete()
        world.bucket.now += 400 * DAY
        assert world.due().empty
        assert len(world.due().waiting) == 1


def test_a_deletion_by_hand_is_purged_without_any_policy() -> None:
    """An experiment that is deleted gives its runs' space back, too, and keeps its own stub."""
    world = World(runs=2)
    assert world.due().empty
    world.store.experiments.delete(world.id)
    world.bucket.now += 7 * DAY
    assert len(world.collect().purged) == 2
    assert world.fresh().runs.search(stage=None) == []
    world.fresh().experiments.restore(world.id)
    assert world.fresh().experiments.get(world.id).lifecycle_stage == "active"
    assert world.fresh().maintenance.check().problems == []


def test_the_age_of_a_deletion_is_that_of_its_entry() -> None:
    """A pin that came later and was taken back makes it no younger."""
    world = World(runs=1)
    version = world.store.registry.register(f"runs:/{world.runs[0].id}/a.txt", "fraud")
    world.runs[0].delete()
    world.bucket.now += 6 * DAY
    world.store.registry.delete_version("fraud", version.version)
    world.bucket.now += DAY
    assert world.collect().purged == (world.runs[0].id,)


def test_an_interrupted_purge_is_finished() -> None:
    """Killed before any request, the next plan has what is left; entries that come late are swept, too."""
    made = World(runs=2, expire="1h")
    made.collect()
    made.bucket.now += 7 * DAY
    ids = sorted(run.id for run in made.runs)
    at = 0
    while at < 200:
        world = World.__new__(World)
        world.bucket = ClockedBucket()
        world.bucket.objects, world.bucket.modified = dict(made.bucket.objects), dict(made.bucket.modified)
        world.bucket.now = made.bucket.now
        faulty = FaultyBucket(world.bucket)
        left = [at]

        def crash(_: int, when: str, verb: str, __: str, left: list[int] = left) -> None:
            if when == "before" and verb in ("put", "delete", "delete_many"):
                left[0] -= 1
                if left[0] < 0:
                    raise Crash

        faulty.on = crash
        try:
            world.collect(faulty)
            break
        except Crash:
            world.collect()
        stubs = [key for key in world.bucket.objects if key.startswith(tuple(map(run_log, ids)))]
        assert len(stubs) == 2, at
        at += 1
    assert at >= 4


def test_a_late_entry_below_a_purge_is_swept() -> None:
    """A sleeping writer's, created where the purge has made room."""
    world = World(runs=1, expire="1h")
    id = world.runs[0].id
    first = world.bucket.objects[log_key(run_log(id), 0)]
    world.collect()
    world.bucket.now += 7 * DAY
    world.collect()
    world.bucket.put(log_key(run_log(id), 0), first)
    assert world.collect() == Retained(swept=(id,))
    assert log_key(run_log(id), 0) not in world.bucket.objects
    with pytest.raises(RunNotFoundError):
        world.fresh().runs.get(id).state  # noqa: B018


def test_fences_do_not_keep_a_dead_writers_run() -> None:
    """Collectors write into its log for ever; seven days after the last entry of its writer it counts as ended."""
    world = World(runs=0, expire="30d")
    run = world.store.runs.start(experiment="e", name="run 7")
    run.log_bytes(b"x", "a")
    location = tiny_location(world.bucket, seed=53, create=False)
    for generation in range(30):
        assert world.due().empty, generation
        world.bucket.now += DAY
        view = follow(location, run_log(run.id))
        entry = next_entry(location, run_log(run.id), view, [{"op": "fence", "generation": generation}])
        Journal(location.bucket, location.pool, run_log(run.id)).create(entry)
    assert [one.run_id for one in world.due().expire] == [run.id]
    assert world.collect().expired == (run.id,)


def test_where_the_bucket_tells_no_times_nothing_is_old(caplog: pytest.LogCaptureFixture) -> None:
    """Neither expired nor purged for its age, and that is said; what only counts goes."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    id = store.experiments.create("e")
    store.experiments.set_retention(id, expire="1h")
    ids = []
    for _ in range(2):
        with store.runs.start(experiment="e") as run:
            ids.append(run.id)
    location = tiny_location(bucket, seed=50, create=False)
    assert due(location, None).empty
    assert "does not tell the time" in caplog.text
    store.experiments.set_retention(id, last=1)
    assert perform(location, due(location, None)).expired == (ids[0],)
    assert [one.why for one in due(location, None).waiting] == ["the bucket does not tell when it was deleted"]


def test_a_policy_given_by_hand_is_for_the_experiments_named() -> None:
    """It takes the place of theirs; runs of others stay."""
    world = World(runs=3)
    assert world.due().empty
    override = RetentionPolicy(last=1)
    assert len(world.due(override=override, experiments=[world.id]).expire) == 2
    assert world.due(override=override, experiments=["0" * 16]).empty


def test_a_run_that_cannot_be_read_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Nor is its parent or its child deleted: it may be what holds them."""
    world = World(runs=1, expire="1h")
    parent = world.runs[0]
    child = world.store.runs.start(experiment="e", parent=parent.id)
    child.log_bytes(b"x", "a")
    child.flush()
    middle = len(entries_of(world.bucket, child.id)) - 1
    child.finish()
    grandchild = world.finished("run 9", **{"mlflow.parentRunId": child.id})
    world.bucket.now += 100 * DAY
    assert len(world.due().expire) == 3
    key = log_key(run_log(child.id), middle + 1)
    world.bucket.objects[key] = world.bucket.objects[key].replace(b"FINISHED", b"finished")
    plan = world.due()
    assert {child.id, grandchild.id} & {one.run_id for one in plan.expire} == set()
    assert "is damaged" in caplog.text or "is told by what can be read" in caplog.text


def test_planning_asks_for_what_changed_alone(tmp_path: Path) -> None:
    """What a search from here remembers is not read again: a listing of runs, and the experiments."""
    world = World(runs=4, last=2)

    def look(seed: int) -> list[tuple[str, str]]:
        bucket = FaultyBucket(world.bucket)
        location = tiny_location(bucket, seed=seed, create=False)
        location.cache = tmp_path
        due(location, world.bucket.now)
        return [(verb, key) for verb, key in bucket.requests if verb in ("get", "get_range", "put", "delete")]

    look(80)
    again = look(81)
    assert [key for verb, key in again if key.startswith("runs/")] == []
    assert [verb for verb, _ in again if verb in ("put", "delete")] == []
