"""Examples of models' inputs: of each dtype that numpy, pandas and Arrow have, and of each shape that a model takes."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

_DAY, _NOON = dt.date(2024, 1, 1), dt.datetime(2024, 1, 1, 12)
_NUMBERS: Final = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 longdouble complex64 complex128"
)
_NULLABLE: Final = "Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float32 Float64 boolean"
_ARROW: Final[dict[pa.DataType, Any]] = {
    **dict.fromkeys((pa.int8(), pa.int16(), pa.int32(), pa.int64()), 1),
    **dict.fromkeys((pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()), 1),
    pa.float16(): np.float16(1),
    pa.float32(): 1.5,
    pa.float64(): 1.5,
    pa.bool_(): True,
    **dict.fromkeys((pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())), "a"),
    **dict.fromkeys((pa.binary(), pa.large_binary(), pa.binary(1)), b"a"),
    **{pa.timestamp(unit): _NOON for unit in ("s", "ms", "us", "ns")},
    pa.timestamp("us", "UTC"): _NOON,
    pa.date32(): _DAY,
    pa.date64(): _DAY,
    pa.time32("s"): dt.time(1),
    pa.time64("us"): dt.time(1),
    pa.duration("us"): dt.timedelta(1),
    pa.decimal128(5, 2): decimal.Decimal("1.50"),
    pa.decimal256(5, 2): decimal.Decimal("1.50"),
    pa.list_(pa.int64()): [1],
    pa.large_list(pa.string()): ["a"],
    pa.list_(pa.float32(), 2): [1, 2],
    pa.struct([("a", pa.int64())]): {"a": 1},
    pa.map_(pa.string(), pa.int64()): [("a", 1)],
    pa.null(): None,
}
_SINGLE: Final[dict[str, Any]] = {
    "int": 1,
    "float": 1.5,
    "truth": True,
    "text": "a",
    "bytes": b"a",
    "float32": np.float32(1.1),
    "int32": np.int32(3),
    "int64": np.int64(1),
    "time": _NOON,
    "numpy's time": np.datetime64("2024-01-01T12:00:00.123456789"),
    "time with a zone": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    "pandas' time": pd.Timestamp(_NOON),
}


def _column(values: Any) -> pd.DataFrame:
    return pd.DataFrame({"x": values})


def _objects(*values: Any) -> pd.DataFrame:
    held = np.empty(len(values), dtype=object)
    held[:] = values
    return _column(held)


def columns() -> dict[str, Any]:
    """A frame of one column for each dtype, with and without gaps."""
    found: dict[str, Any] = {f"column of {n}": _column(np.array([0, 1], n)) for n in _NUMBERS.split()}
    for unit in ("s", "ms", "us", "ns"):
        found[f"column of M8[{unit}]"] = _column(np.array(["2024-01-01", "NaT"], f"M8[{unit}]"))
        found[f"column of m8[{unit}]"] = _column(np.array([1, 2], f"m8[{unit}]"))
    for name in _NULLABLE.split():
        found[f"column of {name}"] = _column(pd.array([0, 1], dtype=name))
        found[f"column of {name} with gaps"] = _column(pd.array([0, None], dtype=name))
    for name in ("string", "string[python]", "string[pyarrow]", "str"):
        found[f"column of {name}"] = _column(pd.array(["a", "b"], dtype=name))
        found[f"column of {name} with gaps"] = _column(pd.array(["a", None], dtype=name))
    for kind, value in _ARROW.items():
        found[f"column of Arrow's {kind}"] = _column(pd.array([value, value], dtype=pd.ArrowDtype(kind)))
        found[f"column of Arrow's {kind} with gaps"] = _column(pd.array([value, None], dtype=pd.ArrowDtype(kind)))
    return found


def other_columns() -> dict[str, Any]:
    """Frames of pandas' other dtypes, of objects, and of odd names."""
    return {
        "zone": _column(pd.to_datetime(["2024-01-01"], utc=True)),
        "zone with gaps": _column(pd.to_datetime(["2024-01-01", None]).tz_localize("Europe/Berlin")),
        "categories of text": _column(pd.Categorical(["a", "b"])),
        "categories of numbers": _column(pd.Categorical([1, 2])),
        "categories with gaps": _column(pd.Categorical(["a", None], ordered=True)),
        "periods": _column(pd.period_range("2024", periods=2, freq="D")),
        "intervals": _column(pd.interval_range(0, 2)),
        "sparse column": _column(pd.arrays.SparseArray([0.0, 1.0])),
        "whole numbers with gaps": _column([1.0, np.nan]),
        "infinities": _column([np.inf, -np.inf]),
        "truths with gaps": _objects(True, None, False),
        "text with gaps": _objects("a", None),
        "bytes": _column([b"a", b"\xff"]),
        "bytes with gaps": _objects(b"a", None),
        "decimals": _objects(decimal.Decimal("1.5")),
        "days": _objects(_DAY),
        "times with zones": _objects(dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
        "times of day": _objects(dt.time(1)),
        "durations": _objects(dt.timedelta(1)),
        "lists": _objects([1, 2], [3]),
        "lists of text": _objects(["a"], ["b", "c"]),
        "arrays": _objects(np.ones(2), np.ones(2)),
        "short arrays": _objects(np.ones(2, "f4"), np.ones(2, "f4")),
        "dictionaries": _objects({"a": 1}, {"b": "x"}),
        "nothing": _objects(None, None),
        "this and that": _objects(1, "a"),
        "no rows": _column(np.array([], "f8")),
        "columns by place": pd.DataFrame(np.eye(2)),
        "columns by other numbers": pd.DataFrame(np.eye(2), columns=[1, 0]),
        "two of one name": pd.DataFrame(np.eye(2), columns=["a", "a"]),
        "names of two levels": pd.DataFrame(np.eye(2), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
        "an index": pd.DataFrame({"x": [1.0]}, index=["p"]),
        "series": pd.Series([1.0, 2.0], name="x"),
        "series without a name": pd.Series([1.0, 2.0]),
        "series with gaps": pd.Series([1, None], dtype="Int64", name="x"),
        "parameters": (_column([1.0]), {"k": 1}),
        "no parameters": (_column([1.0]), {}),
    }


def arrays() -> dict[str, Any]:
    """Arrays of each dtype, alone and by name; of odd shapes; and sparse ones."""
    found: dict[str, Any] = {f"array of {n}": np.array([[0, 1]], n) for n in _NUMBERS.split()}
    found |= {f"named array of {n}": {"x": np.array([0, 1], n)} for n in _NUMBERS.split()}
    found |= {f"array of M8[{unit}]": np.array(["2024-01-01"], f"M8[{unit}]") for unit in ("D", "s", "ms", "us", "ns")}
    found |= {f"array of m8[{unit}]": np.array([1], f"m8[{unit}]") for unit in ("D", "s", "ms", "us", "ns")}
    return found | {
        "array of U": np.array(["a", "b"]),
        "array of S": np.array([b"a", b"b"]),
        "array of objects": np.array(["a", 1, None], object),
        "array of StringDType": np.array(["a", "b"], np.dtypes.StringDType()),
        "array of records": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        "array with gaps": np.array([1, np.nan], "f4"),
        "array without a dimension": np.array(1.0),
        "array of three dimensions": np.zeros((2, 3, 4), "f4"),
        "array without rows": np.zeros((0, 2)),
        "csr": sparse.csr_matrix(np.eye(2)),
        "csc of f4": sparse.csc_matrix(np.eye(2, dtype="f4")),
        "csr of i4": sparse.csr_matrix(np.eye(2, dtype="i4")),
        "csr with gaps": sparse.csr_matrix(np.array([[np.nan, 0]])),
        "sparse array": sparse.csr_array(np.eye(2)),
    }


def plain() -> dict[str, Any]:
    """Lists and dictionaries of single values of each kind, and nested ones."""
    found: dict[str, Any] = {}
    for name, value in _SINGLE.items():
        found[f"{name} alone"] = value
        found[f"list of {name}"] = [value, value]
        found[f"row of {name}"] = {"x": value}
        found[f"rows of {name}"] = [{"x": value}, {"x": value}]
        found[f"row of a list of {name}"] = {"x": [value, value]}
        found[f"rows of lists of {name}"] = [{"x": [value]}, {"x": [value, value]}]
        found[f"row of an object of {name}"] = {"x": {"y": value, "z": [value]}}
    return found | {
        "list with gaps": [1, None],
        "list of text with gaps": ["a", None],
        "rows with gaps": [{"x": 1}, {"x": None}],
        "rows that lack": [{"x": 1, "y": 2.0}, {"x": 1}],
        "list of lists": [[1.0, 2.0], [3.0, 4.0]],
        "list of lists of text": [["a"], ["b"]],
        "empty list": [],
        "empty dictionary": {},
        "names that are no text": {1: [1, 2]},
        "row of lists of lists": {"x": [[1, 2], [3, 4]]},
        "chat": {"messages": [{"role": "user", "content": "hi"}]},
    }


CASES: Final = columns() | other_columns() | arrays() | plain()
