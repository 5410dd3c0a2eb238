"""The digest of a data set: other data has another one, and the same data the same one."""

from __future__ import annotations

import datetime
import decimal
import enum
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from holdall.data import from_numpy, from_pandas

ZONE = datetime.timezone(datetime.timedelta(hours=1))


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Point:
    def __init__(self, x: float) -> None:
        self.x = x


def long(at: int) -> np.ndarray[Any, Any]:
    """An array beyond what numpy prints, with one number that differs."""
    found = np.zeros(2001)
    found[at] = 1
    return found


# cells that differ, each from each other
CELLS: list[Any] = [
    *(1, "1", 1.5, "1.5", True, "True", None, "None", b"1", "b'1'", 0, 0.0, -0.0, "", b"", 1j),
    *([1], ["1"], "[1]", "['1']", (1,), {1}, {1: 2}, {"1": 2}, "{1: 2}", [], {}, [[1], 2], [1, [2]], [1, 2], [[1, 2]]),
    *(["a", "b"], ["a, b"], "a\0b", ["a\0", "b"], ["a", "\0b"], "\ud800", "\u00e4", "a\u0308"),
    *(0.1, 0.1 + 1e-16, 1.123456789, 1.123456788, 1e300, 2**53 + 1, float(2**53), 2**70, 2**70 + 1),
    *(float("nan"), float("inf"), float("-inf"), pd.NA, pd.NaT),
    *(long(1000), long(1001), long(1000).tolist(), np.array([1.0]), np.array([[1.0]]), np.array([1.0], "float32")),
    *(np.longdouble(1) / 3, 1 / 3),
    *(datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 1, tzinfo=ZONE)),
    *(datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), pd.Timestamp(1), pd.Timestamp(2), datetime.timedelta(1)),
    *(pd.Timedelta(1), pd.Timedelta(2), datetime.time(1), decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    *(Colour.RED, Colour.BLUE, Point(0.0), Point(1.0), pd.Interval(0, 1), pd.Interval(0, 1, closed="left")),
    *(np.datetime64("2024-01-01T00:00:00.000000001"), np.datetime64("2024-01-01T00:00:00.000000002")),
    *({"a": long(1000)}, {"a": long(1001)}, scipy.sparse.eye(1500).tocsr(), (scipy.sparse.eye(1500) * 2).tocsr()),
]


def objects(*cells: Any) -> Any:
    """An array of these objects as they are."""
    found = np.empty(len(cells), dtype=object)
    for at, cell in enumerate(cells):
        found[at] = cell
    return found


WAYS: dict[str, Callable[[Any], str]] = {
    "in a frame": lambda cell: from_pandas(pd.DataFrame({"a": pd.Series(objects(cell, "x"), dtype=object)})).digest,
    "in an array": lambda cell: from_numpy(objects(cell, "x")).digest,
    "as a label": lambda cell: from_pandas(pd.DataFrame([[0]], columns=pd.Index(objects(cell), dtype=object))).digest,
}


@pytest.mark.parametrize("way", WAYS)
def test_cells_that_differ_have_other_digests(way: str) -> None:
    """Each from each other, whatever they look like when they are printed."""
    usable = [cell for cell in CELLS if way != "as a label" or not _is_unhashable(cell)]
    digests = [WAYS[way](cell) for cell in usable]
    same = [(a, b) for (a, x), (b, y) in combinations(zip(usable, digests, strict=True), 2) if x == y]
    assert same == []


def _is_unhashable(cell: Any) -> bool:
    try:
        hash(cell)
    except TypeError:
        return True
    return (isinstance(cell, str) and "\ud800" in cell) or type(cell) is tuple


FRAMES: dict[str, pd.DataFrame] = {
    f"{name} {number}": pd.DataFrame({"a": values})
    for name, some in {
        "whole": [
            [1, 2],
            [2, 1],
            [1, 2, 3],
            pd.array([1, 2], "int8"),
            pd.array([1, 2], "UInt8"),
            pd.array([1, None], "Int64"),
        ],
        "gap": [pd.array([0, None], "Int64"), pd.array([None, 0], "Int64"), pd.array([0, 0], "Int64"), [0.0, None]],
        "truth": [[True, False], pd.array([True, None], "boolean"), pd.array([False, None], "boolean")],
        "text": [
            ["a", "b"],
            ["ab", ""],
            ["", "ab"],
            ["a", None],
            pd.Categorical(["a", "b"]),
            pd.Categorical(["b", "a"]),
        ],
        "category": [
            pd.Categorical(["a", "b"], ["b", "a"]),
            pd.Categorical(["a", "b"], ordered=True),
        ],
        "long": [long(0), long(1000), long(1001), np.zeros(70_000), np.append(np.zeros(69_999), 1e-300)],
        "digits": [[1.123456789], [1.123456788], [0.1], [np.nextafter(0.1, 1)]],
        "moment": [
            pd.to_datetime(["2024-01-01"]),
            pd.to_datetime(["2024-01-01"], utc=True),
            pd.to_datetime(["2024-01-01"]).tz_localize("Europe/Berlin"),
            pd.to_datetime(["2024-01-01 00:00:00.000000001"]),
            pd.to_timedelta(["1s"]),
            pd.to_timedelta(["2s"]),
            pd.period_range("2024", periods=1, freq="D"),
            pd.period_range("2024", periods=1, freq="M"),
        ],
        "interval": [pd.interval_range(0, 2), pd.interval_range(0, 2, closed="left"), pd.interval_range(1, 3)],
        "sparse": [pd.arrays.SparseArray([0, 1]), pd.arrays.SparseArray([1, 0])],
        "arrow": [
            pd.array([1, 2], "int64[pyarrow]"),
            pd.array(["a"], "string[pyarrow]"),
            pd.array(["b"], "string[pyarrow]"),
        ],
        "lists": [[[1]], [["1"]], ["[1]"], [list(range(2000))], [[*range(1000), 0, *range(1001, 2000)]]],
    }.items()
    for number, values in enumerate(some)
}
FRAMES |= {
    "named otherwise": pd.DataFrame({"b": [1, 2]}),
    "named by a number": pd.DataFrame({1: [1, 2]}),
    "named by its text": pd.DataFrame({"1": [1, 2]}),
    "no rows": pd.DataFrame({"a": np.array([], int)}),
    "no columns": pd.DataFrame(index=range(2)),
    "nothing": pd.DataFrame(),
    "two columns": pd.DataFrame({"a": [1], "b": [2]}),
    "two columns, the other way": pd.DataFrame({"b": [2], "a": [1]}),
    "twice the same name": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "levels": pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])),
    "an index of days": pd.DataFrame({"a": [1, 2]}, index=pd.to_datetime(["2024-01-01", "2024-01-02"])),
    "an index of other days": pd.DataFrame({"a": [1, 2]}, index=pd.to_datetime(["2024-01-01", "2024-01-03"])),
    "an index of texts": pd.DataFrame({"a": [1, 2]}, index=["x", "y"]),
    "an index with a name": pd.DataFrame({"a": [1, 2]}, index=pd.Index([0, 1], name="id")),
    "an index of levels": pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(0, 1), (0, 2)])),
}

ARRAYS: dict[str, Any] = {
    "first": long(1000),
    "second": long(1001),
    "short": np.zeros(2000),
    "shape": np.zeros((2, 1000)),
    "half": np.zeros(2000, "float16"),
    "wide": np.zeros(2000, np.longdouble),
    "wide third": np.full(2000, np.longdouble(1) / 3),
    "third": np.full(2000, 1 / 3).astype(np.longdouble),
    "complex": np.zeros(2000, complex),
    "texts": np.array(["a", "b"]),
    "bytes": np.array([b"a", b"b"]),
    "variable texts": np.array(["a", "b"], dtype=np.dtypes.StringDType()),
    "other variable texts": np.array(["a", "c"], dtype=np.dtypes.StringDType()),
    "moments": np.array(["2024-01-01"], "M8[ns]"),
    "days": np.array(["2024-01-01"], "M8[D]"),
    "fields": np.array([(1, 2.5)], [("x", int), ("y", float)]),
    "other fields": np.array([(1, 2.5)], [("x", int), ("z", float)]),
    "objects in fields": np.array([(1, "a")], [("x", int), ("y", object)]),
    "other objects in fields": np.array([(1, "b")], [("x", int), ("y", object)]),
    "masked": np.ma.array([1, 2], mask=[False, True]),
    "masked otherwise": np.ma.array([1, 2], mask=[True, False]),
    "not masked": np.array([1, 2]),
    "named": {"x": np.array([1, 2])},
    "named otherwise": {"y": np.array([1, 2])},
    "sparse": scipy.sparse.csr_array(np.eye(1500)),
    "sparse otherwise": scipy.sparse.csr_array(np.eye(1500)[::-1]),
    "one number": np.array(1.0),
    "none": np.array([]),
}


@pytest.mark.parametrize(("made", "all_data"), [(from_pandas, FRAMES), (from_numpy, ARRAYS)], ids=["frames", "arrays"])
def test_data_that_differs_has_another_digest(made: Any, all_data: dict[str, Any]) -> None:
    """A cell, a type, a gap, a name, an order, an index of days: each from each other."""
    digests = {name: made(data).digest for name, data in all_data.items()}
    assert [pair for pair in combinations(digests, 2) if digests[pair[0]] == digests[pair[1]]] == []


SAME: dict[str, tuple[Any, Any]] = {
    "in memory": (np.arange(12.0).reshape(3, 4), np.asfortranarray(np.arange(12.0).reshape(3, 4))),
    "a view": (np.arange(6.0)[::2], np.array([0.0, 2.0, 4.0])),
    "byte order": (np.arange(3.0), np.arange(3.0).astype(">f8")),
    "which NaN": (np.array([np.nan]), np.array([-np.nan])),
    "what a mask hides": (np.ma.array([1, 2], mask=[False, True]), np.ma.array([1, 3], mask=[False, True])),
    "gaps within wide numbers": (np.ones(3, np.longdouble), np.array([1, 1, 1]).astype(np.longdouble)),
    "kinds of sparse": (scipy.sparse.csr_array(np.eye(3)), scipy.sparse.coo_array(np.eye(3))),
    "the order of a dict": (objects({"a": 1, "b": 2}), objects({"b": 2, "a": 1})),
    "the order of a set": (objects({"a", "b", "c"}), objects({"c", "b", "a"})),
    "numpy's numbers": (objects(1, 0.5, True), objects(np.int8(1), np.float32(0.5), np.True_)),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_the_same_data_has_the_same_digest(pair: tuple[Any, Any]) -> None:
    """However it lies in memory, and whatever stands where nothing does."""
    assert from_numpy(pair[0]).digest == from_numpy(pair[1]).digest


def test_a_frame_is_the_same_wherever_it_was(tmp_path: Any) -> None:
    """Kept in Parquet and read again; text as pandas 2 or pandas 3 keeps it; under other row numbers."""
    frame = pd.DataFrame({"n": [1, 2], "f": [0.1, None], "t": ["a", "b"], "d": pd.to_datetime(["2024", None])})
    frame.to_parquet(tmp_path / "kept.parquet")
    for other in (
        pd.read_parquet(tmp_path / "kept.parquet"),
        frame.astype({"t": object}),
        frame.astype({"t": "string[python]"}),
        frame.set_index(pd.Index([7, 8])),
    ):
        assert from_pandas(other).digest == from_pandas(frame).digest


def test_another_process_says_the_same() -> None:
    """Neither the order of sets nor an address in memory is in it."""
    frame = "pd.DataFrame({'a': [{'x', 'y', 'z'}, {'k': 1}]})"
    code = f"import pandas as pd, holdall; print(holdall.data.from_pandas({frame}).digest)"
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_what_has_no_digest_is_refused() -> None:
    """An object that even pickle knows nothing of, and one that holds itself, ask for a digest."""
    inside: list[Any] = []
    inside.append(inside)
    for cell in (lambda: 0, inside):
        with pytest.raises(TypeError, match="give `digest`"):
            from_numpy(objects(cell))
        assert from_numpy(objects(cell), digest="mine").digest == "mine"


values = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(st.characters()), st.binary()),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner), st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=5,
)


@given(st.lists(values, max_size=4), st.lists(values, max_size=4))
def test_any_two_lists_are_told_apart(one: list[Any], other: list[Any]) -> None:
    """Lists of whatever cells have one digest exactly if they are written alike."""
    equal = repr(one) == repr(other)
    digests = [from_numpy(objects(*cells)).digest for cells in (one, other)]
    assert (digests[0] == digests[1]) == (equal or _sorted(one) == _sorted(other))


def _sorted(value: Any) -> str:
    """A value as text, with dicts in one order."""
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{key!r}: {_sorted(below)}" for key, below in value.items())) + "}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(_sorted, value))})"
    return repr(value)
