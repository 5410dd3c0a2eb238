"""The columns of a table as bytes, and back.

JSON has MLflow's layout (`orient="split"`, no index, dates in ISO) and can be
read by `pandas.read_json`, but keeps what MLflow loses: floats to the last bit
rather than ten decimals, dates to the nanosecond, and "007" is no number when
it is read. What JSON itself cannot tell apart, Parquet can: NaN, infinities
and None, categories, durations, time zones, whole numbers with gaps.

A part that could not be read would make the whole table unreadable, for good. So what
is written here is read back before it is handed out, and the reader takes every cell that
the writer lets pass.

Nothing here touches a run. pandas is imported only for what needs it.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from holdall.errors import ContentError, InvalidTableError
from holdall.libraries import library
from holdall.runs.parquet import read_parquet
from holdall.runs.series import frame_of_columns, joined, plain, series_of

Columns: TypeAlias = dict[Any, Sequence[Any]]

_DEEPEST: Final = 100  # levels of lists in lists; how many JSON's reader takes depends on who calls it

_OURS: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z?)")  # nine digits, which text seldom has
_ANY: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(?:\d{3}){1,3}(Z?)")


def table_columns(data: Any) -> Columns:
    """Return cells by column. Lists and single values need no pandas; what else a dict may hold, pandas knows.

    Raises:
        TypeError: No table can be made of this.
        InvalidTableError: Lengths differ, or names recur.
    """
    if isinstance(data, dict) and all(map(_is_plain, data.values())):
        return _plain_columns(data)
    pandas = library("pandas", "logging a table of more than lists")
    frame = _frame(pandas, data) if isinstance(data, dict) else data
    if not isinstance(frame, pandas.DataFrame):
        raise TypeError(f"a table is a dict or a pandas.DataFrame, not a {type(data).__name__}")
    _refuse_recurring(frame.columns)
    frame = frame.reset_index(drop=True)
    found = {label: frame.iloc[:, at] for at, label in enumerate(frame.columns)}
    if isinstance(data, dict):  # a list as it is: of whole numbers with gaps pandas makes floats
        for label, cells in zip(found, data.values(), strict=True):
            found[label] = cells if isinstance(cells, list | tuple) else found[label]
    return found


def _frame(pandas: Any, data: Mapping[Any, Any]) -> Any:
    """Return a DataFrame of columns of which some are pandas' or numpy's; or of one row."""
    try:
        return pandas.DataFrame(data)
    except ValueError as error:
        if any(map(pandas.api.types.is_list_like, data.values())):
            raise InvalidTableError(str(error)) from error
        return pandas.DataFrame([data])


def _refuse_recurring(labels: Iterable[Any]) -> None:
    recurring = [label for label, count in Counter(labels).items() if count > 1]
    if recurring:
        raise InvalidTableError(f"the columns of a table have different names; these recur: {recurring}")


def is_image(value: Any) -> bool:
    """Return whether a cell is an image of Pillow's or MLflow's own, by the rule that MLflow has."""
    verbs = (getattr(value, name, None) for name in ("save", "resize"))
    return all(map(callable, verbs)) and hasattr(value, "size")


def _plain_columns(data: Mapping[Any, Any]) -> Columns:
    lengths = {len(cells) for cells in data.values() if isinstance(cells, list | tuple)}
    if len(lengths) > 1:
        raise InvalidTableError(f"the columns of a table have one length, and these have {sorted(lengths)}")
    count = lengths.pop() if lengths else 1
    return {label: cells if isinstance(cells, list | tuple) else [cells] * count for label, cells in data.items()}


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, list | tuple | str | int | float | datetime.date) or is_image(value)


# --- as bytes ---


def json_table(columns: Columns) -> bytes:
    """Return a table as JSON.

    Raises:
        TypeError: JSON cannot hold a cell.
        InvalidTableError: Two labels become one, or a text, a number or a nesting is none that can be read again.
    """
    labels = [_label(label) for label in columns]
    _refuse_recurring(labels)
    try:
        cells = [[_cell(cell, label) for cell in _listed(column)] for label, column in columns.items()]
        body = {"columns": labels, "data": list(zip(*cells, strict=True))}
        made = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        _parse_json(made, "")
    except InvalidTableError:
        raise
    except (ValueError, ArithmeticError) as error:  # thousands of digits, numbers that cannot be compared, ...
        raise InvalidTableError(str(error)) from error
    return made


def parquet_table(columns: Columns) -> bytes:
    """Return a table as Parquet.

    Raises:
        InvalidTableError: Parquet cannot hold a label or cell, or what it holds cannot be read again.
    """
    library("pyarrow", "logging a .parquet table")
    pandas = library("pandas", "logging a .parquet table")
    labels = [_label(label) for label in columns]
    _refuse_recurring(map(str, labels))
    for label, column in columns.items():
        if str(getattr(column, "dtype", "object")) == "object":
            for cell in column:
                _refuse_deep(cell, label)
    try:
        made = {label: _arrow(pandas, column) for label, column in zip(labels, columns.values(), strict=True)}
        data = bytes(frame_of_columns(pandas, made).to_parquet(None, engine="pyarrow", index=False))
        _parse_parquet(pandas, data, "")
    except Exception as error:  # each type of Arrow's has failures of its own
        raise InvalidTableError(f"Parquet cannot hold it: {error}") from error
    return data


def _arrow(pandas: Any, cells: Any) -> Any:
    """Return a column as Arrow takes it; integers with gaps stay integers."""
    return series_of(pandas, cells) if isinstance(cells, list | tuple) else cells


def _label(label: Any) -> str | int:
    """Return a label as JSON has it: text or integer."""
    label = label.item() if hasattr(label, "dtype") and hasattr(label, "item") else label
    return label if isinstance(label, int) else _text(str(label), label)


def _text(text: str, column: Any) -> str:
    """Return a text that every reader takes: with half of a surrogate pair it is no UTF-8, and Arrow refuses it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidTableError(f"a text in column {column!r} is not valid UTF-8: {text!r}") from error
    return text


def _refuse_deep(value: Any, column: Any, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise InvalidTableError(f"a cell of column {column!r} is nested more than {_DEEPEST} levels deep")
    below = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        for each in below:
            _refuse_deep(each, column, depth + 1)


def _listed(cells: Any) -> list[Any]:
    """Return cells as Python's own values where pandas has such; a missing one is None."""
    if not hasattr(cells, "notna"):
        return list(cells)
    return list(cells.astype(object).where(cells.notna(), None))


def _cell(value: Any, column: Any, depth: int = 0) -> Any:
    """Return a cell as JSON may hold it."""
    if depth > _DEEPEST:
        raise InvalidTableError(f"a cell of column {column!r} is nested more than {_DEEPEST} levels deep")
    if isinstance(value, str):
        return _text(value, column)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime.date | datetime.timedelta) or hasattr(value, "dtype"):
        return _known(value, column, depth)
    if isinstance(value, Mapping):
        return _object(value, column, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return [_cell(below, column, depth + 1) for below in value]
    if hasattr(value, "tolist"):  # an array of another library's
        return _cell(value.tolist(), column, depth + 1)
    if type(value).__name__ == "NAType":  # pandas' own None
        return None
    if hasattr(value, "__float__"):
        return _cell(float(value), column)
    raise TypeError(f"JSON holds no {type(value).__name__}, as in column {column!r}: make it text, or log a .parquet")


def _known(value: Any, column: Any, depth: int) -> Any:
    """Return a date, a duration, or a value of numpy's, as JSON may hold it."""
    if getattr(value, "ndim", 0):
        return [_cell(below, column, depth + 1) for below in value]
    if getattr(getattr(value, "dtype", None), "kind", "") in ("M", "m"):
        pandas = library("pandas", "logging numpy's dates")  # which has nanoseconds, as datetime has not
        value = (pandas.Timestamp if value.dtype.kind == "M" else pandas.Timedelta)(value)
    if value != value:  # so is NaT told, and a NaN of any width
        return None
    if isinstance(value, datetime.date):
        return _moment(value, column)
    if isinstance(value, datetime.timedelta):
        return library("pandas", "logging durations").Timedelta(value).isoformat()
    plain = value.tolist()
    return _cell(float(plain) if type(plain) is type(value) else plain, column, depth + 1)


def _object(value: Mapping[Any, Any], column: Any, depth: int) -> dict[str, Any]:
    found = {_text(str(key), column): _cell(below, column, depth + 1) for key, below in value.items()}
    if len(found) < len(value):
        raise InvalidTableError(f"in a cell of column {column!r} two keys become one text: {list(value)}")
    return found


def _moment(value: datetime.date, column: Any) -> str:
    """Return a date in ISO with nine digits, in UTC if it has a zone."""
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    if aware := value.tzinfo is not None:
        try:
            value = value.astimezone(datetime.UTC)
        except OverflowError as error:  # in the first or the last hours that there are
            raise InvalidTableError(f"{value} in column {column!r} is at no time of UTC") from error
    text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{text}{getattr(value, 'nanosecond', 0):03d}" + ("Z" if aware else "")


# --- and back ---


def parse_json_tables(parts: Mapping[str, bytes], *, foreign: bool) -> Any:
    """Return one DataFrame of the rows of all JSON parts, by path, in order; empty where a part lacks a column.

    Args:
        parts: Their bytes.
        foreign: Whether pandas wrote them, whose dates have three digits.

    Raises:
        ContentError: One of them is no table.
    """
    pandas = library("pandas", "loading a table")
    columns: dict[Any, list[Any]] = {}
    count = 0
    for path, data in parts.items():
        labels, rows = _parse_json(data, path)
        for label in labels:
            columns.setdefault(label, [None] * count)
        for label, cells in zip(labels, zip(*rows, strict=True), strict=False):
            columns[label] += cells
        count += len(rows)
        for column in columns.values():
            column += [None] * (count - len(column))
    dates = _ANY if foreign else _OURS
    return frame_of_columns(pandas, {label: series_of(pandas, column, dates) for label, column in columns.items()})


def parse_parquet_tables(parts: Mapping[str, bytes]) -> Any:
    """Return one DataFrame of the rows of all Parquet parts, by path, in order.

    Raises:
        ContentError: One of them is no Parquet.
    """
    library("pyarrow", "loading a .parquet table")
    pandas = library("pandas", "loading a table")
    return joined(pandas, [_parse_parquet(pandas, data, path) for path, data in parts.items()])


def _parse_parquet(pandas: Any, data: bytes, path: str) -> Any:
    try:
        return plain(pandas, read_parquet(data).to_pandas(integer_object_nulls=True))
    except Exception as error:  # each codec of Arrow's has failures of its own
        raise ContentError(path, "a Parquet file", str(error)) from error


def _parse_json(data: bytes, path: str) -> tuple[list[Any], list[list[Any]]]:
    try:
        body = json.loads(data)
        labels = [tuple(label) if isinstance(label, list) else label for label in body["columns"]]
        rows = body["data"]
        if len(set(labels)) != len(labels) or any(len(row) != len(labels) for row in rows):
            raise ValueError("its rows do not fit its columns")
    except (ValueError, RecursionError, TypeError, LookupError) as error:
        raise ContentError(path, "a table of columns and data", f"{type(error).__name__}: {error}") from error
    return labels, rows
