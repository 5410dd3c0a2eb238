"""What a record tells of a metric without its history: last, least, greatest, and how many."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from tests.support.stores import tiny_store

from holdall.checking.mending import as_told
from holdall.format.entry import LogEntry, encode_entry, parse_entry
from holdall.format.layout import log_key, run_log
from holdall.format.state import State
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import MetricSummary


def logged(bucket: MemoryBucket, values: list[float], *, end: bool = True) -> Run:
    run = tiny_store(bucket).runs.start()
    for step, value in enumerate(values):
        run.log_metrics({"loss": value}, step=step)
        run.flush()
    if end:
        run.finish()
    return run


def summary(bucket: MemoryBucket, run: Run) -> MetricSummary:
    return tiny_store(bucket, create=False, seed=3).runs.get(run.id).metric_summaries["loss"]


@pytest.mark.parametrize(
    ("values", "least", "greatest"),
    [
        ([0.5], 0.5, 0.5),
        ([0.5, 0.9, 0.2, 0.4], 0.2, 0.9),
        ([math.nan, 0.5, math.nan, 0.4], 0.4, 0.5),
        ([0.5, math.inf, -math.inf, math.nan], -math.inf, math.inf),
    ],
)
@pytest.mark.parametrize("end", [True, False])
def test_extremes_are_of_all_values(values: list[float], least: float, greatest: float, *, end: bool) -> None:
    """Infinite ones too, NaN not; of a run that goes on, of one that has ended, and of one that is gone on with."""
    bucket = MemoryBucket()
    run = logged(bucket, values, end=end)
    found = summary(bucket, run)
    assert (found.min, found.max, found.count, found.step) == (least, greatest, len(values), len(values) - 1)
    again = tiny_store(bucket, create=False, seed=5).runs.resume(run.id)
    again.log_metrics({"loss": -7.0}, step=99)
    again.finish()
    now = summary(bucket, run)
    assert (now.last, now.min, now.max) == (-7.0, min(least, -7.0), greatest)
    assert now.count == len(values) + 1


def test_nan_alone_is_nan() -> None:
    """Neither least nor greatest is a number then."""
    bucket = MemoryBucket()
    found = summary(bucket, logged(bucket, [math.nan, math.nan]))
    assert math.isnan(found.min or 0)
    assert math.isnan(found.max or 0)


def test_many_entries_tell_the_same() -> None:
    """Over several checkpoints."""
    bucket = MemoryBucket()
    found = summary(bucket, logged(bucket, [((step * 37) % 150) / 3 for step in range(150)]))
    assert (found.min, found.max, found.count) == (0.0, 149 / 3, 150)


def test_of_a_run_that_an_earlier_version_wrote_nothing_is_guessed() -> None:
    """Its checkpoint tells none, so they are not known, also when the run is gone on with; the count is."""
    bucket = MemoryBucket()
    run = logged(bucket, [0.5, 0.9, 0.2])
    log = run_log(run.id)
    n = max(n for n in range(10) if log_key(log, n) in bucket.objects)
    entry = parse_entry(bucket.objects[log_key(log, n)], log, n)
    assert entry.state
    del entry.state["extremes"]
    bucket.objects[log_key(log, n)] = encode_entry(entry)
    found = summary(bucket, run)
    assert (found.last, found.min, found.max, found.count) == (0.2, None, None, 3)
    again = tiny_store(bucket, create=False, seed=5).runs.resume(run.id)
    again.log_metrics({"loss": -7.0, "new": 1.0}, step=99)
    again.log_metrics({"new": 2.0}, step=100)
    again.finish()
    assert (summary(bucket, run).min, summary(bucket, run).count) == (None, 4)
    assert tiny_store(bucket, create=False).runs.get(run.id).metric_summaries["new"].min == 1.0
    assert tiny_store(bucket, create=False).maintenance.check().problems == []


def test_check_finds_extremes_that_say_otherwise() -> None:
    """They are held against the entries, as all that a checkpoint says."""
    bucket = MemoryBucket()
    run = logged(bucket, [0.5, 0.9, 0.2])
    log = run_log(run.id)
    n = max(n for n in range(10) if log_key(log, n) in bucket.objects)
    entry = parse_entry(bucket.objects[log_key(log, n)], log, n)
    assert entry.state
    entry.state["extremes"]["loss"][0] = 0.1
    bucket.objects[log_key(log, n)] = encode_entry(entry)
    (problem,) = tiny_store(bucket, create=False).maintenance.check().problems
    assert "a state it carries is not what its entries amount to" in problem.detail


def test_what_is_repaired_from_a_copy_has_extremes_of_the_same_count() -> None:
    """Of a metric that the copy knows more of they are the copy's; else the run's own, or not known."""

    def state(values: list[float]) -> State:
        found = State()
        entry = LogEntry("runs/a", 0, "c" * 32, None, 5, "x", None, ())
        points = [["loss", value, step, 0] for step, value in enumerate(values)]
        found.apply(replace(entry, ops=({"op": "metric", "points": points},)))
        return found

    own, copy = [0.5, 0.9], [0.5, 0.9, 0.1]
    assert as_told(state(own), state(copy)).extremes_of("loss") == (0.1, 0.9)
    assert as_told(state(copy), state(own)).extremes_of("loss") == (0.1, 0.9)
    forgot = state(copy)
    forgot.extremes = {}
    assert as_told(state(own), forgot).extremes_of("loss") is None
    assert as_told(forgot, state(own)).extremes_of("loss") is None


def test_a_summary_is_plain() -> None:
    """By name, and in a line."""
    bucket = MemoryBucket()
    found = summary(bucket, logged(bucket, [0.5, 0.25]))
    assert json.loads(json.dumps(found.to_dictionary()))["min"] == 0.25
    assert repr(found) == "MetricSummary(last=0.25, min=0.25, max=0.5, step=1, count=2)"
