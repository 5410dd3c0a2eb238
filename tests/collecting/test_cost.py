"""What a collection costs: requests by a law, memory by the number of packs. No time is judged."""

from __future__ import annotations

from benchmarks.garbage import Cost, cost_of
from tests.support.faulty import FaultyBucket
from tests.support.manyruns import add_many
from tests.support.stores import Serial, tiny_location

from holdall.collecting.bloom import BloomFilter
from holdall.collecting.collector import Collector, Policy
from holdall.engines.mapping import Engine
from holdall.engines.threads import ThreadEngine
from holdall.format.layout import PackName
from holdall.storage.memory import MemoryBucket
from holdall.trees.location import Location


def collector(location: Location, engine: Engine) -> Collector:
    return Collector(location, engine, Policy(delay=0))


def law(cost: Cost) -> dict[str, int]:
    """A run has a head, a root and a recipe; a dead pack a footer and, here, two hints; the rest goes by pages."""
    pages = -(-cost.packs // 1000) + 3 * -(-3 * cost.runs // 1000)
    return {
        "get": cost.runs + 2 * cost.freed,
        "get_range": 2 * cost.runs + cost.freed,
        "list": pages,
        "delete_many": 2 * -(-cost.freed // 1000),
    }


def test_requests_follow_the_law() -> None:
    """A few requests come on top of it, for the generation and the time."""
    cost = cost_of(60, memory=False)
    for verb, most in law(cost).items():
        assert most <= cost.requests[verb] <= most + 8, verb
    assert cost.requests["put"] <= 6
    assert (cost.packs, cost.freed) == (600, 240)


def test_memory_grows_by_the_packs_and_runs_alone() -> None:
    """At most 3 KiB for each pack, which is 300 MB for 10^5 of them; the filter of the first mark is a part of that."""
    cost = cost_of(100)
    assert cost.packs == 1000
    assert cost.memory < 3


def test_a_run_that_did_not_change_is_read_once() -> None:
    """The second mark lists, and reads only heads that are new since the first."""
    bucket = MemoryBucket()
    tiny_location(bucket)
    add_many(bucket, runs=20, live=20, dead=10)
    seen = FaultyBucket(bucket)
    with ThreadEngine(1) as engine:
        collector(tiny_location(seen, seed=1, create=False, pool=Serial()), engine).perform()
    heads = [key for verb, key in seen.requests if verb == "get" and key.startswith("runs/")]
    assert len(heads) == len(set(heads)) == 20


def test_a_filter_finds_all_that_is_in_it_and_little_else() -> None:
    """It errs only towards keeping: one in a hundred, and other ones for each salt."""
    packs = [PackName(bytes([1]) * 12 + n.to_bytes(4, "big"), n) for n in range(20_000)]
    wrong = []
    for salt in (b"salt", b"corn"):
        live = BloomFilter(10_000, salt, least=0)
        for pack in packs[:10_000]:
            live.add(pack)
        assert all(pack in live for pack in packs[:10_000:3])
        wrong.append({pack for pack in packs[10_000:] if pack in live})
    assert all(20 < len(some) < 200 for some in wrong)
    assert len(wrong[0] & wrong[1]) < 20
