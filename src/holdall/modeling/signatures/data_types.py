"""The types of single values and of what is made of them, as JSON has them in an MLmodel file.

    {"type": "double"}   {"type": "array", "items": {...}}   {"type": "map", "values": {...}}
    {"type": "object", "properties": {"a": {"type": "long", "required": true}}}   {"type": "any"}

The words and the order of arguments are MLflow's. These are values: they never
change once made. Dtypes are numpy's names, so that reading a schema imports nothing.
"""

from __future__ import annotations

import datetime
import re
import sys
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from holdall.errors import SignatureError
from holdall.libraries import library

Json: TypeAlias = dict[str, Any]

_DTYPE: Final = re.compile(
    r"bool|u?int(8|16|32|64)|float(16|32|64|96|128)|complex(64|128|192|256)|str|bytes|object|void\d*"
    r"|(datetime64|timedelta64)(\[\d*\w+\])?"
)
_SIZED: Final = re.compile(r"(str|bytes)\d+")
_NUMPY: Final = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "str",
    "binary": "bytes",
    "datetime": "datetime64[ns]",
}
_PYTHON: Final[dict[str, type]] = {
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "string": str,
    "binary": bytes,
    "datetime": datetime.date,
}


class DataType(StrEnum):
    """A type of single values. `long` is 64 bits, `integer` 32; `double` is 64, `float` 32."""

    boolean = "boolean"
    integer = "integer"
    long = "long"
    float = "float"
    double = "double"
    string = "string"
    binary = "binary"
    datetime = "datetime"

    def __repr__(self) -> str:
        return self.value

    def to_dict(self) -> Json:
        """Return its JSON."""
        return {"type": self.value}

    def to_numpy(self) -> Any:
        """Return the numpy dtype that holds such values. Cost: imports numpy."""
        return library("numpy", "naming a dtype").dtype(_NUMPY[self.value])

    def to_pandas(self) -> Any:
        """Return the dtype of a pandas column of such values: numpy's, and `object` for text and bytes."""
        return object if self.value in ("string", "binary") else self.to_numpy()

    def to_python(self) -> type:
        """Return the Python type of such a value."""
        return _PYTHON[self.value]

    @classmethod
    def all_types(cls) -> list[DataType]:
        """Return all of them."""
        return list(cls)


@dataclass(frozen=True, slots=True, repr=False)
class AnyType:
    """Any value, None included: nothing about it is checked."""

    def __repr__(self) -> str:
        return "Any"

    def to_dict(self) -> Json:
        """Return its JSON."""
        return {"type": "any"}


@dataclass(frozen=True, slots=True, repr=False)
class Array:
    """A list of values of one type."""

    dtype: Type

    if TYPE_CHECKING:  # what may be given is more than what is held

        def __init__(self, dtype: Type | str) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", as_type(self.dtype))

    def __repr__(self) -> str:
        return f"Array({self.dtype!r})"

    def to_dict(self) -> Json:
        """Return its JSON."""
        return {"type": "array", "items": self.dtype.to_dict()}


@dataclass(frozen=True, slots=True, repr=False)
class SparkMLVector(Array):
    """A vector of Spark ML: kept, so that such a schema can be read and written."""

    dtype: Type = DataType.double

    if TYPE_CHECKING:  # what may be given is more than what is held

        def __init__(self, dtype: Type | str = DataType.double) -> None: ...

    def __repr__(self) -> str:
        return "SparkML vector"

    def to_dict(self) -> Json:
        """Return its JSON."""
        return {"type": "sparkml_vector"}


@dataclass(frozen=True, slots=True, repr=False)
class Map:
    """Values of one type under text keys that are not known beforehand."""

    value_type: Type

    if TYPE_CHECKING:  # what may be given is more than what is held

        def __init__(self, value_type: Type | str) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "value_type", as_type(self.value_type))

    def __repr__(self) -> str:
        return f"Map(str -> {self.value_type!r})"

    def to_dict(self) -> Json:
        """Return its JSON."""
        return {"type": "map", "values": self.value_type.to_dict()}


@dataclass(frozen=True, slots=True, repr=False)
class Property:
    """One field of an object."""

    name: str
    dtype: Type
    required: bool = True

    if TYPE_CHECKING:  # what may be given is more than what is held

        def __init__(self, name: str, dtype: Type | str, required: bool = True) -> None: ...

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise SignatureError(f"property {self.name!r}", "its name must be text")
        object.__setattr__(self, "dtype", as_type(self.dtype))

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype!r} ({need(self.required)})"

    def to_dict(self) -> Json:
        """Return its JSON, under its name."""
        return {self.name: self.dtype.to_dict() | {"required": self.required}}


@dataclass(frozen=True, slots=True, repr=False)
class Object:
    """Values of several types under known keys; its properties are kept in the order of their names."""

    properties: Sequence[Property]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.properties, key=lambda each: each.name))
        if not ordered:
            raise SignatureError("an object", "it needs at least one property")
        refuse_twins("an object", [each.name for each in ordered])
        object.__setattr__(self, "properties", ordered)

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self.properties)) + "}"

    def to_dict(self) -> Json:
        """Return its JSON."""
        fields = {name: body for each in self.properties for name, body in each.to_dict().items()}
        return {"type": "object", "properties": fields}


Type: TypeAlias = DataType | Array | Object | Map | AnyType


def type_from_dict(body: object) -> Type:
    """Return the type that a JSON object says.

    Raises:
        SignatureError: It says none that is known here.
    """
    match body:
        case {"type": "array", "items": items}:
            return Array(type_from_dict(items))
        case {"type": "map", "values": values}:
            return Map(type_from_dict(values))
        case {"type": "object", "properties": dict(fields)}:
            return Object([_property(name, field) for name, field in fields.items()])
        case {"type": "sparkml_vector"}:
            return SparkMLVector()
        case {"type": "any"}:
            return AnyType()
        case {"type": str(name)}:
            return as_type(name)
    raise SignatureError(f"type {body!r:.80}", "it names no type")


def dtype_name(dtype: object) -> str:
    """Return the name that numpy gives a dtype, without the length that text and bytes have.

    Raises:
        SignatureError: This is neither such a name nor a dtype.
    """
    if isinstance(dtype, type) and dtype.__module__ == "numpy":
        dtype = sys.modules["numpy"].dtype(dtype)  # numpy.float32 stands for its dtype
    name = _SIZED.sub(r"\1", str(getattr(dtype, "name", dtype)))
    if not _DTYPE.fullmatch(name):
        raise SignatureError(f"dtype {dtype!r}", "numpy has no dtype of this name")
    return name


# --- inside ---


def as_type(given: object) -> Type:
    """Return a type for its name, or itself. Raises: SignatureError."""
    if isinstance(given, Array | Object | Map | AnyType | DataType):
        return given
    try:
        return DataType(str(getattr(given, "name", given)))
    except ValueError as error:
        raise SignatureError(f"type {given!r}", f"known are {', '.join(DataType)}, Array, Object, Map, Any") from error


def _property(name: str, body: object) -> Property:
    return Property(name, type_from_dict(body), bool(body.get("required", True)) if isinstance(body, dict) else True)


def refuse_twins(what: str, names: Sequence[Hashable]) -> None:
    """Raise a SignatureError where a name is there twice."""
    if twins := [str(name) for name, count in Counter(names).items() if count > 1]:
        raise SignatureError(what, f"{', '.join(twins)} is there twice")


def need(required: bool) -> str:
    """Return the word for it."""
    return "required" if required else "optional"
