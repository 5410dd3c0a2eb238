"""The least and the greatest value of each metric, as a run's checkpoint may carry them.

    state.metrics    {"loss": [last value, step, time, 40], ...}
    state.extremes   {"loss": [least, greatest, 40], ...}           as of 40 measurements: believed while there are 40

A writer that does not know the field carries it on as it was, while it goes on counting in `metrics`: so the counts
tell that it is out of date. NaN is neither least nor greatest, unless there is nothing else. SPEC.md, "Extremes".
Nothing here reads or writes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from typing import Any

from holdall.format.document import Json
from holdall.format.ops import is_count, measured, number


def is_extremes(value: object) -> bool:
    """Return whether this has the form of extremes: key -> least value, greatest value, count."""
    return (
        isinstance(value, dict)
        and all(
            isinstance(each, list) and len(each) == 3 and number(each[0]) is not None and number(each[1]) is not None
            for each in value.values()
        )
        and all(is_count(each[2]) for each in value.values())
    )


def extremes_at(
    metrics: Mapping[str, list[Any]], extremes: Mapping[str, list[Any]], key: str
) -> tuple[Any, Any] | None:
    """Return the least and greatest value of a key that was measured, as they were logged; None if nobody knows."""
    last = metrics[key]
    if last[3] == 1:
        return last[0], last[0]
    found = extremes.get(key)
    return (found[0], found[1]) if found and found[2] == last[3] else None


def widen(extremes: MutableMapping[str, list[Any]], key: str, before: tuple[Any, Any], value: Any, count: int) -> None:
    """Take in the next value of a key, its count being with it."""
    least, greatest = before
    extremes[key] = [_first(least, value, lower=True), _first(greatest, value, lower=False), count]


def believed(metrics: Mapping[str, list[Any]], extremes: Mapping[str, list[Any]]) -> Json:
    """Return those extremes that are as of what `metrics` counts, without those that this tells by itself."""
    return {key: each for key, each in extremes.items() if key in metrics and metrics[key][3] == each[2] > 1}


def _first(known: Any, value: Any, *, lower: bool) -> Any:
    """Return the lower or the higher of two values as they were logged; of equal ones the first, not NaN if it can."""
    if type(known) is float and type(value) is float:  # neither is NaN: JSON has none
        return value if (value < known if lower else value > known) else known
    one, other = measured(known), measured(value)
    if math.isnan(one) or math.isnan(other):
        return value if math.isnan(one) and not math.isnan(other) else known
    return value if (other < one if lower else other > one) else known
