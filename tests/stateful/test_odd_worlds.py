"""Clocks that are years wrong, old listings, credentials that end: what was acknowledged is there all the same."""

from __future__ import annotations

import itertools

import pytest
from tests.support.faulty import Fault, FaultyBucket
from tests.support.logs import entries_of, ops_of, packs_in
from tests.support.stepped import AtOnce
from tests.support.stores import Serial, entropy, tiny_location, tiny_store

from holdall.collecting.collector import Collector, Policy
from holdall.errors import AccessDeniedError
from holdall.format.layout import PACKS, RUNS
from holdall.retention.performing import append_purge
from holdall.storage.memory import MemoryBucket
from holdall.storage.server_clock import server_time
from holdall.storage.wrappers import RetryBucket
from holdall.store import Store
from holdall.trees.location import Location

DATA, OTHER = entropy(61)(90_000), entropy(62)(90_000)
TEN_YEARS = 10 * 365 * 86_400_000


def client(bucket: MemoryBucket | FaultyBucket, seed: int, skew: int = 0) -> Location:
    """A process whose clock is wrong by so many milliseconds."""
    location = tiny_location(bucket, seed=seed, create=False, pool=Serial())
    location.clock = itertools.count(1_800_000_000_000 + skew, 1000).__next__
    return location


@pytest.mark.parametrize(
    ("first", "second"), [(TEN_YEARS, -TEN_YEARS), (-TEN_YEARS, TEN_YEARS), (-3_600_000, 3_600_000)]
)
def test_a_writers_clock_decides_nothing(first: int, second: int) -> None:
    """Clients' clocks may be twenty years apart: what is live stays, and what is old enough the server's clock says."""
    bucket = MemoryBucket()
    tiny_store(bucket)
    run = Store(client(bucket, 1, first)).runs.start()
    run.log_bytes(DATA, "a")
    doomed = Store(client(bucket, 2, second)).runs.start()
    doomed.log_bytes(OTHER, "b")
    doomed.finish()
    doomed.delete()
    assert append_purge(client(bucket, 3, second), doomed.run_id, lambda _: True)
    assert Collector(client(bucket, 4, first), AtOnce()).perform().freed.packs == 0, "a day has not passed"
    assert Collector(client(bucket, 5, second), AtOnce(), Policy(delay=0)).perform().freed.packs > 0
    run.log_bytes(OTHER, "c")
    again = Store(client(bucket, 6, second)).runs.get(run.run_id)
    assert [again.read(path) for path in ("a", "c")] == [DATA, OTHER]
    assert Store(client(bucket, 7)).maintenance.check().problems == []


@pytest.mark.parametrize("newest", [1, 5, 50])
def test_old_listings_of_a_log_lose_no_commit(newest: int) -> None:
    """Where listings lack the newest objects, two writers still take turns: each commit is there once, no gap."""
    bucket = MemoryBucket()
    tiny_store(bucket)
    run_id = tiny_store(bucket, seed=1, create=False, pool=Serial()).runs.start().run_id
    stale = [FaultyBucket(bucket), FaultyBucket(bucket)]
    for one in stale:
        one.plan(Fault("list", "stale", key=RUNS, times=None, newest=newest))
    runs = [Store(client(one, seed + 2)).runs.get(run_id) for seed, one in enumerate(stale)]
    for n in range(6):
        runs[n % 2].log_bytes(DATA if n == 3 else b"small", str(n))
    assert len(ops_of(entries_of(bucket, run_id), "commit")) == 6
    fresh = Store(client(bucket, 9)).runs.get(run_id)
    assert {path: fresh.read(path) for path in fresh.manifest} == {
        str(n): DATA if n == 3 else b"small" for n in range(6)
    }


def test_old_listings_of_packs_only_spare() -> None:
    """A collector that is not shown the newest packs deletes fewer; what is live is in no danger."""
    bucket = MemoryBucket()
    tiny_store(bucket)
    store = Store(client(bucket, 1))
    for name, data in (("kept", DATA), ("doomed", OTHER)):
        run = store.runs.start(experiment=name)
        run.log_bytes(data, "f")
        run.finish()
    run.delete()
    assert append_purge(store._location, run.run_id, lambda _: True)
    hidden = FaultyBucket(bucket)
    hidden._born = packs_in(bucket)[-4:]
    hidden.plan(Fault("list", "stale", key=PACKS, times=None, newest=4))
    before = len(packs_in(bucket))
    Collector(client(hidden, 2), AtOnce(), Policy(delay=0)).perform()
    assert before > len(packs_in(bucket)) >= 4
    (kept,) = store.runs.of(store.experiments.id_of("kept"))
    assert kept.read("f") == DATA


@pytest.mark.parametrize("at", range(1, 12, 2))
def test_credentials_that_end_in_an_upload_leave_what_was_sent(at: int) -> None:
    """The error says so, nothing is half visible; with new ones the same again sends only what is missing."""
    bucket = MemoryBucket()
    tiny_store(bucket)
    faulty = FaultyBucket(bucket)
    run = Store(client(faulty, 1)).runs.start()
    run.log_bytes(b"before", "a")
    faulty.plan(
        Fault(
            "put",
            "fail",
            key=PACKS,
            at=at,
            times=None,
            error=lambda url, key: AccessDeniedError(url, key, "ExpiredToken"),
        )
    )
    with pytest.raises(AccessDeniedError, match="ExpiredToken"):
        run.log_bytes(DATA, "b")
    sent = packs_in(bucket)
    assert set(Store(client(bucket, 2)).runs.get(run.run_id).manifest) == {"a"}
    faulty.clear()
    run.log_bytes(DATA, "b")
    assert set(sent) <= set(packs_in(bucket))
    assert sum(len(bucket.objects[key]) for key in packs_in(bucket)) < len(DATA) * 1.1 + 12_000
    assert Store(client(bucket, 3)).runs.get(run.run_id).read("b") == DATA


def test_the_servers_clock_is_read_though_an_answer_is_lost() -> None:
    """The object that is created to see its time may be there already, by the try before."""
    faulty = FaultyBucket(MemoryBucket())
    faulty.plan(Fault("put", "lose", key="probe/"))
    assert server_time(RetryBucket(faulty, sleep=lambda _: None), "0" * 32) > 0
    assert faulty.count("put", "probe/") == 2
    assert list(faulty.list("probe/")) == []
