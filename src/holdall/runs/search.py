"""Which runs a filter means, and in which order.

A search looks at summaries: what a run's log says of it, without the content of
its artifacts. Filters and orders mean what they mean in MLflow 3.17 over SQLite:

    missing     a run without the key matches no comparison with it, != included; only IS NULL finds it
    NaN         matches != and nothing else
    texts       compare by code point; LIKE by case, ILIKE without; % is any text, _ any one character
    sorting     numbers and texts first, then NaN, then runs without the key, ascending and descending alike
    ties        the next clause decides; then the latest start, then the smaller run id

A condition on `artifacts` is true if any one file of the run fulfils it; two of
them may be fulfilled by two files. The files are asked for only if all other
conditions hold, because listing them may cost a request.

Nothing here is read or written. `filters` is the grammar.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from holdall.errors import InvalidFilterError
from holdall.runs.arguments import listed
from holdall.runs.filters import Condition, Entity, Field, parse_conditions, parse_order

Artifacts = Callable[[], Mapping[str, str]]
"""The SHA-256 in hex of each file of a run, by path."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a search looks at.

    Attributes:
        start_time: Milliseconds since 1970, in UTC.
        end_time: Likewise; None while the run goes on.
        lifecycle_stage: `active` or `deleted`; no filter looks at it.
        metrics: The latest value of each, which may be NaN or infinite.
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


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that all have to hold; without any, each run matches."""

    conditions: tuple[Condition, ...]

    @property
    def needs_artifacts(self) -> bool:
        """Whether a run's files have to be known."""
        return any(condition.field.entity is Entity.ARTIFACT for condition in self.conditions)

    def matches(self, run: RunSummary, artifacts: Artifacts) -> bool:
        """Whether a run is meant.

        Args:
            run: What is known of it.
            artifacts: Tells its files; called once at most, and only if all else matches.
        """
        of_files = [condition for condition in self.conditions if condition.field.entity is Entity.ARTIFACT]
        others = (condition for condition in self.conditions if condition.field.entity is not Entity.ARTIFACT)
        if not all(holds(condition, _value(run, condition.field)) for condition in others):
            return False
        files = artifacts() if of_files else {}
        return all(any(holds(condition, fact) for fact in _facts(files, condition.field)) for condition in of_files)


@dataclass(frozen=True, slots=True)
class Order:
    """Fields to sort by, the first one first, each with whether the largest come first."""

    clauses: tuple[tuple[Field, bool], ...]

    def sorted(self, runs: Iterable[RunSummary]) -> list[RunSummary]:
        """The runs in order."""
        found = sorted(runs, key=lambda run: (-run.start_time, run.run_id))
        for field, descending in reversed(self.clauses):  # sorting is stable, so the last to sort is the first to count
            found = _sorted_by(found, field, descending=descending)
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
    found: dict[Field, bool] = {}
    for clause in listed("clauses for order_by", clauses, "['metrics.acc DESC']"):
        field, descending = parse_order(clause)
        if field.entity is Entity.ARTIFACT:
            raise InvalidFilterError(clause, 0, "a run holds many artifacts, so runs cannot be sorted by them")
        if field in found:
            raise InvalidFilterError(clause, 0, f"runs are sorted by {field} already")
        found[field] = descending
    return Order(tuple(found.items()))


# --- conditions -----------------------------------------------------------------


def _value(run: RunSummary, field: Field) -> str | float | None:
    """What a run has there, or None."""
    match field.entity:
        case Entity.METRIC:
            return run.metrics.get(field.key)
        case Entity.PARAM:
            return run.params.get(field.key)
        case Entity.TAG:
            return run.tags.get(field.key)
    found: str | int | None = getattr(run, field.key)
    return found


def _facts(files: Mapping[str, str], field: Field) -> Iterable[str]:
    return files.keys() if field.key == "path" else files.values()


@lru_cache(maxsize=256)
def _pattern(like: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """A LIKE pattern as a regular expression.

    The text between two % is looked for once, from left to right, and its place
    is kept (an atomic group): trying them all would take forever on `%a%a%a%a%`.
    """
    first, *rest = ("".join("." if c == "_" else re.escape(c) for c in part) for part in like.split("%"))
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(first + middle + "".join(f".*{part}" for part in rest[-1:]), re.DOTALL | flags)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "IN": lambda found, wanted: found in wanted,
    "NOT IN": lambda found, wanted: found not in wanted,
    "LIKE": lambda found, wanted: _pattern(wanted).fullmatch(found) is not None,
    "ILIKE": lambda found, wanted: _pattern(wanted, re.IGNORECASE).fullmatch(found) is not None,
}


def holds(condition: Condition, found: str | float | None) -> bool:
    """Whether a condition is true of a value. Of a missing one only IS NULL is."""
    if condition.value is None:
        return (found is None) == (condition.operator == "IS NULL")
    return found is not None and _COMPARISONS[condition.operator](found, condition.value)


# --- order ----------------------------------------------------------------------


def _sorted_by(runs: list[RunSummary], field: Field, *, descending: bool) -> list[RunSummary]:
    """Numbers and texts, then NaN, then runs without the key; within each, as they were."""
    values: list[tuple[Any, RunSummary]] = [(_value(run, field), run) for run in runs]
    known = [(value, run) for value, run in values if value is not None and not _is_nan(value)]
    known.sort(key=operator.itemgetter(0), reverse=descending)
    nans = [run for value, run in values if _is_nan(value)]
    missing = [run for value, run in values if value is None]
    return [run for _, run in known] + nans + missing


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
