"""Data held against the signature of a model, before the model sees it.

Columns come out as a DataFrame with the schema's columns in the schema's order:
what is missing though required is an error, what is not in the schema is left
out with a warning, and each column is cast where that loses nothing (the table
stands in `casting`). Without names columns go by place. Tensors come out as
arrays; see `tensors`.

What becomes which table is MLflow's rule: a list or array is rows, a
dictionary is columns, or one row if the schema has lists or objects or all its
values are single ones or lists of text. DataFrames of Spark are not taken.
Beyond MLflow, records are taken as dictionaries and torch's tensors as arrays;
a list under one unnamed column of lists or objects is that column (MLflow
refuses what it inferred such a schema from); and under one unnamed Any, which
stands where no schema could be inferred, no column is cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from holdall.errors import SchemaMismatchError
from holdall.libraries import library
from holdall.modeling.signatures import duck_types
from holdall.modeling.signatures.casting import cast_column, cast_value, stays
from holdall.modeling.signatures.data_types import AnyType, Array, DataType, Map, Object
from holdall.modeling.signatures.schema import ColSpec, Schema, TensorSpec
from holdall.modeling.signatures.tensors import conform_tensor, conform_tensors
from holdall.terminal import warn

if TYPE_CHECKING:
    import pandas


def conform(data: Any, schema: Schema | None) -> Any:
    """Return data as a model's signature wants it.

    Args:
        data: A DataFrame, Series, array, sparse matrix, tensor, dictionary, list, single value or record.
            It is left as it is; what comes back may share memory with it.
        schema: What the model takes; None: anything, as it is.

    Returns:
        A DataFrame if the schema has columns; else an array or sparse matrix, or a dictionary of arrays.

    Raises:
        SchemaMismatchError: Something is missing or does not pass for what is expected; it names the column.
        MissingLibraryError: The schema has columns, and pandas is not installed.

    Cost: one copy of each column that is cast; a look at every value of columns of lists or objects.
    """
    if schema is None:
        return data
    data = duck_types.plain(data)
    if duck_types.is_series(data):
        data = data.to_frame()
    if schema.is_tensor_spec():
        return _conform_tensors(data, schema)
    frame = _table(data, schema)
    if not schema.has_input_names():
        return _by_place(frame, schema)
    _check_names(list(frame.columns), schema)
    return _by_name(frame, schema)


def hinted_rows(data: Any, schema: Schema) -> Any:
    """Return a DataFrame as the list that a model with type hints takes: its column, or its rows as dictionaries.

    A frame that is walked through would give the names of its columns, and a text its letters. All else is
    returned as it is.

    Raises:
        SchemaMismatchError: It is one text, or has several columns and the hint no dictionaries to keep them in.
    """
    if isinstance(data, str | bytes):
        raise SchemaMismatchError("", "one text", "a list")
    if not duck_types.is_frame(data):
        return data
    labels = list(data.columns)
    if isinstance(schema.inputs[0].type, Object | Map) and labels != [0]:
        return data.to_dict(orient="records")
    if len(labels) != 1:
        raise SchemaMismatchError("", f"a DataFrame of {len(labels)} columns", "a list, or a DataFrame of one column")
    return data.iloc[:, 0].tolist()


def check_rows(data: Any, schema: Schema) -> None:
    """Hold what a model with type hints is given against what they promise; it gets it as it came.

    Raises: as `conform`.
    """
    only = schema.inputs[0].type
    if only is not DataType.datetime or not isinstance(data, list):
        conform(data, schema)
        return
    for n, each in enumerate(data):  # a column of dates has one zone, or none; a list may have several
        cast_value(f"[{n}]", each, only)


# --- columns ---


def _by_name(frame: pandas.DataFrame, schema: Schema) -> pandas.DataFrame:
    dtypes = dict(zip(frame.columns, frame.dtypes, strict=True))
    kept = {spec.name: spec for spec in schema if spec.name in dtypes}
    if frame.columns.is_unique and all(stays(dtypes[name], spec.type) for name, spec in kept.items()):  # type: ignore[arg-type]
        return frame[list(kept)]
    return _frame({name: _column(str(name), frame[name], spec) for name, spec in kept.items()}, frame)


def _by_place(frame: pandas.DataFrame, schema: Schema) -> pandas.DataFrame:
    if isinstance(schema.inputs[0].type, AnyType) and len(schema) == 1:
        return frame
    if len(frame.columns) < len(schema):
        raise SchemaMismatchError("", f"{len(frame.columns)} columns", f"{len(schema)} columns, {schema!r}")
    names = frame.columns[: len(schema)]
    return _frame(
        {name: _column(str(name), frame[name], spec) for name, spec in zip(names, schema, strict=True)}, frame
    )


def _column(name: str, column: Any, spec: ColSpec | TensorSpec) -> pandas.Series:
    if not duck_types.is_series(column):
        raise SchemaMismatchError(name, "several columns of this name", repr(spec.type))
    if isinstance(spec.type, DataType):
        return cast_column(name, column, spec.type)
    cells = [
        cast_value(f"{name}[{n}]", cell, spec.type, required=spec.required)  # type: ignore[arg-type]
        for n, cell in enumerate(column)
    ]
    return library("pandas", "a model's columns").Series(cells, index=column.index, name=column.name)


def _frame(columns: dict[Any, pandas.Series], like: pandas.DataFrame) -> pandas.DataFrame:
    pandas = library("pandas", "a model's columns")
    return pandas.DataFrame(columns) if columns else pandas.DataFrame(index=like.index)


def _check_names(there: Sequence[Any], schema: Schema, *, stacklevel: int = 3) -> None:
    """Refuse data that lacks a required name; warn of names that the schema has not."""
    known = schema.input_dict()
    extra = [name for name in there if name not in known]
    if missing := [name for name in schema.required_input_names() if name not in there]:
        came = f"nothing of this name among {', '.join(map(str, there)) or 'no columns'}"
        expected = ", ".join(repr(known[name].type) for name in missing)
        raise SchemaMismatchError(", ".join(map(str, missing)), came, f"{expected} (required)")
    if extra:
        shown = ", ".join(map(str, extra))
        warn(f"not in the model's signature, so left out: columns {shown}", stacklevel=stacklevel)


# --- tables ---


def _table(data: Any, schema: Schema) -> pandas.DataFrame:
    if duck_types.is_frame(data):
        return data
    if not isinstance(data, dict | list) and not duck_types.is_ndarray(data) and not duck_types.is_scalar(data):
        raise SchemaMismatchError("", type(data).__name__, f"a table of {schema!r}")
    if is_column := isinstance(data, list) and _is_nested_column(schema):
        data = {0: data}
    one_row = duck_types.is_scalar(data) or (isinstance(data, dict) and not is_column and _is_row(data, schema))
    try:
        return library("pandas", "a model's columns").DataFrame([data] if one_row else _flat(data))
    except (TypeError, ValueError) as error:
        raise SchemaMismatchError("", f"{type(data).__name__} ({error})", f"a table of {schema!r}") from error


def _is_nested_column(schema: Schema) -> bool:
    nested = isinstance(schema.inputs[0].type, Array | Object | Map)
    return nested and len(schema) == 1 and not schema.has_input_names()


def _is_row(data: dict[Any, Any], schema: Schema) -> bool:
    """Whether a dictionary is one row; else its values are columns."""
    nested = any(isinstance(spec.type, Array | Object) for spec in schema)
    return nested or all(map(_is_cell, data.values())) or all(map(_is_text_cell, data.values()))


def _is_cell(value: Any) -> bool:
    texts = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return texts or value is None or duck_types.is_scalar(value)


def _is_text_cell(value: Any) -> bool:
    """Return what a server makes of a single text: an array without a dimension."""
    return duck_types.is_ndarray(value) and value.shape == () and value.dtype.kind == "U"


def _flat(data: Any) -> Any:
    """Return a dictionary whose arrays of several dimensions are lists, which a table can hold."""
    if not isinstance(data, dict):
        return data
    deep = {name: duck_types.is_ndarray(value) and value.ndim > 1 for name, value in data.items()}
    return {name: value.tolist() if deep[name] else value for name, value in data.items()}


# --- tensors ---


def _conform_tensors(data: Any, schema: Schema) -> Any:
    specs = {name: spec for name, spec in schema.input_dict().items() if isinstance(spec, TensorSpec)}
    if not schema.has_input_names():
        return conform_tensor(data, specs[0])
    if duck_types.is_ndarray(data) and len(specs) == 1:
        data = dict.fromkeys(specs, data)
    if not isinstance(data, dict) and not duck_types.is_frame(data):
        raise SchemaMismatchError("", type(data).__name__, f"a dictionary of arrays or a DataFrame, {schema!r}")
    _check_names(list(data), schema, stacklevel=4)
    return conform_tensors(data, specs)
