"""A copy may die at any request, here or there: the same command goes on, and nothing is sent twice for good."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.copied import Pair, known, noise, opened, pair
from tests.support.depth import DEEP
from tests.support.faulty import Crash, Fault, FaultyBucket
from tests.support.logs import entries_of, ops_of

from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RetryBucket
from holdall.store import Store
from holdall.trees import session


class Doom:
    """Dies before or after request `at` took effect; from then on nothing gets through."""

    def __init__(self, at: int, moment: str) -> None:
        self.at, self.moment, self.dead = at, moment, False

    def __call__(self, number: int, moment: str, verb: str, key: str) -> None:
        if self.dead or (number, moment) == (self.at, self.moment):
            self.dead = True
            raise Crash


@contextmanager
def dying() -> Iterator[None]:
    """A process that dies here closes nothing at its exit."""
    try:
        yield
    except Crash:
        session._open_sessions.clear()


def filled() -> Pair:
    """A store with runs that share, one of them live, a model with versions and an alias; and one that was copied."""
    stores = pair()
    store = stores.source
    with store.runs.start(experiment="a") as first:
        first.log_bytes(noise(90_000), "model/weights.bin")
        first.log_metric("loss", 0.5)
    store.registry.register(f"runs:/{first.id}/model", "fraud")
    stores.run()
    with store.runs.start(experiment="b") as second:
        second.log_bytes(noise(90_000)[:70_000] + b"more", "model/weights.bin")
        second.log_bytes(b"small", "notes.txt")
        second.log_params({"a": 1})
    store.registry.register(f"runs:/{second.id}/model", "fraud")
    store.registry.set_alias("fraud", "champion", 2)
    live = store.runs.resume(first.id)
    live.log_bytes(b"later", "later.txt")
    live.log_metric("loss", 0.25, step=1)
    live.flush()
    return stores


def bucket_of(faulty: FaultyBucket) -> MemoryBucket:
    assert isinstance(faulty.inner, MemoryBucket)
    return faulty.inner


def complete(source: Store, copy: Store, tag: object) -> None:
    """Assert that a copy has all of its source, and that its store is intact."""
    ids = source.maintenance.run_ids()
    assert copy.maintenance.run_ids() == ids, tag
    for id in ids:
        assert known(copy.runs.get(id)) == known(source.runs.get(id)), tag
    for there, here in zip(source.registry.search_versions(), copy.registry.search_versions(), strict=True):
        assert (there.version, there.run_id, there.digest, there.aliases) == (
            here.version,
            here.run_id,
            here.digest,
            here.aliases,
        ), tag
    assert copy.maintenance.check().problems == [], tag


@pytest.mark.parametrize("side", ["here", "there"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.long
@pytest.mark.every(2)
def test_a_copy_that_dies_at_any_request_is_continued(side: str, moment: str) -> None:
    """Whichever request it dies at, here or there: each run is old or new in the copy, and the next copy ends it."""
    stores = filled()
    here, before = bucket_of(stores.here), dict(bucket_of(stores.there).objects)
    was = {id: known(stores.copy.runs.get(id)) for id in stores.copy.maintenance.run_ids()}
    runs = {id: known(stores.source.runs.get(id)) for id in stores.source.maintenance.run_ids()}
    measured = pair_of(here, before)
    measured.run()
    undisturbed = len(bucket_of(measured.there).objects)
    step = 1 if DEEP else {"there": 1, "here": 4}[side] if moment == "before" else 5  # a source is only read
    for at in itertools.count(1, step):
        there, doom = MemoryBucket("there", dict(before)), Doom(at, moment)
        killed = Pair(FaultyBucket(here), FaultyBucket(there))
        getattr(killed, side).on = doom
        with dying():
            killed.run()
        between = opened(there)
        assert at % 3 or between.maintenance.check().problems == [], at
        for id in between.maintenance.run_ids():
            found = known(between.runs.get(id))
            begun = between.runs.get(id).manifest == {} and id not in was
            assert begun or found in (was.get(id), runs[id]), at
        again = Pair(FaultyBucket(here), FaultyBucket(there))
        assert again.run().complete, at
        complete(opened(here), opened(there), at)
        assert again.outcomes() == ["same"] * len(runs), at
        points = {id: sum(len(op["points"]) for op in ops_of(entries_of(there, id), "metric")) for id in runs}
        assert sum(points.values()) == 2, at
        assert len(there.objects) <= undisturbed + 8, at
        if not doom.dead:
            break
    assert at > 10


def pair_of(here: MemoryBucket, objects: dict[str, bytes]) -> Pair:
    return Pair(FaultyBucket(here), FaultyBucket(MemoryBucket("there", dict(objects))))


@pytest.mark.parametrize("act", ["lose", "fail"])
def test_an_answer_that_is_lost_changes_nothing(act: str) -> None:
    """Whichever put fails once, having landed or not: the copy is complete, as retries ask again."""
    stores = filled()
    here, before = bucket_of(stores.here), dict(bucket_of(stores.there).objects)
    for at in itertools.count(1, 2):
        there = MemoryBucket("there", dict(before))
        faulty = FaultyBucket(there)
        faulty.plan(fault := Fault("put", act, at=at))
        patient = opened(RetryBucket(faulty, sleep=lambda _: None))
        assert opened(here).maintenance.copy_to(patient, workers=1).complete
        complete(opened(here), opened(there), at)
        if fault.met < at:
            break
    assert at > 10


def test_two_copies_at_once_make_one() -> None:
    """Whichever request of a copy another copy overtakes it at, both end well, and the run is there once."""
    stores = filled()
    here, before = bucket_of(stores.here), dict(bucket_of(stores.there).objects)
    for at in itertools.count(1, 3):
        there = MemoryBucket("there", dict(before))
        overtaken: list[int] = []

        def overtake(number: int, moment: str, *_: str, at: int = at, there: MemoryBucket = there) -> None:
            if (number, moment) == (at, "before"):
                overtaken.append(number)  # noqa: B023
                assert opened(here).maintenance.copy_to(opened(there), workers=1).complete

        slow = Pair(FaultyBucket(here), FaultyBucket(there, on=overtake))
        assert slow.run().complete, at
        complete(opened(here), opened(there), at)
        for id in opened(there).maintenance.run_ids():
            entries = entries_of(there, id)
            points = [point for op in ops_of(entries, "metric") for point in op["points"]]
            assert len(points) == len({tuple(point) for point in points}), at
        if not overtaken:
            break
    assert at > 10
