"""Schemas as values: what cannot be is refused, whoever wrote it; what can is MLflow's JSON."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
from mlflow.types import schema as theirs
from tests.support.like_mlflow import REFUSED, outcome

from holdall.errors import SignatureError
from holdall.modeling.signatures.data_types import AnyType, Array, DataType, Map, Object, Property, SparkMLVector
from holdall.modeling.signatures.schema import ColSpec, Schema, TensorSpec
from holdall.modeling.signatures.signature import ModelSignature, as_signature, infer_signature

NESTED = Object([Property("z", Array(Map("double"))), Property("a", Object([Property("k", AnyType(), False)]), False)])
SCHEMAS = [
    Schema([ColSpec(kind, kind.value) for kind in DataType]),
    Schema([ColSpec("double"), ColSpec("long")]),
    Schema([ColSpec(NESTED, "größe", False), ColSpec(SparkMLVector(), "v"), ColSpec(Array(Array("long")), 3)]),
    Schema([TensorSpec("float32", (-1, 3))]),
    Schema(
        [
            TensorSpec(np.dtype("U7"), [-1], "a"),
            TensorSpec(np.float64, (2, 2), "b"),
            TensorSpec("datetime64[ns]", [-1], "c"),
        ]
    ),
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=repr)
def test_a_schema_goes_through_mlflow_and_back(schema: Schema) -> None:
    """Its JSON is what MLflow makes of it, and says the same when read."""
    text = theirs.Schema.from_json(schema.to_json()).to_json()
    assert text == schema.to_json()
    assert Schema.from_json(text) == schema
    assert repr(schema).replace("'", "") == repr(theirs.Schema.from_json(text)).replace("'", "").replace(
        "DataType.", ""
    )


@pytest.mark.parametrize("schema", SCHEMAS, ids=repr)
def test_a_schema_travels(schema: Schema) -> None:
    """Between processes, as a key, and as a copy."""
    assert pickle.loads(pickle.dumps(schema)) == copy.deepcopy(schema) == schema
    assert {schema: 1}[Schema.from_json(schema.to_json())] == 1


def test_a_tensors_dtype_compares_with_numpys() -> None:
    """Though it is only numpy's name for it."""
    assert TensorSpec("float32", (-1,)).type == np.dtype("float32")
    assert TensorSpec(np.dtype("S5"), (-1,)).type == "bytes"
    assert TensorSpec("float32", (None, 3)).shape == (-1, 3)


CANNOT_BE: dict[str, Any] = {
    "nothing": lambda: Schema([]),
    "no column": lambda: Schema(["double"]),  # type: ignore[list-item]
    "mixed": lambda: Schema([ColSpec("double", "a"), TensorSpec("float32", (-1,), "b")]),
    "half named": lambda: Schema([ColSpec("double", "a"), ColSpec("double")]),
    "two unnamed tensors": lambda: Schema([TensorSpec("float32", (-1,))] * 2),
    "unnamed optional": lambda: Schema([ColSpec("double", required=False)]),
    "twins": lambda: Schema([ColSpec("double", "a"), ColSpec("long", "a")]),
    "unknown type": lambda: ColSpec("decimal", "a"),
    "unknown dtype": lambda: TensorSpec("quaternion", (-1,)),
    "no shape": lambda: TensorSpec("float32", ("a",)),  # type: ignore[arg-type]
    "no properties": lambda: Object([]),
    "twin properties": lambda: Object([Property("a", "long"), Property("a", "long")]),
    "number as property": lambda: Property(1, "long"),  # type: ignore[arg-type]
    "empty signature": ModelSignature,
    "signature of a list": lambda: as_signature([1]),
    "schema that is none": lambda: ModelSignature(inputs=[1]),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("make", CANNOT_BE.values(), ids=CANNOT_BE)
def test_what_cannot_be_a_schema_is_refused(make: Any) -> None:
    """When it is made, not when it is needed."""
    with pytest.raises(SignatureError):
        make()


HOSTILE = [
    *("", "null", "{}", "[]", "[1]", "[{}]", '[{"type": 1}]', '[{"type": "decimal"}]', '[{"type": "array"}]'),
    *('[{"type": "array", "items": 1}]', '[{"type": "object", "properties": []}]', '[{"type": "map", "values": {}}]'),
    *('[{"type": "object", "properties": {}}]', '[{"type": "object", "properties": {"a": 1}}]', '[{"type": "tensor"}]'),
    *(
        '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": 3}}]',
        '[{"type": "tensor", "tensor-spec": 1}]',
    ),
    *('[{"type": "tensor", "tensor-spec": {"dtype": "O8,O8", "shape": [-1]}}]', '[{"type": "long", "name": ["a"]}]'),
    "[" * 100_000,
    '[{"type": "array", "items": ' * 50_000,
    "[" + '{"type": "array", "items": ' * 9_000 + '{"type": "long"}' + "}" * 9_000 + "]",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:40])
def test_a_text_that_is_no_schema_is_refused_by_name(text: str) -> None:
    """Whatever a stranger's `MLmodel` holds is a schema or a SignatureError."""
    with pytest.raises(SignatureError):
        Schema.from_json(text)


def test_what_older_files_leave_out_has_its_default() -> None:
    """A column is required unless it says otherwise; nothing beside what is known matters."""
    assert Schema.from_json('[{"type": "long", "name": "a", "later": 1}]') == Schema([ColSpec("long", "a")])
    assert Schema.from_json('[{"type": "any", "name": "a"}]') == Schema([ColSpec(AnyType(), "a")])


def test_mlflows_own_objects_are_taken() -> None:
    """Its signature, its schemas, and the texts of either."""
    inputs = theirs.Schema([theirs.ColSpec("double", "a")])
    params = theirs.ParamSchema([theirs.ParamSpec("n", "long", 1)])
    ours = ModelSignature(inputs=inputs, params=params)  # type: ignore[arg-type]  # MLflow's are taken, too
    assert ours == infer_signature(json.loads('[{"a": 1.5}]'), params={"n": 1})
    assert as_signature(ours) is ours
    assert as_signature(ours.to_dict()) == ours


def test_what_mlflow_refuses_to_be_a_schema_we_refuse() -> None:
    """Each of the schemas that cannot be, as JSON."""
    refused = [text for text in HOSTILE if outcome(theirs.Schema.from_json, text) is REFUSED]
    assert len(refused) > len(HOSTILE) - 4
