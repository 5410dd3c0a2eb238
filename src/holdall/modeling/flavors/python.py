"""Python's own: a class with `predict`, a function, a file of code, or a module that loads data.

    python_model.pkl    an object, by cloudpickle; runs code when loaded
    <file>.py           code, whose last line is `set_model(...)`; runs when loaded
    data/<name>         data, for a `loader_module` with `_load_pyfunc(path)`

It has no part of its own in the MLmodel file: all stands under `python_function`.
"""

from __future__ import annotations

import ast
import importlib.util
import logging
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from holdall.errors import ContentError, SignatureError
from holdall.modeling import python_model
from holdall.modeling.copying import copy_local
from holdall.modeling.flavor import PYFUNC, Parts, Predictor
from holdall.modeling.hints import schema_from_hint
from holdall.modeling.pickling import dump_noting_modules, load_pickle
from holdall.modeling.places import code_file, named, within
from holdall.modeling.python_model import PythonModelContext, PythonPredictor, as_python_model, take_model
from holdall.modeling.signature import ModelSignature
from holdall.runs.rendering import library

PICKLED, CODED = "mlflow.pyfunc.model", "mlflow.pyfunc.loaders.code_model"
_FILE: Final = "python_model.pkl"
_DATA: Final = "data"
_log = logging.getLogger("holdall")
_BASES: Final = ("PythonModel", "ChatModel", "ResponsesAgent", "ChatAgent")


class PythonFlavor:
    """See `Flavor`."""

    name = PYFUNC
    loaders = (PICKLED, CODED)

    def knows(self, kind: type) -> bool:
        """Subclasses of `PythonModel`, functions and methods."""
        ours = kind.__name__ in _BASES and kind.__module__.startswith(("holdall.modeling.", "mlflow.pyfunc."))
        return ours or kind in (types.FunctionType, types.MethodType, types.BuiltinFunctionType)

    def save(
        self,
        model: Any,
        folder: Path,
        *,
        loader_module: str | None = None,
        data_path: str | None = None,
        streamable: bool | None = None,
    ) -> Parts:
        """See `Flavor.save` and `holdall.pyfunc.log_model`."""
        if (model is None) == (loader_module is None):
            raise ValueError("give either a python_model, or a loader_module and perhaps its data_path")
        if loader_module is not None:
            read = {"loader_module": loader_module, **_copied(data_path, folder), "streamable": bool(streamable)}
            return Parts(own={}, pyfunc=read, modules={loader_module})
        if isinstance(model, str | Path):
            return _save_code(Path(model), folder, bool(streamable))
        if not callable(getattr(model, "predict", model)):
            raise TypeError(f"a PythonModel or a function is needed, not a {type(model).__name__}")
        _warn_of_files(model)
        with (folder / _FILE).open("wb") as stream:
            modules = dump_noting_modules(as_python_model(model), stream, by_value=True, whole=python_model)
        cloudpickle = library("cloudpickle", "logging a Python model")
        said: dict[str, Any] = {"loader_module": PICKLED, "python_model": _FILE}
        said["cloudpickle_version"] = cloudpickle.__version__
        streams = hasattr(type(model), "predict_stream") and "predict_stream" in vars(type(model))
        said["streamable"] = streams if streamable is None else streamable
        return Parts(own={}, pyfunc=said, modules=modules, hinted=_hinted(as_python_model(model)))

    def load(self, folder: Path, parts: Parts) -> Any:
        """The object that was logged, without its context."""
        read = _run_code if (parts.pyfunc or {}).get("model_code_path") else load_pickle
        return read(within(folder, _file(parts)))

    def wrap(self, model: Any, parts: Parts, *, folder: Path, config: Mapping[str, Any]) -> Predictor:
        """See `Flavor.wrap`."""
        if isinstance(model, str | Path):  # code that is being logged
            model = self.load(folder, parts)
        said: Mapping[str, Any] = (parts.pyfunc or {}).get("artifacts") or {}
        artifacts = {name: str(within(folder, each["path"])) for name, each in said.items()}
        return PythonPredictor(as_python_model(model), PythonModelContext(artifacts, config))

    def runs_code(self, parts: Parts) -> Sequence[str]:
        """All of it does."""
        return [_file(parts)]


def _file(parts: Parts) -> str:
    """What is run, or unpickled."""
    said = parts.pyfunc or {}
    code = said.get("model_code_path")
    return code_file(code) if code else named(said.get("python_model") or _FILE)


def _warn_of_files(model: Any) -> None:
    """Say which files a model knows by where they lie here: they do not come along."""
    for name, value in getattr(model, "__dict__", {}).items():
        if isinstance(value, str | Path) and 0 < len(str(value)) < 4096 and Path(value).is_absolute():
            with suppress(OSError, ValueError):
                if Path(value).exists():
                    _log.warning("%s = %r is not logged: give it as artifacts={%r: ...}", name, str(value), name)


def _hinted(model: Any) -> ModelSignature | None:
    """The signature that the hints of `predict` promise; none where they promise nothing that a schema has."""
    hints = getattr(model, "predict_type_hints", None)
    try:
        inputs = schema_from_hint(hints.input) if hints and hints.input else None
        outputs = schema_from_hint(hints.output) if hints and hints.output else None
    except SignatureError as error:
        _log.warning("no signature from type hints: %s", error)
        return None
    return ModelSignature(inputs, outputs) if inputs else None


def _save_code(file: Path, folder: Path, streamable: bool) -> Parts:
    """Keep a file of code, having run it once: to see that it sets a model, and what it imports."""
    _run_code(file)
    copy_local(file, folder / file.name)
    return Parts(
        own={},
        pyfunc={"loader_module": CODED, "model_code_path": file.name, "streamable": streamable},
        modules=_imported(file),
    )


def _imported(file: Path) -> list[str]:
    tree = ast.parse(file.read_bytes(), str(file))
    plain = [each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names]
    return plain + [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) if node.module]


def _run_code(file: Path) -> Any:
    """The model that a file of code sets.

    Raises:
        ContentError: It sets none.
    """
    spec = importlib.util.spec_from_file_location(f"_holdall_model_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ContentError(str(file), "Python code", "its name does not end in .py")
    module = importlib.util.module_from_spec(spec)
    take_model()
    spec.loader.exec_module(module)
    model = take_model()
    if model is None:
        raise ContentError(str(file), "a model as code", "it does not call set_model(model)")
    return model


def _copied(data_path: str | None, folder: Path) -> dict[str, str]:
    if data_path is None:
        return {}
    source = Path(data_path)
    copy_local(source, folder / _DATA / source.name)
    return {"data": f"{_DATA}/{source.name}"}


FLAVOR: Final = PythonFlavor()
