"""The schema that a type promises: of a dataclass, a pydantic model, or a type hint.

A class of records is a row: a column for each field. What is nested in it is an
object, a list an array, a dictionary with text keys a map. `X | None` is an
optional field; in a list or a map it admits anything, as any other union does.

One word has two meanings, and both are MLflow's: `float` is 32 bits in a
dataclass, 64 in a pydantic model or a hint. Beyond MLflow: hints that are text
(`from __future__ import annotations`), dates with a time, maps and lists of
records in dataclasses, and pydantic models as rows.
"""

from __future__ import annotations

import datetime
import types
from collections.abc import Iterator, Mapping
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from holdall.errors import SignatureError
from holdall.modeling.signatures.data_types import AnyType, Array, DataType, Map, Object, Property, Type
from holdall.modeling.signatures.duck_types import is_pydantic_type, is_record_type
from holdall.modeling.signatures.schema import ColSpec, Schema

_HINTED: Final[Mapping[Any, DataType]] = {
    bool: DataType.boolean,
    int: DataType.long,
    float: DataType.double,
    str: DataType.string,
    bytes: DataType.binary,
    datetime.datetime: DataType.datetime,
    datetime.date: DataType.datetime,
}
_IN_DATACLASSES: Final[Mapping[Any, DataType]] = {**_HINTED, float: DataType.float}


def schema_from_type(kind: type) -> Schema:
    """Return the columns of a dataclass or pydantic model, one for each field in the order of the class.

    Raises:
        SignatureError: A field is of a type that no schema has.
    """
    return Schema([ColSpec(dtype, name, required) for name, dtype, required in _fields(kind)])


def schema_from_hint(hint: Any) -> Schema:
    """Return the schema of a function's input that is hinted as `list[...]`: one column of what the list holds.

    Raises:
        SignatureError: It is no list of one type, or of a type that no schema has.
    """
    inner = get_args(hint)
    if get_origin(hint) is not list or len(inner) != 1:
        raise SignatureError(f"type hint {hint}", "it must be list[...], for a model takes several rows at once")
    dtype, required = _of(inner[0], _HINTED)
    if not required:
        raise SignatureError(f"type hint {hint}", "a row cannot be optional; make a field of it so")
    return Schema([ColSpec(dtype)])


# --- inside ---


def _fields(kind: type) -> Iterator[tuple[str, Type, bool]]:
    if is_pydantic_type(kind):
        for name, field in kind.model_fields.items():  # type: ignore[attr-defined]
            dtype, required = _of(field.annotation, _HINTED)
            if not required and field.is_required():
                raise SignatureError(f"{kind.__name__}.{name}", "an optional field needs a default, such as None")
            yield name, dtype, required
    else:
        for name in kind.__dataclass_fields__:  # type: ignore[attr-defined]
            yield name, *_of(_resolved(kind)[name], _IN_DATACLASSES)


def _resolved(kind: type) -> dict[str, Any]:
    try:
        return get_type_hints(kind)
    except NameError as error:
        raise SignatureError(kind.__name__, f"a hint in it cannot be resolved: {error}") from error


def _of(hint: Any, single: Mapping[Any, DataType]) -> tuple[Type, bool]:
    """Return the type that a hint promises, and whether there must be a value."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return AnyType(), True
    if isinstance(hint, type) and origin is None and hint in single:
        return single[hint], True
    if is_record_type(hint):
        return Object([Property(*field) for field in _fields(hint)]), True
    if origin is list:
        return Array(_inside(inner[0], single)), True
    if origin is dict and inner[0] is str:
        return Map(_inside(inner[1], single)), True
    if origin in (Union, types.UnionType):
        return _of_union([each for each in inner if each is not type(None)], len(inner), single)
    raise SignatureError(
        f"type hint {hint}", f"no schema has a type for it; known are {', '.join(DataType)}, list, dict"
    )


def _inside(hint: Any, single: Mapping[Any, DataType]) -> Type:
    """Return the type of what a list or a map holds: where that may be None, no type says so but the one for all."""
    dtype, required = _of(hint, single)
    return dtype if required else AnyType()


def _of_union(alternatives: list[Any], count: int, single: Mapping[Any, DataType]) -> tuple[Type, bool]:
    dtype = _of(alternatives[0], single)[0] if len(alternatives) == 1 else AnyType()
    return dtype, len(alternatives) == count
