"""Parsing of requests: data and parameters, out of bytes.

    application/json                  {"dataframe_split": {"columns": [...], "data": [...]}, "params": {...}}
                                      {"dataframe_records": [{...}, ...]}
                                      {"instances": [...]}     {"inputs": ...}
                                      {"messages" | "prompt" | "input": ..., ...}    as it is, answered as it is
    text/csv                          a header and rows
    application/vnd.apache.parquet    a table

This is the scoring protocol of MLflow 3.17, so any client that speaks to its
server speaks to this one. Its surprises are kept, because clients know them:
keys beside the data are ignored, a media type counts only in lower case, and
`instances` of records turns them into columns. What makes MLflow's server fail
without an answer (500) is refused here: no Content-Type, lists as names of
columns, JSON nested too deep, numbers too long to read, Parquet that is small
here and fills the memory there.

Nothing here knows of HTTP but the words of a Content-Type.
"""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy
import pandas

from holdall.errors import OversizedPayloadError, PayloadError, SchemaMismatchError
from holdall.modeling.signatures.data_types import Array
from holdall.modeling.signatures.json_values import (
    cast_frame,
    cast_inputs,
    cast_plain,
    csv_dtypes,
    kind,
    named_specs,
    revived_data,
)
from holdall.modeling.signatures.schema import Schema
from holdall.store import PyFuncModel, without_extensions
from holdall.surfaces.serving.bound import Bound

JSON: Final = "application/json"
CSV: Final = "text/csv"
PARQUET: Final = "application/vnd.apache.parquet"
TYPES: Final = (CSV, JSON, PARQUET)

_FORMATS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
_ONE: Final = f"the body must be a JSON object with exactly one of {', '.join(_FORMATS)}"
_UNBOUND: Final = Bound()
_CHAT: Final = ("messages", "prompt", "input")


@dataclass(frozen=True, slots=True)
class Payload:
    """The input of a model.

    Attributes:
        data, params: For `predict`.
        bare: Whether the answer goes back as it is, not under "predictions".
    """

    data: Any
    params: Any = None
    bare: bool = False


def unsupported(content_type: str) -> str | None:
    """Return why a Content-Type is not supported, or None if it is."""
    media, *pairs = (part.strip() for part in content_type.split(";"))
    given = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
    if given.pop("charset", "utf-8").lower() != "utf-8":
        return "The scoring server only supports UTF-8"
    if given:
        return f"Unrecognized content type parameters: {', '.join(given)}."
    if media not in TYPES:
        got = f"Got '{content_type}'." if content_type else "The request has no Content-Type."
        return f"This predictor only supports the following content types: {', '.join(TYPES)}. {got}"
    return None


def read_payload(body: bytes, content_type: str, model: PyFuncModel, bound: Bound = _UNBOUND) -> Payload:
    """Parse a body of a supported type.

    Args:
        body: The request's bytes.
        content_type: Their type.
        model: Whose signature it is read by.
        bound: How much memory that may take.

    Raises:
        OversizedPayloadError: It would take more.
        PayloadError: It cannot be read, or not as what the model's signature says.
        SchemaMismatchError: The model has type hints, and there are no "inputs".
    """
    media, schema = content_type.partition(";")[0].strip(), model.metadata.get_input_schema()
    if media == CSV:
        return Payload(_csv(body, schema, bound))
    if media == PARQUET:
        return Payload(_frame("Parquet", lambda: _parquet(body, bound)))
    bound.json(body)
    payload = _json(_object(body), model, bound)
    bound.data(payload.data)  # or else the model's signature would make a table of it
    return payload


# --- JSON ---


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise PayloadError(f"{_ONE}; it is {kind(found)}")
    return found


def _json(found: dict[str, Any], model: PyFuncModel, bound: Bound) -> Payload:
    if any(key in found for key in _CHAT):
        schema = model.metadata.get_params_schema()
        known = {each.name for each in schema} if schema else set()
        params = {key: value for key, value in found.items() if key in known}
        return Payload({key: value for key, value in found.items() if key not in known}, params, bare=True)
    if model.metadata.is_signature_from_type_hint:  # the function's own types are to read the data
        if "inputs" not in found:
            raise SchemaMismatchError("inputs", f"only {', '.join(found)}", "data for a model with type hints")
        promised = model.metadata.get_input_schema()
        data = revived_data(found["inputs"], promised) if promised else found["inputs"]
        return Payload(data, found.get("params"))
    formats = [key for key in _FORMATS if key in found]
    if len(formats) != 1:
        raise PayloadError(f"{_ONE}; it has {', '.join(formats) or 'none of them'}")
    read = {"dataframe_split": _split, "dataframe_records": _records, "instances": _instances, "inputs": _inputs}
    data = read[formats[0]](found[formats[0]], model.metadata.get_input_schema(), bound)
    return Payload(data, found.get("params"))


def _split(said: Any, schema: Schema | None, bound: Bound) -> pandas.DataFrame:
    if not isinstance(said, dict) or "data" not in said or said.keys() - {"columns", "data", "index"}:
        shown = f"the keys {', '.join(said)}" if isinstance(said, dict) else kind(said)
        raise PayloadError(f"dataframe_split is an object of data and perhaps columns and index, not {shown}")

    def made() -> pandas.DataFrame:
        bound.split(said)
        return pandas.DataFrame(**said)

    return _cast(_frame("dataframe_split", made), schema)


def _records(said: Any, schema: Schema | None, bound: Bound) -> pandas.DataFrame:
    if not isinstance(said, list):
        raise PayloadError(f"dataframe_records is a list of records, not {kind(said)}")
    bound.data(said)
    return _cast(_frame("dataframe_records", lambda: pandas.DataFrame(said)), schema)


def _instances(said: Any, schema: Schema | None, bound: Bound) -> Any:
    """Parse `instances`: rows; rows that are records become columns."""
    if isinstance(said, list) and said and isinstance(said[0], dict):
        specs = named_specs(schema)
        columns: dict[str, list[Any]] = defaultdict(list)
        for row in said:
            if not isinstance(row, dict):
                raise PayloadError(f"instances are records or they are not; among them is {kind(row)}")
            for name, value in row.items():
                columns[name].append(_plain(value, specs.get(name), bound))
        found: Any = {name: _plain(values, None, bound) for name, values in columns.items()}
    else:
        found = _inputs(said, schema, bound)
    if isinstance(found, dict):
        _check_lengths(found, schema)
    return found


def _inputs(said: Any, schema: Schema | None, bound: Bound) -> Any:
    """Parse `inputs`: columns, one array, or one value."""
    bound.arrays(said)
    return cast_inputs(said, schema)


def _plain(value: Any, spec: Any, bound: Bound) -> Any:
    bound.array(value)
    return cast_plain(value, spec)


def _check_lengths(columns: dict[str, Any], schema: Schema | None) -> None:
    """Refuse columns of different lengths, except those of lists and optional ones."""
    checked: Iterable[Any] = columns
    if schema and schema.has_input_names():
        required = schema.required_input_names()
        checked = [name for name in required if not isinstance(schema.input_dict()[name].type, Array)]
    lengths = {n: len(columns[n]) for n in checked if isinstance(columns.get(n), list | numpy.ndarray)}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise PayloadError(f"columns of several lengths: {shown}")


# --- tables ---


def _csv(body: bytes, schema: Schema | None, bound: Bound) -> pandas.DataFrame:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PayloadError(f"the body is not UTF-8: {error}") from error
    dtypes = csv_dtypes(schema)
    bound.csv(body)
    return _frame("CSV", lambda: pandas.read_csv(io.BytesIO(body), dtype=dtypes))


def _parquet(body: bytes, bound: Bound) -> pandas.DataFrame:
    body = without_extensions(body)
    bound.parquet(body)
    return pandas.read_parquet(io.BytesIO(body), engine="pyarrow")


def _frame(what: str, make: Callable[[], pandas.DataFrame]) -> pandas.DataFrame:
    try:
        return make()
    except OversizedPayloadError:
        raise
    except Exception as error:
        raise PayloadError(f"{what} that cannot be read as a table: {error}") from error


def _cast(frame: pandas.DataFrame, schema: Schema | None) -> pandas.DataFrame:
    return cast_frame(frame, schema) if schema else frame
