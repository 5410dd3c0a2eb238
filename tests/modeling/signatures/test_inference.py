"""Signatures are MLflow's to the byte, over a table of data and over whatever hypothesis thinks of.

Without `annotations` of the future: to MLflow, a dataclass whose hints are text has no schema.
"""

import datetime as dt
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.models import infer_signature as their_signature
from mlflow.models.signature import ModelSignature as TheirSignature
from mlflow.types import schema as their_schema
from mlflow.types.type_hints import _infer_schema_from_list_type_hint
from scipy import sparse
from tests.support.depth import examples
from tests.support.like_mlflow import REFUSED, outcome

from holdall.errors import SignatureError
from holdall.modeling.signatures.data_types import AnyType, Array, DataType, Map, Object, Property
from holdall.modeling.signatures.enforcement import conform
from holdall.modeling.signatures.inference import infer_schema
from holdall.modeling.signatures.schema import ColSpec, Schema, TensorSpec
from holdall.modeling.signatures.signature import ModelSignature, as_signature, infer_signature
from holdall.modeling.signatures.type_hints import schema_from_hint

NOON = dt.datetime(2024, 5, 1, 12)


@dataclass
class Point:
    x: float
    y: float


@dataclass
class Path:
    name: str
    points: list[Point]
    tags: list[str]
    origin: Point
    closed: bool | None
    day: dt.date


class Line(pydantic.BaseModel):
    text: str
    weight: float
    size: int | None = None


class Page(pydantic.BaseModel):
    lines: list[Line]
    labels: dict[str, int]
    either: int | str
    anything: Any
    at: dt.datetime
    raw: bytes


FRAMES = {
    "numbers": pd.DataFrame({"a": [1, 2], "b": [1.5, np.nan], "c": [True, False]}),
    "every dtype": pd.DataFrame(
        {
            name: np.zeros(2, name)
            for name in (
                "int8",
                "int16",
                "int32",
                "int64",
                "uint8",
                "uint16",
                "uint32",
                "float16",
                "float32",
                "float64",
            )
        }
    ),
    "unsigned 64": pd.DataFrame({"a": np.zeros(2, "uint64")}),
    "complex": pd.DataFrame({"a": np.zeros(2, "complex128")}),
    "text": pd.DataFrame({"a": ["x", "y"], "b": ["x", None]}),
    "text of old": pd.DataFrame({"a": ["x", "y"]}, dtype=object),
    "bytes": pd.DataFrame({"a": [b"x", b"yz"]}),
    "nothing": pd.DataFrame({"a": [None, None]}),
    "no rows": pd.DataFrame({"a": pd.Series([], dtype=object), "b": pd.Series([], dtype="int64")}),
    "no columns": pd.DataFrame(),
    "dates": pd.DataFrame({"a": pd.to_datetime(["2024-01-01", "2024-01-02"]), "b": [dt.date(2024, 1, 1)] * 2}),
    "dates with a zone": pd.DataFrame({"a": pd.to_datetime(["2024-01-01"]).tz_localize("UTC")}),
    "durations": pd.DataFrame({"a": pd.to_timedelta(["1h"])}),
    "nullable": pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": pd.array([True, None], "boolean")}),
    "categories": pd.DataFrame({"a": pd.Categorical(["x", "y"]), "b": pd.Categorical([1, 2])}),
    "lists": pd.DataFrame({"a": [[1.0], [2.0, 3.0]], "b": [["x"], []]}),
    "lists of several types": pd.DataFrame({"a": [[1.0], ["x"]]}),
    "dictionaries": pd.DataFrame({"a": [{"k": 1}, {"k": 2, "l": "x"}]}),
    "dictionaries or none": pd.DataFrame({"a": [{"k": 1}, None]}),
    "arrays": pd.DataFrame({"a": [np.array([1, 2]), np.array([3])]}),
    "numbered columns": pd.DataFrame(np.zeros((2, 3))),
    "a column without name": pd.DataFrame({"": [1.0]}),
    "twin columns": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "mixed": pd.DataFrame({"a": [1, "x"]}),
    "decimals": pd.DataFrame({"a": [Decimal("1.5")]}),
    "umlauts": pd.DataFrame({"größe": [1.0]}),
}
OTHERS: dict[str, Any] = {
    "series": pd.Series([1, 2], name="x"),
    "series without name": pd.Series([1.0, 2.0]),
    "series with a gap": pd.Series([1.0, None]),
    **{f"array of {name}": np.zeros((2, 3), name) for name in ("float32", "int8", "bool", "complex64", "M8[ns]", "O")},
    "array of text": np.array(["x", "yz"]),
    "array of bytes": np.array([b"x", b"yz"]),
    "array of four dimensions": np.zeros((2, 3, 4, 5)),
    "array without a dimension": np.array(3.0),
    "empty array": np.zeros((0, 3)),
    "named arrays": {"a": np.zeros((2, 3)), "b": np.zeros(2, "int32")},
    "array and number": {"a": np.zeros(2), "b": 1},
    "csr": sparse.csr_matrix(np.eye(3, dtype="float32")),
    "csc": sparse.csc_matrix(np.eye(3)),
    "coo": sparse.coo_matrix(np.eye(3)),
    "text": "hello",
    "bytes": b"hello",
    "number": 1.5,
    "whole number": 3,
    "truth": True,
    "nan": float("nan"),
    "numpy's number": np.float32(1),
    "numpy's short number": np.int16(1),
    "complex": 1j,
    "date": dt.date(2024, 1, 1),
    "time": NOON,
    "tuple": (1, 2),
    "range": range(3),
    "empty list": [],
    "list of text": ["a", "b"],
    "list of numbers": [1, 2],
    "list with gaps": [1.0, None, float("nan")],
    "list of nothing": [None],
    "list of several types": [1, "a"],
    "list of truth and number": [True, 1],
    "list of lists": [[1, 2], [3]],
    "list of empty lists": [[], []],
    "list of arrays": [np.zeros(2), np.zeros(3)],
    "list of empty arrays": [np.zeros(0)],
    "list of nans in arrays": [np.array([np.nan, np.nan])],
    "list of short nans in arrays": [np.array([np.nan], "float32")],
    "list of object arrays": [np.array(["a", None], dtype=object)],
    "list of arrays of bytes": [np.zeros(2, "uint8")],
    "list of times": [NOON, NOON],
    "records": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
    "records with gaps": [{"a": 1, "b": None}, {"a": None, "b": "y"}],
    "records of different fields": [{"a": 1}, {"b": [1.0]}],
    "records that are empty": [{}, {}],
    "records in records": [{"a": {"k": [1], "l": {"m": "x"}}}, {"a": {"k": []}}, {"a": None}],
    "records that disagree": [{"a": 1}, {"a": "x"}],
    "conversation": {"messages": [{"role": "user", "content": "hi"}], "n": 1},
    "dictionary": {"a": 1, "b": "x", "c": [1.0, None], "d": {"k": None}, "e": None, "f": [], "g": {}},
    "dictionary of tuples": {"a": (1,)},
    "dictionary of numbers": {1: "a"},
    "empty dictionary": {},
    "dataclass": Path,
    "object of a dataclass": Point(1.0, 2.0),
    "class of points": Point,
}
INPUTS = {f"frame of {name}": frame for name, frame in FRAMES.items()} | OTHERS


@pytest.mark.parametrize("data", INPUTS.values(), ids=INPUTS)
def test_a_signature_is_mlflows_to_the_byte(data: Any) -> None:
    """Of any data, as input and as output; and read back by either it is the same."""
    theirs = outcome(their_signature, data, data)
    assert theirs is not REFUSED
    ours = outcome(infer_signature, data, data)
    assert ours.to_dict() == theirs.to_dict()
    assert ModelSignature.from_dict(theirs.to_dict()) == ours == as_signature(theirs)
    assert TheirSignature.from_dict(ours.to_dict()) == theirs


KNOWN_TO_US_ALONE: dict[str, tuple[Any, list[ColSpec | TensorSpec]]] = {
    "timestamp": (pd.Timestamp(NOON), [ColSpec("datetime")]),
    "timestamp in a record": ([{"t": pd.Timestamp(NOON)}], [ColSpec("datetime", "t")]),
    "sparse array": (sparse.csr_array(np.eye(3)), [TensorSpec("float64", (-1, 3))]),
    "pydantic model": (Line, [ColSpec("string", "text"), ColSpec("double", "weight"), ColSpec("long", "size", False)]),
    "list of dataclass objects": ([Point(1, 2)], [ColSpec("float", "x"), ColSpec("float", "y")]),
    "dataclass whose hints are text": (
        dataclass(type("T", (), {"__annotations__": {"t": "float"}})),
        [ColSpec("float", "t")],
    ),
    "dataclass with a time": (
        dataclass(type("T", (), {"__annotations__": {"t": dt.datetime}})),
        [ColSpec("datetime", "t")],
    ),
}


@pytest.mark.parametrize(("data", "inputs"), KNOWN_TO_US_ALONE.values(), ids=KNOWN_TO_US_ALONE)
def test_more_data_has_a_schema_than_in_mlflow(data: Any, inputs: list[ColSpec | TensorSpec]) -> None:
    """Where MLflow says Any, or refuses, and there is something to say; it reads the result."""
    theirs, any_type = outcome(their_signature, data), cast("Callable[[], Any]", their_schema.AnyType)
    assert theirs is REFUSED or theirs.inputs == their_schema.Schema([their_schema.ColSpec(any_type())])
    assert infer_schema(data) == Schema(inputs)
    assert their_schema.Schema.from_json(Schema(inputs).to_json()).to_json() == Schema(inputs).to_json()


@pytest.mark.parametrize("name", [("a", "b"), pd.Timestamp(NOON)], ids=repr)
def test_a_column_whose_name_json_loses_is_refused(name: Any) -> None:
    """MLflow writes a list, which no column has when it is read; or cannot write it at all."""
    with pytest.warns(UserWarning, match="inputs are taken as anything"):
        assert infer_signature(pd.DataFrame({name: [1.0]})).inputs == Schema([ColSpec(AnyType())])
    with pytest.raises(SignatureError, match="name must be text or a number"):
        infer_schema(pd.DataFrame({name: [1.0]}))


def test_what_has_no_schema_is_any_and_says_why() -> None:
    """The warning stands at the caller's line and names what could not be described."""
    with pytest.warns(UserWarning, match=r"the outputs are taken as anything.*a value of tuple") as warned:
        signature = infer_signature(1.0, (1, 2))
    assert signature.outputs == Schema([ColSpec(AnyType())])
    assert warned[0].filename == __file__


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=3), st.binary(max_size=3)
)
nested = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=examples(150), deadline=None)
@given(nested | st.lists(st.dictionaries(st.sampled_from("abc"), nested, max_size=3), max_size=4))
def test_nested_data_has_mlflows_schema(data: Any) -> None:
    """Whatever is nested in whatever."""
    theirs = outcome(their_signature, {"top": data} if data is None else data)
    ours = outcome(infer_signature, {"top": data} if data is None else data)
    assert ours.to_dict() == theirs.to_dict()


# With the reason why; but for the first line and the last, MLflow refuses them too.
PASSES_NOT = {
    **dict.fromkeys(("dataclass", "class of points"), "a type, not data"),
    **dict.fromkeys(("array without a dimension", "tuple", "range", "coo"), "no schema for it"),
    **dict.fromkeys(("date", "time"), "pandas makes no table of a lone date"),
    "empty list": "nothing in it",
    **dict.fromkeys(("records with gaps", "records of different fields"), "pandas makes floats of integers with gaps"),
    **dict.fromkeys(
        ("frame of dates with a zone", "frame of nullable"), "would lose the zone, has no room for the gap"
    ),
    "object of a dataclass": "MLflow has it that `float` in a dataclass is 32 bits, and Python's has 64",
}
PASSING = {name: data for name, data in INPUTS.items() if name not in PASSES_NOT}


@pytest.mark.parametrize("data", PASSING.values(), ids=PASSING)
def test_what_a_signature_was_inferred_from_passes_it(data: Any) -> None:
    """Or logging a model with its example would make a model that refuses the example."""
    schema = quietly(data).inputs
    assert outcome(conform, data, schema) is not REFUSED


@pytest.mark.parametrize("name", PASSES_NOT)
def test_what_does_not_pass_is_listed(name: str) -> None:
    """So that the list of exceptions does not outlive its reasons."""
    assert outcome(conform, INPUTS[name], quietly(INPUTS[name]).inputs) is REFUSED


def quietly(data: Any) -> ModelSignature:
    found = outcome(infer_signature, data)
    assert isinstance(found, ModelSignature)
    return found


HINTS = [
    *(list[int], list[str], list[float], list[bytes], list[bool], list[dt.datetime], list[Any], list[list[int]]),
    *(list[dict[str, int]], list[Line], list[Page], list[int | str], list[dict[str, list[Line]]]),
]


@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_a_hint_promises_what_it_does_in_mlflow(hint: Any) -> None:
    """The schema of a function whose input is hinted so."""
    assert schema_from_hint(hint).to_json() == outcome(_infer_schema_from_list_type_hint, hint).to_json()


@pytest.mark.parametrize(
    "hint", [int, list, dict[str, int], list[int | None], list[object], list[dict[int, int]]], ids=str
)
def test_a_hint_that_promises_nothing_is_refused(hint: Any) -> None:
    """As in MLflow."""
    assert outcome(_infer_schema_from_list_type_hint, hint) is REFUSED
    with pytest.raises(SignatureError):
        schema_from_hint(hint)


def test_a_model_is_a_row_of_its_fields() -> None:
    """What is nested in it is an object, in the order of its names."""
    assert infer_schema(Page) == Schema(
        [
            ColSpec(
                Array(
                    Object([Property("size", "long", False), Property("text", "string"), Property("weight", "double")])
                ),
                "lines",
            ),
            ColSpec(Map("long"), "labels"),
            ColSpec(AnyType(), "either"),
            ColSpec(AnyType(), "anything"),
            ColSpec(DataType.datetime, "at"),
            ColSpec("binary", "raw"),
        ]
    )
    assert infer_schema(Line(text="a", weight=1)) == infer_schema([Line(text="a", weight=1)] * 2) == infer_schema(Line)


def test_no_framework_is_imported_to_say_what_an_object_is() -> None:
    """Signatures of plain values, and reading those of arrays, load nothing."""
    code = """
import sys
from holdall.modeling.signatures import enforcement
from holdall.modeling.signatures import example
from holdall.modeling.signatures import signature
signature.infer_signature({"a": [1.0], "b": {"c": "x"}}, [1], {"n": 1, "when": [2.0]})
tensor = '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1]}}]'
signature.ModelSignature.from_dict({"inputs": tensor})
example.make_example({"a": [1.0]})
print(*{name.partition(".")[0] for name in sys.modules} & {"numpy", "pandas", "scipy", "torch", "pydantic", "mlflow"})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
