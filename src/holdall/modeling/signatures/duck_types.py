"""What an object is, found without importing what it might be of.

Code that has a DataFrame has pandas loaded. So nothing needs to be imported to
know that something is none: a library that is not in `sys.modules` has no
objects. That keeps `import holdall` light, and a model of one framework free
of all others.
"""

from __future__ import annotations

import dataclasses
import datetime
import numbers
import sys
from typing import Any, Final

_PLAIN: Final = {type(None), bool, int, float, str, bytes}  # long lists of them are not looked at one by one


def is_a(value: object, module: str, *names: str) -> bool:
    """Whether it is of one of these classes of a module, which then must be loaded already."""
    loaded = sys.modules.get(module)
    kinds = tuple(kind for name in names if (kind := getattr(loaded, name, None)) is not None)
    return bool(kinds) and isinstance(value, kinds)


def is_frame(value: object) -> bool:
    """Return whether it is a DataFrame of pandas."""
    return is_a(value, "pandas", "DataFrame")


def is_series(value: object) -> bool:
    """Return whether it is a Series of pandas."""
    return is_a(value, "pandas", "Series")


def python_value(value: Any) -> Any:
    """Return one of numpy's values as Python's; a number that is wider than Python's as the float next to it."""
    plain = value.item()
    if type(plain) is not type(value):
        return plain
    return complex(plain) if plain.dtype.kind == "c" else float(plain)  # a wide number is its own item


def is_ndarray(value: object) -> bool:
    """Return whether it is an array of numpy."""
    return is_a(value, "numpy", "ndarray")


def is_sparse(value: Any) -> bool:
    """Return whether it is a sparse matrix or array of scipy, by columns or by rows: the two that have a schema."""
    return is_a(value, "scipy.sparse", "spmatrix", "sparray") and value.format in ("csr", "csc")


def has_no_content(value: Any) -> bool:
    """Return a tensor of torch that has a shape and nothing in it."""
    return is_a(value, "torch", "Tensor") and bool(value.is_meta or type(value).__name__ == "FakeTensor")


def is_scalar(value: object) -> bool:
    """Return whether it is a single value of Python's or numpy's; neither None nor a date is one, as numpy has it."""
    return isinstance(value, str | bytes | numbers.Number) or is_a(value, "numpy", "generic")


def is_date(value: object) -> bool:
    """Return whether it is a date, with or without a time, of Python's, numpy's or pandas'."""
    return isinstance(value, datetime.date) or is_a(value, "numpy", "datetime64")


def is_missing(value: Any) -> bool:
    """Return whether it is none, not a number, or what pandas has for them."""
    if value is None or (isinstance(value, float) and value != value):
        return True
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NA or value is pandas.NaT)


def is_record_type(value: object) -> bool:
    """Return whether it is a dataclass or a pydantic model: the class, not an object of it."""
    return isinstance(value, type) and (dataclasses.is_dataclass(value) or is_pydantic_type(value))


def is_pydantic_type(value: object) -> bool:
    """Return whether it is a class of pydantic models."""
    model = getattr(sys.modules.get("pydantic"), "BaseModel", None)
    # list[int] calls itself a class of `type`, and issubclass refuses it
    return model is not None and type(value) is type(model) and issubclass(value, model)  # type: ignore[arg-type]


def is_record(value: object) -> bool:
    """Return whether it is an object of a dataclass or of a pydantic model."""
    return not isinstance(value, type) and (dataclasses.is_dataclass(value) or is_a(value, "pydantic", "BaseModel"))


def plain(value: Any) -> Any:
    """Return records as dictionaries and tensors as arrays, in lists and dictionaries too; all else as it is."""
    if type(value) in _PLAIN:
        return value
    if is_record(value):
        return value.model_dump() if hasattr(value, "model_dump") else dataclasses.asdict(value)
    if is_a(value, "torch", "Tensor"):
        return _array(value)
    if type(value) is list:
        return value if set(map(type, value)) <= _PLAIN else [plain(each) for each in value]
    if type(value) is dict:
        return (
            value if set(map(type, value.values())) <= _PLAIN else {name: plain(each) for name, each in value.items()}
        )
    return value


def alike(one: Any, other: Any) -> bool:
    """Whether two data hold the same values: what is missing is so in any way, and a date a date of any unit."""
    one, other = _listed(one), _listed(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(each, other[name]) for name, each in one.items())
    if _is_gap(one) or _is_gap(other):
        return _is_gap(one) and _is_gap(other)
    return bool(one == other)


def _is_gap(value: Any) -> bool:
    return is_missing(value) or (is_a(value, "numpy", "generic") and bool(value != value))


def _listed(data: Any) -> Any:
    """Return whatever holds values as lists and dictionaries of them; dates as numpy's, in nanoseconds."""
    if is_frame(data):
        return {"columns": list(data.columns), "data": [data.iloc[:, n].tolist() for n in range(data.shape[1])]}
    if is_sparse(data):
        return list(data.toarray())
    if is_ndarray(data):
        return list(data) if data.ndim else data.item()
    if is_date(data) and not is_missing(data):
        date = data.replace(tzinfo=None) if isinstance(data, datetime.datetime) else data
        return sys.modules["numpy"].datetime64(date).astype("M8[ns]")
    return data


def _array(tensor: Any) -> Any:
    """What numpy makes of a tensor; bfloat16, which it lacks, becomes float32."""
    torch = sys.modules["torch"]
    held = tensor.detach().cpu().resolve_conj().resolve_neg()  # numpy knows no views that are worked out when read
    return (held.float() if held.dtype is torch.bfloat16 else held).numpy()
