"""Values of JSON, as the types of a signature: MLflow's rules, also where they surprise.

JSON knows neither bytes nor dates nor how long an integer is. So what a request
or the file of an example brings is cast here before the signature is held
against it, and this first cast is numpy's and pandas' own, which loses what it
must:

- 1.7 becomes 1 where the signature says `long`; 0.5 becomes True for `boolean`.
- Bytes are base64 in frames, but plain text under `inputs` and `instances`.
- Dates in frames are whatever pandas reads as dates. In lists and objects, where
  MLflow refuses them, they are ISO 8601; and numbers there are cast as well.

Later, `PyFuncModel.predict` casts only what loses nothing. It never sees the
1.7. To have that refused, send CSV or Parquet.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from holdall.errors import PayloadError, SchemaMismatchError
from holdall.libraries import library
from holdall.modeling.signatures.casting import NUMPY, cast_value
from holdall.modeling.signatures.data_types import AnyType, Array, DataType, Map, Object, Type
from holdall.modeling.signatures.duck_types import is_missing
from holdall.modeling.signatures.schema import ColSpec, Schema, TensorSpec

if TYPE_CHECKING:
    import pandas

_TEXTS: Final = {DataType.string: "str", DataType.binary: "bytes"}


def cast_frame(frame: pandas.DataFrame, schema: Schema) -> pandas.DataFrame:
    """Return a frame whose columns are of the schema's types; columns that the schema has not stay as they are.

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
    """Return a value of JSON as the signature has it: a list as an array; as any array where there is no signature.

    Raises:
        PayloadError: It cannot be cast.
    """
    numpy = library("numpy", "values of JSON as arrays")
    try:
        if spec is None or isinstance(spec, TensorSpec):
            return _tensor(value, spec)
        if isinstance(spec.type, DataType):
            dtype = _numpy(spec.type)
            if spec.type in _TEXTS and isinstance(value, list) and any(map(is_missing, value)):
                dtype = "object"  # numpy's text has no gaps, and would say "None"
            return numpy.array(value, dtype) if isinstance(value, list) else numpy.array([value], dtype)[0]
        if isinstance(spec.type, AnyType):
            return value
        cast = _nested(value, spec)
        return numpy.array(cast) if spec.to_dict()["type"] == "array" else cast
    except (SchemaMismatchError, TypeError, ValueError, OverflowError) as error:
        which = f"{spec.name!r}: " if spec and spec.name is not None else ""
        raise PayloadError(f"{which}{error}") from error


def csv_dtypes(schema: Schema | None) -> dict[Any, Any] | None:
    """Return what to read the columns of a CSV text as.

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


def cast_inputs(data: Any, schema: Schema | None) -> Any:
    """Return what stands under `inputs`: column by column, row by row, as one array, or as one value.

    Raises:
        PayloadError: It cannot be cast, or has names where the signature has none.
    """
    specs = named_specs(schema)
    rows = isinstance(data, list) and any(isinstance(row, dict) for row in data)
    if len(specs) == 1 and isinstance(data, list) and not rows:
        data = dict.fromkeys(specs, data)
    elif schema and not schema.has_input_names() and not _is_unnamed(data):
        raise PayloadError(f"the signature has no names, so the data is a list or a value, not {kind(data)}")
    if isinstance(data, dict):
        return {name: cast_plain(value, specs.get(name)) for name, value in data.items()}
    only = schema.inputs[0] if schema else None
    if isinstance(data, list) and not isinstance(only, TensorSpec) and all(isinstance(row, dict) for row in data):
        return [{name: cast_plain(value, specs.get(name)) for name, value in row.items()} for row in data]
    if isinstance(data, list) and isinstance(only, ColSpec) and isinstance(only.type, Array):
        return [revived(row, only.type) for row in data]  # each is a list, so they are no array
    return cast_plain(data, only)


def named_specs(schema: Schema | None) -> dict[Any, Any]:
    """Return the columns or tensors of a schema by name; none where it has no names."""
    return schema.input_dict() if schema and schema.has_input_names() else {}


def revived_data(data: Any, schema: Schema) -> Any:
    """Return data of JSON whose dates and short numbers are what a schema says; all else is as it came.

    Raises:
        PayloadError: A text is no date, or a number is too long.
    """
    if isinstance(data, list) and schema.has_input_names():
        return [revived_data(row, schema) if isinstance(row, dict) else row for row in data]
    specs = named_specs(schema)
    try:
        if isinstance(data, dict) and specs:
            return {name: _revived_column(each, specs.get(name)) for name, each in data.items()}
        only = schema.inputs[0]
        return data if specs or (isinstance(data, dict) and len(schema) > 1) else _revived_column(data, only)
    except (ValueError, OverflowError) as error:
        raise PayloadError(str(error)) from error


def revived(value: Any, want: Type) -> Any:
    """Return a value of JSON, however nested, with what JSON has not: dates, and numbers of 32 bits.

    Raises:
        ValueError, OverflowError: A text is no date, or a number is too long.
    """
    if isinstance(want, Array) and isinstance(value, list):
        return [revived(each, want.dtype) for each in value]
    if isinstance(want, Object) and isinstance(value, dict):
        fields = {each.name: each.dtype for each in want.properties}
        return {name: revived(each, fields.get(name, AnyType())) for name, each in value.items()}
    if isinstance(want, Map) and isinstance(value, dict):
        return {name: revived(each, want.value_type) for name, each in value.items()}
    return _revived_scalar(value, want)


def kind(value: Any) -> str:
    """Return what JSON calls a value."""
    return {dict: "an object", list: "a list", str: "a text", type(None): "null"}.get(type(value), repr(value)[:40])


# --- inside ---


def _is_unnamed(data: Any) -> bool:
    return isinstance(data, list | str | int | float)


def _tensor(value: Any, spec: TensorSpec | None) -> Any:
    """Return an array; one without rows has lost the lengths of its rows, which the signature knows."""
    numpy = library("numpy", "values of JSON as arrays")
    array = numpy.array(value, dtype=spec.type if spec else None)
    if spec and array.shape == (0,) and len(spec.shape) > 1 and -1 not in spec.shape[1:]:
        return array.reshape((0, *spec.shape[1:]))
    return array


def _revived_column(value: Any, spec: ColSpec | TensorSpec | None) -> Any:
    """Return a cell; or, of single values, a list of them."""
    if not isinstance(spec, ColSpec):
        return value
    if isinstance(value, list) and (spec.name is None or isinstance(spec.type, DataType)):
        return [revived(each, spec.type) for each in value]
    return revived(value, spec.type)


def _revived_scalar(value: Any, want: Type) -> Any:
    if want is DataType.datetime and isinstance(value, str):
        date = datetime.datetime.fromisoformat(value)
        return date if date.tzinfo else library("numpy", "dates of JSON").datetime64(value)
    if (want is DataType.integer and type(value) is int) or (want is DataType.float and type(value) in (int, float)):
        return library("numpy", "values of JSON").dtype(NUMPY[want]).type(value)
    return value


def _named(frame: pandas.DataFrame, schema: Schema) -> Iterator[tuple[Any, ColSpec | TensorSpec]]:
    """Yield which spec is for which column: by name; all columns for one tensor; else by place."""
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
        return column.map(_bytes)
    if spec.type is DataType.datetime:
        return _dates(column)
    if isinstance(spec.type, DataType):
        gaps = spec.type is DataType.boolean and bool(column.isna().any())  # which would become False
        return _as(column, object if gaps else _pandas(spec.type))
    return column.map(lambda cell: _nested(cell, spec))


def _nested(value: Any, spec: ColSpec) -> Any:
    """A value of a list, object or map. Short numbers in it stay numpy's: Python's own would be too long later."""
    cast = cast_value(str(spec.name or ""), revived(value, spec.type), spec.type, required=spec.required)
    return revived(cast, spec.type)


def _bytes(text: Any) -> Any:
    """Return the bytes of base64; what is missing stays so."""
    return text if is_missing(text) else base64.decodebytes(bytes(text, "utf8"))


def _dates(column: pandas.Series) -> pandas.Series:
    """Return dates in nanoseconds, the unit that a signature means."""
    pandas = library("pandas", "dates of JSON")
    dates = pandas.to_datetime(column)
    return dates.dt.as_unit("ns") if pandas.api.types.is_datetime64_any_dtype(dates) else dates


def _as(column: pandas.Series, dtype: Any) -> pandas.Series:
    """Return a column of a dtype; what pandas knows to be text stays so."""
    pandas = library("pandas", "columns of JSON")
    text = dtype is object or dtype == "str"
    return column if text and isinstance(column.dtype, pandas.StringDtype) else column.astype(dtype)


def _pandas(type: DataType) -> Any:
    return object if type in _TEXTS else NUMPY[type]


def _numpy(type: DataType) -> str:
    return _TEXTS.get(type) or NUMPY[type]
