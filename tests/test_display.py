"""How values show themselves: in a line, in a table of a notebook, whatever strangers named them."""

from __future__ import annotations

import html.parser
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.faulty import FaultyBucket

import holdall
from holdall.chunks.pool import Pool
from holdall.display import Listing, card, grid, line
from holdall.modeling.model_info import ModelInfo
from holdall.storage.memory import MemoryBucket
from holdall.store import (
    Dataset,
    Experiment,
    FileInfo,
    LoggedModel,
    Metric,
    ModelVersion,
    RegisteredModel,
    RunData,
    RunInfo,
    RunRecord,
    Store,
)

HOSTILE: Final = "<script>alert(1)</script>&\"'\x1b[2J\r\n\u202e" + "x" * 10_000
MANY: Final = {f"{HOSTILE}{n}": HOSTILE for n in range(3_000)}
RATES: Final = {f"{HOSTILE}{n}": 0.1 for n in range(3_000)}
INFO: Final = RunInfo(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 10**30, 0, HOSTILE, HOSTILE)
RECORD: Final = RunRecord(INFO, RunData(RATES, MANY, MANY))
WORDY: Final = ModelVersion(HOSTILE, HOSTILE, 0, 0, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
VERSION: Final = replace(WORDY, tags=MANY, aliases=[HOSTILE] * 1000)
MODEL: Final = LoggedModel(
    model_id=HOSTILE, source_run_id=HOSTILE, path=HOSTILE, flavors=(HOSTILE,) * 1000, params=MANY
)
THINGS: Final[dict[str, Any]] = {
    "RunInfo": INFO,
    "RunData": RECORD.data,
    "RunRecord": RECORD,
    "Experiment": Experiment(HOSTILE, HOSTILE, HOSTILE, 0, MANY, 0, HOSTILE),
    "Metric": Metric(HOSTILE, float("nan"), -(10**30), 10**30, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
    "FileInfo": FileInfo(HOSTILE, False, 3),
    "Dataset": Dataset(HOSTILE, HOSTILE, HOSTILE, HOSTILE),
    "ModelVersion": VERSION,
    "RegisteredModel": RegisteredModel(HOSTILE, HOSTILE, 0, 0, HOSTILE, [VERSION] * 1000, MANY, MANY),
    "LoggedModel": MODEL,
    "ModelInfo": ModelInfo(
        artifact_path=HOSTILE,
        model_uri=HOSTILE,
        model_id=HOSTILE,
        model_uuid=HOSTILE,
        name=HOSTILE,
        run_id=HOSTILE,
        flavors={name: {} for name in MANY},
        creation_timestamp=0,
        utc_time_created=HOSTILE,
        tags=MANY,
    ),
    "Listing": Listing([RECORD] * 1000),
    "of texts": Listing([HOSTILE] * 1000),
}


class _Tags(html.parser.HTMLParser):
    """The tags and the text of a piece of HTML, each tag closed again."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert attrs == []
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("name", THINGS)
def test_no_name_steers_a_terminal_or_a_page(name: str) -> None:
    """Names with escapes, tags, newlines and thousands of entries: one short line, and a table of nothing but text."""
    thing = THINGS[name]
    lines = repr(thing).split("\n")
    assert all(one.isprintable() for one in lines)
    assert len(lines) == 1 or isinstance(thing, Listing)
    assert len(repr(thing)) < 12_000
    page = thing._repr_html_()
    assert len(page) < 1_500_000
    found = _Tags(page)
    assert found.seen <= {"div", "strong", "table", "tr", "th", "td", "p"}
    assert "".join(found.text).isprintable()
    assert "<script>alert(1)</script>" in "".join(found.text)


def test_what_a_person_wants_to_see_is_shown() -> None:
    """Facts by name, what is empty left out, floats in six digits, the first of many, and how many more."""
    assert line("Thing", {"name": "a", "gone": None, "none": [], "loss": 1 / 3}) == "Thing(name='a', loss=0.333333)"
    many = {f"p{n}": n for n in range(10)}
    assert line("T", {"params": many}).endswith("'p7': 7, ... 2 more})")
    assert "<tr><th>params.p9</th><td>9</td></tr>" in card("T", {"params": many})
    assert grid([{"a": 1}, {"b": float("nan")}]) == (
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td></td></tr><tr><td></td><td>nan</td></tr></table>"
    )
    assert grid([]) == "<table></table>"
    assert "<td>sklearn, python_function</td>" in grid([{"flavors": ["sklearn", "python_function"]}])
    assert repr(Listing()) == "[]"
    assert repr(Listing(range(30))).endswith("19,\n ... 10 more]")
    assert "... 10 more rows" in grid([{"a": n} for n in range(60)])
    assert "... 40 more facts" in card(
        "T", {"params": {f"p{n}": n for n in range(50)}, "tags": {f"t{n}": n for n in range(40)}}
    )


@pytest.fixture
def bucket() -> FaultyBucket:
    """A bucket in memory that counts requests."""
    return FaultyBucket(MemoryBucket())


def _shown(thing: Any) -> str:
    return repr(thing) + str(thing._repr_html_())


def test_nothing_is_asked_to_show_a_thing(bucket: FaultyBucket) -> None:
    """Not in a line by a run, whoever wrote it, and not by a store; a notebook's run: tests/runs/test_notebook.py."""
    store = Store._over(bucket, Pool())
    with store.runs.start(name="quick") as run:
        run.log_metric("loss", 0.5)
        run.flush()
        bucket.requests.clear()
        assert all(word in repr(run) for word in ("quick", run.id, "RUNNING", "loss", "0.5"))
    other = Store._over(bucket, Pool()).runs.get(run.id)
    bucket.requests.clear()
    assert run.id in repr(other)
    assert store.url in _shown(store)
    assert bucket.requests == []


@pytest.mark.parametrize(
    "search",
    [
        lambda client, id: client.search_runs([id]),
        lambda client, id: client.search_experiments(),
        lambda client, id: client.store.runs.search(),
        lambda client, id: client.store.experiments.search(),
        lambda client, id: client.search_logged_models([id]),
        lambda client, id: client.search_registered_models(),
        lambda client, id: client.search_model_versions(),
        lambda client, id: holdall.search_runs(output_format="list"),
        lambda client, id: holdall.search_experiments(),
    ],
)
def test_what_a_search_returns_is_a_table_in_a_notebook(tmp_path: Path, search: Callable[..., Any]) -> None:
    """And a list as any other."""
    holdall.set_store(str(tmp_path))
    run = holdall.Client().create_run(holdall.create_experiment("a"))
    found: Any = search(holdall.Client(), run.info.experiment_id)
    assert type(found[:1]) is Listing
    assert found._repr_html_().startswith("<table>")
    assert re.match(r"\[(\w+\(.*\))?\]", repr(found), re.DOTALL)


def test_no_credential_is_shown() -> None:
    """A store shows its address; what it was opened with stays unsaid."""
    store = holdall.open("s3://bucket/prefix", key="AKIA1234", secret="hush", endpoint_url="http://u:hush@127.0.0.1:1")
    assert "bucket" in _shown(store)
    assert "hush" not in _shown(store)
    assert "AKIA" not in _shown(store)
