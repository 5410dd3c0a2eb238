"""The log of a purged run: its newest entry tells all; the others may be gone, all or some, or come late."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.faulty import FaultyBucket
from tests.support.stores import tiny_store

from holdall.errors import LogGapError, RunDeletedError, RunNotFoundError
from holdall.format.layout import log_key, parse_key, run_log
from holdall.naming.pins import pin, unpin
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.trees.session import Draft, Session


class World:
    """A store with a run of ten entries that is purged, another that is not, and a handle of an eager writer."""

    def __init__(self) -> None:
        self.bucket = MemoryBucket()
        self.store = tiny_store(self.bucket)
        self.kept = self.store.runs.start(experiment="e", name="kept")
        self.kept.log_bytes(b"kept", "a.txt")
        self.kept.finish()
        self.run = self.store.runs.start(experiment="e", name="gone")
        for n in range(4):
            self.run.log_bytes(b"secret %d" % n * 2000, f"{n}.txt")
            self.run.log_metric("loss", n)
        self.log = run_log(self.run.id)

    def purge(self) -> None:
        """Another process purges the run."""
        session = tiny_store(self.bucket, create=False, seed=99).runs.get(self.run.id)._writing()
        session.open()  # so that the purge is not the next entry of whoever wrote the last one
        session.append(lambda: Draft([{"op": "purge"}]))

    def numbers(self) -> list[int]:
        keys = (parse_key(key) for key in self.bucket.objects if key.startswith(f"{self.log}/"))
        return sorted(key.number for key in keys if key)

    def drop(self, which: Callable[[int], bool]) -> None:
        """Remove entries before the newest."""
        for n in self.numbers()[:-1]:
            if which(n):
                del self.bucket.objects[log_key(self.log, n)]


LEFT: dict[str, Callable[[int], bool]] = {
    "all": lambda _: False,
    "none": lambda _: True,
    "the first": lambda n: n != 0,
    "gaps": lambda n: n % 2 == 1,
    "the last": lambda n: n < 5,
}


@pytest.fixture(params=LEFT)
def world(request: pytest.FixtureRequest) -> World:
    world = World()
    world.run.finish()
    world.purge()
    world.drop(LEFT[request.param])
    return world


def test_a_purged_run_reads_as_not_there(world: World) -> None:
    """Whatever is left of its log, each verb says so."""
    run = tiny_store(world.bucket, create=False, seed=3).runs.get(world.run.id)
    verbs: list[Callable[[], object]] = [
        lambda: run.state, lambda: run.record, lambda: list(run.entries()), lambda: run.read("0.txt"),
        lambda: run.history("loss"), lambda: run.manifest, lambda: run.log_bytes(b"x", "x"), run.delete, run.restore,
        lambda: pin(world.store._location, run.id, "p", "somebody", ""),
    ]  # fmt: skip
    before = dict(world.bucket.objects)
    for verb in verbs:
        with pytest.raises(RunNotFoundError):
            verb()
    unpin(world.store._location, run.id, "p")
    assert world.bucket.objects == before, "nothing is written behind a purge"


def test_everything_that_looks_at_many_runs_leaves_it_out(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Searching, measuring, checking, repairing: none calls it damaged, none counts it."""
    store = tiny_store(world.bucket, create=False, seed=3)
    assert [found.info.run_id for found in store.runs.search(stage=None)] == [world.kept.id]
    assert [run.run_id for run in store.maintenance.du().runs] == [world.kept.id]
    assert store.maintenance.check().problems == []
    assert store.maintenance.repair() == []
    assert caplog.records == []


@pytest.mark.parametrize("left", ["none", "gaps", "the last"])
def test_the_beginning_of_an_id_is_not_completed_to_a_purged_run(left: str) -> None:
    """Where its first entry is gone the newest is looked at; damage is no purge."""
    world = World()
    world.run.finish()
    world.purge()
    world.drop(LEFT["none"] if left == "none" else lambda n: n == 0 or LEFT[left](n))
    assert world.store.maintenance.run_ids() == [world.kept.id]
    assert world.store.maintenance.run_ids(world.run.id[:24]) == []  # 8 of the experiment, 12 of the time, the rest
    del world.bucket.objects[log_key(run_log(world.kept.id), 0)]
    assert world.store.maintenance.run_ids(limit=1) == [world.kept.id]


def test_a_search_remembers_that_a_run_was_purged(tmp_path: Path) -> None:
    """The second search from here reads nothing of it again."""
    world = World()
    world.run.finish()
    world.purge()
    world.drop(LEFT["none"])
    for seed in (4, 5):
        bucket = FaultyBucket(world.bucket)
        store = tiny_store(bucket, create=False, seed=seed)
        store._location.cache = tmp_path
        assert len(store.runs.search()) == 1
    assert [key for verb, key in bucket.requests if verb == "get" and key.startswith(world.log)] == []


WRITES: dict[str, Callable[[Run, int], object]] = {
    "a file": lambda run, n: run.log_bytes(bytes([n]) * 100_000, f"{n}.bin"),
    "a small file": lambda run, n: run.log_bytes(b"x", f"late/{n}.txt"),
    "a measurement": lambda run, n: run.log_batch([("late", n, 0, None)]),
    "its end": lambda run, _: run.finish(),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("left", LEFT)
def test_a_writer_is_told_that_its_run_was_purged(left: str, write: str) -> None:
    """A session that has slept fails by name when it meets the purge, or a rival's entry that is there no longer."""
    world = World()
    world.run.flush()
    rival = tiny_store(world.bucket, create=False, seed=7).runs.get(world.run.id)
    rival.set_tag("a", "b")
    rival.flush()
    world.purge()
    world.drop(LEFT[left])
    for run in (world.run, rival):  # the second may find the first one's late entries in place of its own
        with pytest.raises((RunDeletedError, RunNotFoundError)):
            for n in range(5):  # entries that come late, below the purge, are created, until it is met
                WRITES[write](run, n)
    assert tiny_store(world.bucket, create=False, seed=9).runs.search()[0].info.run_id == world.kept.id


def test_a_late_entry_below_a_purge_harms_nothing() -> None:
    """Its number was free again: it is created, and nobody reads it."""
    world = World()
    world.run.flush()
    world.purge()
    world.drop(LEFT["none"])
    before = world.numbers()
    session = world.run._hold.session
    assert session
    session.append(lambda: Draft([{"op": "tag", "key": "late", "value": "b"}]))
    assert len(world.numbers()) == len(before) + 1
    fresh = tiny_store(world.bucket, create=False, seed=9)
    with pytest.raises(RunNotFoundError):
        fresh.runs.get(world.run.id).state  # noqa: B018
    assert fresh.maintenance.check().problems == []
    assert len(fresh.runs.search()) == 1


def test_a_purge_while_measurements_are_read_is_no_damage() -> None:
    """The entries that have them are gone when they are asked for; one that is missing otherwise is damage."""
    world = World()
    world.run.finish()
    bucket = FaultyBucket(world.bucket)
    run = tiny_store(bucket, create=False, seed=11).runs.get(world.run.id)
    batch = log_key(world.log, run.state.batches[0])

    def purge(_: int, when: str, verb: str, key: str) -> None:
        if (when, verb, key) == ("before", "get", batch):
            bucket.on = None
            world.purge()
            world.drop(LEFT["none"])

    bucket.on = purge
    with pytest.raises(RunNotFoundError):
        run.history("loss")
    damaged = World()
    damaged.run.finish()
    del damaged.bucket.objects[batch]
    with pytest.raises(LogGapError):
        tiny_store(damaged.bucket, create=False, seed=12).runs.get(damaged.run.id).history("loss")


@pytest.mark.parametrize("look", ["search", "state"])
def test_a_purge_between_listing_and_reading_is_no_damage(look: str) -> None:
    """Of a log that is listed, purged and cut before its newest entry is asked for, the purge is read."""
    world = World()
    world.run.finish()
    bucket = FaultyBucket(world.bucket)
    newest = world.numbers()[-1]

    def purge(_: int, when: str, verb: str, key: str) -> None:
        if (when, verb, key) == ("before", "get", log_key(world.log, newest)):
            bucket.on = None
            world.purge()
            world.drop(LEFT["none"])

    if look == "search":
        store = tiny_store(bucket, create=False, seed=11)
        bucket.on = purge
        assert [each.info.run_id for each in store.runs.search()] == [world.kept.id]
    else:
        run = tiny_store(bucket, create=False, seed=11).runs.get(world.run.id)
        bucket.on = purge
        with pytest.raises(RunNotFoundError):
            run.state  # noqa: B018
    assert bucket.on is None, "it was purged meanwhile"


def test_a_restoration_that_meets_a_purge_fails() -> None:
    """Before its entry another purges the run: it does not claim to have restored it."""
    world = World()
    world.run.delete()
    bucket = FaultyBucket(world.bucket)
    run = tiny_store(bucket, create=False, seed=5).runs.get(world.run.id)
    newest = world.numbers()[-1]

    def purge(_: int, when: str, verb: str, key: str) -> None:
        if (when, verb, key) == ("before", "put", log_key(world.log, newest + 1)):
            bucket.on = None
            session = Session.resume(tiny_store(world.bucket, create=False, seed=7)._location, world.log, deleted=True)
            assert session
            session.append(lambda: Draft([{"op": "purge"}]), closing=True)

    bucket.on = purge
    with pytest.raises(RunNotFoundError):
        run.restore()
