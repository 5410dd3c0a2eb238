"""The server's interface as OpenAPI 3.1, with the model's signature as JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from holdall.modeling.signatures.data_types import DataType
from holdall.modeling.signatures.schema import ColSpec, Schema, TensorSpec
from holdall.modeling.signatures.signature import ModelSignature
from holdall.surfaces.serving.requests import CSV, JSON, PARQUET
from holdall.surfaces.serving.service import Identity

_Json: TypeAlias = dict[str, Any]

_TYPES: Final[dict[str, _Json]] = {
    DataType.boolean: {"type": "boolean"},
    DataType.integer: {"type": "integer", "format": "int32"},
    DataType.long: {"type": "integer", "format": "int64"},
    DataType.float: {"type": "number", "format": "float"},
    DataType.double: {"type": "number", "format": "double"},
    DataType.string: {"type": "string"},
    DataType.binary: {"type": "string", "contentEncoding": "base64"},
    DataType.datetime: {"type": "string", "format": "date-time"},
}
_KINDS: Final = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}  # by the first letter of a dtype


def openapi(signature: ModelSignature | None, identity: Identity, version: str) -> _Json:
    """Return the document.

    Args:
        signature: What the model takes and gives; None: anything.
        identity: Which model it is.
        version: Of this server.
    """
    words = {"200": {"description": "It is ready.", "content": {JSON: {}}}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": identity.uri,
            "version": version,
            "description": f"{identity.source}, manifest {identity.digest}",
        },
        "paths": {
            "/invocations": {"post": _invocations(signature)},
            "/ping": {"get": {"summary": "Is the model loaded?", "responses": words}},
            "/health": {"get": {"summary": "The same.", "responses": words}},
            "/version": {"get": {"summary": "The server's version.", "responses": _texts("The version.")}},
            "/metrics": {"get": {"summary": "Numbers for Prometheus.", "responses": _texts("Numbers.")}},
        },
        "components": {"schemas": _schemas(signature)},
    }


def _invocations(signature: ModelSignature | None) -> _Json:
    taken = {JSON: {"schema": {"$ref": "#/components/schemas/Request"}}}
    if not (signature and signature.inputs and signature.inputs.is_tensor_spec()):
        taken[CSV] = {"schema": {"type": "string"}}
    taken[PARQUET] = {"schema": {"type": "string", "contentMediaType": PARQUET}}
    error = {"content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}}
    return {
        "summary": "Predictions for data.",
        "requestBody": {"required": True, "content": taken},
        "responses": {
            "200": {
                "description": "Predictions.",
                "content": {JSON: {"schema": {"$ref": "#/components/schemas/Answer"}}},
            },
            "400": {"description": "The data breaks the signature, or cannot be read."} | error,
            "413": {"description": "The request is too long."} | error,
            "415": {"description": "Not one of the types above."},
            "504": {"description": "It took too long."},
        },
    }


def _schemas(signature: ModelSignature | None) -> _Json:
    inputs = signature.inputs if signature else None
    outputs = signature.outputs if signature else None
    params = signature.params if signature else None
    forms = _forms(inputs)
    more = {"params": _params(params)} if params else {}
    return {
        "Request": {"oneOf": [_object({name: form} | more, [name]) for name, form in forms.items()]},
        "Answer": _object({"predictions": _records(outputs) if outputs else {}}, ["predictions"]),
        "Error": _object({"error_code": {"type": "string"}, "message": {"type": "string"}}, ["error_code", "message"]),
    }


def _forms(schema: Schema | None) -> _Json:
    """Return the formats of the data."""
    columns = {"columns": {"type": "array"}, "index": {"type": "array"}}
    rows = {"type": "array", "items": {"type": "array"}}
    split = {"dataframe_split": _object(columns | {"data": rows}, ["data"])}
    if schema is None:
        records = {"type": "array", "items": {"type": "object"}}
        return split | {"dataframe_records": records, "inputs": {}, "instances": {}}
    if not schema.has_input_names():
        return split | {name: _records(schema) for name in ("inputs", "instances")}
    return split | {
        "dataframe_records": {"type": "array", "items": _row(schema)},
        "inputs": _object({str(each.name): _column(each) for each in schema}, _required(schema)),
        "instances": {"type": "array", "items": _row(schema)},
    }


def _records(schema: Schema) -> _Json:
    """Return the schema of several rows: what a model returns, or takes without names."""
    if schema.has_input_names():
        return {"type": "array", "items": _row(schema)}
    if len(schema) > 1:
        return {"type": "array", "items": {"type": "array", "prefixItems": [_value(each) for each in schema]}}
    return _column(schema.inputs[0])


def _row(schema: Schema) -> _Json:
    return _object({str(each.name): _value(each) for each in schema}, _required(schema))


def _column(spec: ColSpec | TensorSpec) -> _Json:
    """Return the schema of all values of an input."""
    return _nested(spec.type, spec.shape) if isinstance(spec, TensorSpec) else {"type": "array", "items": _value(spec)}


def _value(spec: ColSpec | TensorSpec) -> _Json:
    """Return the schema of one row's value of an input."""
    return _nested(spec.type, spec.shape[1:]) if isinstance(spec, TensorSpec) else _type(spec.type.to_dict())


def _nested(dtype: str, shape: Iterable[int]) -> _Json:
    lengths = tuple(shape)
    if not lengths:
        return {"type": _KINDS[dtype[0]]} if dtype[0] in _KINDS and not dtype.startswith("bytes") else {}
    fixed = {} if lengths[0] == -1 else {"minItems": lengths[0], "maxItems": lengths[0]}
    return {"type": "array", "items": _nested(dtype, lengths[1:])} | fixed


def _type(said: Mapping[str, Any]) -> _Json:
    """Return the JSON schema of a signature's type."""
    match said:
        case {"type": "array", "items": items}:
            return {"type": "array", "items": _type(items)}
        case {"type": "object", "properties": fields}:
            required = [name for name, each in fields.items() if each["required"]]
            return _object({name: _type(each) for name, each in fields.items()}, required)
        case {"type": "map", "values": values}:
            return {"type": "object", "additionalProperties": _type(values)}
        case {"type": "sparkml_vector"}:
            return {"type": "array", "items": {"type": "number"}}
    return _TYPES.get(said["type"], {})


def _params(params: Iterable[Any]) -> _Json:
    fields = {}
    for each in params:
        said = each.to_dict()
        one = _type(said)
        fields[each.name] = ({"type": "array", "items": one} if each.shape else one) | {"default": said["default"]}
    return _object(fields, [])


def _required(schema: Schema) -> list[str]:
    return [str(name) for name in schema.required_input_names()]


def _object(properties: Mapping[str, Any], required: list[str]) -> _Json:
    return {"type": "object", "properties": dict(properties)} | ({"required": required} if required else {})


def _texts(description: str) -> _Json:
    return {"200": {"description": description, "content": {"text/plain": {}}}}
