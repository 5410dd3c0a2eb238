"""Which value passes for which type: only what loses nothing.

    column of            passes for                     because
    the type itself      itself
    shorter integer      a longer one                   every value fits
    float                double                         every value fits
    integer, <= 32 bit   double                         53 bits hold it
    int64 of 0 and 1     float, double                  flags
    object               string, binary, boolean        no saying what it holds; as it is
    object               double, datetime               if each value converts (Decimal, dates)
    text                 string, binary
    datetime, any unit   datetime                       unless it has a time zone

The rules are MLflow's, measured: what it lets through comes through here, what
it refuses is refused. Where it surprises, they are not:

- A column of categories passes for what the categories are; or the data that a
  signature was inferred from would not pass it.
- A nested dictionary that the caller holds is not changed.
- In lists nothing is made text, bytes or truth that is not (there: 1 becomes
  "1", any object True), None stays None (there: "None", False), bytes keep the
  zeros at their end, and dates stay dates (there: nanoseconds as integers).
- Single values that already are what they should be stay Python's own (there:
  numpy's).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from holdall.errors import SchemaMismatchError
from holdall.libraries import library
from holdall.modeling.signatures.data_types import AnyType, Array, DataType, Map, Object, Type
from holdall.modeling.signatures.duck_types import is_a, is_date, is_missing, is_ndarray, is_scalar

if TYPE_CHECKING:
    import pandas

NUMPY: Final = {
    DataType.boolean: "bool",
    DataType.integer: "int32",
    DataType.long: "int64",
    DataType.float: "float32",
    DataType.double: "float64",
    DataType.datetime: "datetime64[ns]",
}
_LIKE_TEXT: Final = (DataType.string, DataType.binary)
_ALIKE: Final = (*_LIKE_TEXT, DataType.boolean)
# Python's own values, and what each passes for as it is
_PASSES: Final[dict[type, tuple[DataType, ...]]] = {
    bool: (DataType.boolean,),
    int: (DataType.long,),
    float: (DataType.double,),
    str: _LIKE_TEXT,
    bytes: _LIKE_TEXT,
}


def cast_column(column: str, values: pandas.Series, want: DataType) -> pandas.Series:
    """Return a column as a type wants it.

    Args:
        column: What the error calls it.
        values: It is left as it is.
        want: What it must become.

    Raises:
        SchemaMismatchError: That would lose or invent something.
    """
    if values.dtype == "object" and want not in _LIKE_TEXT:
        values = values.infer_objects()
    if _fits(values.dtype, want):
        return values
    convert = _conversion(values, want)
    if convert is None:
        raise SchemaMismatchError(column, _shown(values), repr(want))
    try:
        return convert(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise SchemaMismatchError(column, f"{_shown(values)} ({error})", repr(want)) from error


def stays(dtype: Any, want: Type) -> bool:
    """Whether every column of a dtype is known to pass for a type as it is, whatever it holds."""
    seen_through = want in _LIKE_TEXT or dtype != "object"  # other objects are looked at first
    return isinstance(want, DataType) and seen_through and _fits(dtype, want)


def cast_value(place: str, value: Any, want: Type, *, required: bool = True) -> Any:
    """Return a value, however nested, as a type wants it.

    Args:
        place: What the error calls it, such as `"box.sides[2]"`.
        value: It is left as it is.
        want: What it must become.
        required: Whether it must be there; it holds for what is in lists too.

    Raises:
        SchemaMismatchError: It is of another type, lacks a field, or has one too many.
    """
    match want:
        case AnyType():
            return value
        case Array():
            return _cast_list(place, value, want, required=required)
        case Object():
            return _cast_object(place, value, want, required=required)
        case Map():
            return _cast_map(place, value, want, required=required)
    if want is DataType.datetime and is_date(value) and not is_missing(value):
        return value  # whosever it is, and with a zone or without
    return None if not required and is_missing(value) else _cast_scalar(place, value, want)


# --- columns ---


def _fits(have: Any, want: DataType) -> bool:
    """Whether a column of a dtype can stay as it is."""
    if have.name == "category":
        return _fits(have.categories.dtype, want)
    if want in _LIKE_TEXT:
        return bool(have == "object" or _is_text(have) or (want is DataType.binary and have.kind == "S"))
    return bool(have == NUMPY[want]) or (want is DataType.boolean and bool(have == "object"))


def _is_text(dtype: Any) -> bool:
    return dtype.kind == "U" or isinstance(dtype, library("pandas", "a model's columns").StringDtype)  # U: Arrow's


def _conversion(values: pandas.Series, want: DataType) -> Callable[[pandas.Series], pandas.Series] | None:
    """Return what turns a column into a type, or None where nothing safe does."""
    have = values.dtype
    if want is DataType.double and have == "object":
        return library("pandas", "a model's columns").to_numeric  # type: ignore[no-any-return]
    if want is DataType.datetime and (have == "object" or have.kind == "M"):
        return lambda values: values.astype(NUMPY[want])
    if want in NUMPY and (_widens(have.kind, getattr(have, "itemsize", 99), want) or _are_flags(values, want)):
        return lambda values: values.astype(NUMPY[want])
    return None


def _widens(kind: str, size: int, want: DataType) -> bool:
    """Whether every value of a dtype, by numpy's letter and its bytes, is one of the type."""
    if want in (DataType.integer, DataType.long):
        room = 4 if want is DataType.integer else 8
        return (kind == "i" and size <= room) or (kind == "u" and size < room)
    if want is DataType.double:
        return (kind == "f" and size <= 8) or (kind in "iu" and size <= 4)
    return (kind == "f" and want is DataType.float and size <= 4) or (kind == "b" and want is DataType.boolean)


def _are_flags(values: pandas.Series, want: DataType) -> bool:
    floats = want in (DataType.float, DataType.double)
    return floats and bool(values.dtype == "int64") and bool(values.isin((0, 1)).all())


def _shown(values: pandas.Series) -> str:
    """Return a column's dtype; and that values are missing, where that is why it is not one of integers."""
    if values.dtype == "float64" and values.hasnans and (values.dropna() % 1 == 0).all():
        return "float64 (whole numbers, some missing)"
    return str(values.dtype)


# --- values ---


def _cast_scalar(place: str, value: Any, want: DataType) -> Any:
    if want in _PASSES.get(type(value), ()) and _in_range(value):
        return value
    if not is_scalar(value):
        raise SchemaMismatchError(place, _named(value), repr(want))
    try:
        return _cast_series(place, [value], want).iloc[0]
    except SchemaMismatchError as error:
        raise SchemaMismatchError(place, _named(value), repr(want)) from error


def _cast_series(place: str, values: Any, want: DataType) -> pandas.Series:
    """Return what pandas makes of some values, as a type wants it."""
    try:
        series = library("pandas", "a model's values").Series(values)
    except (TypeError, ValueError) as error:
        raise SchemaMismatchError(place, f"{_named(values)} ({error})", f"Array({want!r})") from error
    return cast_column(place, series, want)


def _cast_list(place: str, value: Any, want: Array, *, required: bool) -> Any:
    if not isinstance(value, list) and not is_ndarray(value):
        if value is None and (not required or isinstance(want.dtype, AnyType)):
            return value
        raise SchemaMismatchError(place, _named(value), repr(want))
    if len(value) == 0:
        return value
    if isinstance(want.dtype, DataType):
        return _cast_flat(place, value, want.dtype)
    cast = [cast_value(f"{place}[{n}]", each, want.dtype, required=required) for n, each in enumerate(value)]
    return cast if isinstance(value, list) else library("numpy", "arrays of a model's values").array(cast)


def _cast_flat(place: str, value: Any, want: DataType) -> Any:
    if want in _ALIKE:
        each = [_alike(f"{place}[{n}]", item, want) for n, item in enumerate(value)]
        return each if isinstance(value, list) else library("numpy", "arrays of a model's values").array(each)
    if isinstance(value, list) and all(want in _PASSES.get(type(item), ()) and _in_range(item) for item in value):
        return value
    if isinstance(value, list) and want is DataType.datetime and all(map(is_date, value)):
        return value
    cast = _cast_series(place, value, want)
    if isinstance(value, list) and want is DataType.datetime:
        return cast.tolist()
    array = cast.to_numpy(dtype=NUMPY[want])
    return array.tolist() if isinstance(value, list) else array


def _alike(place: str, item: Any, want: DataType) -> Any:
    """Return an item of a list of text, bytes or truths; text and bytes pass for one another where they are ASCII."""
    try:
        if is_missing(item):
            return item
        if want is DataType.string and isinstance(item, str | bytes):
            return item.decode("ascii") if isinstance(item, bytes) else item
        if want is DataType.binary and isinstance(item, str | bytes):
            return item.encode("ascii") if isinstance(item, str) else item
    except UnicodeError as error:
        raise SchemaMismatchError(place, f"{_named(item)}, which is not ASCII,", repr(want)) from error
    if want is DataType.boolean and (isinstance(item, bool) or is_a(item, "numpy", "bool")):
        return item
    raise SchemaMismatchError(place, _named(item), repr(want))


def _cast_object(place: str, value: Any, want: Object, *, required: bool) -> Any:
    if not required and (value is None or value == {}):
        return value
    if not isinstance(value, dict):
        raise SchemaMismatchError(place, _named(value), repr(want))
    fields = {each.name: each for each in want.properties}
    for name, field in fields.items():
        if field.required and name not in value:
            raise SchemaMismatchError(_below(place, name), "nothing", f"{field.dtype!r} (required)")
    for name in value:
        if name not in fields:
            raise SchemaMismatchError(_below(place, name), _named(value[name]), f"only {', '.join(fields)} here")
    return {
        name: cast_value(_below(place, name), each, fields[name].dtype, required=fields[name].required)
        for name, each in value.items()
    }


def _cast_map(place: str, value: Any, want: Map, *, required: bool) -> Any:
    if (not required or isinstance(want.value_type, AnyType)) and (value is None or value == {}):
        return value
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise SchemaMismatchError(place, _named(value), repr(want))
    return {
        name: cast_value(_below(place, name), each, want.value_type, required=required) for name, each in value.items()
    }


def _below(place: str, name: Any) -> str:
    return f"{place}.{name}" if place else str(name)


def _in_range(value: Any) -> bool:
    return type(value) is not int or -(2**63) <= value < 2**63


def _named(value: Any) -> str:
    """Return the kind of a value, and what it is if that is short."""
    shown = repr(value)
    return type(value).__name__ + (f" {shown}" if len(shown) <= 40 and value is not None else "")
