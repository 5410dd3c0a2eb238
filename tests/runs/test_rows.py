"""Summaries as rows: as they were, in a tenth of the memory, and of which none is too many."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.runlogs import put_runs
from tests.support.stores import tiny_store

from holdall.runs.index import each_run
from holdall.runs.rows import Row, Rows
from holdall.runs.search import RunSummary, parse_filter, parse_order_by
from holdall.storage.memory import MemoryBucket

texts = st.dictionaries(st.text(max_size=5), st.text(max_size=90), max_size=4)
numbers = st.integers(-(2**60), 2**60)
extremes = st.just(()) | st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False))


@st.composite
def summaries(draw: Any) -> RunSummary:
    metrics = draw(st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False), max_size=4))
    points = {key: [draw(numbers), draw(numbers), draw(st.integers(1, 9)), *draw(extremes)] for key in metrics}
    id, end = draw(st.text("0123456789abcdef", min_size=32, max_size=32)), draw(st.none() | st.integers(0, 9))
    stage = draw(st.sampled_from(["active", "deleted"]))
    where, flags = f"runs:/{id}", [draw(st.booleans()) for _ in range(2)]
    params, tags, pins = (draw(texts) for _ in range(3))
    begun = RunSummary(id, "0" * 16, "n", "FINISHED", 5, end, where, "u", stage, params, metrics, tags, pins)
    return replace(begun, open=flags[0], versioned=flags[1], files=3, bytes=4, points=points)


@given(summaries())
def test_a_row_is_the_summary_that_it_is_of(told: RunSummary) -> None:
    """Every field comes back, extremes that are not known as such too."""
    rows = Rows()
    rows.put(b"stamp", told)
    found = rows.by_id[told.run_id].summary()
    assert {field.name: getattr(found, field.name) for field in fields(found) if field.name != "artifact_uri"} == {
        field.name: getattr(told, field.name) for field in fields(told) if field.name != "artifact_uri"
    }


def summary(n: int, **more: Any) -> RunSummary:
    return RunSummary(f"{n:032x}", "0" * 16, f"run {n}", "FINISHED", n, n + 1, "", "", "active", *({},) * 3, **more)


def test_rows_are_judged_and_sorted_as_summaries() -> None:
    """A filter and an order look at either, also where values are missing or no numbers."""
    told = []
    for n, loss in enumerate([1.0, math.nan, -math.inf, 3.0]):
        one = summary(n)
        object.__setattr__(one, "metrics", {"loss": loss} if n != 3 else {})
        object.__setattr__(one, "params", {"a": str(n % 2)})
        told.append(one)
    rows = Rows()
    for one in told:
        rows.put(b"", one)
    for filter in ("metrics.loss > 0", "metrics.loss != 1", "params.a = '1'", "attributes.run_name LIKE 'run %'"):
        wanted, order = parse_filter(filter), parse_order_by(["metrics.loss DESC"])
        found = [run.run_id for run in order.sorted(filtered(told, wanted))]
        assert [row.run_id for row in order.sorted(filtered(list(rows.by_id.values()), wanted))] == found


def filtered(runs: list[Any], wanted: Any) -> list[Any]:
    return [run for run in runs if wanted.may_match(run)]


def test_more_than_there_is_room_for_is_cut() -> None:
    """Of runs beyond the room only name, status and times are held, and they are counted; room that is freed serves."""
    rows = Rows(most=20_000)
    for n in range(100):
        rows.put(b"", summary(n, pins={}, points={}) if n else summary(n))
        object.__setattr__(rows.by_id[f"{n:032x}"], "stamp", b"")
    assert rows.cut == 100 - 28
    assert len(rows.by_id) == 100
    rows.keep_only({f"{n:032x}" for n in range(50, 60)})
    assert (rows.cut, len(rows.by_id)) == (10, 10)
    rows.put(b"", summary(200))
    assert rows.by_id[f"{200:032x}"].whole


def test_a_run_takes_about_a_kilobyte() -> None:
    """With a dozen parameters, metrics and tags each, where a summary takes eight or more."""
    bucket = MemoryBucket()
    put_runs(bucket, 300)
    found = [one.summary for one in each_run(tiny_store(bucket)._location, None) if one.summary]
    rows = Rows()
    for one in found[:10]:
        rows.put(b"2/4000/1750000000000", one)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for one in found[10:]:
        rows.put(b"2/4000/1750000000000"[:], one)
    took = (tracemalloc.get_traced_memory()[0] - before) / 290
    tracemalloc.stop()
    assert took < 2_000, took
    assert isinstance(next(iter(rows.by_id.values())), Row)


@pytest.mark.parametrize("text", ["x" * 79, "x" * 81])
def test_what_many_say_is_held_once_if_it_is_short(text: str) -> None:
    """Texts that are said alike are the same object; long ones are likely to be said once."""
    rows = Rows()
    for n in range(2):
        one = summary(n)
        object.__setattr__(one, "params", {"a": "".join(text)[:-1] + text[-1]})
        rows.put(b"", one)
    first, second = (row.params.values[0] for row in rows.by_id.values())
    assert (first is second) == (len(text) <= 80)
