"""Values of a request, as the types of a signature: MLflow's rules, also where they surprise.

JSON knows neither bytes nor dates nor how long an integer is. So what a request
brings is cast here before the signature is held against it, and this first cast
is numpy's and pandas' own, which loses what it must:

- 1.7 becomes 1 where the signature says `long`; 0.5 becomes True for `boolean`.
- Bytes are base64 in frames, but plain text under `inputs` and `instances`.
- Dates in frames are whatever pandas reads as dates.

Later, `PyFuncModel.predict` casts only what loses nothing. It never sees the
1.7. Whoever wants that refused must send CSV or Parquet.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

import numpy
import pandas

from holdall.errors import PayloadError, SchemaMismatchError
from holdall.modeling.casting import NUMPY, cast_value
from holdall.modeling.schema import AnyType, ColSpec, DataType, Schema, TensorSpec

_TEXTS: Final = {DataType.string: "str", DataType.binary: "bytes"}


def cast_frame(frame: pandas.DataFrame, schema: Schema) -> pandas.DataFrame:
    """A frame whose columns are of the schema's types; columns that the schema has not stay as they are.

    Raises:
        PayloadError: A column cannot be cast; it is named.
    """
    for name, spec in _named(frame, schema):
        if name in frame.columns:
            try:
                frame[name] = _column(frame[name], spec)
            except Exception as error:
                raise PayloadError(f"column {name!r} cannot be made {spec.type!r}: {error}") from error
    return frame


def cast_plain(value: Any, spec: ColSpec | TensorSpec | None) -> Any:
    """A value of JSON as what the signature says: an array if it is a list; any array where there is no signature.

    Raises:
        PayloadError: It cannot be cast.
    """
    try:
        if spec is None or isinstance(spec, TensorSpec):
            return numpy.array(value, dtype=spec.type if spec else None)
        if isinstance(spec.type, DataType):
            dtype = _numpy(spec.type)
            return numpy.array(value, dtype) if isinstance(value, list) else numpy.array([value], dtype)[0]
        if isinstance(spec.type, AnyType):
            return value
        cast = cast_value(str(spec.name or ""), value, spec.type, required=spec.required)
        return numpy.array(cast) if spec.to_dict()["type"] == "array" else cast
    except (SchemaMismatchError, TypeError, ValueError, OverflowError) as error:
        which = f"{spec.name!r}: " if spec and spec.name is not None else ""
        raise PayloadError(f"{which}{error}") from error


def csv_dtypes(schema: Schema | None) -> dict[Any, Any] | None:
    """What to read the columns of a CSV text as.

    Raises:
        PayloadError: The schema has tensors, lists or objects, which CSV cannot hold.
    """
    if schema is None:
        return None
    types = dict(zip(schema.input_names(), schema.input_types(), strict=True))
    for name, type in types.items():
        if not isinstance(type, DataType):
            raise PayloadError(f"CSV cannot hold {name!r}, which is {type!r} in the model's signature; send JSON")
    return {name: _pandas(type) for name, type in types.items()}


# --- inside ---


def _named(frame: pandas.DataFrame, schema: Schema) -> Iterator[tuple[Any, ColSpec | TensorSpec]]:
    """Which spec is for which column: by name; all columns for one tensor; else by place."""
    if schema.has_input_names():
        return iter(schema.input_dict().items())
    if schema.is_tensor_spec():
        return iter([(name, schema.inputs[0]) for name in frame.columns])
    return zip(frame.columns, schema, strict=False)


def _column(column: pandas.Series, spec: ColSpec | TensorSpec) -> Any:
    if isinstance(spec, TensorSpec):
        if spec.type == "bytes":
            return column.map(lambda text: bytes(text, "utf8"))
        return column if isinstance(column.iloc[0], list) else _as(column, spec.type)
    if spec.type is DataType.binary:
        return column.map(lambda text: base64.decodebytes(bytes(text, "utf8")))
    if spec.type is DataType.datetime:
        return _dates(column)
    if isinstance(spec.type, DataType):
        return _as(column, _pandas(spec.type))
    return column.map(lambda cell: cast_value(str(spec.name or ""), cell, spec.type, required=spec.required))


def _dates(column: pandas.Series) -> pandas.Series:
    """Dates in nanoseconds, the unit that a signature means."""
    dates = pandas.to_datetime(column)
    return dates.dt.as_unit("ns") if pandas.api.types.is_datetime64_any_dtype(dates) else dates


def _as(column: pandas.Series, dtype: Any) -> pandas.Series:
    """A column of a dtype; what pandas knows to be text stays so."""
    text = dtype is object or dtype == "str"
    return column if text and isinstance(column.dtype, pandas.StringDtype) else column.astype(dtype)


def _pandas(type: DataType) -> Any:
    return object if type in _TEXTS else NUMPY[type]


def _numpy(type: DataType) -> str:
    return _TEXTS.get(type) or NUMPY[type]
