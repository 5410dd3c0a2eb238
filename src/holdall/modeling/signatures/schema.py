"""What data a model takes and gives, as types that a JSON text carries.

A schema is columns, each of a type, or tensors, each of a dtype and a shape;
never both, all named or none. The JSON is MLflow's to the byte, because it
stands in the `MLmodel` file and whoever reads that must find what they know:

    [{"type": "double", "name": "x", "required": true}, ...]
    [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]

Names and the order of arguments are MLflow's too. Two things differ. A value
here never changes once made. A dtype is numpy's name for it, not an object of
numpy's, so that reading a schema imports nothing; numpy's own dtypes compare
equal to such names.

These are values. What is inferred from data is in `inference`, what data is
held against them in `enforcement`, and the parameters of a call in `params`.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from holdall.errors import SignatureError

Json: TypeAlias = dict[str, Any]

_DTYPE: Final = re.compile(
    r"bool|u?int(8|16|32|64)|float(16|32|64|96|128)|complex(64|128|192|256)|str|bytes|object|void\d*"
    r"|(datetime64|timedelta64)(\[\d*\w+\])?"
)
_SIZED: Final = re.compile(r"(str|bytes)\d+")


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
        """As it stands in JSON."""
        return {"type": self.value}


@dataclass(frozen=True, slots=True, repr=False)
class AnyType:
    """Whatever there is, None included: nothing about it is checked."""

    def __repr__(self) -> str:
        return "Any"

    def to_dict(self) -> Json:
        """As it stands in JSON."""
        return {"type": "any"}


@dataclass(frozen=True, slots=True, repr=False)
class Array:
    """A list of values of one type."""

    dtype: Type

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", _type(self.dtype))

    def __repr__(self) -> str:
        return f"Array({self.dtype!r})"

    def to_dict(self) -> Json:
        """As it stands in JSON."""
        return {"type": "array", "items": self.dtype.to_dict()}


@dataclass(frozen=True, slots=True, repr=False)
class SparkMLVector(Array):
    """A vector of Spark ML: kept, so that such a schema can be read and written."""

    dtype: Type = DataType.double

    def __repr__(self) -> str:
        return "SparkML vector"

    def to_dict(self) -> Json:
        """As it stands in JSON."""
        return {"type": "sparkml_vector"}


@dataclass(frozen=True, slots=True, repr=False)
class Map:
    """Values of one type under text keys that are not known beforehand."""

    value_type: Type

    def __post_init__(self) -> None:
        object.__setattr__(self, "value_type", _type(self.value_type))

    def __repr__(self) -> str:
        return f"Map(str -> {self.value_type!r})"

    def to_dict(self) -> Json:
        """As it stands in JSON."""
        return {"type": "map", "values": self.value_type.to_dict()}


@dataclass(frozen=True, slots=True, repr=False)
class Property:
    """One field of an object."""

    name: str
    dtype: Type
    required: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise SignatureError(f"property {self.name!r}", "its name must be text")
        object.__setattr__(self, "dtype", _type(self.dtype))

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype!r} ({_need(self.required)})"

    def to_dict(self) -> Json:
        """As it stands in JSON, under its name."""
        return {self.name: self.dtype.to_dict() | {"required": self.required}}


@dataclass(frozen=True, slots=True, repr=False)
class Object:
    """Values of several types under known keys; its properties are kept in the order of their names."""

    properties: Sequence[Property]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.properties, key=lambda each: each.name))
        if not ordered:
            raise SignatureError("an object", "it needs at least one property")
        _refuse_twins("an object", [each.name for each in ordered])
        object.__setattr__(self, "properties", ordered)

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self.properties)) + "}"

    def to_dict(self) -> Json:
        """As it stands in JSON."""
        fields = {name: body for each in self.properties for name, body in each.to_dict().items()}
        return {"type": "object", "properties": fields}


Type: TypeAlias = DataType | Array | Object | Map | AnyType


@dataclass(frozen=True, slots=True, repr=False)
class ColSpec:
    """One column: its type, its name (None where columns go by place), and whether it must be there."""

    type: Type
    name: Any = None
    required: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", _type(self.type))
        if not isinstance(self.name, str | int | float | None):
            raise SignatureError(f"column {self.name!r}", "its name must be text or a number, for JSON keeps no other")

    def __repr__(self) -> str:
        return ("" if self.name is None else f"{self.name!r}: ") + f"{self.type!r} ({_need(self.required)})"

    def to_dict(self) -> Json:
        """As it stands in JSON."""
        return self.type.to_dict() | _named(self.name) | {"required": self.required}


@dataclass(frozen=True, slots=True, repr=False)
class TensorSpec:
    """One tensor.

    Attributes:
        type: numpy's name of its dtype, such as "float32"; "str" and "bytes" of any length.
            Made from such a name, a numpy dtype, or one of numpy's classes of scalars.
        shape: Its lengths, -1 where any will do. None is taken for -1.
        name: None where it is the only one.
        required: Always.
    """

    type: str
    shape: Sequence[int]
    name: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", dtype_name(self.type))
        shape = tuple(-1 if length is None else length for length in self.shape)
        if not all(isinstance(length, int) and length >= -1 for length in shape):
            raise SignatureError(f"tensor {self.name!r}", f"{shape} is no shape")
        object.__setattr__(self, "shape", shape)

    @property
    def required(self) -> bool:
        """A tensor always is."""
        return True

    def __repr__(self) -> str:
        return ("" if self.name is None else f"{self.name!r}: ") + f"Tensor({self.type!r}, {self.shape!r})"

    def to_dict(self) -> Json:
        """As it stands in JSON."""
        return _named(self.name) | {"type": "tensor", "tensor-spec": {"dtype": self.type, "shape": list(self.shape)}}


@dataclass(frozen=True, slots=True, repr=False)
class Schema:
    """Columns, or tensors.

    Raises:
        SignatureError: It is empty; columns and tensors are mixed, or named and unnamed ones;
            there are several unnamed tensors; an unnamed column is optional; or a name stands twice.
    """

    inputs: Sequence[ColSpec | TensorSpec]

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(self.inputs))
        if reason := _fault(self.inputs):
            raise SignatureError("a schema", reason)

    def __iter__(self) -> Iterator[ColSpec | TensorSpec]:
        return iter(self.inputs)

    def __len__(self) -> int:
        return len(self.inputs)

    def __repr__(self) -> str:
        return repr(list(self.inputs))

    def is_tensor_spec(self) -> bool:
        """Whether it speaks of tensors."""
        return isinstance(self.inputs[0], TensorSpec)

    def has_input_names(self) -> bool:
        """Whether its inputs have names, or go by place."""
        return self.inputs[0].name is not None

    def input_names(self) -> list[Any]:
        """Names, or places counted from 0."""
        return [each.name for each in self.inputs] if self.has_input_names() else list(range(len(self.inputs)))

    def required_input_names(self) -> list[Any]:
        """Those of `input_names` that must be there."""
        return [name for name, each in zip(self.input_names(), self.inputs, strict=True) if each.required]

    def optional_input_names(self) -> list[Any]:
        """Those of `input_names` that may be absent."""
        return [name for name, each in zip(self.input_names(), self.inputs, strict=True) if not each.required]

    def input_types(self) -> list[Type | str]:
        """The type of each column, or the dtype of each tensor."""
        return [each.type for each in self.inputs]

    def input_dict(self) -> dict[Any, ColSpec | TensorSpec]:
        """Inputs by name, or by place."""
        return dict(zip(self.input_names(), self.inputs, strict=True))

    def to_dict(self) -> list[Json]:
        """What its JSON holds."""
        return [each.to_dict() for each in self.inputs]

    def to_json(self) -> str:
        """Its JSON, byte for byte MLflow's."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """The schema of a JSON text, whoever wrote it.

        Raises:
            SignatureError: It is no JSON, or not of a schema.
        """
        return cls([_input(body) for body in parse_list(text, "a schema")])


def parse_list(text: str, what: str) -> list[Json]:
    """The objects that a JSON list holds, or a SignatureError about `what`."""
    try:
        bodies = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise SignatureError(what, f"it is not JSON: {error}") from error
    if not isinstance(bodies, list) or not all(isinstance(body, dict) for body in bodies):
        raise SignatureError(what, "it is not a JSON list of objects")
    return bodies


def type_from_dict(body: object) -> Type:
    """The type that a JSON object says.

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
            return _type(name)
    raise SignatureError(f"type {body!r:.80}", "it names no type")


def dtype_name(dtype: object) -> str:
    """The name that numpy gives a dtype, without the length that text and bytes have.

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


def _type(given: object) -> Type:
    if isinstance(given, Array | Object | Map | AnyType | DataType):
        return given
    try:
        return DataType(str(getattr(given, "name", given)))
    except ValueError as error:
        raise SignatureError(f"type {given!r}", f"known are {', '.join(DataType)}, Array, Object, Map, Any") from error


def _property(name: str, body: object) -> Property:
    return Property(name, type_from_dict(body), bool(body.get("required", True)) if isinstance(body, dict) else True)


def _input(body: Json) -> ColSpec | TensorSpec:
    try:
        if body.get("type") != "tensor":
            return ColSpec(type_from_dict(body), body.get("name"), bool(body.get("required", True)))
        tensor = body["tensor-spec"]
        return TensorSpec(tensor["dtype"], tensor["shape"], body.get("name"))
    except (KeyError, TypeError) as error:
        raise SignatureError("a tensor", "it needs a tensor-spec with dtype and shape") from error
    except RecursionError as error:
        raise SignatureError("a schema", "its types are nested too deep") from error


def _fault(inputs: Sequence[ColSpec | TensorSpec]) -> str | None:
    kinds = {type(each) for each in inputs}
    if not inputs:
        return "it needs at least one input"
    if kinds not in ({ColSpec}, {TensorSpec}):
        return "it holds columns (ColSpec) or tensors (TensorSpec), not both and nothing else"
    named = {each.name is not None for each in inputs}
    if len(named) > 1:
        return f"all inputs have names or none has: {[each.name for each in inputs]}"
    if named == {False} and kinds == {TensorSpec} and len(inputs) > 1:
        return "several tensors need names"
    if named == {False} and not all(each.required for each in inputs):
        return "an optional column needs a name"
    if named == {True}:
        _refuse_twins("a schema", [each.name for each in inputs])
    return None


def _refuse_twins(what: str, names: Sequence[Hashable]) -> None:
    if twins := [str(name) for name, count in Counter(names).items() if count > 1]:
        raise SignatureError(what, f"{', '.join(twins)} stands there twice")


def _named(name: Any) -> Json:
    return {} if name is None else {"name": name}


def _need(required: bool) -> str:
    return "required" if required else "optional"
