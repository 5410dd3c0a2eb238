"""What does a collection cost? Stores of up to 10^5 packs and 10^4 runs, two fifths of the packs garbage.

The stores are made without logging anything (`tests/support/manyruns.py`): what
a collector reads of a store is real, and its content is not there. Requests are
counted; memory is what Python holds at most beyond the store itself.

    python -m benchmarks.garbage            all sizes
    python -m benchmarks.garbage 1000       stores with so many runs
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections import Counter
from dataclasses import dataclass

from tests.support.manyruns import add_many
from tests.support.stores import tiny_location

from holdall.chunks.pool import Pool
from holdall.collecting.collector import Collector, Policy
from holdall.engines.threads import ThreadEngine
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import Request, TraceBucket

SIZES = (100, 1000, 10_000)  # runs; ten packs for each of them


@dataclass(frozen=True, slots=True)
class Cost:
    """What a collection took: requests by verb, MiB at most, seconds; and how much it found."""

    packs: int
    runs: int
    freed: int
    requests: Counter[str]
    memory: float
    seconds: float


def cost_of(runs: int, *, memory: bool = True) -> Cost:
    """Collect a store with so many runs, six live and four dead packs for each."""
    bucket = MemoryBucket()
    location = tiny_location(bucket)
    add_many(bucket, runs=runs, live=5 * runs, dead=4 * runs)
    requests: Counter[str] = Counter()

    def count(request: Request) -> None:
        requests[request.verb] += 1

    location = tiny_location(TraceBucket(bucket, count), seed=1, create=False, pool=Pool())
    packs = sum(1 for _ in bucket.list("packs/"))
    if memory:
        tracemalloc.start()
    begin = time.perf_counter()
    with ThreadEngine() as engine:
        found = Collector(location, engine, Policy(delay=0)).perform()
    seconds = time.perf_counter() - begin
    peak = tracemalloc.get_traced_memory()[1] / 2**20 if memory else 0.0
    tracemalloc.stop()
    return Cost(packs, found.runs, found.freed.packs, requests, peak, seconds)


if __name__ == "__main__":
    for number in map(int, sys.argv[1:] or SIZES):
        cost = cost_of(number)
        print(
            f"{cost.packs:>7} packs, {cost.runs:>6} runs: {cost.freed:>6} packs deleted, {cost.requests.total():>7} "
            f"requests ({', '.join(f'{n} {verb}' for verb, n in sorted(cost.requests.items()))}), "
            f"{cost.memory:.0f} MiB, {cost.seconds:.0f} s"
        )
