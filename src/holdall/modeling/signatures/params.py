"""The parameters that a call of a model may have: their types, defaults, and what is refused.

A parameter is a single value, a list of them (shape `(-1,)`), or an object.
Beside `schema` and not in it, because a default must obey its own type, and so
this room needs to know what passes for what.

MLflow's JSON to the byte; and its rules: integers pass for floats, never the
reverse, and None for anything. What is not in the schema is left out with a
warning, what is not given takes its default.
"""

from __future__ import annotations

import copy
import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from holdall.errors import SchemaMismatchError, SignatureError
from holdall.modeling.signatures import duck_types
from holdall.modeling.signatures.casting import cast_value
from holdall.modeling.signatures.data_types import DataType, Json, Object, dtype_name, type_from_dict
from holdall.modeling.signatures.inference import infer_type, numpy_type
from holdall.modeling.signatures.schema import parse_list
from holdall.terminal import warn

_WHOLE: Final = (DataType.integer, DataType.long)
_REAL: Final = (DataType.float, DataType.double)
# What passes for a type: Python's own, and numpy's by name
_PASSES: Final[dict[DataType, tuple[Any, set[str]]]] = {
    DataType.boolean: (bool, {"bool"}),
    DataType.integer: (int, {"int32"}),
    DataType.long: (int, {"int32", "int64"}),
    DataType.float: (float, {"float32", "int32", "int64"}),
    DataType.double: (float, {"float32", "float64", "int32", "int64"}),
    DataType.string: (str, {"str"}),
}


@dataclass(frozen=True, slots=True, repr=False)
class ParamSpec:
    """One parameter.

    Attributes:
        name: Its name.
        dtype: A DataType but `binary`, or an Object.
        default: What it is where a call does not say; it must be of the type.
        shape: None for a single value, `(-1,)` for a list.

    Raises:
        SignatureError: The default is not of the type, or there is no such type or shape.
    """

    name: str
    dtype: DataType | Object
    default: Any
    shape: Sequence[int] | None = None

    if TYPE_CHECKING:  # what may be given is more than what is held

        def __init__(
            self, name: str, dtype: DataType | Object | str, default: Any, shape: Sequence[int] | None = None
        ) -> None: ...

    def __post_init__(self) -> None:
        dtype = self.dtype if isinstance(self.dtype, Object) else type_from_dict({"type": _word(self.dtype)})
        shape = None if self.shape is None else tuple(self.shape)
        if dtype is DataType.binary or not isinstance(dtype, DataType | Object) or shape not in (None, (-1,)):
            raise SignatureError(f"parameter {self.name!r}", f"{dtype!r} of shape {shape} cannot be one")
        for field, value in (("name", str(self.name)), ("dtype", dtype), ("shape", shape)):
            object.__setattr__(self, field, value)
        try:
            object.__setattr__(self, "default", self.cast(self.default))
        except SchemaMismatchError as error:
            raise SignatureError(f"the default of parameter {self.name!r}", str(error)) from error

    def cast(self, value: Any) -> Any:
        """Return a value as the parameter wants it, of Python's own types.

        Raises:
            SchemaMismatchError: It is of another type or shape.
        """
        if isinstance(self.dtype, Object):
            cast_value(self.name, value, self.dtype)
            return value  # as it came: a model may want its own types in it
        if self.shape is None:
            return _cast(self.name, value, self.dtype)
        if not (isinstance(value, list) or duck_types.is_ndarray(value)) or _depth(value) != 1:
            raise SchemaMismatchError(self.name, f"{type(value).__name__} {value!r:.60}", f"a list of {self.dtype!r}")
        return [_cast(f"{self.name}[{n}]", each, self.dtype) for n, each in enumerate(value)]

    def __repr__(self) -> str:
        shape = "" if self.shape is None else f" (shape: {self.shape})"
        return f"{self.name!r}: {self.dtype!r} (default: {self.default}){shape}"

    def to_dict(self) -> Json:
        """As it stands in JSON."""
        shape = None if self.shape is None else list(self.shape)
        default = _dated(self.default) if self.dtype is DataType.datetime else self.default
        return {"name": self.name, "default": default, "shape": shape} | self.dtype.to_dict()

    @classmethod
    def from_dict(cls, body: Json) -> ParamSpec:
        """Return the parameter of a JSON object; older ones say `dtype` where newer ones say `type`."""
        kind = body.get("type") or body.get("dtype")
        if "name" not in body or "default" not in body or kind is None:
            raise SignatureError(f"parameter {body!r:.80}", "it needs name, type and default")
        dtype = type_from_dict(body | {"type": kind})
        if not isinstance(dtype, DataType | Object):
            raise SignatureError(f"parameter {body['name']!r}", f"{dtype!r} cannot be one")
        return cls(body["name"], dtype, body["default"], body.get("shape"))


@dataclass(frozen=True, slots=True, repr=False)
class ParamSchema:
    """The parameters that a call may have."""

    params: Sequence[ParamSpec]

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", tuple(self.params))
        names = [each.name for each in self.params]
        if len(set(names)) < len(names):
            raise SignatureError("parameters", f"a name stands twice among {', '.join(names)}")

    def __iter__(self) -> Iterator[ParamSpec]:
        return iter(self.params)

    def __len__(self) -> int:
        return len(self.params)

    def __repr__(self) -> str:
        return repr(list(self.params))

    def to_dict(self) -> list[Json]:
        """Return what its JSON holds."""
        return [each.to_dict() for each in self.params]

    def to_json(self) -> str:
        """Return its JSON, byte for byte MLflow's."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> ParamSchema:
        """Return the parameters of a JSON text.

        Raises:
            SignatureError: It is no JSON, or not of parameters.
        """
        return cls([ParamSpec.from_dict(body) for body in parse_list(text, "parameters")])


def infer_params(params: Mapping[str, Any]) -> ParamSchema:
    """Return the schema of parameters whose values are their defaults.

    Raises:
        SignatureError: One is neither a value, a list of values, nor a dictionary.
    """
    if not isinstance(params, Mapping):
        raise SignatureError("parameters", f"a dictionary of them is expected, not {type(params).__name__}")
    return ParamSchema([_inferred(str(name), value) for name, value in params.items()])


def conform_params(params: Mapping[Any, Any] | None, schema: ParamSchema | None) -> dict[str, Any] | None:
    """Return the parameters of a call as a model's signature wants them.

    Args:
        params: Values by name; None for none.
        schema: What the model takes; None: nothing.

    Returns:
        A new dictionary: what was given, then the defaults of the rest. None if given without a schema.

    Raises:
        SchemaMismatchError: A value is of another type or shape, or this is no dictionary.
    """
    if schema is None:
        if params:
            warn("the model's signature has no params: those given are ignored", stacklevel=2)
        return None if params is None else {}
    if not isinstance(params, Mapping | None):
        raise SchemaMismatchError("params", type(params).__name__, "a dictionary")
    given = {str(name): value for name, value in (params or {}).items()}
    known = {each.name: each for each in schema}
    if unknown := [name for name in given if name not in known]:
        warn(f"not in the model's signature, so ignored: params {', '.join(unknown)}", stacklevel=2)
    cast = {name: known[name].cast(value) for name, value in given.items() if name in known}
    return cast | {name: copy.deepcopy(each.default) for name, each in known.items() if name not in cast}


# --- inside ---


def _word(dtype: Any) -> str:
    return str(getattr(dtype, "name", dtype))


def _cast(place: str, value: Any, want: DataType) -> Any:
    """Return a single value, as Python has it."""
    if value is None:
        return None
    if want is DataType.datetime:
        return _date(place, value)
    python, names = _PASSES[want]
    if type(value) is python or (want in _REAL and type(value) is int):
        return python(value)
    if duck_types.is_a(value, "numpy", "generic") and dtype_name(value.dtype) in names:
        return python(value)
    raise SchemaMismatchError(place, f"{type(value).__name__} {value!r:.60}", repr(want))


def _date(place: str, value: Any) -> Any:
    """Return a date or time of Python's, without a zone: that of a value, or of a text in ISO 8601."""
    found = value.item() if duck_types.is_a(value, "numpy", "generic") else value
    if isinstance(found, str):
        found = _parsed(found)
    if not isinstance(found, datetime.date):
        raise SchemaMismatchError(place, f"{type(value).__name__} {value!r:.60}", "a datetime")
    if hasattr(found, "to_pydatetime"):
        found = found.to_pydatetime()
    if isinstance(found, datetime.datetime) and found.tzinfo is not None:
        return found.astimezone(datetime.UTC).replace(tzinfo=None)
    return found


def _parsed(text: str) -> datetime.date | None:
    """The date of "2024-05-01", "2024-05" or "2024", or the time of a longer text."""
    try:
        if len(text) <= len("2024-05-01"):
            return datetime.date.fromisoformat(text + "-01-01"[len(text) - 4 :] if len(text) in (4, 7) else text)
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return None


def _dated(default: Any) -> Any:
    if isinstance(default, list):
        return [_dated(each) for each in default]
    return None if default is None else default.isoformat()


def _depth(value: Any) -> int:
    if duck_types.is_ndarray(value):
        return int(value.ndim)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _inferred(name: str, value: Any) -> ParamSpec:
    value = copy.deepcopy(value)
    if isinstance(value, dict):
        found = infer_type(value)
        if not isinstance(found, Object):
            raise SignatureError(f"parameter {name!r}", "an empty dictionary shows no type")
        return ParamSpec(name, found, value)
    if not isinstance(value, list) and not duck_types.is_ndarray(value):
        return ParamSpec(name, _single(name, value), value)
    if _depth(value) != 1:
        raise SignatureError(f"parameter {name!r}", "a list of single values has one dimension")
    if all(duck_types.is_date(each) for each in value):  # so of an empty list too, as MLflow has it
        return ParamSpec(name, DataType.datetime, value, (-1,))
    return ParamSpec(name, _common(name, value), value, (-1,))


def _single(name: str, value: Any) -> DataType:
    if duck_types.is_date(value):
        return DataType.datetime
    if not duck_types.is_scalar(value):
        raise SignatureError(
            f"parameter {name!r}", f"{type(value).__name__} is neither a value, a list nor a dictionary"
        )
    if duck_types.is_a(value, "numpy", "generic"):
        return numpy_type(value.dtype, widened=True)
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise SignatureError(f"parameter {name!r}", f"{value} has more than 64 bits")
    found = infer_type(value) if value == value else DataType.double
    if not isinstance(found, DataType):
        raise SignatureError(f"parameter {name!r}", f"{found!r} is no type of a parameter")
    return found


def _common(name: str, values: Any) -> DataType:
    """Return the type that all values of a list have, or the number type that holds all of them."""
    if duck_types.is_ndarray(values) and values.dtype.kind != "O":
        return numpy_type(values.dtype, widened=True)
    found = {_single(name, each) for each in values}
    if len(found) == 1:
        return found.pop()
    if not found <= {*_WHOLE, *_REAL}:
        raise SignatureError(f"parameter {name!r}", "its values are of several types")
    return DataType.long if found <= set(_WHOLE) else DataType.double
