"""Pickles, and what they need to be read again.

While a model is pickled, each object is looked at once as it goes by: the
modules that the reader will import are known then, without parsing the pickle
or loading the model a second time.
"""

from __future__ import annotations

import dis
import importlib
import pickle
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from holdall.errors import ContentError
from holdall.libraries import library
from holdall.modeling.signatures import duck_types

PICKLE_PROTOCOL: Final = 5  # stated, so that the same model gives the same bytes in each Python
# what stands for classes of MLflow where it is not installed
_INSTEAD: Final = {
    ("mlflow.pyfunc.model", "PythonModel"): "PythonModel",
    ("mlflow.pyfunc", "PythonModel"): "PythonModel",
    ("mlflow.pyfunc.model", "_FunctionPythonModel"): "FunctionModel",
}
_registering = threading.Lock()


def dump_noting_modules(
    value: Any, stream: BinaryIO, *, by_value: bool, whole: types.ModuleType | None = None
) -> set[str]:
    """Pickle something.

    Args:
        value: What to pickle.
        stream: Where to.
        by_value: With cloudpickle: classes and functions of `__main__` go in whole. Else by name only.
        whole: A module whose classes and functions go in whole as well.

    Returns:
        The modules that loading it imports, by their full names.

    Raises:
        PicklingError, TypeError, AttributeError: It cannot be pickled.
    """
    noting, modules = noting_pickler(by_value=by_value)
    with _by_value(whole):
        noting(stream, protocol=PICKLE_PROTOCOL).dump(value)
    return modules - ({whole.__name__} if whole else set())


def _imports(code: types.CodeType) -> Iterator[str]:
    """Yield the modules that a function imports when it runs; those of functions in it go by on their own."""
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME" and isinstance(step.argval, str) and step.argval:
            yield step.argval


def noting_pickler(*, by_value: bool) -> tuple[Any, set[str]]:
    """A class of picklers, cloudpickle's or Python's own, and the modules that its instances have met up to now."""
    modules = {"cloudpickle"} if by_value else set()
    base: Any = library("cloudpickle", "logging a model by value").Pickler if by_value else pickle.Pickler

    class Noting(base):  # type: ignore[misc]  # one of two, known only now
        """Pickles as its parent does, and notes where things are from."""

        def reducer_override(self, obj: Any) -> Any:
            if duck_types.has_no_content(obj):
                raise ValueError(f"a tensor of shape {tuple(obj.shape)} in it has no content: load the weights first")
            if (module := _module_of(obj)) not in ("", "__main__", "builtins"):
                modules.add(module)
            if not by_value:
                return NotImplemented
            if isinstance(obj, types.CodeType):
                modules.update(_imports(obj))
            if isinstance(obj, types.CodeType):  # where its source lay is of no use elsewhere, and private
                return self.dispatch_table[types.CodeType](obj.replace(co_filename=Path(obj.co_filename).name))
            found = super().reducer_override(obj)
            if isinstance(obj, types.FunctionType) and isinstance(found, tuple):
                for part in found[1]:
                    if isinstance(part, dict):
                        part.pop("__file__", None)
                        part.pop("__path__", None)
            return found

    return Noting, modules


@contextmanager
def _by_value(module: types.ModuleType | None) -> Iterator[None]:
    """The list of modules that cloudpickle takes in whole is the process's: one writer at a time, and all is undone."""
    if module is None:
        yield
        return
    cloudpickle = library("cloudpickle", "logging a model by value")
    with _registering:
        cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            cloudpickle.unregister_pickle_by_value(module)


def _module_of(obj: Any) -> str:
    if isinstance(obj, types.ModuleType):
        return obj.__name__
    owner = obj if isinstance(obj, type | types.FunctionType | types.BuiltinFunctionType) else type(obj)
    return str(getattr(owner, "__module__", None) or "")


def load_pickle(path: Path) -> Any:
    """Return what a pickle holds. It runs code: ask `trust` first.

    Raises:
        ContentError: It is no pickle, or needs what is not installed here.
    """
    try:
        with path.open("rb") as stream:
            return _Unpickler(stream).load()
    except (pickle.UnpicklingError, EOFError, FileNotFoundError) as error:
        raise ContentError(str(path), "a pickled model", f"{type(error).__name__}: {error}") from error
    except (ImportError, AttributeError) as error:
        reason = f"it needs what is not here: {error}; install what its requirements.txt lists"
        raise ContentError(str(path), "a model that can be loaded here", reason) from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        try:
            return super().find_class(module, name)
        except ImportError:
            if (module, name) not in _INSTEAD:
                raise
            return getattr(importlib.import_module("holdall.modeling.python_model"), _INSTEAD[module, name])
