"""Pickles, and what they need to be read again.

While a model is pickled, each object is looked at once as it goes by: the
modules that the reader will import are known then, without parsing the pickle
or loading the model a second time.
"""

from __future__ import annotations

import pickle
import types
from pathlib import Path
from typing import Any, BinaryIO, Final

from holdfast.runs.rendering import library

PICKLE_PROTOCOL: Final = 5  # stated, so that the same model gives the same bytes in each Python


def dump_noting_modules(value: Any, stream: BinaryIO, *, by_value: bool) -> set[str]:
    """Pickle something.

    Args:
        value: What to pickle.
        stream: Where to.
        by_value: With cloudpickle: classes and functions of `__main__` go in whole. Else by name only.

    Returns:
        The modules that loading it imports, by their full names.

    Raises:
        PicklingError, TypeError, AttributeError: It cannot be pickled.
    """
    modules: set[str] = set()
    base: Any = library("cloudpickle", "logging a model by value").Pickler if by_value else pickle.Pickler

    class Noting(base):  # type: ignore[misc]  # one of two, known only now
        """Pickles as its parent does, and notes where things are from."""

        def reducer_override(self, obj: Any) -> Any:
            modules.add(_module_of(obj))
            return super().reducer_override(obj) if by_value else NotImplemented

    Noting(stream, protocol=PICKLE_PROTOCOL).dump(value)
    if by_value:
        modules.add("cloudpickle")
    return modules - {"", "__main__", "builtins"}


def _module_of(obj: Any) -> str:
    if isinstance(obj, types.ModuleType):
        return obj.__name__
    owner = obj if isinstance(obj, type | types.FunctionType | types.BuiltinFunctionType) else type(obj)
    return str(getattr(owner, "__module__", None) or "")


def load_pickle(path: Path) -> Any:
    """What a pickle holds. It runs code: whoever calls this has asked `trust` first."""
    with path.open("rb") as stream:
        return pickle.load(stream)
