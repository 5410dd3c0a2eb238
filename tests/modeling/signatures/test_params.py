"""Parameters: inferred, kept, read and held against their schema as MLflow does."""

from __future__ import annotations

import datetime as dt
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature as their_signature
from mlflow.models.utils import _enforce_params_schema
from mlflow.types.schema import ParamSchema as TheirSchema
from tests.support.like_mlflow import REFUSED, outcome, same

from holdall.errors import SchemaMismatchError, SignatureError
from holdall.modeling.signatures.data_types import Object, Property
from holdall.modeling.signatures.params import ParamSchema, ParamSpec, conform_params, infer_params
from holdall.modeling.signatures.signature import ModelSignature, infer_signature

NOON = dt.datetime(2024, 5, 1, 12)
DAY = dt.date(2024, 5, 1)

VALUES: dict[str, Any] = {
    "whole": 1,
    "huge": 2**63,
    "real": 0.1,
    "nan": float("nan"),
    "truth": True,
    "text": "ä",
    "bytes": b"x",
    "none": None,
    "complex": 1j,
    "time": NOON,
    "date": DAY,
    "numpy's time": np.datetime64("2024-05-01T12:00:00"),
    **{f"numpy's {name}": np.dtype(name).type(1) for name in ("int8", "int16", "int32", "int64", "uint8", "uint64")},
    **{f"numpy's {name}": np.dtype(name).type(1) for name in ("float16", "float32", "float64", "bool")},
    "numpy's text": np.str_("x"),
    "list": [1, 2],
    "tuple": (1, 2),
    "empty list": [],
    "list of real": [0.1, 2.0],
    "list of whole and real": [1, 2.5],
    "list of truth": [True, False],
    "list of truth and whole": [True, 1],
    "list of text": ["a", "b"],
    "list of text and whole": ["a", 1],
    "list of times": [NOON, NOON],
    "list of date and time": [DAY, NOON],
    "list of none": [None],
    "list of lists": [[1], [2]],
    "list of numpy's": [np.int32(1), np.int32(2)],
    "list of numpy's and Python's": [np.int32(1), 2],
    "list of numpy's long and short": [np.int64(1), np.float32(2)],
    "array": np.array([1, 2]),
    "array of float32": np.array([1, 2], "float32"),
    "array of text": np.array(["a", "b"]),
    "array of two dimensions": np.eye(2),
    "dictionary": {"a": 1, "b": {"c": ["x"]}, "d": None},
    "empty dictionary": {},
    "set": {1},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_parameters_schema_is_mlflows_to_the_byte(value: Any) -> None:
    """Inferred from its default; and read back by either it is the same."""
    theirs = outcome(their_signature, 1.0, None, {"p": value})
    ours = outcome(infer_signature, 1.0, None, {"p": value})
    assert (ours is REFUSED) == (theirs is REFUSED)
    if theirs is not REFUSED:
        assert ours.to_dict() == theirs.to_dict()
        assert ModelSignature.from_dict(theirs.to_dict()).to_dict() == theirs.to_dict()
        assert TheirSchema.from_json(ours.params.to_json()).to_json() == ours.params.to_json()


def test_a_timestamp_is_a_time() -> None:
    """Which MLflow admits in a call, but not as a default."""
    assert outcome(their_signature, 1.0, None, {"p": pd.Timestamp(NOON)}) is REFUSED
    assert infer_params({"p": pd.Timestamp(NOON)}) == infer_params({"p": NOON})


SPECS: dict[str, ParamSpec] = {
    **{kind: ParamSpec("p", kind, 1) for kind in ("integer", "long", "float", "double")},
    "boolean": ParamSpec("p", "boolean", True),
    "string": ParamSpec("p", "string", "x"),
    "datetime": ParamSpec("p", "datetime", NOON),
    "none": ParamSpec("p", "string", None),
    **{
        f"list of {kind}": ParamSpec("p", kind, [], (-1,))
        for kind in ("long", "double", "string", "boolean", "datetime")
    },
    "object": ParamSpec("p", Object([Property("a", "long"), Property("b", "string", required=False)]), {"a": 1}),
}
GIVEN: dict[str, Any] = VALUES | {
    "timestamp": pd.Timestamp(NOON),
    "time as text": "2024-05-01T12:00:00",
    "date as text": "2024-05-01",
    "month as text": "2024-05",
    "year as text": "2024",
    "object": {"a": 1, "b": "x"},
    "object that lacks something": {"b": "x"},
    "object with more": {"a": 1, "z": 1},
    "object of another type": {"a": "x"},
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("value", GIVEN.values(), ids=GIVEN)
@pytest.mark.every(3)
def test_a_value_passes_for_a_parameter_as_in_mlflow(value: Any, spec: ParamSpec) -> None:
    """Every kind of value for every type: the same value of the same type, or refused by both."""
    schema = ParamSchema([spec])
    their_schema = TheirSchema.from_json(schema.to_json())
    theirs = outcome(_enforce_params_schema, {"p": value}, their_schema)
    assert same(outcome(conform_params, {"p": value}, schema), theirs)


CALLS: list[dict[Any, Any] | list[int] | None] = [None, {}, {"b": "y"}, {"b": "y", "a": 2}, {"z": 1}, {3: 1.5}, [1]]


@pytest.mark.parametrize("params", CALLS, ids=str)
@pytest.mark.parametrize("schema", [None, infer_params({"a": 1, "b": "x", "3": 0.5})], ids=["no schema", "schema"])
def test_a_call_has_mlflows_parameters(params: Any, schema: ParamSchema | None) -> None:
    """Given ones first, then the defaults of the others; what is unknown left out."""
    theirs = outcome(_enforce_params_schema, params, schema and TheirSchema.from_json(schema.to_json()))
    assert same(outcome(conform_params, params, schema), theirs)


def test_what_is_ignored_is_said() -> None:
    """A parameter that the model does not know is no error, but no secret either."""
    with pytest.warns(UserWarning, match="ignored: params z"):
        conform_params({"z": 1}, infer_params({"a": 1}))
    with pytest.warns(UserWarning, match="has no params"):
        assert conform_params({"z": 1}, None) == {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert conform_params({"a": 2}, infer_params({"a": 1})) == {"a": 2}


def test_a_default_belongs_to_the_schema_alone() -> None:
    """Who changes what a call got does not change the next one's."""
    schema = infer_params({"a": [1]})
    conform_params(None, schema)["a"].append(2)  # type: ignore[index]
    assert conform_params(None, schema) == {"a": [1]}


def test_a_refusal_names_the_parameter() -> None:
    """The parameter, or the place in it; what came; what was expected."""
    with pytest.raises(SchemaMismatchError) as refused:
        conform_params({"p": [1, 0.5]}, ParamSchema([ParamSpec("p", "long", [], (-1,))]))
    assert (refused.value.column, refused.value.came, refused.value.expected) == ("p[1]", "float 0.5", "long")


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[1]", '[{"name": "a"}]', '[{"name": "a", "type": "nothing", "default": 1}]'),
        *('[{"name": "a", "type": "long", "default": "x"}]', '[{"name": "a", "type": "binary", "default": null}]'),
        *(
            '[{"name": "a", "type": "long", "default": 1, "shape": [2]}]',
            '[{"name": "a", "type": "any", "default": 1}]',
        ),
        '[{"name": "a", "type": "long", "default": 1}, {"name": "a", "type": "long", "default": 1}]',
    ],
)
def test_parameters_that_cannot_be_are_refused(text: str) -> None:
    """Whoever wrote them."""
    with pytest.raises(SignatureError):
        ParamSchema.from_json(text)


def test_the_word_of_older_files_is_understood() -> None:
    """`dtype`, which is `type` now."""
    assert ParamSchema.from_json('[{"name": "a", "dtype": "long", "default": 1}]') == infer_params({"a": 1})
