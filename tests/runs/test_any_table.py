"""Whatever is offered as a table: it is refused, or its rows are read again, and so are those before it.

A part that cannot be read would take all others with it, for everybody and for good.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.depth import examples
from tests.support.stores import Serial, tiny_store

from holdall.errors import HoldallError, InvalidTableError
from holdall.runs.run import Run
from holdall.runs.tables import load_table, log_table
from holdall.storage.memory import MemoryBucket

FORMS = ["t.json", "t.parquet"]
REFUSALS = (ValueError, TypeError)  # of which InvalidTableError is one


def new_run() -> Run:
    return tiny_store(MemoryBucket(), pool=Serial()).runs.start()


class Colour(enum.Enum):
    RED = 1


BERLIN = datetime.timezone(datetime.timedelta(hours=2))
DEEP: Any = "x"
for _ in range(2000):
    DEEP = [DEEP]
ROUND: list[Any] = []
ROUND.append(ROUND)

CELLS: dict[str, Any] = {
    "surrogate": "\ud800",
    "surrogate below": {"a": ["\udfff"]},
    "surrogate as a key": {"\ud800": 1},
    "zero": "a\0b",
    "bytes": b"\xff",
    "bytes below": [b"x"],
    "object": object(),
    "member": Colour.RED,
    "huge": 2**70,
    "negative": -(2**63),
    "more digits than Python writes": 10**5000,
    "nan": math.nan,
    "infinity": -math.inf,
    "infinity below": [math.inf, {"a": math.nan}],
    "longdouble": np.longdouble("1.5"),
    "longdoubles": np.array([1.5, np.nan], dtype=np.longdouble),
    "half": np.float16(0.1),
    "complex": 1j,
    "numpy's complex": np.complex64(1j),
    "numpy's text": np.str_("x"),
    "numpy's bytes": np.bytes_(b"x"),
    "numpy's moment": np.datetime64("2024-01-01T00:00:00.000000001"),
    "numpy's day": np.datetime64("2024-01-01"),
    "numpy's far year": np.datetime64("20000-01-01"),
    "numpy's no time": np.datetime64("NaT"),
    "numpy's duration": np.timedelta64(1, "ns"),
    "moments": np.array(["2024-01-01"], dtype="M8[ns]"),
    "structured": np.array([(1, "a")], dtype=[("n", int), ("t", "U1")])[0],
    "empty array": np.array([]),
    "array of nothing": np.array(1.5),
    "decimal": decimal.Decimal("0.1"),
    "decimal of no value": decimal.Decimal("sNaN"),
    "uuid": uuid.UUID(int=1),
    "date": datetime.date(9999, 12, 31),
    "moment": datetime.datetime(1, 1, 1),
    "zone": datetime.datetime(2024, 1, 1, tzinfo=BERLIN),
    "zone before all time": datetime.datetime.min.replace(tzinfo=BERLIN),
    "time": datetime.time(1, 2),
    "duration": datetime.timedelta.max,
    "NaT": pd.NaT,
    "NA": pd.NA,
    "period": pd.Period("2024"),
    "interval": pd.Interval(0, 1),
    "two keys of one text": {1: "a", "1": "b"},
    "a key that is none": {None: 1},
    "empty object": {},
    "empty list": [],
    "set": {1},
    "ragged": [[1], [2, 3], "x"],
    "deep": DEEP,
    "in itself": ROUND,
    "like a date": "2024-13-99T00:00:00.000000000",
    "like an early date": "0000-00-00T00:00:00.000000000Z",
    "series": pd.Series([1]),
    "frame": pd.DataFrame({"a": [1]}),
}

LABELS: dict[str, tuple[Any, ...]] = {
    "surrogate": ("\ud800",),
    "one text of two": (1.5, "1.5"),
    "one text of a number": (1, "1"),
    "one text of nothing": (None, "None"),
    "one text of nan": (math.nan, "nan"),
    "one text of truth": (True, "True"),
    "truth and one": (True, 1),
    "bytes": (b"x", "x"),
    "bytes as Python writes them": (b"x", "b'x'"),
    "tuple": (("a", "b"), "('a', 'b')"),
    "levels": (("a", 1), ("a", 2)),
    "levels of unequal depth": (("a", 1), "a"),
    "moments": (pd.Timestamp("2024-01-01"), "2024-01-01 00:00:00"),
    "numpy's number": (np.int64(7), "7"),
    "huge": (2**70, 1),
    "negative": (-1, 0),
    "empty": ("",),
    "with a zero": ("a\0b",),
    "kinds": ("a", 1, 2.5, None, math.nan, True),
    "members": (Colour.RED,),
}


def offered(run: Run, name: str, data: Any) -> int:
    """How many rows more the table has now: those of the data, or none since it was refused."""
    try:
        log_table(run, data, name)
    except REFUSALS:
        return 0
    return len(data) if isinstance(data, pd.DataFrame) else len(next(iter(data.values())))


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("made", [lambda data: data, pd.DataFrame], ids=["dict", "frame"])
@pytest.mark.every(4)
def test_a_cell_is_refused_or_read_again(name: str, cell: Any, made: Callable[[Any], Any]) -> None:
    """Alone, beside missing ones, and below and above cells of other kinds."""
    run = new_run()
    rows = 0
    for cells in ([cell], [cell, None], ["text", cell], [1, cell], [2.5], [None], [cell]):
        try:
            data = made({"a": cells, "b": list(range(len(cells)))})
        except REFUSALS:  # pandas itself has no such frame
            continue
        rows += offered(run, name, data)
    assert len(load_table(run, name)) == rows


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("made", [lambda data: data, pd.DataFrame], ids=["dict", "frame"])
@pytest.mark.every(3)
def test_labels_are_refused_or_read_again(name: str, labels: tuple[Any, ...], made: Callable[[Any], Any]) -> None:
    """All together, and each in a row of its own, below rows with ordinary ones."""
    run = new_run()
    rows = offered(run, name, {"a": [0]})
    for some in (labels, *([label] for label in labels)):
        try:
            data = made({label: [at] for at, label in enumerate(some)})
        except REFUSALS:
            continue
        rows += offered(run, name, data)
    found = load_table(run, name)
    assert len(found) == rows
    assert found.columns.is_unique


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"a": ["\ud800"]}, "a text in column 'a' is not valid UTF-8"),
        ({"\ud800": [1]}, "not valid UTF-8"),
        ({1.5: [1], "1.5": [2]}, r"these recur: \['1.5'\]"),
        ({"a": [{1: 0, "1": 0}]}, "in a cell of column 'a' two keys become one text"),
        ({"a": [DEEP]}, "nested more than 100 levels"),
        ({"a": [10**5000]}, "Exceeds the limit"),
    ],
)
def test_a_refusal_says_why_and_nothing_is_logged(data: Any, reason: str) -> None:
    """The error says which column, and how to mend it."""
    run = new_run()
    with pytest.raises(InvalidTableError, match=reason) as caught:
        log_table(run, data, "t.json")
    assert caught.value.hint
    assert run.manifest == {}


def test_a_table_that_somebody_spoiled_is_read() -> None:
    """What another writer put there, in JSON that is JSON, takes nothing along: half a letter is read as it is."""
    run = new_run()
    log_table(run, {"a": ["good"]}, "t.json")
    run.log_bytes(b'{"columns":["a","\\ud800"],"data":[["\\ud800",1]]}', "t.json/01700000000123456789-00000000.json")
    assert load_table(run, "t.json")["a"].tolist() == ["\ud800", "good"]


# --- any table at all ---

exact = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
odd = st.one_of(
    st.text(st.characters()),
    st.text(st.characters(categories=["Cs"]), min_size=1),
    st.floats(),
    st.binary(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.dates(),
    st.timedeltas(),
    st.decimals(),
    st.complex_numbers(),
    st.sampled_from([pd.NaT, pd.NA, object(), np.longdouble(1), np.int8(1), np.datetime64("NaT")]),
)
below = st.recursive(
    exact | odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
labels = st.one_of(
    st.sampled_from(["a", "b", "1", "1.5", "nan", "None", "True"]),
    st.sampled_from([1, 1.5, None, True, math.nan, b"a", ("a", 1)]),
    st.text(st.characters(), max_size=2),
)


@st.composite
def tables(draw: Callable[..., Any], cells: Any, columns: Any) -> Any:
    """A dict of columns of one length, or the DataFrame of it, where there is one."""
    rows = draw(st.integers(1, 3))
    data = draw(st.dictionaries(columns, st.lists(cells, min_size=rows, max_size=rows), min_size=1, max_size=3))
    if draw(st.booleans()):
        try:
            return pd.DataFrame(data)
        except REFUSALS:
            return data
    return data


@pytest.mark.parametrize("name", FORMS)
@given(parts=st.lists(tables(below, labels), min_size=1, max_size=4))
@settings(deadline=None, max_examples=examples(30))
def test_any_table_is_refused_or_read_again(name: str, parts: list[Any]) -> None:
    """No row that was taken spoils the table, in whichever order rows come."""
    run = new_run()
    rows = [offered(run, name, data) for data in parts]
    if any(rows):
        assert len(load_table(run, name)) == sum(rows)


def same(found: Any, given: Any) -> bool:
    """Whether a cell is what was logged, as a value and not as a float near it."""
    if given is None:
        return found is None or found is pd.NA or found != found
    return bool(found == given) and (type(given) is not int or isinstance(found, float) or int(found) == given)


@pytest.mark.parametrize("name", FORMS)
@given(
    parts=st.lists(
        st.one_of(
            tables(st.none() | st.integers(-(2**80), 2**80), st.sampled_from("ab")).filter(
                lambda t: isinstance(t, dict)
            ),
            tables(exact, st.sampled_from("ab")).filter(lambda t: isinstance(t, dict)),
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(deadline=None, max_examples=examples(30))
def test_cells_come_back_to_the_last_digit(name: str, parts: list[dict[str, list[Any]]]) -> None:
    """Whole numbers of any size, fractions, texts and truth, with gaps and beside each other, are what they were."""
    run = new_run()
    wanted: dict[str, list[Any]] = {"a": [], "b": []}
    for data in parts:
        if rows := offered(run, name, data):
            for label, cells in wanted.items():
                cells += data.get(label, [None] * rows)
    if wanted["a"]:
        found = load_table(run, name)
        for label, cells in wanted.items():
            got = found[label].tolist() if label in found else [None] * len(cells)
            assert all(map(same, got, cells)), (got, cells, found.dtypes)


WHOLE = [2**53 + 1, -(2**63), 2**63 - 1, 2**64 - 1]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("number", WHOLE)
@pytest.mark.parametrize(
    "parts",
    [
        lambda n: [{"a": [n, None]}],
        lambda n: [{"a": [n]}, {"b": [1]}],
        lambda n: [{"a": [n]}, {"a": [0.5]}],
        lambda n: [{"a": [n]}, {"a": [None]}, {"a": [1]}],
        lambda n: [{"a": np.array([n])}, {"a": np.array([-1], dtype="int8")}],
        lambda n: [{"a": [n, None], "b": np.arange(2)}],
        lambda n: [{"a": [n]}, {"a": [True]}],
        lambda n: [{"a": [[n, None], [n]]}],
    ],
)
@pytest.mark.every(2)
def test_whole_numbers_are_not_rounded(name: str, number: int, parts: Callable[[int], list[dict[str, Any]]]) -> None:
    """Beside a gap, a fraction, a sign, and in parts: what floats do not hold does not become one."""
    run = new_run()
    for data in parts(number):
        if not offered(run, name, data):
            assert (name, number) == ("t.parquet", 2**64 - 1)  # within lists Arrow has no such numbers
            return
    (first, *_) = load_table(run, name)["a"].tolist()
    first = first[0] if hasattr(first, "__len__") else first
    assert int(first) == number
    assert not isinstance(first, float)


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "PA", "LA", "RGB", "RGBA", "RGBa", "CMYK", "F", "I", "I;16", "LAB", "HSV"]
)
def test_an_image_is_refused_or_read_again(mode: str) -> None:
    """Whatever Pillow calls an image, and one without pixels."""
    run = new_run()
    rows = offered(run, "t.json", {"a": [PIL.Image.new(mode, (2, 2))]})
    rows += offered(run, "t.json", {"a": [PIL.Image.new(mode, (0, 0))]})
    rows += offered(run, "t.json", {"a": ["none"]})
    found = load_table(run, "t.json")["a"].tolist()
    assert len(found) == rows
    for cell in found[:-1]:
        assert run.load_image(cell["filepath"]).mode


@pytest.mark.parametrize("tag", ["", "null", "{}", "[" * 10_000, '"text"', "[1]"])
def test_a_table_is_logged_whatever_its_tag_says(tag: str) -> None:
    """The tag that lists a run's tables is anybody's to set, and has its limit: what was logged is no error."""
    run = new_run()
    run.set_tags({"mlflow.loggedArtifacts": tag[:8000]})
    names = [f"{'/'.join(['x' * 100] * 9)}/{n}.json" for n in range(12)]
    for name in names:
        run.log_table({"a": [1]}, name)
    assert [len(run.load_table(name)) for name in names] == [1] * 12


def test_errors_of_tables_are_of_the_tree() -> None:
    """Who catches what holdall raises on purpose catches them, and so does who catches ValueError."""
    assert issubclass(InvalidTableError, HoldallError)
    assert issubclass(InvalidTableError, ValueError)
