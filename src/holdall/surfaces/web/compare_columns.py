"""The parameters and metrics of runs as columns: what plots have as axes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from holdall.store import RunRecord

MOST: Final = 48  # columns that a page of plots has at hand
NAMES: Final = 2000  # columns that it offers by name
_NUMBER: Final = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)
_SYSTEM: Final = "metrics.system/"


@dataclass(frozen=True, slots=True)
class Column:
    """What runs have under one name. Attributes: name (`params.rate`), numeric, values (one for each; None: none)."""

    name: str
    numeric: bool
    values: Sequence[float | str | None]

    @property
    def differs(self) -> bool:
        """Return whether two runs differ in it."""
        return len(set(self.values)) > 1

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same for JSON. What is no finite number is a word."""
        return {"name": self.name, "numeric": self.numeric, "values": self.values}


def names_of(runs: Sequence[RunRecord]) -> list[str]:
    """Return the names of all columns that some of the runs have: parameters, then metrics, those of machines last."""
    params = sorted({f"params.{key}" for run in runs for key in run.data.params})
    metrics = sorted({f"metrics.{key}" for run in runs for key in run.data.metrics})
    return params + sorted(metrics, key=lambda name: (name.startswith(_SYSTEM), name))


def column(runs: Sequence[RunRecord], name: str) -> Column:
    """Return one column. It is numeric if all that is there are finite numbers."""
    kind, _, key = name.partition(".")
    if kind == "metrics":
        cells: list[float | str | None] = [_measured(run.data.metrics.get(key)) for run in runs]
    else:
        cells = [run.data.params.get(key) for run in runs]
    numbers = [number_in(cell) for cell in cells]
    numeric = all(number is not None for number, cell in zip(numbers, cells, strict=True) if cell is not None)
    return Column(name, numeric and any(cell is not None for cell in cells), numbers if numeric else cells)


def at_hand(runs: Sequence[RunRecord], names: Sequence[str], wanted: Iterable[str]) -> list[Column]:
    """Return the columns that were asked for, and as many that differ as there is room for: in the order of names."""
    known = set(names)
    chosen = list(islice((name for name in dict.fromkeys(wanted) if name in known), MOST))
    found = {name: column(runs, name) for name in chosen}
    for name in names[:NAMES]:
        if len(found) >= MOST:
            break
        if name not in found and (each := column(runs, name)).differs:
            found[name] = each
    return [found[name] for name in names if name in found]


def first_axes(columns: Sequence[Column]) -> list[str]:
    """Return the columns that are shown if nobody chose: six parameters and two metrics that differ."""
    differing = [each.name for each in columns if each.differs]
    params = [name for name in differing if name.startswith("params.")]
    metrics = [name for name in differing if name.startswith("metrics.") and not name.startswith(_SYSTEM)]
    return params[:6] + metrics[:2]


def _measured(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)


def number_in(cell: float | str | None) -> float | None:
    """Return a value as a number; None where it is none, or not finite."""
    if not isinstance(cell, str):
        return cell
    found = float(cell) if len(cell) <= 40 and _NUMBER.fullmatch(cell) else math.inf
    return found if math.isfinite(found) else None
