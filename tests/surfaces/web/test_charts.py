"""Which charts a page has, and that colours of curves are told apart."""

from __future__ import annotations

import json
import math
import re
from itertools import combinations
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.support.stores import tiny_store

from holdall.errors import InvalidArgumentError
from holdall.storage.memory import MemoryBucket
from holdall.store import RunData, RunInfo, RunRecord
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.app import STATIC
from holdall.surfaces.web.charts import Panel, embedded, panel
from holdall.surfaces.web.page import Page
from holdall.surfaces.web.rendering import render
from holdall.surfaces.web.site import Site

SITE = Site(tiny_store(MemoryBucket(), create=True))


def record(n: int, *keys: str) -> RunRecord:
    info = RunInfo(f"{n:032x}", f"run {n}", "0" * 16, "RUNNING", n, None, "active", "")
    return RunRecord(info, RunData(dict.fromkeys(keys, 1.0)))


def shown(*runs: RunRecord, **query: Any) -> Panel:
    asked = Query.parse(
        {}, urlencode({"from" if key == "start" else key: value for key, value in query.items()}, doseq=True)
    )
    return panel(SITE, asked, runs, "compare", {"run": [run.info.run_id for run in runs]})


def test_metrics_are_grouped_by_what_stands_before_the_slash() -> None:
    """Those without come first, those of the machine last."""
    found = shown(record(1, "system/cpu", "val/loss", "loss"), record(2, "train/a/b", "train/loss"))
    assert [(group.name, list(group.keys)) for group in found.groups] == [
        ("", ["loss"]),
        ("train", ["train/a/b", "train/loss"]),
        ("val", ["val/loss"]),
        ("system", ["system/cpu"]),
    ]


def test_twelve_thousand_metrics_are_a_bounded_page() -> None:
    """A page has 60 charts, of which a dozen is open; the search finds the others."""
    run = record(1, *(f"layer{n % 600}/weight{n}" for n in range(12_000)))
    found = shown(run)
    assert (found.shown, found.found, found.total, len(found.prefixes)) == (60, 12_000, 12_000, 40)
    assert sum(len(group.keys) for group in found.groups if group.open) <= 12 + 20
    page = render(SITE, Page("_charts.html", facts={"panel": found}))
    assert page.count("<figure") == 60
    assert len(page) < 150_000
    assert shown(run, find="WEIGHT11999").found == 1
    assert shown(run, start=11_999).shown == 60
    assert shown(run, start=10**6).offset == 11_940


def test_ten_runs_are_drawn_unless_others_are_chosen() -> None:
    runs = [record(n, "loss") for n in range(12)]
    assert shown(*runs).drawn == {run.info.run_id for run in runs[:10]}
    assert shown(*runs, draw=[runs[11].info.run_id, "gone"]).drawn == {runs[11].info.run_id}


def test_what_is_chosen_stands_in_the_address() -> None:
    """A link to another part of a page keeps all that is chosen, and a pin adds to it or takes away."""
    query = {"axis": "time", "log": "1", "smooth": "0.6", "zoom": "10:20", "find": "l", "key": ["b"], "wide": "b"}
    found = shown(record(1, "a/l", "b", "loss"), **query)
    assert found.pinned == ["b"]
    assert {name: value for name, value in found.to().items() if value} == {"run": [f"{1:032x}"], **query}
    assert found.pin("loss")["key"] == ["b", "loss"]
    assert found.pin("b")["key"] == []
    assert ("find", "l") not in found.hidden


@pytest.mark.parametrize("query", [{"axis": "x"}, {"smooth": "2"}, {"zoom": "3"}, {"start": "-1"}])
def test_wrong_arguments_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidArgumentError):
        shown(record(1, "loss"), **query)


def test_no_name_leaves_the_script_that_it_stands_in() -> None:
    """Names are data, in an element that a browser does not run, and cannot end."""
    name = "</script><!--<script>alert(1)&amp;"
    text = embedded({"name": name})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"name": name}
    run = record(1, '"><img src=x onerror=alert(1)>')
    assert "<img" not in render(SITE, Page("_charts.html", facts={"panel": shown(run)}))


PAPERS = {"light": "#ffffff", "dark": "#15181c"}
SIGHT = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "without red": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "without green": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "without blue": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}  # G. M. Machado, M. M. Oliveira, L. A. F. Fernandes (2009), whole severity
OKLAB = (
    ((0.4122, 0.5363, 0.0514), (0.2119, 0.6807, 0.1074), (0.0883, 0.2817, 0.6300)),
    ((0.2105, 0.7936, -0.0041), (1.9780, -2.4286, 0.4506), (0.0259, 0.7828, -0.8087)),
)  # B. Ottosson (2020)
Vector = tuple[float, ...]


def light(colour: str) -> Vector:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return tuple(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)


def times(matrix: tuple[Vector, ...], vector: Vector) -> Vector:
    return tuple(sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)


def seen(colour: str, sight: str) -> Vector:
    cones = times(OKLAB[0], tuple(min(1, max(0, part)) for part in times(SIGHT[sight], light(colour))))
    return times(OKLAB[1], tuple(math.cbrt(cone) for cone in cones))


def bright(colour: str) -> float:
    return sum(part * weight for part, weight in zip(light(colour), (0.2126, 0.7152, 0.0722), strict=True)) + 0.05


@pytest.mark.parametrize("theme", PAPERS)
def test_curves_are_told_apart(theme: str) -> None:
    """Each colour stands out from the ground; two with the same dashes differ for whoever does not see some colours."""
    sheet = (STATIC / "colours.css").read_text()
    pairs = re.findall(r"--s\d+: light-dark\((#\w{6}), (#\w{6})\)", sheet)
    colours = [pair[theme == "dark"] for pair in pairs]
    assert len(set(colours)) == 10
    paper = bright(PAPERS[theme])
    assert all(max(bright(one), paper) / min(bright(one), paper) >= 3 for one in colours)
    for sight in SIGHT:
        places = [seen(colour, sight) for colour in colours]
        close = [
            (a, b) for a, b in combinations(range(10), 2) if a % 4 == b % 4 and math.dist(places[a], places[b]) < 0.08
        ]
        assert close == []
