"""Which runs a filter means, and in which order.

A search looks at summaries: what a run's log says of it, without the content of
its artifacts. Filters and orders mean what they mean in MLflow 3.17 over SQLite; of runs
that no clause tells apart, the latest start comes first, then the smaller run id.

A condition on `artifacts` is true if any one file of the run fulfils it; two of
them may be fulfilled by two files. The files are asked for only if all other
conditions hold, because listing them may cost a request.

Nothing here is read or written. `filters` is the grammar, `conditions` judges, `ordering` sorts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final, Protocol, TypeVar

from holdall.runs.conditions import holds
from holdall.runs.filters import RUN, Condition, Entity, Field, parse_conditions
from holdall.runs.ordering import Clause, parse_clauses, sort_by
from holdall.runs.record import MetricSummary

Artifacts = Callable[[], Mapping[str, str]]
"""The SHA-256 in hex of each file of a run, by path."""
_ROOM: Final = 1_000  # runs that are held beside those that may be among the first


class Values(Protocol):
    """What a run has under keys."""

    def get(self, key: str, /) -> str | float | None:
        """Return what it has there, or None."""
        ...


class Judged(Protocol):
    """What filters and orders look at: a summary, or what stands for one."""

    @property
    def run_id(self) -> str: ...
    @property
    def start_time(self) -> int: ...
    @property
    def params(self) -> Values: ...
    @property
    def metrics(self) -> Values: ...
    @property
    def tags(self) -> Values: ...
    def extreme(self, key: str, *, greatest: bool) -> float | None:
        """Return the least or the greatest value of a metric; None where it is not known."""
        ...


J = TypeVar("J", bound=Judged)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a search looks at.

    Attributes:
        start_time: Milliseconds since 1970, in UTC.
        end_time: Likewise; None while the run goes on.
        lifecycle_stage: `active` or `deleted`; no filter looks at it.
        metrics: The latest value of each, which may be NaN or infinite.
        pins: What keeps it from being purged, pin -> by; no filter looks at it.
        open: Whether a session is open in its log; nor at this.
        versioned: Whether what it holds may be replaced; nor at this.
        files, bytes: How many files were committed, and their sizes; nor at these.
        points: Of each metric the step and the time of its latest value and how many there are, at which no filter
            looks, and where these are known the least and the greatest.
    """

    run_id: str
    experiment_id: str
    run_name: str
    status: str
    start_time: int
    end_time: int | None
    artifact_uri: str
    user_id: str
    lifecycle_stage: str
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    pins: dict[str, str] = field(default_factory=dict)
    open: bool = False
    versioned: bool = False
    files: int = 0
    bytes: int = 0
    points: dict[str, list[float]] = field(default_factory=dict)

    @property
    def metric_summaries(self) -> dict[str, MetricSummary]:
        """Return what is known of each metric without its history."""
        return {
            key: MetricSummary(value, int(step), int(time), int(count), *extremes)
            for key, value in self.metrics.items()
            for step, time, count, *extremes in [self.points.get(key, (0, 0, 1))]
        }

    def extreme(self, key: str, *, greatest: bool) -> float | None:
        """Return the least or the greatest value of a metric; None where it is not known."""
        found = self.points.get(key, [])[3:]
        return found[greatest] if len(found) == 2 else None

    @property
    def duration(self) -> int | None:
        """Milliseconds from its start to its end; None while it goes on."""
        return None if self.end_time is None else self.end_time - self.start_time


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that all have to hold; without any, each run matches."""

    conditions: tuple[Condition, ...]

    @property
    def needs_artifacts(self) -> bool:
        """Whether a run's files have to be known."""
        return any(map(_is_of_files, self.conditions))

    def may_match(self, run: Judged) -> bool:
        """Return whether a run fulfils all conditions but those on its files."""
        return all(holds(each, _value(each.field, run)) for each in self.conditions if not _is_of_files(each))

    def matches(self, run: RunSummary, artifacts: Artifacts) -> bool:
        """Return whether a run fulfils the filter.

        Args:
            run: What is known of it.
            artifacts: Tells its files; called once at most, and only if all else matches.
        """
        if not self.may_match(run):
            return False
        of_files = [condition for condition in self.conditions if _is_of_files(condition)]
        files = artifacts() if of_files else {}
        return all(any(holds(condition, fact) for fact in _facts(files, condition.field)) for condition in of_files)


@dataclass(frozen=True, slots=True)
class Order:
    """What to sort by, the first clause first."""

    clauses: tuple[Clause, ...]

    def sorted(self, runs: Iterable[J]) -> list[J]:
        """Return the runs in order."""
        found = sorted(runs, key=lambda run: (-run.start_time, run.run_id))
        return sort_by(found, [(partial(_value, clause.field), clause.descending) for clause in self.clauses])

    def first(self, runs: Iterable[RunSummary], limit: int | None) -> list[RunSummary]:
        """Return the first so many of the runs in order, or all; of others only a few are held at a time."""
        if limit is None:
            return self.sorted(runs)
        left, found = iter(runs), list[RunSummary]()
        while some := list(islice(left, _ROOM + limit)):
            found = self.sorted(found + some)[:limit]
        return found


def parse_filter(text: str | None) -> Filter:
    """Read a filter such as `metrics.acc >= 0.9 AND params.model LIKE 'resnet%'`.

    Args:
        text: The filter; None or "" means every run.

    Raises:
        InvalidFilterError: It cannot be read; the error says where and why.
    """
    return Filter(parse_conditions(text) if text else ())


def parse_order_by(clauses: Sequence[str] | None) -> Order:
    """Read what to sort by, such as `["metrics.acc DESC", "start_time"]`.

    Args:
        clauses: The first one counts most; the latest start comes first if there are none.

    Raises:
        InvalidFilterError: One cannot be read, or sorts by artifacts, or by what another sorts by.
        TypeError: It is one text instead of a list.
    """
    return Order(parse_clauses(clauses, RUN))


# --- conditions -----------------------------------------------------------------


def _is_of_files(condition: Condition) -> bool:
    return condition.field.entity is Entity.ARTIFACT


def _value(field: Field, run: Judged) -> str | float | None:
    """Return what a run has there, or None."""
    match field.entity:
        case Entity.METRIC:
            return run.metrics.get(field.key)
        case Entity.LEAST | Entity.GREATEST:
            return run.extreme(field.key, greatest=field.entity is Entity.GREATEST)
        case Entity.PARAM:
            return run.params.get(field.key)
        case Entity.TAG:
            return run.tags.get(field.key)
    found: str | int | None = getattr(run, field.key)
    return found


def _facts(files: Mapping[str, str], field: Field) -> Iterable[str]:
    return files.keys() if field.key == "path" else files.values()
