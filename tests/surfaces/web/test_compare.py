"""Runs side by side: what differs, against a baseline, with few requests, and nothing but text of what they say."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import product
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.support.pages import new_store
from tests.support.stores import tiny_store
from tests.support.waves import LatentBucket, counted

from holdall.errors import InvalidArgumentError
from holdall.runs.comparison import compared
from holdall.runs.record import RunData, RunInfo, RunRecord
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.compare import compare
from holdall.surfaces.web.compare_columns import at_hand, column, first_axes, names_of
from holdall.surfaces.web.compare_rows import Fact, Wanted, section
from holdall.surfaces.web.page import Page
from holdall.surfaces.web.rendering import render
from holdall.surfaces.web.site import Site


def filled(store: Store, count: int, **params: Any) -> list[Run]:
    found = [store.runs.start(name=f"run {n}") for n in range(count)]
    for n, run in enumerate(found):
        run.log_params({"rate": n / 10, "same": 1, **params})
        run.log_metrics({"loss": n + 0.5}, step=1)
        run.log_text(f"text {n}", "notes.txt")
        run.log_text("flavors: {}", "model/MLmodel")
        run.finish()
    return found


def page(site: Site, runs: Sequence[Run | str], **query: Any) -> Page:
    ids = [run if isinstance(run, str) else run.id for run in runs]
    found = compare(site, Query.parse({}, urlencode({"run": ids, **query}, doseq=True)))
    assert isinstance(found, Page)
    return found


def drawn(site: Site, runs: Sequence[Run | str], **query: Any) -> str:
    return render(site, page(site, runs, **query))


def embedded_in(html: str) -> dict[str, Any]:
    text = html.partition('class="plot-facts">')[2].partition("</script>")[0]
    said = json.loads(text)
    assert isinstance(said, dict)
    return said


def test_what_differs_comes_first() -> None:
    """What is the same is folded behind it, whatever kind it is of."""
    store = tiny_store(MemoryBucket(), create=True)
    html = drawn(Site(store), filled(store, 3))
    assert 0 < html.index("rate") < html.index("loss") < html.index("the same in all") < html.index(">same<")


def test_differences_are_relative_to_a_baseline() -> None:
    """Numbers say by how much they are more or less; the baseline itself says nothing of that."""
    store = tiny_store(MemoryBucket(), create=True)
    runs = filled(store, 3)
    [loss] = [one for one in page(Site(store), runs, base=runs[1].id).facts["sections"] if one.kind == "metrics"]
    assert [(cell.text, cell.delta) for cell in loss.rows[0][1]] == [
        ("0.5", "-1 (-66.7 %)"),
        ("1.5", ""),
        ("2.5", "+1 (+66.7 %)"),
    ]


def test_runs_are_swapped_removed_and_added_by_links() -> None:
    """The order of the runs stands in the address; a baseline that goes is one no longer."""
    store = tiny_store(MemoryBucket(), create=True)
    runs = filled(store, 3)
    a, b, c = (run.id for run in runs)
    beside = page(Site(store), runs[:2], add=c, base=b).facts["beside"]
    assert beside.ids == [a, b, c]
    assert beside.earlier(b)["run"] == [b, a, c]
    assert (beside.without(b)["run"], beside.without(b)["base"]) == ([a, c], None)


def test_a_hundred_runs_cost_a_listing_and_a_read_each() -> None:
    """Never a request for a cell: all runs are read side by side, in as many waves as one."""
    memory = MemoryBucket()
    ids = [run.id for run in filled(tiny_store(memory, create=True), 100)]
    bucket = LatentBucket(memory)
    site = Site(tiny_store(bucket, create=False, seed=7))
    site.index.refresh()
    found = counted(bucket, lambda: drawn(site, ids))
    assert len(found.requests) <= 2 * 100
    html = drawn(site, ids)
    assert html.count('<th scope="col" class="run') == 100
    assert "Compare their environments too" in html
    with pytest.raises(InvalidArgumentError, match="more than 100"):
        page(site, [*ids, "0" * 32])


def test_many_differences_are_a_bounded_page() -> None:
    """A page has 2000 cells of a kind; the others are on the next ones, or found by name."""
    facts = [Fact(f"metric{n}", [n, n + 1]) for n in range(12_000)]
    found = section("metrics", facts, Wanted("", "", 0, None), 2)
    assert found is not None
    assert (len(found.rows), found.differing) == (1000, 12_000)
    last = section("metrics", facts, Wanted("", "metrics", 11_999, None), 2)
    assert last is not None
    assert (last.offset, last.rows[-1][0]) == (11_000, "metric11999")
    few = section("metrics", facts, Wanted("RIC77", "", 0, None), 100)
    assert few is not None
    assert (len(few.rows), few.differing) == (20, 111)


def test_environments_are_compared() -> None:
    """Another version of a package is a difference like any other."""
    store = new_store()
    runs = filled(store, 2)
    [section] = [one for one in page(Site(store), runs).facts["sections"] if one.kind == "environment"]
    assert {"python.version", "repository.commit"} <= {key for key, _ in section.same} | {
        key for key, _ in section.rows
    }


def test_files_that_differ_lead_to_their_difference() -> None:
    """Paths are held against those of the baseline, models as directories; nothing is read for that but listings."""
    store = tiny_store(MemoryBucket(), create=True)
    runs = filled(store, 3)
    files = page(Site(store), runs, tab="files", base=runs[2].id).facts["files"]
    ids = [run.id for run in runs]
    [(path, cells)] = files.rows
    assert (path, files.alike) == ("notes.txt", 1)
    assert [cell.diff for cell in cells] == [
        (f"runs:/{ids[2]}/notes.txt", f"runs:/{ids[0]}/notes.txt"),
        (f"runs:/{ids[2]}/notes.txt", f"runs:/{ids[1]}/notes.txt"),
        None,
    ]
    [(model, cells)] = files.models
    assert (model, cells[0].diff) == ("model", (f"runs:/{ids[2]}/model", f"runs:/{ids[0]}/model"))


def test_runs_that_are_gone_are_named() -> None:
    """A link that is older than a purge shows the others; one run alone is shown too."""
    store = tiny_store(MemoryBucket(), create=True)
    [run] = filled(store, 1)
    html = drawn(Site(store), [run, "0" * 32, "<script>"])
    assert "1 run side by side" in html
    assert "&lt;script&gt;" in html
    assert "No runs to compare" in drawn(Site(store), [])


def test_columns_are_numbers_or_words() -> None:
    """One word among numbers makes words of all; what a run lacks is none of both; no two values become one."""
    store = tiny_store(MemoryBucket(), create=True)
    runs = [store.runs.start() for _ in range(3)]
    runs[0].log_params({"a": "1e-3", "b": "10", "c": "x" * 30 + "1", "d": "nan"})
    runs[1].log_params({"a": " 2 ", "b": "auto", "c": "x" * 30 + "2", "d": "1"})
    runs[2].log_params({"b": "٣", "c": "same", "d": "1_0"})
    records = [run.record for run in runs]
    assert column(records, "params.a").values == [0.001, 2.0, None]
    assert [column(records, f"params.{key}").numeric for key in "abcd"] == [True, False, False, False]
    assert len(set(column(records, "params.c").values)) == 3
    assert column(records, "params.e").numeric is False


def test_plots_have_what_differs_at_hand_and_what_was_asked_for() -> None:
    """Of very many columns a bounded number is sent; one that somebody chose is among them."""
    store = tiny_store(MemoryBucket(), create=True)
    runs = [store.runs.start() for _ in range(2)]
    for n, run in enumerate(runs):
        run.log_params({f"p{i:03}": i for i in range(100)})
        run.log_metrics({f"m{i:03}": i + n for i in range(100)})
    records = [run.record for run in runs]
    names = names_of(records)
    columns = at_hand(records, names, ["params.p099", "none"])
    assert [columns[0].name, columns[1].name, len(columns)] == ["params.p099", "metrics.m000", 48]
    assert first_axes(columns) == ["metrics.m000", "metrics.m001"]
    html = drawn(Site(store), runs, tab="parallel", col=["metrics.m099", "params.p001"], brush="0.1:0.5:metrics.m099")
    said = embedded_in(html)
    assert said["axes"] == ["metrics.m099", "params.p001"]
    assert said["brushes"] == [["metrics.m099", [0.1, 0.5]]]


@pytest.mark.parametrize(
    "query",
    [
        {"tab": "other"},
        {"tab": "parallel", "brush": "2:3:a"},
        {"tab": "parallel", "brush": "0:1:"},
        {"tab": "parallel", "brush": "a"},
        {"kind": "all"},
        {"from": "x"},
        {"tab": "charts", "axis": "y"},
    ],
)
def test_wrong_arguments_are_refused(query: dict[str, str]) -> None:
    store = tiny_store(MemoryBucket(), create=True)
    with pytest.raises(InvalidArgumentError):
        page(Site(store), filled(store, 1), **query)


@pytest.mark.parametrize("tab", ["differences", "charts", "scatter", "parallel", "files"])
def test_what_runs_say_is_text(tab: str) -> None:
    """Names and values of runs are shown as they are, on each part of the page."""
    store = tiny_store(MemoryBucket(), create=True)
    runs = [store.runs.start(name="<img src=x>") for _ in range(2)]
    for n, run in enumerate(runs):
        run.log_params({"rate": f"</script><img src=y{n}>", "long": "z" * 500 + str(n)})
        run.log_text(str(n), "<img src=z>.txt")
        run.finish()
    assert "<img" not in drawn(Site(store), runs, tab=tab)


def test_what_differs_here_differs_in_python() -> None:
    """Whatever two runs measured: NaN is the same as NaN, and minus zero as zero."""
    values = [0.0, -0.0, math.nan, math.inf, -math.inf, 1.0]
    for one, other in product(values, repeat=2):
        sides = [RunRecord(RunInfo("", "", "", "", 0, None, "", ""), RunData({"loss": at})) for at in (one, other)]
        assert Fact("loss", [one, other]).differs == bool(compared(sides, None, ["metrics"]).differing)
