"""Ids of runs: the newest runs of an experiment come first in a listing, and nobody relies on it."""

from __future__ import annotations

from itertools import chain, repeat

import pytest
from tests.support.stores import entropy, tiny_store

from holdall.checking.check import run_shards
from holdall.checking.check_links import Links
from holdall.checking.check_small import SmallCheck
from holdall.format.layout import experiment_id, timed_run_id
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

NOW = 1_795_000_000_000


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBucket())


def test_the_newest_runs_are_listed_first(store: Store) -> None:
    """Whatever start time a run is given: what counts is when its log was begun."""
    ids = []
    for n in range(5):
        store._location.clock = lambda n=n: NOW + n  # type: ignore[misc]
        ids.append(store.runs.start(experiment="vision", start_time=NOW - 1000 * n).id)
    assert store.maintenance.run_ids() == ids[::-1]


def test_runs_whose_ids_tell_no_time_are_found_alike(store: Store) -> None:
    """Runs that a key names, and those that were begun under random ids, stand wherever their digits put them."""
    kept = [store.runs.ensure(f"key {n}").id for n in range(3)]
    begun = [store.runs.start().id for _ in range(3)]
    assert {record.info.run_id for record in store.runs.search()} == {*kept, *begun}
    with store.runs.index() as index:
        assert {run.run_id for run in index.page().records} == {*kept, *begun}


def test_an_id_that_is_taken_is_drawn_again(store: Store) -> None:
    """Two runs that draw the same digits in the same millisecond are two runs, and nothing of either is lost."""
    store._location.clock = lambda: NOW
    first = store.runs.start(name="first")
    digits = bytes.fromhex(first.id[-12:])
    later = entropy(5)
    drawn = chain([digits], repeat(None))

    def same_once(n: int) -> bytes:
        return (next(drawn) or later(n)) if n == 6 else later(n)

    store._location.entropy = same_once
    second = store.runs.start(name="second")
    assert first.id[:20] == second.id[:20]
    assert (first.info.run_name, second.info.run_name) == ("first", "second")


@pytest.mark.parametrize("most", [1, 3, 10])
def test_runs_that_began_together_are_checked_in_shards_all_the_same(store: Store, most: int) -> None:
    """No shard has more runs than it should, though their ids share most digits; together they have each run once."""
    source = entropy(1)
    ids = [timed_run_id(experiment_id("Default"), NOW + n // 4, source(6)) for n in range(40)]
    small = SmallCheck(store._location, Links(store._location, set()))
    shards = list(run_shards([f"runs/{id}" for id in ids], small, most))
    held = [[id for id in ids if id.startswith(shard.prefixes)] for shard in shards]
    assert max(map(len, held)) <= most
    assert sorted(chain.from_iterable(held)) == sorted(ids)
