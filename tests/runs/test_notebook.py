"""Runs, comparisons and experiments in a notebook: what the pages show, as HTML that runs nothing and asks little."""

from __future__ import annotations

import html.parser
import math
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.faulty import FaultyBucket
from tests.support.stores import tiny_store

from holdall.display.drawing import HEIGHT, MOST, WIDTH, chart
from holdall.errors import BucketUnreachableError
from holdall.format.layout import experiment_id
from holdall.runs import notebook
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Experiment, Store

HOSTILE: Final = "<script>alert(1)</script>&\"'\x1b[2J\u202e"
DRAWN: Final = {"svg": {"width", "height", "viewbox", "role"}, "polyline": {"points"}, "path": {"d"}} | {
    "circle": {"cx", "cy", "r"}
}
STROKE: Final = {"fill", "stroke", "stroke-width", "stroke-linejoin"}
PLAIN: Final = {"div", "strong", "table", "tr", "th", "td", "p", "title"}


class Tags(html.parser.HTMLParser):
    """The text of a piece of HTML whose tags are among those that show something, and do nothing."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in PLAIN or tag in DRAWN
        assert {name for name, _ in attrs} <= (DRAWN[tag] | STROKE if tag in DRAWN else set())
        self.open.append(tag)
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def shown(thing: Any) -> tuple[Tags, str]:
    """What a notebook gets of something, and its text."""
    found = Tags(thing._repr_html_())
    return found, " ".join(found.text)


def trained(store: Store, name: str = "quick", entries: int = 100, *, end: bool = True) -> Run:
    """A run with a metric in each of so many entries, and something of all else."""
    run = store.runs.start(experiment="vision", name=name, tags={"team": "a"})
    run.log_params({"rate": 0.1})
    for step in range(entries):
        run.log_metrics({"loss": math.nan if step == 40 else 1 / (step + 1)}, step=step)
        run.flush()
    run.log_text("all is well", "report.txt")
    run.log_text("weights", "model/weights.bin")
    if end:
        run.finish()
    return run


@pytest.fixture
def bucket() -> FaultyBucket:
    """A bucket in memory that counts requests."""
    return FaultyBucket(MemoryBucket())


def reader(bucket: FaultyBucket) -> Store:
    return tiny_store(bucket, create=False, seed=7)


def test_a_run_shows_what_its_page_shows(bucket: FaultyBucket) -> None:
    """Who it is, metrics with last, least, greatest and a chart, params, tags, and what is at the top of its files."""
    run = trained(tiny_store(bucket))
    found, text = shown(reader(bucket).runs.get(run.id))
    for word in ("quick", run.id, "FINISHED", "loss", "0.01", "rate", "0.1", "team", "model/", "report.txt", "11 B"):
        assert word in text
    assert "loss, 100 points" in text
    assert found.seen.count("svg") == 1
    assert found.seen.count("polyline") == 2, "NaN is a gap"
    assert found.seen.count("path") == 1, "with a mark"


@pytest.mark.parametrize("end", [True, False])
def test_it_asks_a_bounded_number_of_requests(bucket: FaultyBucket, *, end: bool) -> None:
    """The end of the log, its blocks, the nodes of its tree; `repr` asks nothing; and nothing is written."""
    run = trained(tiny_store(bucket), entries=300, end=end)
    other = reader(bucket).runs.get(run.id)
    bucket.requests.clear()
    repr(other)
    assert bucket.requests == []
    shown(other)
    assert len(bucket.requests) <= 2 + 64 + notebook.REQUESTS + notebook._TREES
    assert {verb for verb, _ in bucket.requests} <= {"get", "get_range", "list"}


def test_a_run_that_this_process_writes_to_shows_what_it_knows(bucket: FaultyBucket) -> None:
    """What waits to be written is not written for it."""
    store = tiny_store(bucket)
    run = trained(store, entries=5, end=False)
    run.log_params({"late": "indeed"})
    bucket.requests.clear()
    _, text = shown(run)
    assert "RUNNING" in text
    assert all(verb != "put" for verb, _ in bucket.requests)


def test_a_log_that_takes_many_requests_is_shown_without_charts(
    bucket: FaultyBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its numbers are there all the same."""
    run = trained(tiny_store(bucket))
    monkeypatch.setattr(notebook, "REQUESTS", 0)
    found, text = shown(reader(bucket).runs.get(run.id))
    assert "svg" not in found.seen
    assert "loss" in text


class _Dead(MemoryBucket):
    """A bucket that answers nothing, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()

    def list(self, prefix: str = "", *, limit: int | None = None) -> Any:
        self.over.wait(60)
        return super().list(prefix, limit=limit)

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        self.over.wait(60)
        return super().get(key, limit=limit)


def test_a_bucket_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known is shown after a few seconds, here in none."""
    assert 0 < notebook.PATIENCE <= 10
    monkeypatch.setattr(notebook.shown_within, "__defaults__", (0.05,))
    bucket = _Dead()
    store = tiny_store(bucket, create=False)
    _, text = shown(store.runs.get("0" * 32))
    assert "0" * 32 in text
    bucket.over.set()


def _lost(bucket: FaultyBucket, id: str) -> None:
    for key in [key for key in bucket.inner.objects if key.startswith(f"runs/{id}")]:  # type: ignore[attr-defined]
        del bucket.inner.objects[key]  # type: ignore[attr-defined]


def _torn(bucket: FaultyBucket, id: str) -> None:
    for key in [key for key in bucket.inner.objects if key.startswith(f"runs/{id}")]:  # type: ignore[attr-defined]
        bucket.inner.objects[key] = b"torn"  # type: ignore[attr-defined]


@pytest.mark.parametrize("harm", [_lost, _torn])
def test_it_never_fails(bucket: FaultyBucket, harm: Callable[[FaultyBucket, str], None]) -> None:
    """A run that is gone or damaged shows the card that its handle has; an experiment those runs that can be read."""
    run, whole = trained(tiny_store(bucket), entries=3), trained(reader(bucket), "whole", entries=3)
    harm(bucket, run.id)
    store = reader(bucket)
    assert run.id in shown(store.runs.get(run.id))[1]
    assert whole.id in shown(store.experiments.named("vision"))[1]


def test_an_experiment_shows_its_newest_runs(bucket: FaultyBucket) -> None:
    """As a table with params and metrics, in one listing and a few requests; as a value it is what it was."""
    store = tiny_store(bucket)
    for number in range(30):
        run = store.runs.start(experiment="vision", name=f"run {number}")
        run.log_params({"rate": number})
        run.log_metrics({"loss": number / 7})
        run.finish()
    found = reader(bucket).experiments.get(experiment_id("vision"))
    bucket.requests.clear()
    _, text = shown(found)
    assert len(bucket.requests) <= 2 + notebook.RUNS_SHOWN
    assert "run 29" in text
    assert "params.rate" in text
    assert "metrics.loss" in text
    assert "its newest runs" in text
    copied: Experiment = pickle.loads(pickle.dumps(found))
    assert copied == found
    bucket.requests.clear()
    assert "vision" in shown(copied)[1]
    assert bucket.requests == []


def test_a_comparison_shows_what_differs_first(bucket: FaultyBucket) -> None:
    """Then what is the same, once; runs of one name are told apart."""
    store = tiny_store(bucket)
    runs = [trained(store, "same name", entries=3) for _ in range(2)]
    runs[0].set_tags({"only": "here"})
    runs[0].flush()
    _, text = shown(reader(bucket).runs.compare(runs))
    assert text.index("what differs: tags") < text.index("what is the same: params")
    assert "1. same name" in text
    assert "2. same name" in text


def test_no_name_steers_a_page(bucket: FaultyBucket) -> None:
    """Names, params, tags and paths that are HTML, of runs, comparisons and experiments."""
    store = tiny_store(bucket)
    runs = []
    for number in range(2):
        run = store.runs.start(experiment="vision", name=HOSTILE, tags={"a": HOSTILE})
        run.log_params({"p": f"{HOSTILE}{number}"})
        run.log_metrics({"loss": 0.5})
        run.log_text("x", f"{'<img src=x onerror=alert(1)>'}{number}.txt")
        run.finish()
        runs.append(run)
    store = reader(bucket)
    for thing in (store.runs.get(runs[0].id), store.runs.compare(runs), store.experiments.named("vision")):
        assert "<script>alert(1)</script>" in shown(thing)[1]


def test_a_page_is_bounded(bucket: FaultyBucket) -> None:
    """However much a run says."""
    store = tiny_store(bucket)
    run = store.runs.start(name="x" * 500)
    run.log_params({f"p{n}": "y" * 400 for n in range(300)})
    run.log_metrics({f"m{n}": n for n in range(300)})
    run.finish()
    page = reader(bucket).runs.get(run.id)._repr_html_()
    assert len(page) < 100_000
    assert "... 250 more rows" in page


floats = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, sys.float_info.max, -sys.float_info.max])


@given(st.lists(st.tuples(st.integers(-(10**40), 10**40), floats), max_size=40))
def test_any_series_is_drawn_within_its_frame(points: list[tuple[int, float]]) -> None:
    """Whatever the numbers are, and nothing but numbers is written."""
    points.sort(key=lambda point: point[0])
    found = chart(HOSTILE, [x for x, _ in points], [value for _, value in points])
    assert (found == "") == (len(points) < 2)
    inside = Frame(found)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in inside.points)
    assert len(inside.points) == sum(math.isfinite(value) for _, value in points) * (len(points) > 1)


class Frame(Tags):
    """The points of a drawing."""

    def __init__(self, text: str) -> None:
        self.points: list[tuple[float, float]] = []
        super().__init__(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        said = {name: value or "" for name, value in attrs}
        if tag == "circle":
            self.points.append((float(said["cx"]), float(said["cy"])))
        for pair in said["points"].split() if tag == "polyline" else ():
            x, y = pair.split(",")
            self.points.append((float(x), float(y)))


def test_a_drawing_is_in_the_colour_of_the_text() -> None:
    """So it is seen on light and dark ground; and of a long series only so much is drawn."""
    found = chart("loss", list(range(9 * MOST)), [float(n % 7) for n in range(9 * MOST)])
    assert "#" not in found
    assert "style" not in found
    assert found.count("currentColor") >= 1
    assert len(found) < 20 * MOST


def test_an_error_of_any_kind_shows_what_is_known() -> None:
    """Not only holdall's own."""

    def fail(_: object) -> str:
        raise BucketUnreachableError("memory://gone", "nobody answers")

    location = tiny_store(MemoryBucket())._location
    assert notebook.shown_within(location, fail, "what is known") == "what is known"
    assert notebook.shown_within(location, lambda _: str(1 / 0), "what is known") == "what is known"
