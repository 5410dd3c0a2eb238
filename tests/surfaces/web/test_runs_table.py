"""The table of runs as the server draws it: filter, order, columns, pages, and how large it may be."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from html import unescape

import pytest
from tests.support.pages import asked, new_store, page_of, texts
from tests.support.runlogs import put_runs
from tests.support.stores import tiny_store

from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.rendering import cell
from holdall.surfaces.web.site import Site
from holdall.surfaces.web.table import FACTS, STATS, View, columns_of

LIMIT = 200_000  # bytes of a page


@pytest.fixture(scope="module")
def store() -> Store:
    store = new_store(environment=False)
    for number, (model, loss) in enumerate([("forest", 0.3), ("forest", 0.1), ("net", 0.2)]):
        with store.runs.start(name=f"run {number}", experiment="a" if number else "b") as run:
            run.log_params({"model": model})
            run.log_metrics({"loss": loss, "odd key: 1": number})
            run.set_tags({"team": "<i>vision</i>"})
    return store


@pytest.fixture
def site(store: Store) -> Iterator[Site]:
    site = Site(store)
    yield site
    site.index.close()


def names(html: str) -> list[str]:
    return texts(html, "th", "scope", "row")


def heads(html: str) -> list[str]:
    return texts(html, "th", "scope", "col")[1:]


def test_the_table_shows_what_a_search_finds(site: Site) -> None:
    """A filter in the grammar of searches, sorted by a column, of an experiment."""
    assert sorted(names(page_of(site))) == ["run 0", "run 1", "run 2"]
    assert names(page_of(site, filter="params.model = 'forest'", sort="metrics.loss ASC")) == ["run 1", "run 0"]
    assert names(page_of(site, experiment=site.store.experiments.id_of("b"))) == ["run 0"]
    assert names(page_of(site, sort="metrics.`odd key: 1` DESC"))[0] == "run 2"


def test_a_mistake_is_shown_where_it_is(site: Site) -> None:
    """The filter stays in its field, a caret stands under the mistake, and the field has the focus."""
    found = asked(site, filter="metrics.loss < high")
    html = found.body.decode()
    assert found.status == 400
    shown, caret = unescape(re.search("<pre>(.*?)</pre>", html, re.DOTALL)[1]).split("\n")  # type: ignore[index]
    assert shown[caret.index("<b")] == "h"
    assert 'value="metrics.loss &lt; high"' in html
    assert 'aria-invalid="true"' in html
    assert "autofocus" in html
    assert "metrics.loss is compared with a number" in html


@pytest.mark.parametrize(
    "wrong",
    [
        {"sort": "metrics.loss UP"},
        {"stage": "gone"},
        {"offset": "-1"},
        {"metric": [str(n) for n in range(19)]},
        {"metric": [str(n) for n in range(7)], "stat": ["last", "min", "max"]},
    ],
)
def test_what_no_address_says_is_refused(site: Site, wrong: dict[str, object]) -> None:
    """An address that no page leads to is told what is wrong with it, not taken for another one."""
    assert asked(site, "/", **wrong).status == 400


def test_columns_are_those_that_were_chosen(site: Site) -> None:
    """At first those that most runs have; then what the address says, none too, and hidden ones are not there."""
    assert [title for title in heads(page_of(site)) if title in ("loss", "odd key: 1", "model")] == [
        "loss",
        "odd key: 1",
        "model",
    ]
    chosen = heads(page_of(site, own=1, metric="loss", stat=["max", "min"], hide=["tags", "user"]))
    assert chosen == ["Run", "Status", "Started", "Duration", "Experiment", "loss min", "loss max", "Files", "Size"]
    assert "loss" not in heads(page_of(site, own=1))


def test_a_head_says_how_it_is_sorted(site: Site) -> None:
    """A click on the head of the column that is sorted by turns the direction."""
    html = page_of(site, sort="metrics.`loss` DESC")
    assert texts(html, "th", "aria-sort", "descending") == ["loss"]
    assert 'value="metrics.`loss` ASC"' in html
    for column in columns_of(View(metrics=["odd key: 1"], params=["model"], stats=STATS)):
        if column.sort:
            page_of(site, sort=column.sort)


def test_least_and_greatest_values_are_shown_and_sorted_by() -> None:
    """Of each metric, by the same grammar as filters; a run without the metric comes last in both directions."""
    store = new_store(environment=False)
    for name, values in (("up", [1.0, 5.0]), ("down", [4.0, -2.5]), ("flat", [3.0]), ("none", [])):
        with store.runs.start(name=name, experiment="e") as run:
            for step, value in enumerate(values):
                run.log_metric("loss", value, step=step)
    site = Site(store)
    html = page_of(site, sort="min.`loss` ASC", own=1, metric="loss", stat=["last", "min", "max"], hide=[*FACTS])
    assert names(html) == ["down", "up", "flat", "none"]
    assert texts(html, "td", "class", "num") == [*("-2.5", "-2.5", "4"), *("5", "1", "5"), *("3", "3", "3"), *"---"]
    assert texts(html, "th", "aria-sort", "ascending") == ["loss min"]
    assert 'value="min.`loss` DESC"' in html
    assert names(page_of(site, sort="max.`loss` DESC")) == ["up", "down", "flat", "none"]
    assert names(page_of(site, filter="max.loss > 3", sort="max.`loss` ASC")) == ["down", "up"]
    assert [run.info.run_name for run in store.runs.search("min.loss < 2", order_by=["min.loss"])] == ["down", "up"]
    site.index.close()


def test_nothing_that_runs_say_becomes_markup(site: Site) -> None:
    assert "<i>" not in page_of(site)
    assert "team=&lt;i&gt;vision" in page_of(site)


def test_a_state_is_what_its_address_says() -> None:
    """What is read from an address is written into the same one."""
    pairs = [("filter", "a"), ("experiment", "1"), ("experiment", "2"), ("stage", "all"), ("sort", "start_time ASC")]
    pairs += [("own", "1"), ("metric", "m"), ("param", "p"), ("stat", "min"), ("hide", "tags"), ("run", "r")]
    pairs += [("offset", "100")]
    view = View.of(Query({}, pairs))
    said = view.arguments()
    again = [(k, str(one)) for k, v in said.items() for one in ([v] if isinstance(v, str | int) else v)]
    assert sorted(again) == sorted(pairs)
    assert View.of(Query({}, again)) == view
    assert not any(View.of(Query({})).arguments().values())


def test_rows_that_are_the_same_are_not_sent_again(site: Site) -> None:
    """While nothing changes, a refresh is a line; then the rows are all there."""
    html = page_of(site, own=1)
    seen = re.search('data-seen="(.*?)"', html)[1]  # type: ignore[index]
    same = page_of(site, "/rows", own=1, seen=seen)
    assert "<tr" not in same
    assert 'id="fresh"' in same
    assert len(names(page_of(site, "/rows", own=1, seen="other"))) == 3


def test_a_page_has_a_hundred_rows_and_says_of_how_many() -> None:
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    store.experiments.ensure("Default")
    put_runs(bucket, 250)
    site = Site(store)
    html = page_of(site)
    assert len(names(html)) == 100
    assert "100 of 250" in html
    assert 'name="offset" value="100"' in html
    last = page_of(site, offset=200)
    assert "250 of 250" in last
    assert names(last)[0] != names(html)[0]


def test_pages_cost_no_request_for_each_row() -> None:
    """After the first page, others ask the bucket for nothing while what is known is fresh."""
    bucket = TraceBucket(MemoryBucket(), counter := RequestCounter())
    store = tiny_store(bucket)
    store.experiments.ensure("Default")
    put_runs(bucket, 250)
    site = Site(store)
    page_of(site)
    before = counter.total
    page_of(site, offset=100, filter="metrics.metric1 > 4")
    page_of(site, "/rows")
    page_of(site, "/columns", find="metric")
    assert counter.total == before


@pytest.fixture(scope="module")
def hostile() -> Store:
    """A hundred runs that are called and filled with what takes most room in a page, and 12,000 metrics."""
    store = new_store(environment=False)
    odd = "\"'<&>\x1b\U000e0001"
    long = odd * 30
    keys = [f"{number:02}{'k' * 240}" for number in range(12)]
    for number in range(100):
        with store.runs.start(name=f"{number} {long}", experiment="x" * 200) as run:
            run.log_params(dict.fromkeys(keys, long))
            run.set_tags(dict.fromkeys(keys, long))
            run.log_metrics({f"{n:02}{'m' * 240}": random.Random(n).random() * -1e-300 for n in range(20)})
            if not number:
                run.log_metrics({f"metric {n}": n for n in range(12_000)})
    return store


def test_a_page_stays_small(hostile: Store) -> None:
    """Whatever runs are called, however many metrics there are, and with as many columns as there can be."""
    site = Site(hostile)
    metrics = [f"{n:02}{'m' * 240}" for n in range(18)]
    params = [f"{number:02}{'k' * 240}" for number in range(12)]
    most = {"own": 1, "metric": metrics, "param": params}
    values = {"own": 1, "metric": metrics[:6], "param": params, "stat": ["last", "min", "max"]}
    for path, arguments in (
        ("/", {}),
        ("/", most),
        ("/", values),
        ("/rows", most),
        ("/columns", {}),
        ("/columns", {"find": "m"}),
    ):
        html = page_of(site, path, **arguments)
        assert len(html.encode()) < LIMIT, (path, len(html.encode()))
    assert len(names(page_of(site))) == 100


def test_keys_are_found_among_thousands(hostile: Store) -> None:
    """The choice of columns shows few keys, says how many more there are, and finds the one that is looked for."""
    site = Site(hostile)
    assert "more: type a part of a name" in page_of(site, "/columns")
    assert "metric 11999 1" in texts(page_of(site, "/columns", find="Metric 11999"), "label")


@pytest.mark.parametrize("text", ["", "a" * 20, "<" * 20, "\x00" * 20, "\U0001f600" * 20, "a" * 19 + "<"])
def test_a_cell_takes_no_more_bytes_than_it_may(text: str) -> None:
    """Escapes count, and what was cut says so."""
    shown = cell(text, 20)
    assert len(shown.replace("<", "&lt;").encode()) <= 20
    assert shown == text or shown.endswith("…")
