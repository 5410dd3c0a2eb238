"""What data a model takes and gives, as types that a JSON text carries.

A schema is columns, each of a type, or tensors, each of a dtype and a shape;
never both, all named or none. The JSON is MLflow's to the byte, because it
stands in the `MLmodel` file, which MLflow reads as well:

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdall.errors import SignatureError
from holdall.libraries import library
from holdall.modeling.signatures.data_types import (
    DataType,
    Json,
    Type,
    as_type,
    dtype_name,
    need,
    refuse_twins,
    type_from_dict,
)


@dataclass(frozen=True, slots=True, repr=False)
class ColSpec:
    """One column: its type, its name (None where columns go by place), and whether it must be there."""

    type: Type
    name: Any = None
    required: bool = True

    if TYPE_CHECKING:  # what may be given is more than what is held

        def __init__(self, type: Type | str, name: Any = None, required: bool = True) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", as_type(self.type))
        if not isinstance(self.name, str | int | float | None):
            raise SignatureError(f"column {self.name!r}", "its name must be text or a number, for JSON keeps no other")

    def __repr__(self) -> str:
        return ("" if self.name is None else f"{self.name!r}: ") + f"{self.type!r} ({need(self.required)})"

    def to_dict(self) -> Json:
        """Return its JSON."""
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

    if TYPE_CHECKING:  # what may be given is more than what is held

        def __init__(self, type: Any, shape: Sequence[int | None], name: Any = None) -> None: ...

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
        """Return its JSON."""
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
        """Return whether its inputs are tensors."""
        return isinstance(self.inputs[0], TensorSpec)

    def has_input_names(self) -> bool:
        """Return whether its inputs have names."""
        return self.inputs[0].name is not None

    def input_names(self) -> list[Any]:
        """Return the names, or numbers from 0 where the inputs have none."""
        return [each.name for each in self.inputs] if self.has_input_names() else list(range(len(self.inputs)))

    def required_input_names(self) -> list[Any]:
        """Return the names of the inputs that must be there."""
        return [name for name, each in zip(self.input_names(), self.inputs, strict=True) if each.required]

    def optional_input_names(self) -> list[Any]:
        """Return the names of the inputs that may be left out."""
        return [name for name, each in zip(self.input_names(), self.inputs, strict=True) if not each.required]

    def input_types(self) -> list[Type | str]:
        """Return the type of each column, or the dtype of each tensor."""
        return [each.type for each in self.inputs]

    def input_types_dict(self) -> dict[Any, Type | str]:
        """Return the inputs' types by their names. Raises: SignatureError, where they have none."""
        if not self.has_input_names():
            raise SignatureError("a schema", "its inputs have no names; ask for input_types")
        return {each.name: each.type for each in self.inputs}

    def numpy_types(self) -> list[Any]:
        """Return the numpy dtype of each input.

        Raises:
            SignatureError: A column holds lists, objects or maps, which numpy has no dtype for.

        Cost: imports numpy.
        """
        if self.is_tensor_spec():
            return [library("numpy", "naming a dtype").dtype(each.type) for each in self.inputs]
        return [each.to_numpy() for each in self._plain_types("numpy")]

    def pandas_types(self) -> list[Any]:
        """Return the dtype of each input as a pandas column. Raises: SignatureError, as `numpy_types`; for tensors."""
        return [each.to_pandas() for each in self._plain_types("pandas")]

    def _plain_types(self, library: str) -> list[DataType]:
        found = [each.type for each in self.inputs if isinstance(each.type, DataType)]
        if len(found) < len(self.inputs):
            raise SignatureError("a schema", f"not all of its inputs are single values, which have types in {library}")
        return found

    def input_dict(self) -> dict[Any, ColSpec | TensorSpec]:
        """Return the inputs by name, or by number."""
        return dict(zip(self.input_names(), self.inputs, strict=True))

    def to_dict(self) -> list[Json]:
        """Return what its JSON holds."""
        return [each.to_dict() for each in self.inputs]

    def to_json(self) -> str:
        """Return its JSON, byte for byte MLflow's."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """Parse a JSON text.

        Raises:
            SignatureError: It is no JSON, or not of a schema.
        """
        return cls([_input(body) for body in parse_list(text, "a schema")])


def parse_list(text: str, what: str) -> list[Json]:
    """Return the objects that a JSON list holds, or a SignatureError about `what`."""
    try:
        bodies = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise SignatureError(what, f"it is not JSON: {error}") from error
    if not isinstance(bodies, list) or not all(isinstance(body, dict) for body in bodies):
        raise SignatureError(what, "it is not a JSON list of objects")
    return bodies


# --- inside ---


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
        refuse_twins("a schema", [each.name for each in inputs])
    return None


def _named(name: Any) -> Json:
    return {} if name is None else {"name": name}
