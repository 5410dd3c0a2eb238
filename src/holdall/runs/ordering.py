"""Sorting by clauses such as `metrics.acc DESC`: the one home of `order_by`.

Runs, experiments, registered models, versions and logged models are all sorted here, as MLflow
3.17 sorts runs over SQLite:

    values      numbers and texts first, then NaN, then what has no value, ascending and descending alike
    ties        the next clause decides; what no clause decides stays in the order that it came in
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from holdall.errors import InvalidFilterError
from holdall.runs.arguments import listed
from holdall.runs.filters import Field, Subject, parse_order

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing to sort by, and whether the largest come first."""

    field: Field
    descending: bool


def parse_clauses(order_by: Sequence[str] | None, subject: Subject) -> tuple[Clause, ...]:
    """Read what things are sorted by, such as `["metrics.acc DESC", "start_time"]`; the first clause counts most.

    Raises:
        InvalidFilterError: A clause cannot be read, or sorts by what nothing is sorted by, or by what another sorts by.
        TypeError: It is one text instead of a list.
    """
    found: dict[Field, Clause] = {}
    for text in listed("clauses for order_by", order_by, f"['{subject.example} DESC']"):
        clause = parse_clause(text, subject)
        if clause.field in found:
            raise InvalidFilterError(text, 0, f"{subject.plural} are sorted by {clause.field} already")
        found[clause.field] = clause
    return tuple(found.values())


def parse_clause(text: str, subject: Subject) -> Clause:
    """Read one clause. Raises: InvalidFilterError."""
    field, descending = parse_order(text, subject)
    if reason := subject.unsortable.get(field.entity):
        raise InvalidFilterError(text, 0, reason)
    return Clause(field, descending)


def sort_by(things: Iterable[T], keys: Sequence[tuple[Callable[[T], Any], bool]]) -> list[T]:
    """Sort by several keys, the first of which counts most, each with whether the largest come first."""
    found = list(things)
    for key, descending in reversed(keys):  # sorting is stable, so the last to sort is the first to count
        found = _sorted(found, key, descending=descending)
    return found


def _sorted(things: Sequence[T], key: Callable[[T], Any], *, descending: bool) -> list[T]:
    values = [(key(thing), thing) for thing in things]
    known = [(value, thing) for value, thing in values if value is not None and not _is_nan(value)]
    known.sort(key=operator.itemgetter(0), reverse=descending)
    nans = [thing for value, thing in values if _is_nan(value)]
    missing = [thing for value, thing in values if value is None]
    return [thing for _, thing in known] + nans + missing


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
