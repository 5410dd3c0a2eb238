"""An example of a model's input, as the two files that stand beside the model.

    input_example.json            the data; with parameters {"inputs": ..., "params": ...}
    serving_input_example.json    the body of a request that serves it, indented

    of                   file                            request
    DataFrame, Series    {"columns": ..., "data": ...}   {"dataframe_split": the same}
    array, dict of them  lists                           {"inputs": the same}
    sparse matrix        data, indices, indptr, shape    {"inputs": lists of all values}
    dict, list, value    itself                          {"inputs": itself}
    dict with messages,  itself                          itself, as language models are asked
      prompt or input

Byte for byte MLflow's, which reads them. Bytes are base64, dates ISO 8601,
missing values of DataFrames and arrays null as far as pandas lets them.
"""

from __future__ import annotations

import base64
import datetime
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from holdall.errors import SignatureError
from holdall.libraries import library
from holdall.modeling.signatures import duck_types
from holdall.modeling.signatures.json_values import cast_frame, cast_inputs, revived_data
from holdall.modeling.signatures.params import infer_params
from holdall.modeling.signatures.schema import Schema, TensorSpec

ModelInputExample: TypeAlias = Any  # a DataFrame, Series, array, sparse matrix, dictionary, list, value or object
FILE: Final = "input_example.json"
SERVING_FILE: Final = "serving_input_example.json"
_OF_LANGUAGE_MODELS: Final = {"messages", "prompt", "input"}


@dataclass(frozen=True, slots=True)
class Example:
    """An example, ready to be written.

    Attributes:
        data: What the model is given, as it came.
        params: The parameters that came with it, or None.
        info: What the `MLmodel` file says of it under `saved_input_example_info`.
        files: The contents of the two files, by name.
    """

    data: Any
    params: Mapping[str, Any] | None
    info: Mapping[str, str]
    files: Mapping[str, bytes]


def make_example(given: Any) -> Example:
    """Return an example as files.

    Args:
        given: A DataFrame, Series, array, sparse matrix (csr, csc), tensor, dictionary, list, single value,
            date, dataclass or pydantic object; or a tuple of one of them and a dictionary of parameters.

    Raises:
        SignatureError: It is none of these, mixes arrays with other values, or holds what JSON cannot.
    """
    data, params = given if _has_params(given) else (given, None)
    params = params or None  # none are none, however they are said: the file has a place for them, or not
    if params is not None:
        infer_params(params)
    plain = duck_types.plain(data)
    content, request, facts = _forms(plain)
    if params is not None:
        content = {"inputs": content, "params": params}
        request |= params if _asks_language_model(plain) else {"params": params}
    info = (
        {"artifact_path": FILE} | ({"params": "true"} if params else {}) | facts | {"serving_input_path": SERVING_FILE}
    )
    return Example(data, params, info, {FILE: _encoded(content), SERVING_FILE: _encoded(request, indent=2)})


def convert_input_example_to_serving_input(input_example: Any) -> str | None:
    """Return the body of the request that serves an example, as JSON; None for None.

    Args:
        input_example: Data that a model accepts, as for `log_model`.

    Raises:
        SignatureError: No JSON can hold it.

    Example:
        >>> holdall.models.convert_input_example_to_serving_input([1, 2]).split()
        ['{', '"inputs":', '[', '1,', '2', ']', '}']
    """
    return None if input_example is None else make_example(input_example).files[SERVING_FILE].decode()


def parse_example(content: bytes, info: Mapping[str, Any], schema: Schema | None = None) -> Any:
    """Return the data of an example again, without its parameters, as `predict` takes it.

    Args:
        content: What its file holds.
        info: What the `MLmodel` file says of it.
        schema: What the model takes: JSON has no dates, no bytes and one kind of number.

    Raises:
        ValueError, KeyError: The file is not what the other one says, or not what the schema says.
    """
    data = json.loads(content)
    if info.get("params"):
        data = data["inputs"]
    kind = info["type"]
    if kind == "dataframe":
        frame = library("pandas", "reading an input example").DataFrame(data["data"], columns=data.get("columns"))
        return cast_frame(frame, schema) if schema else frame
    if kind == "ndarray":
        return cast_inputs(data, schema)
    if kind.startswith("sparse_matrix_"):
        return _matrix(data, kind[-3:], schema)
    return revived_data(data, schema) if schema else data


def parse_request(content: bytes, schema: Schema) -> Any:
    """Return what a server makes of the request that stands beside an example, if it gives its data under `inputs`.

    Raises:
        ValueError: It is not what the schema says.
    """
    request = json.loads(content)
    return cast_inputs(request["inputs"], schema) if "inputs" in request else None


# --- inside ---


def _has_params(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], dict)


def _asks_language_model(data: Any) -> bool:
    return isinstance(data, dict) and not _OF_LANGUAGE_MODELS.isdisjoint(data) and not _arrays_in(data)


def _arrays_in(data: dict[Any, Any]) -> int:
    return sum(map(duck_types.is_ndarray, data.values()))


def _forms(data: Any) -> tuple[Any, dict[str, Any], dict[str, str]]:
    """Return what the file holds, what the request holds, and what the manifest says of them."""
    if duck_types.is_series(data):
        data = data.to_frame()
    if duck_types.is_frame(data):
        table = _split(data)
        orient = "split" if "columns" in table else "values"
        return table, {"dataframe_split": table}, {"type": "dataframe", "pandas_orient": orient}
    if duck_types.is_sparse(data):
        return _sparse(data), {"inputs": data.toarray()}, {"type": f"sparse_matrix_{data.format}"}
    if duck_types.is_ndarray(data) or (isinstance(data, dict) and _arrays_in(data)):
        lists = _lists(data)
        return lists, {"inputs": lists}, {"type": "ndarray"}
    if not isinstance(data, dict | list | datetime.datetime) and not duck_types.is_scalar(data):
        raise SignatureError(f"an input example of type {type(data).__name__}", "no file is known for it")
    if isinstance(data, list) and _hides_array(data):
        raise SignatureError("an input example", "a list cannot hold arrays; stack them, or name them in a dictionary")
    return data, dict(data) if _asks_language_model(data) else {"inputs": data}, {"type": "json_object"}


def _split(frame: Any) -> dict[str, Any]:
    table: dict[str, Any] = frame.where(frame.notnull(), None).to_dict(orient="split")
    plain_columns = list(frame.columns) == list(range(len(frame.columns)))
    return {name: table[name] for name in ("columns", "data") if name == "data" or not plain_columns}


def _matrix(data: Mapping[str, Any], form: str, schema: Schema | None) -> Any:
    sparse, numpy = library("scipy.sparse", "reading a sparse example", "scikit-learn"), library("numpy", "reading it")
    spec = schema.inputs[0] if schema else None
    values = numpy.array(data["data"], dtype=spec.type if isinstance(spec, TensorSpec) else None)
    matrix = getattr(sparse, f"{form}_matrix")
    return matrix((values, data["indices"], data["indptr"]), shape=tuple(data["shape"]))


def _sparse(matrix: Any) -> dict[str, Any]:
    return {
        "data": _nulled(matrix.data),
        "indices": matrix.indices.tolist(),
        "indptr": matrix.indptr.tolist(),
        "shape": list(matrix.shape),
    }


def _lists(data: Any) -> Any:
    if not isinstance(data, dict):
        return _nulled(data)
    if _arrays_in(data) < len(data):
        raise SignatureError("an input example", "a dictionary holds arrays only, or none")
    return {name: _nulled(array) for name, array in data.items()}


def _nulled(array: Any) -> Any:
    """Return an array as lists, with null for what is not a number."""
    if array.dtype.kind not in "fc":
        return array.tolist()
    numpy = sys.modules["numpy"]
    return numpy.where(numpy.isnan(array), None, array).tolist()


def _hides_array(value: Any) -> bool:
    if isinstance(value, list | dict):
        return any(map(_hides_array, value.values() if isinstance(value, dict) else value))
    return duck_types.is_ndarray(value)


def _encoded(content: Any, indent: int | None = None) -> bytes:
    try:
        return json.dumps(content, default=_simple, indent=indent).encode()
    except (TypeError, ValueError) as error:
        raise SignatureError("an input example", f"JSON cannot hold it: {error}") from error


def _simple(value: Any) -> Any:
    """Return what JSON can hold, for a value that it cannot."""
    if duck_types.is_ndarray(value):
        return value.tolist()
    if duck_types.is_a(value, "numpy", "generic"):
        return duck_types.python_value(value)
    if isinstance(value, bytes | bytearray):
        return base64.encodebytes(value).decode("ascii")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if duck_types.is_record(value):
        return duck_types.plain(value)
    raise TypeError(f"a value of {type(value).__name__}")
