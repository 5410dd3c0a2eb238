"""How much room runs take: held against a count of single bytes, and against the bucket."""

from __future__ import annotations

import random
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.stores import tiny_store

from holdall.format.layout import PackName
from holdall.measuring.overlaps import count_blobs, length, overlaps, union, within
from holdall.storage.memory import MemoryBucket
from holdall.store import Run
from holdall.trees.checkout import recipes

lengths = st.integers(0, 12)
stretches = st.lists(st.builds(lambda a, b, c: (a, b, b + c), st.integers(0, 4), lengths, lengths))


def _bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


@given(stretches)
def test_overlaps_are_what_counting_bytes_finds(given: list[tuple[int, int, int]]) -> None:
    """Ends of stretches tell the same as looking at every byte."""
    owners: dict[int, set[int]] = {}
    for owner, start, stop in given:
        for at in range(start, stop):
            owners.setdefault(at, set()).add(owner)
    union, has, alone = overlaps(given)
    assert union == len(owners)
    for owner in range(5):
        assert has.get(owner, 0) == sum(owner in those for those in owners.values())
        assert alone.get(owner, 0) == sum(those == {owner} for those in owners.values())


@given(stretches, stretches)
def test_bytes_within_a_cover_are_what_counting_finds(given: list[tuple[int, int, int]], cover: list[Any]) -> None:
    """Of each owner, those bytes that the cover has too."""
    covered = union((start, stop) for _, start, stop in cover)
    bytes_of = {at for _, start, stop in cover for at in range(start, stop)}
    assert length(covered) == len(bytes_of)
    found = within(given, covered)
    for owner in range(5):
        mine = {at for number, start, stop in given for at in range(start, stop) if number == owner}
        assert found[owner] == len(mine & bytes_of)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=9), st.data())
def test_blobs_are_counted_or_it_is_said_that_they_cannot(sizes: list[int], data: st.DataObject) -> None:
    """Stretches that are apart, or one in the other, tell how many blobs they have; no wrong number is ever told."""
    ends = [0, *accumulate(sizes)]
    place = st.integers(0, len(sizes))
    pairs = data.draw(st.lists(st.tuples(place, place).map(sorted).filter(lambda pair: pair[0] < pair[1])))
    found = count_blobs((ends[a], ends[b], b - a) for a, b in pairs)
    held = {at for a, b in pairs for at in range(a, b)}
    assert found in (None, len(held))
    if all(b <= c or d <= a or (a <= c and d <= b) or (c <= a and b <= d) for a, b in pairs for c, d in pairs):
        assert found == len(held)


def test_shared_content_is_counted_once_and_belongs_to_nobody_alone() -> None:
    """Two runs with the same file share all of it; a third, with its own, shares nothing."""
    store = tiny_store(MemoryBucket())
    same, own = _bytes(1, 100_000), _bytes(2, 90_000)
    runs = [store.runs.start(experiment=name) for name in ("a", "b", "b")]
    for run, data in zip(runs, (same, same, own), strict=True):
        run.log_bytes(data, "model.bin")
        run.log_bytes(data, "again.bin")
        run.finish()
    found = store.maintenance.du()
    by_id = {run.run_id: run for run in found.runs}
    first, second, third = (by_id[run.id].space for run in runs)
    assert first == second
    assert (first.files, first.logical) == (2, 200_000)
    assert first.stored >= 100_000  # and its recipe
    assert (first.unique, first.shared) == (0, first.stored)
    assert (third.unique, third.shared) == (third.stored, 0)
    assert found.total.stored == first.stored + third.stored
    assert found.total.logical == 580_000
    a, b = (found.experiments[store.experiments.ensure(name)] for name in ("a", "b"))
    assert (a.stored, a.unique) == (first.stored, 0)
    assert (b.stored, b.unique) == (first.stored + third.stored, third.stored)
    assert all(run.run_name for run in found.runs)


def test_two_runs_of_one_experiment_do_not_make_it_share() -> None:
    """What an experiment's own runs share is the experiment's alone."""
    store = tiny_store(MemoryBucket())
    for _ in range(2):
        run = store.runs.start()
        run.log_bytes(_bytes(1, 100_000), "model.bin")
        run.finish()
    (space,) = store.maintenance.du().experiments.values()
    assert space.unique == space.stored
    assert all(run.space.unique == 0 for run in store.maintenance.du().runs)


def test_what_log_entries_carry_is_a_runs_own() -> None:
    """Small files travel in the log: two runs that hold the same one hold it twice."""
    store = tiny_store(MemoryBucket())
    for _ in range(2):
        run = store.runs.start()
        run.log_bytes(b"rate: 0.1\n" * 20, "config.yaml")
    found = store.maintenance.du()
    assert all(run.space.stored == run.space.unique > 0 for run in found.runs)
    assert found.total.stored == sum(run.space.stored for run in found.runs)


def _blobs(run: Run) -> dict[object, int]:
    """The stored length of each blob that a run's content refers to, by where it is."""
    entries = [entry for entry in run.entries() if entry.content]
    cut = recipes(run._view().paths.blobs, [entry for entry in entries if not entry.whole])
    refs = [*(entry.content for entry in entries if entry.content), *(ref for recipe in cut for ref in recipe.chunks)]
    return {
        (ref.location if isinstance(ref.location, PackName) else (run.id, ref.location), ref.offset): ref.stored
        for ref in refs
    }


def test_stretches_tell_what_counting_single_blobs_finds(tmp_path: Path) -> None:
    """Over runs of many kinds, the sums are those of the blobs, each looked at by itself."""
    store = tiny_store(MemoryBucket())
    folder = tmp_path / "files"
    folder.mkdir()
    runs = []
    for number in range(12):
        (folder / f"{number}.bin").write_bytes(_bytes(number, 6000 * number))
        runs.append(run := store.runs.start(experiment=f"experiment {number % 3}"))
        run.log_artifacts(folder)
        run.log_bytes(_bytes(99, 20_000), "the-same.bin")
        if number % 2:
            run.finish()
    found, stats = store.maintenance.du(), store.maintenance.stats()
    assert (found.total.files, found.total.logical) == (stats.files, stats.bytes)
    blobs = {run.id: _blobs(run) for run in runs}
    users = Counter(blob for some in blobs.values() for blob in some)
    every = {blob: size for some in blobs.values() for blob, size in some.items()}
    assert found.total.stored == sum(every.values())
    for told in found.runs:
        own = blobs[told.run_id]
        assert told.space.stored == sum(own.values())
        assert told.space.unique == sum(size for blob, size in own.items() if users[blob] == 1)
    for id, space in found.experiments.items():
        mine = [run.space for run in found.runs if run.experiment_id == id]
        assert sum(one.unique for one in mine) <= space.unique <= space.stored <= sum(one.stored for one in mine)


def test_more_runs_than_are_looked_at_together() -> None:
    """Runs are measured some at a time, and none is left out; deleted ones are said to be."""
    store = tiny_store(MemoryBucket())
    runs = [store.runs.start() for _ in range(131)]
    runs[7].delete()
    found = store.maintenance.du()
    assert {run.run_id for run in found.runs} == {run.id for run in runs}
    assert [run.run_id for run in found.runs if run.deleted] == [runs[7].id]


def test_an_empty_store_takes_nothing() -> None:
    """No runs: no experiments, and zeros."""
    found = tiny_store(MemoryBucket()).maintenance.du()
    assert (found.runs, dict(found.experiments), found.total.stored) == ((), {}, 0)


def test_run_ids_by_how_they_begin() -> None:
    """All of them, those of one beginning, at most so many; deleted runs too."""
    store = tiny_store(MemoryBucket())
    runs = sorted(store.runs.start(experiment=name).id for name in ("a", "a", "b"))
    store.runs.get(runs[0]).delete()
    assert store.maintenance.run_ids() == runs
    assert store.maintenance.run_ids(limit=2) == runs[:2]
    assert store.maintenance.run_ids(runs[1][:20]) == [runs[1]]
    assert store.maintenance.run_ids("zz") == []


def test_what_is_held_is_all_that_is_there() -> None:
    """Content that a log carried and a pack holds since is there twice: the sum of all objects tells it."""
    bucket = MemoryBucket()
    run = tiny_store(bucket).runs.start()
    for n in range(6):
        run.log_bytes(_bytes(n, 30_000), f"{n}.bin")
    run.finish()
    found = tiny_store(bucket, create=False).maintenance.du()
    assert found.held.total == sum(map(len, bucket.objects.values())) > found.total.stored >= 180_000
    assert 4 * 180_000 / 3 < found.held.folded < found.held.logs
