"""Arrays held against the tensors of a signature: nothing is cast, for a dtype is a promise.

Given        unnamed tensor                       named tensors
array        itself, if dtype and shape fit       the one there is
sparse       itself, likewise                     -
dictionary   -                                    each by its name
DataFrame    its rows, or its only column         each column

A column of a DataFrame holds single values (shape (-1,) or (-1, 1)), lists, or
flat arrays, and is brought into the tensor's shape; single values and lists,
which have no dtype of their own, are cast to it, while arrays keep theirs. The
rules are MLflow's; but the first row is found by its place, where MLflow wants
one that is called 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from holdall.errors import SchemaMismatchError
from holdall.libraries import library
from holdall.modeling.signatures import duck_types
from holdall.modeling.signatures.data_types import dtype_name
from holdall.modeling.signatures.schema import TensorSpec


def conform_tensors(given: Any, specs: Mapping[Any, TensorSpec]) -> dict[Any, Any]:
    """Return named tensors: arrays by name, in the order of the schema.

    Args:
        given: A dictionary of arrays or a DataFrame, which has all of the names.
        specs: What is expected, by name.

    Raises:
        SchemaMismatchError: A dtype or a shape is another one.
    """
    if duck_types.is_frame(given):
        return {name: _from_column(str(name), given[name], spec) for name, spec in specs.items()}
    for name in specs:
        if not duck_types.is_ndarray(given[name]):
            raise SchemaMismatchError(str(name), type(given[name]).__name__, f"an array, {specs[name]!r}")
    return {name: checked(str(name), given[name], spec) for name, spec in specs.items()}


def conform_tensor(given: Any, spec: TensorSpec) -> Any:
    """Return the one unnamed tensor: an array, or the sparse matrix as it is.

    Raises:
        SchemaMismatchError: It is neither of these nor a DataFrame, or the dtype or shape is another one.
    """
    if duck_types.is_frame(given):
        return _from_frame(given, spec)
    if not duck_types.is_ndarray(given) and not duck_types.is_sparse(given):
        raise SchemaMismatchError("", type(given).__name__, f"an array or a DataFrame, {spec!r}")
    return checked("", given, spec)


def checked(place: str, array: Any, spec: TensorSpec) -> Any:
    """Return an array of the dtype and shape that are expected, or a SchemaMismatchError about `place`."""
    ragged = array.dtype == "object" and len(array.shape) == 1
    if (spec.type == "object" and spec.shape == (-1,)) or (ragged and -1 in spec.shape[1:]):
        return array
    fits = len(array.shape) == len(spec.shape) and all(
        want in (-1, have) for want, have in zip(spec.shape, array.shape, strict=True)
    )
    if not fits or dtype_name(array.dtype) != spec.type:
        raise SchemaMismatchError(place, f"{array.dtype} of shape {tuple(array.shape)}", _wanted(spec))
    return array


# --- inside ---


def _wanted(spec: TensorSpec) -> str:
    return f"{spec.type} of shape {spec.shape}"


def _from_frame(frame: Any, spec: TensorSpec) -> Any:
    if frame.empty:
        raise SchemaMismatchError("", "an empty DataFrame", _wanted(spec))
    if len(frame.columns) == 1:
        return _from_column(str(frame.columns[0]), frame.iloc[:, 0], spec)
    if spec.shape != (-1, len(frame.columns)):
        raise SchemaMismatchError("", f"a DataFrame of {len(frame.columns)} columns", _wanted(spec))
    return checked("", frame.to_numpy(), spec)


def _from_column(place: str, column: Any, spec: TensorSpec) -> Any:
    if not spec.shape or spec.shape[0] != -1 or -1 in spec.shape[1:]:
        raise SchemaMismatchError(place, "a column", f"an array, for {spec.shape} has other than its rows free")
    if len(column) == 0:
        raise SchemaMismatchError(place, "an empty column", _wanted(spec))
    first = column.iloc[0]
    try:
        if duck_types.is_scalar(first) and spec.shape in ((-1,), (-1, 1)):
            return checked(place, column.to_numpy(dtype=spec.type).reshape(spec.shape), spec)
        if isinstance(first, list) and first and duck_types.is_scalar(first[0]):
            return _stacked(column, spec).astype(spec.type)
        if duck_types.is_ndarray(first):
            return _stacked(column, spec)
    except (TypeError, ValueError) as error:
        if isinstance(error, SchemaMismatchError):
            raise
        raise SchemaMismatchError(place, f"a column that cannot be brought into it ({error})", _wanted(spec)) from error
    raise SchemaMismatchError(place, f"a column of {type(first).__name__}", _wanted(spec))


def _stacked(column: Any, spec: TensorSpec) -> Any:
    """Return the rows of a column as one array of the shape; each must hold as many values as a row of the shape."""
    rows = library("numpy", "a model's tensors").vstack(column.tolist())
    if rows.shape[1:] != () and math.prod(rows.shape[1:]) != math.prod(spec.shape[1:]):
        raise ValueError(f"rows hold {math.prod(rows.shape[1:])} values each")
    return rows.reshape(spec.shape)
