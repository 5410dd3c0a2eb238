"""Points as JSON and CSV: what charts are told, and what they cannot ask."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import math
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.support.asgi import Response, ask
from tests.support.stores import tiny_store
from tests.support.waves import LatentBucket, counted

from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.app import make_app
from holdall.surfaces.web.security import Rules
from holdall.surfaces.web.series_data import series
from holdall.surfaces.web.site import Site

RULES = Rules(frozenset({"localhost"}))


def filled(store: Store, count: int, points: int = 40) -> list[Run]:
    found = [store.runs.start(name=f"run {n}") for n in range(count)]
    for n, run in enumerate(found):
        run.log_batch(metrics=[("loss", n + 1 / (step + 1), step, 1000 + step) for step in range(points)])
    return found


def told(site: Site, **query: Any) -> dict[str, Any]:
    """What `/series` answers."""
    found = series(site, Query.parse({}, urlencode(query, doseq=True)))
    said = json.loads(found.content)
    assert isinstance(said, dict)
    return said


def asked(store: Store, query: str) -> Response:
    async def one() -> Response:
        app = make_app(Site(store), RULES)

        async def with_query(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "query_string": query.encode()}, receive, send)

        return await ask(with_query, "GET", "/series", headers={"host": "localhost"})

    return asyncio.run(one())


def test_points_are_thinned_and_counted() -> None:
    """Each series says how many points there are, and has no more than were asked for."""
    store = tiny_store(MemoryBucket(), create=True)
    [run] = filled(store, 1, 400)
    [one] = told(Site(store), run=run.id, key="loss", points=50)["histories"]
    assert (one["count"], one["shown"], one["keep"]) == (400, len(one["x"]), 0)
    assert 25 <= one["shown"] <= 50
    assert (one["x"][0], one["x"][-1], one["values"][0]) == (0, 399, 1.0)


def test_a_zoom_asks_for_finer_points() -> None:
    """Between two ends there are the points that the whole left out."""
    store = tiny_store(MemoryBucket(), create=True)
    [run] = filled(store, 1, 400)
    [one] = told(Site(store), run=run.id, key="loss", points=50, zoom="100:120")["histories"]
    assert (one["x"], one["count"]) == (list(range(100, 121)), 21)


def test_what_is_not_finite_is_a_gap_with_a_name() -> None:
    """JSON has no NaN: it is null, and named beside; a log scale says how many it cannot show."""
    store = tiny_store(MemoryBucket(), create=True)
    run = store.runs.start()
    run.log_batch(
        metrics=[("loss", value, step, 0) for step, value in enumerate([1, math.nan, math.inf, -math.inf, -2])]
    )
    [one] = told(Site(store), run=run.id, key="loss", log=1)["histories"]
    assert one["values"] == [1, None, None, None, -2]
    assert [(mark["x"], mark["value"]) for mark in one["marks"]] == [(1, "NaN"), (2, "Infinity"), (3, "-Infinity")]
    assert one["hidden"] == 1


def test_what_follows_is_told_alone() -> None:
    """Who names what it was told last gets the points after that, and nothing if there are none."""
    store = tiny_store(MemoryBucket(), create=True)
    runs, site = filled(store, 2), Site(store)
    query = {"run": [run.id for run in runs], "key": "loss", "axis": "time"}
    first = told(site, **query)
    runs[0].log_batch(metrics=[("loss", 0.5, 40, 1040)])
    more = told(site, **query, since=first["cursor"])
    news = {one["run_id"]: (one["keep"], one["x"], one["steps"]) for one in more["histories"]}
    assert news == {runs[0].id: (40, [1040], [40]), runs[1].id: (40, [], [])}
    assert told(site, **query, since=more["cursor"])["cursor"] == more["cursor"] != first["cursor"]
    assert [one["keep"] for one in told(site, **query, since="gone")["histories"]] == [0, 0]


def test_a_point_that_came_between_is_told() -> None:
    """Points stand only as far as nothing came before them."""
    store = tiny_store(MemoryBucket(), create=True)
    [run], site = filled(store, 1), Site(store)
    first = told(site, run=run.id, key="loss")
    run.log_batch(metrics=[("loss", 7, 20, 0)])
    [one] = told(site, run=run.id, key="loss", since=first["cursor"])["histories"]
    assert (one["keep"], one["values"][0], len(one["x"])) == (21, 7, 20)


def test_what_follows_costs_one_listing_for_each_run() -> None:
    """A page that stays open asks the bucket for the ends of the runs' logs alone."""
    memory = MemoryBucket()
    runs = filled(tiny_store(memory, create=True), 3)
    bucket = LatentBucket(memory)
    site = Site(tiny_store(bucket, create=False, seed=9))
    query = {"run": [run.id for run in runs], "key": ["loss", "none"]}
    first = told(site, **query)
    found = counted(bucket, lambda: told(site, **query, since=first["cursor"]))
    assert len(found.requests) == 3


def test_ten_runs_are_read_in_one_plan() -> None:
    """Runs and metrics are read side by side, not one after the other."""
    memory = MemoryBucket()
    runs = filled(tiny_store(memory, create=True), 10)
    bucket = LatentBucket(memory)
    site = Site(tiny_store(bucket, create=False, seed=9))
    found = counted(bucket, lambda: told(site, run=[run.id for run in runs], key=["loss", "accuracy"]))
    assert len(found.requests) <= 41


def test_a_run_that_is_not_there_is_named() -> None:
    """The others are told nevertheless."""
    store = tiny_store(MemoryBucket(), create=True)
    [run] = filled(store, 1)
    said = told(Site(store), run=[run.id, "0" * 32, "<script>"], key="loss")
    assert [one["run_id"] for one in said["histories"]] == [run.id]
    assert set(said["unreadable"]) == {"0" * 32, "<script>"}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "run=x",
        "key=loss",
        "run=x&key=loss&points=15",
        "run=x&key=loss&points=4001",
        "run=x&key=loss&axis=depth",
        "run=x&key=loss&smooth=1",
        "run=x&key=loss&smooth=nan",
        "run=x&key=loss&zoom=2:1",
        "run=x&key=loss&zoom=a:b",
        "run=x&key=loss&format=xml",
        "&".join(f"run={n}" for n in range(101)) + "&key=loss",
        "run=x&" + "&".join(f"key={n}" for n in range(25)),
        "&".join(f"run={n}" for n in range(100)) + "&key=a&key=b&points=2000",
    ],
)
def test_wrong_arguments_are_refused(query: str) -> None:
    """Nothing is asked of the store, and nothing is allocated, for what no chart asks."""
    assert asked(tiny_store(MemoryBucket(), create=True), query).status == 400


def test_points_are_csv() -> None:
    """All points of a chart, with their steps and times, as a file whose name says how many."""
    store = tiny_store(MemoryBucket(), create=True)
    [run] = filled(store, 1, 300)
    found = asked(store, f"run={run.id}&key=loss&points=50&format=csv&smooth=0.5")
    rows = list(csv.reader(io.StringIO(found.body.decode())))
    assert (rows[0], len(rows)) == (["run_id", "key", "step", "time", "value"], 301)
    assert rows[2] == [run.id, "loss", "1", "1001", "0.5"]
    assert found.headers["content-disposition"] == 'attachment; filename="loss.csv"'
