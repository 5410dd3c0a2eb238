"""What of the runs is shown, in which columns: read from an address, and written into one.

Nothing here asks the store. A page has to stay small whatever runs are called and however many metrics they have:
columns are few, and each text is cut so that a row fits into its part of the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from holdall.display import lasting, own
from holdall.errors import InvalidArgumentError
from holdall.sizes import format_size
from holdall.store import PARENT_RUN, RunSummary
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.rendering import cell, number

ROWS: Final = 100
STATS: Final = ("last", "min", "max")
FACTS: Final = ("status", "started", "duration", "experiment", "files", "size", "user", "tags")
"""The columns that are no key of a run's, in their order; metrics and parameters come after the fourth."""
METRICS, PARAMS = 8, 6  # columns at first,
MOST_METRICS, MOST_PARAMS = 18, 12  # and at most, each value of a metric for itself
_FURTHEST: Final = 10**9
_SORTS: Final = {  # how a column is sorted first, by a click on its head
    "run": "run_name ASC",
    "status": "status ASC",
    "started": "start_time DESC",
    "duration": "duration DESC",
    "files": "files DESC",
    "size": "bytes DESC",
    "user": "user_id ASC",
}
_ROW, _MARKUP, _METRIC, _PARAM = 1700, 560, 40, 26  # bytes of a row, and of what its cells cost beside their texts
_LEAST, _MOST = 12, 64  # bytes of a text


@dataclass(frozen=True, slots=True)
class View:
    """What is shown, as it stands in the address.

    Attributes:
        filter: In MLflow's grammar.
        experiments: Their ids; all if there are none.
        stage: "active", "deleted" or "all".
        sort: A clause of `order_by`; "" for the newest first.
        offset: How many runs come before the page.
        own: Whether the columns were chosen; otherwise they are those that most runs have.
        metrics, params: The keys that have columns.
        stats: Which values of a metric.
        hidden: Facts that have no column.
        selected: Ids of runs.
    """

    filter: str = ""
    experiments: Sequence[str] = ()
    stage: str = "active"
    sort: str = ""
    offset: int = 0
    own: bool = False
    metrics: Sequence[str] = ()
    params: Sequence[str] = ()
    stats: Sequence[str] = ("last",)
    hidden: Sequence[str] = ()
    selected: Sequence[str] = ()

    @classmethod
    def of(cls, query: Query) -> View:
        """Read a view. Raises: InvalidArgumentError."""
        view = cls._read(query)
        if len(view.metrics) * len(view.stats) > MOST_METRICS:
            many = f"{len(view.metrics)} metrics with {len(view.stats)} values each"
            raise InvalidArgumentError(f"{many} are more than {MOST_METRICS} columns: choose fewer")
        return view

    @classmethod
    def _read(cls, query: Query) -> View:
        return cls(
            query.text("filter").strip(),
            query.many("experiment"),
            query.choice("stage", ("active", "deleted", "all")),
            query.text("sort"),
            query.count("offset", 0, most=_FURTHEST),
            query.flag("own"),
            query.many("metric", most=MOST_METRICS),
            query.many("param", most=MOST_PARAMS),
            [stat for stat in STATS if stat in query.many("stat")] or STATS[:1],
            [fact for fact in FACTS if fact in query.many("hide")],
            query.many("run"),
        )

    def arguments(self, **changes: Any) -> dict[str, Any]:
        """Return what stands in the address of the view, or of one that differs from it."""
        view = replace(self, **changes)
        chosen = {"metric": view.metrics, "param": view.params, "stat": view.stats} if view.own else {}
        return {
            "filter": view.filter,
            "experiment": view.experiments,
            "stage": "" if view.stage == "active" else view.stage,
            "sort": view.sort,
            "own": "1" if view.own else "",
            **(chosen if chosen.get("stat") != STATS[:1] else chosen | {"stat": ()}),
            "hide": view.hidden,
            "run": view.selected,
            "offset": view.offset or None,
        }

    @property
    def stages(self) -> str | None:
        """The stage, as searches take it."""
        return None if self.stage == "all" else self.stage

    @property
    def order(self) -> list[str]:
        """The clauses that are sorted by."""
        return [self.sort] if self.sort else []

    def with_keys(self, metrics: Mapping[str, int], params: Mapping[str, int]) -> View:
        """Return the view with the columns that most runs have, unless they were chosen."""
        most = min(METRICS, MOST_METRICS // len(self.stats))
        return self if self.own else replace(self, metrics=_common(metrics, most), params=_common(params, PARAMS))


def _common(keys: Mapping[str, int], most: int) -> list[str]:
    found = sorted(keys, key=lambda key: (-keys[key], key))[:most]
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Attributes:
        title: At its head.
        kind: "fact", "metric" or "param".
        key: Of the fact, metric or parameter.
        stat: Which value of a metric.
        sort: The clause that a click on its head sorts by; "" if it cannot be sorted by.
        direction: How it is sorted now, in the words of `aria-sort`; "".
    """

    title: str
    kind: str
    key: str
    stat: str = ""
    sort: str = ""
    direction: str = ""

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers, which stand below each other."""
        return self.kind == "metric" or (self.kind == "fact" and self.key in ("duration", "files", "size"))


def columns_of(view: View) -> list[Column]:
    """Return the columns of a view, from left to right."""
    facts = [Column(fact.capitalize(), "fact", fact, sort=_SORTS.get(fact, "")) for fact in FACTS]
    shown = [fact for fact in facts if fact.key not in view.hidden]
    shown = [fact for fact in shown if fact.key != "experiment" or len(view.experiments) != 1]
    head = [fact for fact in shown if fact.key in FACTS[:4]]
    metrics = [_metric(key, stat) for key in view.metrics for stat in view.stats]
    params = [Column(key, "param", key, sort=f"params.{_quoted(key)} ASC") for key in view.params]
    first = Column("Run", "fact", "run", sort=_SORTS["run"])
    every = [first, *head, *metrics, *params, *(fact for fact in shown if fact not in head)]
    return [_directed(column, view.sort) for column in every]


def _metric(key: str, stat: str) -> Column:
    prefix = "metrics" if stat == "last" else stat
    direction = "ASC" if stat == "min" else "DESC"
    return Column(
        key if stat == "last" else f"{key} {stat}", "metric", key, stat, f"{prefix}.{_quoted(key)} {direction}"
    )


def _quoted(key: str) -> str:
    doubled = key.replace("`", "``")
    return f"`{doubled}`"


def _directed(column: Column, sort: str) -> Column:
    """Return the column with its direction, and the other one behind a click, if the table is sorted by it."""
    field, _, _ = column.sort.rpartition(" ")
    if not field or sort not in (f"{field} ASC", f"{field} DESC"):
        return column
    turned = "ASC" if sort.endswith("DESC") else "DESC"
    return replace(column, sort=f"{field} {turned}", direction="descending" if turned == "ASC" else "ascending")


# --- rows -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A run, as texts that are fit to be shown.

    Attributes:
        id, name, status, user, tags: Of the run.
        started: In ms since 1970 UTC.
        texts: By the place of its column, what a metric, a parameter or a fact says.
        parent: The id and name of the run that it is a part of.
    """

    id: str
    name: str
    status: str
    started: int
    texts: Sequence[str]
    parent: tuple[str, str] | None = None


def rows_of(
    runs: Iterable[RunSummary],
    columns: Sequence[Column],
    names: Mapping[str, str],
    parents: Mapping[str, str],
    now: int,
) -> list[Row]:
    """Return the rows of some runs.

    Args:
        runs: What is known of them.
        columns: Those of the table.
        names: Of experiments, by id.
        parents: Names of the runs that others are parts of, by id.
        now: In ms since 1970 UTC; runs that go on last until then.
    """
    metrics = sum(column.kind == "metric" for column in columns)
    params = sum(column.kind == "param" for column in columns)
    room = (_ROW - _MARKUP - _METRIC * metrics - _PARAM * params) // (params + 6)
    room = max(_LEAST, min(_MOST, room))
    return [_row(run, columns, names, parents, now, room) for run in runs]


def _row(
    run: RunSummary,
    columns: Sequence[Column],
    names: Mapping[str, str],
    parents: Mapping[str, str],
    now: int,
    room: int,
) -> Row:
    status = "deleted" if run.lifecycle_stage == "deleted" else run.status
    parent = run.tags.get(PARENT_RUN, "")
    above = (parent, cell(parents[parent], room)) if parent in parents else None
    texts = [_text(run, column, names, now, room) for column in columns]
    return Row(run.run_id, cell(run.run_name, room * 2), status, run.start_time, texts, above)


def _text(run: RunSummary, column: Column, names: Mapping[str, str], now: int, room: int) -> str:
    if column.kind == "metric":
        return value_of(run, column.key, column.stat)
    if column.kind == "param":
        return cell(run.params.get(column.key, "-"), room)
    match column.key:
        case "duration":
            return lasting((now if run.end_time is None else run.end_time) - run.start_time)
        case "experiment":
            return cell(names.get(run.experiment_id, run.experiment_id), room)
        case "user":
            return cell(run.user_id, room)
        case "tags":
            return cell("  ".join(f"{key}={value}" for key, value in own(run.tags).items()), room * 2)
        case "files":
            return f"{run.files:,}"
        case "size":
            return format_size(run.bytes)
    return ""


def value_of(run: RunSummary, key: str, stat: str) -> str:
    """Return a metric's latest, smallest or largest value; "-" where it is not known."""
    if stat == "last":
        return number(run.metrics.get(key))
    return number(run.extreme(key, greatest=stat == "max"))
