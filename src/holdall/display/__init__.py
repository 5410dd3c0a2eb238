"""How values show themselves: a line in a REPL, a small table in a notebook.

A class that has something to show says what, as facts by name (`Shown._shown`), and
gets `repr` and `_repr_html_`. Names and texts may be anybody's: they are cut, what
steers a terminal is shown as an escape, and in HTML everything is escaped.
Nothing here asks a bucket, and neither may what a class shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from inspect import getmembers, isdatadescriptor
from typing import Any, Final, SupportsIndex, TypeAlias, TypeVar, overload

from holdall.display.drawing import Drawing
from holdall.terminal import printable

Facts: TypeAlias = Mapping[str, Any]  # in the order in which they are shown; a mapping among them is shown by its keys
T = TypeVar("T")

_CELL: Final = 200  # characters of one text in a table,
_WORD: Final = 60  # and in a line
_FEW: Final = 8  # entries of a mapping or list in a line,
_LINES: Final = 20  # lines of a list,
_ROWS: Final = 50  # rows of a table,
_COLUMNS: Final = 20  # and its columns


class Shown:
    """Something that shows itself, by the facts that it names."""

    __slots__ = ()

    def _shown(self) -> Facts:
        raise NotImplementedError  # each class says which facts are its own

    def __repr__(self) -> str:
        return line(type(self).__name__, self._shown())

    def _repr_html_(self) -> str:
        return card(type(self).__name__, self._shown())


class Named:
    """A value whose facts can be read by name, as of MLflow's entities: `dict(run.info)["status"]`."""

    __slots__ = ()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        names = {name for name, _ in getmembers(type(self), isdatadescriptor) if not name.startswith("_")}
        return ((name, getattr(self, name)) for name in sorted(names))


class Listing(list[T]):
    """A list, as its slices are, whose elements are shown below each other, or in a notebook as a table's rows."""

    @overload
    def __getitem__(self, at: SupportsIndex, /) -> T: ...

    @overload
    def __getitem__(self, at: slice, /) -> Listing[T]: ...

    def __getitem__(self, at: Any, /) -> Any:
        found = super().__getitem__(at)
        return Listing(found) if isinstance(at, slice) else found

    def __repr__(self) -> str:
        shown = [_cut(repr(one), _CELL * 2) for one in self[:_LINES]]
        more = [f"... {len(self) - _LINES} more"] if len(self) > _LINES else []
        return f"[{(',' + chr(10) + ' ').join(shown + more)}]"

    def _repr_html_(self) -> str:
        return grid([one._shown() if isinstance(one, Shown) else {"": one} for one in self])


def line(name: str, facts: Facts) -> str:
    """Return a line such as `RunInfo(run_name='forest', status='FINISHED')`; what is empty is left out."""
    return f"{name}({', '.join(f'{key}={_word(value)}' for key, value in facts.items() if not _is_empty(value))})"


def card(name: str, facts: Facts) -> str:
    """Return one thing as HTML: its kind, and a table of a row for each fact."""
    flat = _flat(facts)
    rows = [f"<tr><th>{_cell(key)}</th><td>{_cell(value)}</td></tr>" for key, value in _first(flat.items(), _ROWS)]
    return f"<div><strong>{_cell(name)}</strong>{_table(rows, len(flat) - _ROWS, 'more facts')}</div>"


def page(name: str, facts: Facts, parts: Iterable[tuple[str, Sequence[Facts], int]]) -> str:
    """Return one thing as HTML: its card, and below it parts, each a title, rows, and how many rows there are."""
    shown = [f"<p><strong>{_cell(title)}</strong></p>{grid(rows, total)}" for title, rows, total in parts if rows]
    return f"<div>{card(name, facts)}{''.join(shown)}</div>"


def grid(rows: Sequence[Facts], total: int | None = None) -> str:
    """Return several things of one kind as an HTML table: a row for each, a column for each fact that one has.

    `total`: how many there are, where these are the first of them.
    """
    flat = [_flat(facts) for facts in rows[:_ROWS]]
    names = list(dict.fromkeys(name for facts in flat for name in facts))
    columns = names[:_COLUMNS]
    head = "".join(f"<th>{_cell(name)}</th>" for name in columns) + "<th>...</th>" * (len(names) > _COLUMNS)
    body = ["<tr>" + "".join(f"<td>{_cell(facts.get(name))}</td>" for name in columns) + "</tr>" for facts in flat]
    more = (len(rows) if total is None else total) - len(flat)
    return _table([f"<tr>{head}</tr>", *body] if columns else [], more, "more rows")


def when(time: int | None) -> str:
    """Return a time in ms since 1970 UTC as this place's clocks show it; "?" if it is none that a calendar has."""
    try:
        return "-" if time is None else datetime.fromtimestamp(time / 1000).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):  # anything may have been written there
        return "?"


def moment(time: int | None) -> str | None:
    """Return a time as `when` does, or None, which is not shown."""
    return None if time is None else when(time)


def lasting(time: int | None) -> str:
    """Return a span of ms as people say it: "0.3 s", "12 s", "4 min 05 s", "3 h 04 min", "2 d 3 h"; "-" for None.

    Example:
        >>> lasting(1_234), lasting(245_000), lasting(11_040_000)
        ('1.2 s', '4 min 05 s', '3 h 04 min')
    """
    if time is None:
        return "-"
    if time < 10_000:
        return f"{max(time, 0) / 1000:.1f} s"
    seconds = time // 1000
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 1:
        return f"{seconds} s"
    if hours < 1:
        return f"{minutes} min {seconds % 60:02} s"
    return f"{hours} h {minutes % 60:02} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def own(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that users set: without those of MLflow and holdall."""
    return {key: value for key, value in tags.items() if not key.startswith(("mlflow.", "holdall."))}


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | Mapping | Sequence) and not value)


def _word(value: Any) -> str:
    """Return a value as a line has it: as Python writes it, cut."""
    if isinstance(value, Mapping):
        shown = [f"{_word(key)}: {_word(one)}" for key, one in _first(value.items(), _FEW)]
        return "{" + ", ".join(shown) + f", ... {len(value) - _FEW} more" * (len(value) > _FEW) + "}"
    if isinstance(value, list | tuple):
        shown = [_word(one) for one in value[:_FEW]]
        return "[" + ", ".join(shown) + f", ... {len(value) - _FEW} more" * (len(value) > _FEW) + "]"
    if isinstance(value, str):
        return repr(_cut(value, _WORD))
    return _number(value) if isinstance(value, float) else _cut(printable(repr(value)), _WORD)


def _cell(value: Any) -> str:
    """Return a value as a table has it: text, cut and escaped."""
    if value is None or isinstance(value, Drawing):
        return value or ""
    if isinstance(value, list | tuple):
        shown = [_cut(str(one), _WORD) for one in value[:_FEW]]
        text = ", ".join(shown) + f", ... {len(value) - _FEW} more" * (len(value) > _FEW)
    else:
        text = _number(value) if isinstance(value, float) else value if isinstance(value, str) else _word(value)
    return escape(_cut(printable(_cut(text, _CELL)), _CELL * 2))


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else str(value)


def _flat(facts: Facts) -> dict[str, Any]:
    """Return the facts without those that are empty, and the entries of a mapping among them each for itself."""
    flat: dict[str, Any] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{_cut(str(key), _CELL)}": one for key, one in _first(value.items(), _ROWS)})
        elif not _is_empty(value):
            flat[name] = value
    return flat


def _table(rows: Iterable[str], more: int, what: str) -> str:
    rest = f"<p>... {more} {what}</p>" if more > 0 else ""
    return f"<table>{''.join(rows)}</table>{rest}"


def _first(items: Iterable[T], count: int) -> list[T]:
    return [one for one, _ in zip(items, range(count), strict=False)]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
