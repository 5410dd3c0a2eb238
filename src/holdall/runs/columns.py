"""The columns of a table as bytes, and back.

JSON has MLflow's layout (`orient="split"`, no index, dates in ISO) and can be
read by `pandas.read_json`, but keeps what MLflow loses: floats to the last bit
rather than ten decimals, dates to the nanosecond, and "007" is no number when
it is read. What JSON itself cannot tell apart, Parquet can: NaN, infinities
and None, categories, durations, time zones, whole numbers with gaps.

Nothing here touches a run. pandas is imported only for what needs it.
"""

from __future__ import annotations

import datetime
import io
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from holdall.errors import ContentError
from holdall.runs.rendering import library

Columns: TypeAlias = dict[Any, Sequence[Any]]

_OURS: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z?)")  # nine digits, which text seldom has
_ANY: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(?:\d{3}){1,3}(Z?)")


def table_columns(data: Any) -> Columns:
    """Cells by column. Lists and single values need no pandas; what else a dict may hold, pandas knows.

    Raises:
        TypeError: No table can be made of this.
        ValueError: Lengths differ, or names recur.
    """
    if isinstance(data, dict) and all(map(_is_plain, data.values())):
        return _plain_columns(data)
    pandas = library("pandas", "logging a table of more than lists")
    if isinstance(data, dict):
        try:
            data = pandas.DataFrame(data)
        except ValueError:
            if any(map(pandas.api.types.is_list_like, data.values())):
                raise
            data = pandas.DataFrame([data])
    if not isinstance(data, pandas.DataFrame):
        raise TypeError(f"a table is a dict or a pandas.DataFrame, not a {type(data).__name__}")
    if not data.columns.is_unique:
        recurring = [label for label, count in Counter(data.columns).items() if count > 1]
        raise ValueError(f"the columns of a table have different names; these recur: {recurring}")
    data = data.reset_index(drop=True)
    return {label: data[label] for label in data.columns}


def is_image(value: Any) -> bool:
    """Whether a cell is an image of Pillow's or MLflow's own: MLflow tells them so."""
    verbs = (getattr(value, name, None) for name in ("save", "resize"))
    return all(map(callable, verbs)) and hasattr(value, "size")


def _plain_columns(data: Mapping[Any, Any]) -> Columns:
    lengths = {len(cells) for cells in data.values() if isinstance(cells, list | tuple)}
    if len(lengths) > 1:
        raise ValueError(f"the columns of a table have one length, and these have {sorted(lengths)}")
    count = lengths.pop() if lengths else 1
    return {label: cells if isinstance(cells, list | tuple) else [cells] * count for label, cells in data.items()}


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, list | tuple | str | int | float | datetime.date) or is_image(value)


# --- as bytes ---


def json_table(columns: Columns) -> bytes:
    """A table as JSON.

    Raises:
        TypeError: JSON cannot hold a cell.
    """
    cells = ([_cell(cell, label) for cell in _listed(column)] for label, column in columns.items())
    labels = [label if isinstance(label, str | int) else str(label) for label in columns]
    body = {"columns": labels, "data": list(zip(*cells, strict=True))}
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()


def parquet_table(columns: Columns) -> bytes:
    """A table as Parquet."""
    library("pyarrow", "logging a .parquet table")
    frame = library("pandas", "logging a .parquet table").DataFrame(columns)
    return bytes(frame.to_parquet(None, engine="pyarrow", index=False))


def _listed(cells: Any) -> list[Any]:
    """Cells as Python's own values where pandas has such; what is missing there is None."""
    if not hasattr(cells, "notna"):
        return list(cells)
    return list(cells.astype(object).where(cells.notna(), None))


def _cell(value: Any, column: Any) -> Any:
    """A cell as JSON may hold it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime.date):
        return _moment(value)
    if isinstance(value, datetime.timedelta):
        return library("pandas", "logging durations").Timedelta(value).isoformat()
    if isinstance(value, Mapping):
        return {str(key): _cell(below, column) for key, below in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cell(below, column) for below in value]
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return _cell(value.tolist(), column)
    if hasattr(value, "__float__"):
        return _cell(float(value), column)
    raise TypeError(f"JSON holds no {type(value).__name__}, as in column {column!r}: make it text, or log a .parquet")


def _moment(value: datetime.date) -> str | None:
    """A date in ISO with nine digits, in UTC if it has a zone; None for pandas' NaT."""
    if value != value:  # so is NaT told
        return None
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    if aware := value.tzinfo is not None:
        value = value.astimezone(datetime.UTC)
    text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{text}{getattr(value, 'nanosecond', 0):03d}" + ("Z" if aware else "")


# --- and back ---


def parse_json_tables(parts: Mapping[str, bytes], *, foreign: bool) -> Any:
    """One DataFrame of the rows of all JSON parts, by path, in order; empty where a part lacks a column.

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
    return pandas.DataFrame({label: _series(pandas, column, dates) for label, column in columns.items()})


def parse_parquet_tables(parts: Mapping[str, bytes]) -> Any:
    """One DataFrame of the rows of all Parquet parts, by path, in order.

    Raises:
        ContentError: One of them is no Parquet.
    """
    library("pyarrow", "loading a .parquet table")
    pandas, frames = library("pandas", "loading a table"), []
    for path, data in parts.items():
        try:
            frames.append(pandas.read_parquet(io.BytesIO(data), engine="pyarrow"))
        except Exception as error:  # each codec of Arrow's has failures of its own
            raise ContentError(path, "a Parquet file", str(error)) from error
    return pandas.concat(frames, ignore_index=True)


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


def _series(pandas: Any, cells: list[Any], dates: re.Pattern[str]) -> Any:
    """A column with the type that all of its cells have."""
    present = [cell for cell in cells if cell is not None]
    if not present:
        return pandas.Series(cells, dtype=float if cells else object)
    found = [dates.fullmatch(cell) if isinstance(cell, str) else None for cell in present]
    zones = {match.group(1) for match in found if match}
    if not all(found) or len(zones) > 1:
        return pandas.Series(cells)
    if all(cell[26:29] == "000" for cell in present):  # in the unit that pandas gives dates by itself
        cells = [cell and cell[:26] + cell[29:] for cell in cells]
    try:
        return pandas.to_datetime(pandas.Series(cells), format="ISO8601", utc=zones == {"Z"})
    except ValueError:  # further off than nanoseconds reach
        return pandas.Series(cells)
