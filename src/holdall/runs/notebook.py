"""Runs, comparisons and experiments as a notebook shows them: what the pages show, as HTML without scripts.

Whoever is shown may be on a bucket that does not answer: reading is given a few seconds, and what this process knows
is shown instead. Nothing here writes; `display` escapes and bounds what is shown.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import Any, Final, TypeVar

from holdall.display import Facts, Shown, page
from holdall.display.drawing import MOST, chart
from holdall.errors import HoldallError, IncompleteError
from holdall.format.layout import RUNS
from holdall.format.tree import Entry, Kind
from holdall.runs.gathering import gathered
from holdall.runs.histories import Histories, question_of
from holdall.runs.record import Experiment, RunRecord, run_record
from holdall.sizes import format_size
from holdall.trees.heads import each_head
from holdall.trees.location import Location
from holdall.trees.many_measured import look_at
from holdall.trees.measured import requests_for
from holdall.trees.view import View
from holdall.trees.views import read_views, run_name

T = TypeVar("T")
_log = logging.getLogger("holdall")
PATIENCE: Final = 8.0  # seconds that a notebook waits for a bucket,
_EACH: Final = 3.0  # and for one request
CHARTS: Final = 20  # metrics that are drawn
REQUESTS: Final = 64  # for measurements: a log that needs more is shown without drawings
_FILES: Final = 1000  # of a run, that are looked at to tell what is at its top
_TREES: Final = 8  # which are read for that
RUNS_SHOWN: Final = 20  # of an experiment
_KEYS: Final = 1000  # that are listed to find them: a page
_COLUMNS: Final = 6  # params, and metrics, of a table of runs


def shown_within(location: Location, show: Callable[[Location], str], fallback: str, patience: float = PATIENCE) -> str:
    """Return what `show` makes of a store that answers soon; what else is there if it fails or takes too long."""
    quick = location.hurried(_EACH, patience)
    future: Future[str] = Future()

    def answer() -> None:
        try:
            future.set_result(show(quick))
        except BaseException as error:  # whatever it is, a notebook shows what is known
            future.set_exception(error)

    threading.Thread(target=answer, name="holdall-notebook", daemon=True).start()
    try:
        return future.result(patience)
    except Exception as error:
        _log.debug("what a notebook shows could not be read: %s", error)
        return fallback


def run_page(location: Location, name: str, id: str, known: RunRecord | None) -> str:
    """Return a run with its metrics drawn, its params, tags and what is at the top of its files.

    Args:
        location: The store.
        name: What kind of thing it is.
        id: Of the run.
        known: The run as this process knows it, where it writes to it.

    Cost: reading the end of its log; at most `REQUESTS` more for its measurements, and the nodes of at most `_TREES`
        trees that list its first thousand files.
    """
    ((_, look),) = look_at(location, [(id, None)])
    if not isinstance(look, View):
        raise look if isinstance(look, HoldallError) else AssertionError  # never: nothing was read before
    record = known or run_record(id, look.state)
    drawn = _histories(location, record, look)
    facts = {**record.info._shown(), "holds": _held(look), "store": location.bucket.url}
    return page(name, facts, [*_facts(record, drawn), ("artifacts", *_top(look))])


def _histories(location: Location, record: RunRecord, view: View) -> Histories | None:
    if requests_for(view) > REQUESTS:
        return None
    keys = sorted(record.metric_summaries)[:CHARTS]
    question = question_of(keys, MOST, "step", "linear", 0.0, None)
    found = gathered(location, [(record.info.run_id, view)], question, {})
    return None if found.unreadable else found


def _facts(record: RunRecord, drawn: Histories | None) -> Iterator[tuple[str, Sequence[Facts], int]]:
    """Yield the metrics, params and tags of a run as parts of a page."""
    summaries = sorted(record.metric_summaries.items())
    yield "metrics", [_metric(record.info.run_id, key, one, drawn) for key, one in summaries], len(summaries)
    for title, facts in (("params", record.data.params), ("tags", record.data.tags)):
        rows = [{"name": key, "value": value} for key, value in sorted(facts.items()) if not key.startswith("mlflow.")]
        yield title, rows, len(rows)


def _metric(id: str, key: str, one: Any, drawn: Histories | None) -> Facts:
    facts = {"name": key, "last": one.last, "min": one.min, "max": one.max, "step": one.step, "points": one.count}
    if drawn is None or (id, key) not in drawn:
        return facts
    found = drawn[id, key]
    return facts | {"chart": chart(f"{key}, {found.extent}", found.x, found.values)}


def _held(view: View) -> str:
    files = view.state.files
    return f"{files:,} file{'s' * (files != 1)}, {format_size(view.state.bytes)}" if files else ""


def _top(view: View) -> tuple[list[Facts], int]:
    """Return what is at the top of a run's files, and how much that is; nothing where it takes many requests."""
    if len(view.paths.trees) > _TREES:
        return [], 0
    found: dict[str, list[Entry]] = {}
    try:
        for entry in islice(view.paths.walk(), _FILES):
            found.setdefault(entry.path.partition("/")[0], []).append(entry)
    except IncompleteError as error:
        _log.debug("%s", error)
    rows = [_artifact(name, some) for name, some in found.items()]
    if sum(map(len, found.values())) == _FILES:
        rows.append({"name": "...", "holds": f"only the first {_FILES:,} paths were looked at"})
    return rows, len(rows)


def _artifact(name: str, some: Sequence[Entry]) -> Facts:
    first = some[0]
    if first.path != name:
        files = [entry for entry in some if entry.kind is Kind.FILE]
        size = sum(entry.size for entry in files)
        return {"name": f"{name}/", "holds": f"{len(files):,} file{'s' * (len(files) != 1)}, {format_size(size)}"}
    if first.kind is Kind.LINK:
        return {"name": name, "holds": f"link to {first.target}"}
    return {"name": name, "holds": format_size(first.size) if first.kind is Kind.FILE else "an empty directory"}


def experiment_html(location: Location, found: Experiment) -> str:
    """Return an experiment as `experiment_page`, or what is known of it where the store does not answer."""
    card = Shown._repr_html_(found)
    return shown_within(location, lambda place: experiment_page(place, found.experiment_id, found._shown()), card)


def experiment_page(location: Location, id: str, facts: Facts) -> str:
    """Return an experiment with some of its runs, the newest that the bucket lists first.

    Cost: a listing of one page; for each of at most 20 runs a GET, and for one that goes on one for each entry since
        its last checkpoint.
    """
    listing = location.beside_descriptor(lambda: list(location.bucket.list(f"{RUNS}{id[:8]}", limit=_KEYS)))
    heads = dict(islice(each_head(listing), RUNS_SHOWN + (len(listing) == _KEYS)))
    if len(listing) == _KEYS and len(heads) > 1:  # the last of them may not be listed whole
        heads.popitem()
    views = [view for view in read_views(location, heads, run_name) if not view.state.purged]
    records = [run_record(view.run_id, view.state) for view in views if view.state.experiment == id]
    records.sort(key=lambda record: -record.info.start_time)
    title = "its newest runs" if len(heads) >= RUNS_SHOWN or len(listing) == _KEYS else "runs"
    return page("Experiment", facts, [(title, runs_table(records), len(records))])


def runs_table(records: Sequence[RunRecord]) -> list[Facts]:
    """Return runs as rows: who they are, and the params and metrics that most of them have."""
    params, metrics = _common([one.data.params for one in records]), _common([one.data.metrics for one in records])
    return [
        {"run": one.info.run_name, "id": one.info.run_id, "status": one.info.status}
        | {"started": one.info._shown()["start_time"]}
        | {"params": {key: one.data.params.get(key, "") for key in params}}
        | {"metrics": {key: one.data.metrics[key] for key in metrics if key in one.data.metrics}}
        for one in records
    ]


def _common(sides: Sequence[dict[str, Any]]) -> list[str]:
    """Return the keys that most of some mappings have, a few of them, in order."""
    counts: dict[str, int] = {}
    for key in (key for side in sides for key in side):
        counts[key] = counts.get(key, 0) + 1
    return sorted(sorted(counts, key=lambda key: (-counts[key], key))[:_COLUMNS])
