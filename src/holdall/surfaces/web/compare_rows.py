"""What runs have beside each other, as rows of a page: what differs first, relative to one of them if somebody asks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.compare_columns import number_in
from holdall.surfaces.web.rendering import number

CELLS: Final = 2000  # of a section of a page, as rows and columns
LEAST: Final = 20  # rows of a section
SAME: Final = 300  # rows of what is the same
_LONG: Final = 160  # characters of a cell; a longer one is opened
_FACTS: Final = 3000  # of an environment
_NOISE: Final = ("process.pid",)  # it differs always, and says nothing


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that runs have. Attributes: key, values (one for each run; None: it has none)."""

    key: str
    values: Sequence[Any]

    @property
    def differs(self) -> bool:
        """Return whether two runs differ in it. NaN is the same as NaN, and minus zero as zero."""
        return any(not _same(value, self.values[0]) for value in self.values)


@dataclass(frozen=True, slots=True)
class Cell:
    """What one run has. Attributes: text, long (all of a text that is cut), delta (to the baseline), look (a class)."""

    text: str
    long: str = ""
    delta: str = ""
    look: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of what runs have.

    Attributes:
        kind: "params", "metrics", "tags" or "environment".
        rows: Of a part of what differs: key and cells.
        differing: How many differ.
        same: Some of what is the same: key and value.
        alike: How many are the same.
        offset, size: Where the part begins, and how many rows a part has.
    """

    kind: str
    rows: Sequence[tuple[str, Sequence[Cell]]]
    differing: int
    same: Sequence[tuple[str, Cell]]
    alike: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows are shown. Attributes: find (in keys), kind ("": all), offset (of that kind), base (a column)."""

    find: str
    kind: str
    offset: int
    base: int | None

    @classmethod
    def of(cls, query: Query, ids: Sequence[str]) -> Wanted:
        """Read it from a query. Raises: InvalidArgumentError."""
        kind = query.choice("kind", ("", "params", "metrics", "tags", "environment"))
        base = query.text("base")
        return cls(
            query.text("find")[:250], kind, query.count("from", 0, most=10**7), ids.index(base) if base in ids else None
        )


def section(kind: str, facts: Iterable[Fact], wanted: Wanted, columns: int) -> Section | None:
    """Return one kind as rows, None where there is none of it. `columns`: how many runs there are."""
    found = [fact for fact in facts if wanted.find.lower() in fact.key.lower()]
    if not found or wanted.kind not in ("", kind):
        return None
    differing, same = [fact for fact in found if fact.differs], [fact for fact in found if not fact.differs]
    size = max(LEAST, CELLS // max(1, columns))
    offset = min(wanted.offset, max(0, len(differing) - 1)) // size * size if wanted.kind else 0
    rows = [(fact.key, cells(fact.values, wanted.base)) for fact in differing[offset : offset + size]]
    alike = [(fact.key, cells(fact.values[:1], None)[0]) for fact in same[:SAME]]
    return Section(kind, rows, len(differing), alike, len(same), offset, size)


def cells(values: Sequence[Any], base: int | None) -> list[Cell]:
    """Return the cells of a row. `base`: the column of the run that the others are held against."""
    return [_cell(value, None if base in (None, n) else (values[base or 0],)) for n, value in enumerate(values)]


def facts_of(sides: Sequence[Mapping[str, Any]]) -> Iterator[Fact]:
    """Yield what any of the sides has, by key."""
    for key in sorted({key for side in sides for key in side}):
        yield Fact(key, [side.get(key) for side in sides])


def flat(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return an environment's facts by the whole name of each.

    Example:
        >>> flat({"python": {"version": "3.12.1"}, "gpus": []})
        {'python.version': '3.12.1', 'gpus': '[]'}
    """
    found: dict[str, Any] = {}
    _flatten(environment, "", lambda name, value: found.setdefault(name, value) if len(found) < _FACTS else None)
    return {name: value for name, value in found.items() if name not in _NOISE}


def _flatten(value: Mapping[str, Any], before: str, put: Callable[[str, Any], Any]) -> None:
    for name, one in value.items():
        if isinstance(one, dict):
            _flatten(one, f"{before}{name}.", put)
        else:
            put(f"{before}{name}", one if isinstance(one, str | None) else json.dumps(one))


def _cell(value: Any, base: tuple[Any] | None) -> Cell:
    if value is None:
        return Cell("-", look="none")
    text = number(value) if isinstance(value, float) else str(value)
    cut, look = (f"{text[:_LONG]}…", text) if len(text) > _LONG else (text, "")
    if base is None:
        return Cell(cut, look)
    same = _same(value, base[0])
    return Cell(cut, look, "" if same else delta(value, base[0]), "same" if same else "")


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) or (one != one and other != other)  # NaN


def delta(value: Any, base: Any) -> str:
    """Return by how much a number is more or less than another; "" where one of the two is none.

    Example:
        >>> delta(0.5, 0.4), delta("2", "4"), delta("adam", "sgd")
        ('+0.1 (+25 %)', '-2 (-50 %)', '')
    """
    one, other = number_in(value), number_in(base)
    if one is None or other is None or not (math.isfinite(one) and math.isfinite(other)):
        return ""
    share = f" ({100 * (one - other) / abs(other):+.3g} %)" if other else ""
    return f"{one - other:+.4g}{share}"
