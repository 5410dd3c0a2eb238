"""The schema that data shows.

    given                                    schema
    DataFrame, Series, list of records       a column for each name
    dict of arrays                           a tensor for each name
    dict of anything else                    a column for each name: one row
    array, sparse matrix, tensor             one tensor, its first length free
    list, single value                       one column without a name

A column is required if the data has it everywhere. What is undetermined (None,
an empty list) is Any until other data says more. For which data which schema:
that is MLflow's to the byte. Beyond it go tensors of torch, sparse *arrays* of
scipy, timestamps of pandas in dictionaries, and records: dataclasses and
pydantic models, by their types as `hints` has it.
"""

from __future__ import annotations

from typing import Any, Final

from holdall.errors import SignatureError
from holdall.modeling.signatures import duck_types
from holdall.modeling.signatures.data_types import AnyType, Array, DataType, Object, Property, Type
from holdall.modeling.signatures.schema import ColSpec, Schema, TensorSpec
from holdall.modeling.signatures.type_hints import schema_from_type

_PYTHON: Final[dict[type, DataType]] = {
    bool: DataType.boolean,
    int: DataType.long,
    float: DataType.double,
    str: DataType.string,
    bytes: DataType.binary,
    bytearray: DataType.binary,
}
# by numpy's letter of kind, and bytes; None where the bytes do not matter
_NUMPY: Final = {
    ("b", 1): DataType.boolean,
    ("i", 4): DataType.integer,
    ("i", 8): DataType.long,
    ("f", 4): DataType.float,
    ("f", 8): DataType.double,
    ("U", None): DataType.string,
    ("S", None): DataType.binary,
    ("M", None): DataType.datetime,
}
# pandas' columns have short and unsigned types as well, which need the next longer one
_WIDENED: Final = _NUMPY | {
    ("i", 1): DataType.integer,
    ("i", 2): DataType.integer,
    ("u", 1): DataType.integer,
    ("u", 2): DataType.integer,
    ("u", 4): DataType.long,
    ("f", 2): DataType.float,
}


def infer_schema(data: Any) -> Schema:
    """Return the schema of data.

    Args:
        data: A DataFrame or Series; an array, sparse matrix (csr, csc) or tensor; a dictionary, a list, a
            single value; a record of a dataclass or pydantic model, a list of them, or the class itself.

    Raises:
        SignatureError: No schema describes this.

    Cost: a look at every value of object columns, lists and dictionaries; only at the dtype of others.
    """
    if duck_types.is_record_type(data):
        return schema_from_type(data)
    if (kind := _record_kind(data)) is not None:
        return schema_from_type(kind)
    data = duck_types.plain(data)
    if duck_types.is_frame(data):
        return Schema([_column(column, name) for name, column in data.items()])
    if duck_types.is_series(data):
        return Schema([_column(data, data.name)])
    if duck_types.is_ndarray(data) or duck_types.is_sparse(data):
        return Schema([_tensor(data)])
    if isinstance(data, dict):
        return _of_dict(data)
    return _of_list(data) if isinstance(data, list) else Schema([ColSpec(infer_type(data))])


def infer_type(data: Any) -> Type:
    """Return the type of one value: Object for a dictionary, Array for a list or an array, else a DataType or Any.

    Raises:
        SignatureError: It has none.
    """
    found = _type(data)
    if found is None:
        raise SignatureError("an empty array", "nothing in it shows a type")
    return found


def numpy_type(dtype: Any, *, widened: bool) -> DataType:
    """Return the type of a dtype of numpy or pandas; `widened`: short and unsigned ones take the next longer.

    Raises:
        SignatureError: There is none for it.
    """
    known = _WIDENED if widened else _NUMPY
    size = None if dtype.kind in "USM" else getattr(dtype, "itemsize", 0)
    found = known.get((dtype.kind, size))
    if found is None:
        raise SignatureError(f"dtype {dtype}", f"no schema has a type for it; known are {', '.join(DataType)}")
    return found


# --- whole data ---


def _record_kind(data: Any) -> type | None:
    """Return the class of a record, or of all of a list of them."""
    classes = {type(each) for each in data} if isinstance(data, list) else {type(data)}
    records = data if isinstance(data, list) else [data]
    return classes.pop() if len(classes) == 1 and duck_types.is_record(records[0]) else None


def _tensor(data: Any, name: Any = None) -> TensorSpec:
    if not data.shape:
        raise SignatureError("an array without a dimension", "a tensor's first dimension counts the rows")
    return TensorSpec(data.dtype, (-1, *data.shape[1:]), name)


def _of_dict(data: dict[Any, Any]) -> Schema:
    if all(duck_types.is_ndarray(value) for value in data.values()):
        return Schema([_tensor(value, name) for name, value in data.items()])
    if not all(isinstance(name, str) for name in data):
        raise SignatureError("a dictionary", "its keys must be text")
    return Schema([ColSpec(infer_type(value), name, _is_full(value)) for name, value in data.items()])


def _of_list(data: list[Any]) -> Schema:
    if not data:
        return Schema([ColSpec(DataType.string)])  # as MLflow has it since before it knew Any
    if not all(isinstance(each, dict) for each in data):
        return Schema([ColSpec(_item_type(data))])
    names = list(dict.fromkeys(name for row in data for name in row))
    return Schema(
        [
            ColSpec(
                _item_type([row[name] for row in data if name in row]),
                name,
                all(row.get(name) is not None for row in data),
            )
            for name in names
        ]
    )


def _is_full(value: Any) -> bool:
    return not any(map(duck_types.is_missing, value)) if isinstance(value, list) else not duck_types.is_missing(value)


def _column(column: Any, name: Any) -> ColSpec:
    required = not bool(column.isna().any())
    if column.dtype.kind == "O":
        column = column.infer_objects()
    return ColSpec(
        _objects(column.to_list()) if column.dtype.kind == "O" else numpy_type(column.dtype, widened=True),
        name,
        required,
    )


def _objects(values: list[Any]) -> Type:
    """The type of an object column's values; text where there are none, as MLflow has it."""
    if all(isinstance(value, str) for value in values):
        return DataType.string
    return _item_type(values)


# --- single values ---


def _item_type(values: list[Any]) -> Type:
    """Return what the values of a list have in common."""
    found = infer_type(values)
    return found.dtype if isinstance(found, Array) else found


def _type(data: Any) -> Type | None:
    """Return the type of a value; None for arrays that are empty, which say nothing at all."""
    if duck_types.is_missing(data) or (isinstance(data, list | dict) and not data):
        return AnyType()
    if isinstance(data, dict):
        return Object([_property(name, value) for name, value in data.items()])
    if duck_types.is_ndarray(data):
        return _array(data)
    return _list(data) if isinstance(data, list) else _scalar(data)


def _property(name: Any, value: Any) -> Property:
    dtype = infer_type(value)
    return Property(name, dtype, required=not isinstance(dtype, AnyType))


def _list(data: Any) -> Type | None:
    there = set(map(type, data)) - {type(None)}
    if len(there) == 1 and (single := _PYTHON.get(next(iter(there)))):  # long lists are mostly of one type
        blank = single is DataType.double and all(map(duck_types.is_missing, data))
        return Array(AnyType() if blank else single)
    items = [item for each in data if (item := _type(each)) is not None]
    if not items:
        return None
    common = items[0]
    for item in items[1:]:
        common = _in_a_list(common, item)
    return Array(common)


def _array(data: Any) -> Type | None:
    """As of a list, but for all of a dtype at once."""
    if data.ndim == 0:
        raise SignatureError("an array without a dimension", "it is neither a list nor a value")
    if data.dtype.kind == "O":
        return _list(data)
    if data.size == 0:
        return None
    # nan is None to the eye of Python, and numpy's float64 is Python's float
    blank = data.dtype == "float64" and bool((data != data).all())
    found: Type = AnyType() if blank else numpy_type(data.dtype, widened=False)
    for _ in range(data.ndim):
        found = Array(found)
    return found


def _scalar(data: Any) -> DataType:
    if type(data) in _PYTHON:
        return _PYTHON[type(data)]
    if duck_types.is_date(data):
        return DataType.datetime
    if duck_types.is_a(data, "numpy", "generic"):
        return numpy_type(data.dtype, widened=False)
    raise SignatureError(f"a value of {type(data).__name__}", "no schema has a type for it")


def _in_a_list(common: Type, item: Type) -> Type:
    """Return what two values of one list have in common."""
    if isinstance(common, DataType) and isinstance(item, AnyType):
        return common
    return _merged(common, item)


def _merged(one: Type, other: Type) -> Type:
    """The type that admits what either admits."""
    if isinstance(one, AnyType):
        one, other = other, one
    if isinstance(other, AnyType):
        return (
            Object([Property(p.name, p.dtype, required=False) for p in one.properties])
            if isinstance(one, Object)
            else one
        )
    if isinstance(one, Array) and isinstance(other, Array):
        return Array(_merged(one.dtype, other.dtype))
    if isinstance(one, Object) and isinstance(other, Object):
        return _merged_objects(one, other)
    if one != other:
        raise SignatureError(f"{one!r} and {other!r} in one list", "its values must be of one type")
    return one


def _merged_objects(one: Object, other: Object) -> Object:
    mine, theirs = ({p.name: p for p in each.properties} for each in (one, other))
    shared = [
        Property(name, _merged(mine[name].dtype, theirs[name].dtype), mine[name].required and theirs[name].required)
        for name in mine.keys() & theirs.keys()
    ]
    alone = [
        Property(p.name, p.dtype, required=False)
        for p in (mine | theirs).values()
        if p.name not in {s.name for s in shared}
    ]
    return Object(shared + alone)
