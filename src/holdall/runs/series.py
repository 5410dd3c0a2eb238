"""Cells as a pandas Series that loses nothing, and Series of several parts as one.

pandas has no whole numbers with gaps unless it is asked for them: it makes floats, which
round beyond 2^53, and does the same where whole numbers meet fractions or both halves of 64
bits meet. So what floats hold exactly becomes floats, as everybody knows it; what they do not becomes
`Int64` or `UInt64`, and what is neither stays Python's own numbers.

Nothing here fails: cells that pandas makes no type of stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_EXACT: Final = 2**53  # a float holds every whole number up to here


def series_of(pandas: Any, cells: Sequence[Any], dates: re.Pattern[str] | None = None) -> Any:
    """Return a column with the type that all of its cells have, missing ones being None.

    Args:
        pandas: The library.
        cells: Of whatever kinds.
        dates: What a text looks like that stands for a date; None: texts are texts.
    """
    present = [cell for cell in cells if cell is not None]
    if not present:
        return pandas.Series(cells, dtype=float if cells else object)
    try:
        if dates is not None and (zones := _zones(present, dates)):
            return _moments(pandas, cells, present, zones)
        return pandas.Series(cells, dtype=_exact_type(cells, present))
    except (ValueError, TypeError, ArithmeticError):  # UnicodeError too: half a letter, which Arrow's text cannot hold
        return pandas.Series(cells, dtype=object)


def frame_of_columns(pandas: Any, columns: Mapping[Any, Any]) -> Any:
    """Return a DataFrame of columns by label, of any kind of labels."""
    try:
        return pandas.DataFrame(dict(columns))
    except (ValueError, TypeError):
        frame = pandas.DataFrame(dict(enumerate(columns.values())))
        frame.columns = pandas.Index(list(columns), dtype=object, tupleize_cols=False)
        return frame


def joined(pandas: Any, frames: Sequence[Any]) -> Any:
    """Return the rows of several DataFrames, one below the other; empty where one lacks a column."""
    if len(frames) == 1:
        return frames[0]
    labels = dict.fromkeys(label for frame in frames for label in frame.columns)
    return frame_of_columns(pandas, {label: _joined_column(pandas, label, frames) for label in labels})


def _joined_column(pandas: Any, label: Any, frames: Sequence[Any]) -> Any:
    """Return a column of several frames as one."""
    wanted, count, parts = _common(pandas, label, frames), 0, []
    for frame in frames:
        if label in frame.columns:
            part = frame[label].astype(wanted) if wanted else frame[label]
            parts.append(part.set_axis(range(count, count + len(part))))
        count += len(frame)
    try:
        whole = pandas.concat(parts)
    except (ValueError, TypeError, NotImplementedError):  # types that do not go together
        whole = pandas.concat([part.astype(object) for part in parts])
    return whole.reindex(range(count)) if len(whole) < count else whole


def plain(pandas: Any, frame: Any) -> Any:
    """Return a DataFrame whose integers with gaps are floats where these hold them, else `Int64` or `UInt64`."""
    for label in frame.columns:
        column = frame[label]
        if column.dtype == object and column.map(type).isin([int, type(None)]).all():
            frame[label] = series_of(pandas, column.tolist())
    return frame


def _exact_type(cells: Sequence[Any], present: Sequence[Any]) -> str | None:
    """Return the type that holds these cells exactly, or None where pandas' own choice does."""
    kinds = {type(cell) for cell in present}
    if int not in kinds or kinds > {int, float} or not kinds <= {int, float}:
        return None
    whole = [cell for cell in present if type(cell) is int]
    if all(abs(cell) <= _EXACT for cell in whole):
        return None
    if float in kinds:
        return "object"
    return _whole_type(min(whole), max(whole)) if len(present) < len(cells) else None


def _whole_type(least: int, most: int) -> str:
    """Return the type of integers with gaps that reaches from one to the other."""
    if least >= -(2**63) and most < 2**63:
        return "Int64"
    return "UInt64" if least >= 0 and most < 2**64 else "object"


def _common(pandas: Any, label: Any, frames: Sequence[Any]) -> str | None:
    """Return the type that a column of several frames needs for its integers to stay exact; None where it has it."""
    columns = [frame[label] for frame in frames if label in frame.columns]
    whole = [column for column in columns if pandas.api.types.is_integer_dtype(column.dtype)]
    if not whole or (len({column.dtype for column in columns}) == 1 and len(columns) == len(frames)):
        return None
    bounds = [int(bound) for column in whole if column.count() for bound in (column.min(), column.max())]
    if not bounds or max(map(abs, bounds)) <= _EXACT:
        return None
    if len(whole) < len(columns):
        return "object"
    return _whole_type(min(bounds), max(bounds))


def _zones(present: Sequence[Any], dates: re.Pattern[str]) -> set[str]:
    """Return the time zone of cells that are all dates with one; None for anything else."""
    found = [dates.fullmatch(cell) if isinstance(cell, str) else None for cell in present]
    zones = {match.group(1) for match in found if match}
    return zones if all(found) and len(zones) == 1 else set()


def _moments(pandas: Any, cells: Sequence[Any], present: Sequence[str], zones: set[str]) -> Any:
    if all(cell[26:29] == "000" for cell in present):  # in the unit that pandas gives dates by itself
        cells = [cell and cell[:26] + cell[29:] for cell in cells]
    try:
        return pandas.to_datetime(pandas.Series(cells), format="ISO8601", utc=zones == {"Z"})
    except (ValueError, OverflowError):  # further off than nanoseconds reach
        return pandas.Series(cells)
