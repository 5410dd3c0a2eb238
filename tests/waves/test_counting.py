"""Waves are counted as they are waited for."""

from __future__ import annotations

import time

import pytest
from tests.support.waves import LatentBucket, Request, counted, in_flight, waves

from holdall.chunks.pool import Pool


def test_requests_of_a_pool_are_one_wave_for_each_of_its_sizes() -> None:
    """Twenty requests in a pool of eight threads are three waves, with eight under way at once."""
    bucket, pool = LatentBucket(), Pool(workers=8)
    cost = counted(bucket, lambda: pool.map(lambda n: bucket.put(f"{n}", b""), range(20)))
    assert (cost.waves, len(cost.requests), in_flight(cost.requests)) == (3, 20, 8)


@pytest.mark.parametrize("work", [lambda: time.sleep(0), lambda: sum(range(10**6))])
def test_a_thread_that_works_longer_is_waited_for(work: object) -> None:
    """A request belongs to the wave in which it could first be sent, however long its thread computes before it."""
    bucket, pool = LatentBucket(), Pool(workers=2)

    def ask(n: int) -> None:
        if n:
            work()  # type: ignore[operator]
        bucket.put(f"{n}", b"")

    assert counted(bucket, lambda: pool.map(ask, range(2))).waves == 1


def test_a_long_listing_is_a_wave_for_each_page() -> None:
    """A listing of 2,500 keys waits three times; one with a limit of one waits once."""
    bucket = LatentBucket()
    bucket.inner.objects.update({f"{n:04}": b"" for n in range(2500)})
    assert counted(bucket, lambda: list(bucket.list())).waves == 3
    assert counted(bucket, lambda: list(bucket.list(limit=1))).waves == 1


def test_a_chain_passes_over_what_went_on_beside_it() -> None:
    """Of a long request and three short ones beside it the short ones are the longest chain."""
    short = [Request("get", "k", n, n + 1) for n in range(3)]
    assert waves([Request("put", "long", 0, 3), *short]) == 3
    assert waves([]) == in_flight([]) == 0
