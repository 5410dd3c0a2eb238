"""A kill between a pack and its hints does not cost the pack again, where its run is resumed."""

from __future__ import annotations

import random

import pytest
from tests.support.faulty import Crash, Fault, FaultyBucket
from tests.support.stores import Serial, tiny_store

from holdall.format.layout import HINTS, PACKS, RUNS, log_key
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees import session
from holdall.trees.source import bytes_item

CONTENT = random.Random(11).randbytes(80_000)  # some ten packs of a tiny store


def opened(bucket: FaultyBucket | MemoryBucket, seed: int) -> Store:
    return tiny_store(bucket, seed=seed, create=False, pool=Serial())


def log(run: Run) -> None:
    run._log_items([bytes_item("w.bin", CONTENT)])


def killed(at: int | None) -> tuple[MemoryBucket, str, FaultyBucket]:
    """A bucket where a writer died before its hint number `at`, or wrote none at all when None."""
    inner = MemoryBucket()
    tiny_store(inner)
    hints = 0

    def on(_: int, moment: str, verb: str, key: str) -> None:
        nonlocal hints
        if (verb, moment) == ("put", "before") and key.startswith(HINTS):
            hints += 1
            if at is None or hints >= at:
                raise Crash

    faulty = FaultyBucket(inner, on=on)
    run = opened(faulty, 1).runs.start()
    with pytest.raises(Crash):
        log(run)
    session._open_sessions.clear()
    return inner, run.id, faulty


def packed(bucket: MemoryBucket) -> int:
    return sum(len(data) for key, data in bucket.objects.items() if key.startswith(PACKS))


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_pack_without_hints_is_found_when_its_run_goes_on(at: int) -> None:
    """Before whichever hint the writer died: what lies in whole packs is not sent again."""
    bucket, run_id, _ = killed(at)
    there = packed(bucket)
    again = opened(bucket, 2).runs.resume(run_id)
    log(again)
    assert packed(bucket) < len(CONTENT) * 1.1 + 4096, f"{there} bytes of packs were there"
    assert again.read("w.bin") == CONTENT
    again.finish()
    assert opened(bucket, 3).maintenance.check().intact


def test_looking_costs_one_listing_and_only_where_something_is_left() -> None:
    """A run whose sessions were all closed, and a run of its own, list no packs."""
    bucket, run_id, _ = killed(1)
    for number in (2, 3):
        counted = FaultyBucket(bucket)
        run = opened(counted, number).runs.resume(run_id)
        run._log_items([bytes_item(f"new{number}", random.Random(number).randbytes(80_000))])
        assert counted.count("list", PACKS) == 1
        run._log_items([bytes_item(f"newer{number}", random.Random(number + 9).randbytes(80_000))])
        assert counted.count("list", PACKS) == 1
        run.finish()
    counted = FaultyBucket(bucket)
    log(opened(counted, 4).runs.start())
    assert counted.count("list", PACKS) == 0


def test_who_dies_before_its_hints_has_committed() -> None:
    """An entry goes beside the hints of its packs: without any of them the run holds the file, whole."""
    inner, entry_one = MemoryBucket(), log_key("", 1)
    tiny_store(inner)

    def on(_: int, moment: str, verb: str, key: str) -> None:
        if (verb, moment) == ("put", "after") and key.startswith(RUNS) and key.endswith(entry_one):
            raise Crash

    faulty = FaultyBucket(inner, on=on)
    faulty.plan(Fault("put", "fail", HINTS, times=None))  # none of them has arrived by then
    run = tiny_store(faulty, seed=1, create=False).runs.start()
    with pytest.raises(Crash):
        log(run)
    session._open_sessions.clear()
    assert not any(key.startswith(HINTS) for key in inner.objects)
    assert opened(inner, 2).runs.get(run.id).read("w.bin") == CONTENT
    assert opened(inner, 3).maintenance.check().intact


def test_hints_are_there_when_a_verb_returns() -> None:
    """A session is not closed before its hints were put: later nobody looks for packs that have none."""
    inner = MemoryBucket()
    tiny_store(inner)
    faulty = FaultyBucket(inner)
    log(tiny_store(faulty, seed=1, create=False).runs.start())
    assert faulty.count("put", HINTS) == sum(key.startswith(HINTS) for key in inner.objects) >= 10
