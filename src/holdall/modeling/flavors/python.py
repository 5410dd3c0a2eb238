"""Python's own: a class with `predict`, a function, a file of code, or a module that loads data.

    python_model.pkl    an object, by cloudpickle; runs code when loaded
    <file>.py           code, whose last line is `set_model(...)`; runs when loaded
    data/<name>         data, for a `loader_module` with `_load_pyfunc(path)`

It has no part of its own in the MLmodel file: all stands under `python_function`.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import itertools
import logging
import sys
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from holdall.errors import ContentError, InvalidArgumentError, SignatureError
from holdall.libraries import library
from holdall.modeling import python_model
from holdall.modeling.code.bytecode import SourceOnly
from holdall.modeling.code.code_config import configured
from holdall.modeling.files.copying import copy_local
from holdall.modeling.files.pickling import dump_noting_modules, load_pickle
from holdall.modeling.files.places import code_file, named, within
from holdall.modeling.flavor import PYFUNC, Parts, Predictor
from holdall.modeling.python_model import PythonModelContext, PythonPredictor, as_python_model, take_model
from holdall.modeling.signatures.signature import ModelSignature
from holdall.modeling.signatures.type_hints import schema_from_hint

PICKLED, CODED = "mlflow.pyfunc.model", "mlflow.pyfunc.loaders.code_model"
_FILE: Final = "python_model.pkl"
_DATA: Final = "data"
_log = logging.getLogger("holdall")
_numbers: Final = itertools.count()
_BASES: Final = ("PythonModel", "ChatModel", "ResponsesAgent", "ChatAgent")


class PythonFlavor:
    """See `Flavor`."""

    name = PYFUNC
    loaders = (PICKLED, CODED)

    def knows(self, kind: type) -> bool:
        """Return whether it is a subclass of `PythonModel`, a function or a method."""
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
        config: Mapping[str, Any] | None = None,
    ) -> Parts:
        """See `Flavor.save` and `holdall.pyfunc.log_model`."""
        if (model is None) == (loader_module is None):
            raise InvalidArgumentError("give either a python_model, or a loader_module and perhaps its data_path")
        if loader_module is not None:
            read = {"loader_module": loader_module, **_copied(data_path, folder), "streamable": bool(streamable)}
            return Parts(own={}, pyfunc=read, modules={loader_module})
        if isinstance(model, str | Path):
            return _save_code(Path(model), folder, streamable, config or {})
        if not callable(getattr(model, "predict", model)):
            raise InvalidArgumentError(
                f"python_model: a PythonModel or a function is needed, not a {type(model).__name__}"
            )
        _check_arguments(model)
        _warn_of_files(model)
        with (folder / _FILE).open("wb") as stream:
            modules = dump_noting_modules(as_python_model(model), stream, by_value=True, whole=python_model)
        cloudpickle = library("cloudpickle", "logging a Python model")
        entry: dict[str, Any] = {"loader_module": PICKLED, "python_model": _FILE}
        entry["cloudpickle_version"] = cloudpickle.__version__
        entry["streamable"] = _streams(model) if streamable is None else streamable
        return Parts(own={}, pyfunc=entry, modules=modules, hinted=_hinted(as_python_model(model)))

    def load(self, folder: Path, parts: Parts) -> Any:
        """Return the object that was logged, without its context."""
        entry, file = parts.pyfunc or {}, within(folder, _file(parts))
        return _run_code(file, entry.get("config") or {}) if entry.get("model_code_path") else load_pickle(file)

    def wrap(self, model: Any, parts: Parts, *, folder: Path, config: Mapping[str, Any]) -> Predictor:
        """See `Flavor.wrap`."""
        if isinstance(model, str | Path):  # code that is being logged
            model = self.load(folder, parts)
        entry: Mapping[str, Any] = (parts.pyfunc or {}).get("artifacts") or {}
        artifacts = {name: str(within(folder, each["path"])) for name, each in entry.items()}
        return PythonPredictor(as_python_model(model), PythonModelContext(artifacts, config))

    def runs_code(self, parts: Parts) -> Sequence[str]:
        """All of it does."""
        return [_file(parts)]


def _file(parts: Parts) -> str:
    """Return what is run, or unpickled."""
    entry = parts.pyfunc or {}
    code = entry.get("model_code_path")
    return code_file(code) if code else named(entry.get("python_model") or _FILE)


def _streams(model: Any) -> bool:
    return "predict_stream" in vars(type(model))


def _check_arguments(model: Any) -> None:
    """Refuse a function that cannot be called with data alone, beside which only `params` may stand."""
    if hasattr(model, "predict"):
        return
    try:
        names = list(inspect.signature(model).parameters)
    except ValueError:  # a builtin that does not say
        return
    if len(names) != 1 and not (len(names) == 2 and names[1] == "params"):
        had = ", ".join(names) or "nothing"
        raise InvalidArgumentError(
            f"a function that is a model takes its data and perhaps params; this one takes {had}"
        )


def _warn_of_files(model: Any) -> None:
    """Say which files a model knows by where they lie here: they do not come along."""
    for name, value in getattr(model, "__dict__", {}).items():
        if isinstance(value, str | Path) and 0 < len(str(value)) < 4096 and Path(value).is_absolute():
            with suppress(OSError, ValueError):
                if Path(value).exists():
                    _log.warning("%s = %r is not logged: give it as artifacts={%r: ...}", name, str(value), name)


def _hinted(model: Any) -> ModelSignature | None:
    """Return the signature that the hints of `predict` promise; none where they promise nothing that a schema has."""
    hints = getattr(model, "predict_type_hints", None)
    try:
        inputs = schema_from_hint(hints.input) if hints and hints.input else None
        outputs = schema_from_hint(hints.output) if hints and hints.output else None
    except SignatureError as error:
        _log.warning("no signature from type hints: %s", error)
        return None
    return ModelSignature(inputs, outputs) if inputs else None


def _save_code(file: Path, folder: Path, streamable: bool | None, config: Mapping[str, Any]) -> Parts:
    """Keep a file of code, having run it once: to see which model it sets, with which hints, and what it imports."""
    if not file.is_file():
        raise InvalidArgumentError(f"python_model: there is no file {str(file)!r}")
    model = as_python_model(_run_code(file, config))
    streams = _streams(model) if streamable is None else streamable
    copy_local(file, folder / file.name)
    return Parts(
        own={},
        pyfunc={"loader_module": CODED, "model_code_path": file.name, "streamable": streams},
        modules=_imported(file),
        hinted=_hinted(model),
    )


def _imported(file: Path) -> list[str]:
    tree = ast.parse(file.read_bytes(), str(file))
    plain = [each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names]
    return plain + [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) if node.module]


def _run_code(file: Path, config: Mapping[str, Any]) -> Any:
    """Return the model that a file of code sets.

    Raises:
        ContentError: It sets none.
    """
    name = f"_holdall_model_{next(_numbers)}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file, loader=SourceOnly(name, str(file)))
    if spec is None or spec.loader is None or file.suffix != ".py":
        raise ContentError(str(file), "Python code", "its name does not end in .py")
    module = importlib.util.module_from_spec(spec)
    with configured(config, for_mlflow=any(name.partition(".")[0] == "mlflow" for name in _imported(file))):
        sys.modules[module.__name__] = module  # where its classes look for what their hints mean
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
