"""What `stats` and `du` ask of a bucket: a listing, and a request or two for each run."""

from __future__ import annotations

import functools
import random
import tracemalloc

import pytest
from tests.support.bigstore import add_runs
from tests.support.faulty import FaultyBucket
from tests.support.stores import Serial, tiny_store

from holdall.storage.memory import MemoryBucket
from holdall.store import Store


@functools.cache
def _grown(runs: int) -> MemoryBucket:
    """Ended runs with a small file each, every fourth with a large one that they share."""
    bucket = MemoryBucket()
    store = tiny_store(bucket, pool=Serial())
    add_runs(store, runs=runs)
    for _ in range(runs // 4):
        run = store.runs.start()
        run.log_bytes(random.Random(0).randbytes(80_000), "model.bin")
        run.finish()
    return bucket


def _asked(bucket: MemoryBucket, verb: str) -> dict[str, int]:
    faulty = FaultyBucket(bucket)
    maintenance = tiny_store(faulty, create=False).maintenance
    maintenance.freed_by([maintenance.run_ids(limit=1)[0]]) if verb == "freed_by" else getattr(maintenance, verb)()
    return {
        "lists": faulty.count("list"),
        "heads": faulty.count("get", "runs/"),
        "packs": faulty.count("get_range", "packs/"),
        "garbage": faulty.count("get", "gc/"),
    }


@pytest.mark.parametrize("verb", ["stats", "du", "freed_by"])
def test_a_request_for_each_run_and_for_the_lists_of_large_files(verb: str) -> None:
    """One listing, a GET for each run; `du` one more for each run with a pack. No content, no footer."""
    for runs in (20, 60):
        asked = _asked(_grown(runs), verb)
        assert asked["lists"] == (2 if verb == "freed_by" else 1)  # one is the test's own, for an id
        assert asked["heads"] == runs + runs // 4
        assert asked["packs"] <= (0 if verb == "stats" else runs // 4 + 4)
        assert asked["garbage"] == 0


def test_memory_is_that_of_runs_not_of_what_they_hold() -> None:
    """A few kilobytes a run: what is remembered of its content are stretches, however many chunks those are."""
    Store(tiny_store(_grown(1), create=False)._location).maintenance.du()  # what it imports is not counted
    peaks = []
    for runs in (20, 60):
        store = Store(tiny_store(_grown(runs), create=False)._location)
        tracemalloc.start()
        store.maintenance.du()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert 1_000 < (peaks[1] - peaks[0]) / 40 < 20_000  # 16 KB each, and a collection of garbage more or less
