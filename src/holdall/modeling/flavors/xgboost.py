"""XGBoost: boosters, and the estimators that wrap them.

    model.ubj     UBJSON
    model.json    the same as JSON
    model.xgb     UBJSON too, under a name of old

All are XGBoost's own, run no code, and have the same bytes for the same model.
An estimator is kept as its booster; XGBoost itself puts into the file what the
estimator knows of its classes. What it was told when it was made, such as which
number stands for a missing value, is in no file of XGBoost's: it stands in the
MLmodel file as `model_params`. Threads and devices are the reader's matter, and
functions (an objective, callbacks) have done their work when it is fitted.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdall.errors import ContentError
from holdall.libraries import library
from holdall.modeling.files.branching import TreeError
from holdall.modeling.files.places import named, within
from holdall.modeling.files.xgboost_trees import check_xgboost
from holdall.modeling.flavor import Parts, Predictor, root_module

FORMATS: Final = ("ubj", "json", "xgb")
_BOOSTER: Final = "xgboost.core.Booster"
_READERS: Final = ("n_jobs", "nthread", "device", "verbosity")
_log = logging.getLogger("holdall")


class XGBoostFlavor:
    """See `Flavor`."""

    name = "xgboost"
    loaders = ("mlflow.xgboost",)

    def knows(self, kind: type) -> bool:
        """Return whether it is one of XGBoost's classes, or derives from one."""
        return root_module(kind) == "xgboost"

    def save(self, model: Any, folder: Path, *, model_format: str = "ubj") -> Parts:
        """See `Flavor.save` and `holdall.xgboost.log_model`."""
        if model_format not in FORMATS:
            raise ValueError(f"model_format={model_format!r} is none of {', '.join(FORMATS)}")
        xgboost = library("xgboost", "keeping an XGBoost model")
        if not isinstance(model, xgboost.Booster | xgboost.XGBModel):
            raise TypeError(f"a Booster or an estimator of XGBoost is needed, not a {type(model).__name__}")
        file, kind = f"model.{model_format}", type(model)
        written = folder / ("model.json" if model_format == "json" else "model.ubj")
        model.save_model(written)
        written.rename(folder / file)  # given the old name, XGBoost would do the same, but warn
        own = {
            "xgb_version": xgboost.__version__,
            "data": file,
            "model_class": f"{kind.__module__}.{kind.__qualname__}",
            "model_format": model_format,
        }
        wrapped = {"sklearn"} if isinstance(model, xgboost.XGBModel) else set()
        if wrapped:
            own["model_params"] = _told(model)
        return Parts(own=own, pyfunc={"data": file}, modules={"xgboost", kind.__module__, *wrapped})

    def load(self, folder: Path, parts: Parts) -> Any:
        """See `Flavor.load`."""
        xgboost = library("xgboost", "loading an XGBoost model")
        file = within(folder, _file(parts))
        model = _made(_class(parts), xgboost, str(file))
        unfitted = model.get_params(deep=False) if isinstance(model, xgboost.XGBModel) else {}
        try:
            check_xgboost(file.read_bytes())
            model.load_model(file)
        except (TreeError, OSError) as error:
            raise ContentError(str(file), "an XGBoost model that can be followed to its leaves", str(error)) from error
        except (xgboost.core.XGBoostError, TypeError) as error:  # the latter: it is of another class than it says
            reason = str(error).strip().partition("\n")[0]
            raise ContentError(str(file), "an XGBoost model", reason) from error
        if unfitted and isinstance(told := parts.own.get("model_params"), Mapping):  # MLflow's files have none
            _tell(model, unfitted, told)
        return model

    def wrap(self, model: Any, parts: Parts, *, folder: Path, config: Mapping[str, Any]) -> Predictor:  # noqa: ARG002
        """See `Flavor.wrap`."""
        return _Wrapped(model)

    def runs_code(self, parts: Parts) -> Sequence[str]:
        """None, unless its class is the user's own, whose module is imported and whose methods are called."""
        return [] if _class(parts).startswith("xgboost.") else ["MLmodel"]


class _Wrapped:
    """A booster or an estimator."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        xgboost = library("xgboost", "predicting with an XGBoost model")
        known = _known(self._model.predict, params or {})
        if isinstance(self._model, xgboost.Booster):
            data = xgboost.DMatrix(data, enable_categorical="c" in (self._model.feature_types or ()))
        return self._model.predict(data, validate_features=True, **known)


def _told(model: Any) -> dict[str, Any]:
    """What an estimator was told when it was made, as far as a file can hold it, numbers of numpy as Python's own."""
    asked = copy.copy(model)
    if not _is_plain(asked.random_state):
        asked.random_state = None  # else XGBoost draws from the caller's generator to describe it
    params = asked.get_params(deep=False)
    found = {name: getattr(value, "tolist", lambda value=value: value)() for name, value in params.items()}
    return {name: value for name, value in found.items() if name not in _READERS and _is_plain(value)}


def _tell(model: Any, unfitted: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """Tell an estimator that again: what it was not told is as in one that is new.

    XGBoost's own `set_params` would tell the booster too, which knows all from its file.
    """
    for name, value in {**unfitted, **told}.items():
        if name in unfitted and name not in _READERS:
            setattr(model, name, value)
        elif name.isidentifier() and not hasattr(model, name):
            model.kwargs = {**(getattr(model, "kwargs", None) or {}), name: value}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_plain(each) for name, each in value.items())
    return type(value) in (bool, int, str) or (type(value) is float and value == value)  # None and nan go unsaid


def _known(function: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that the framework takes; of others a warning tells, as MLflow has it."""
    taken = inspect.signature(function).parameters
    if others := [name for name in params if name not in taken]:
        _log.warning("XGBoost takes no %s; left out", ", ".join(others))
    return {name: value for name, value in params.items() if name in taken and name != "validate_features"}


def _made(name: str, xgboost: Any, where: str) -> Any:
    """Return an empty model of a class.

    Raises:
        ContentError: There is no such class here, or it is none of XGBoost's models.
    """
    module, _, kind = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), kind)
    except (ImportError, AttributeError, ValueError) as error:
        raise ContentError(where, "a model that can be loaded here", f"it is a {name}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, xgboost.Booster | xgboost.XGBModel)):
        raise ContentError(where, "an XGBoost model", f"a {name} is none")
    return found()


def _file(parts: Parts) -> str:
    return named(parts.own.get("data") or (parts.pyfunc or {}).get("data") or "model.xgb")


def _class(parts: Parts) -> str:
    return str(parts.own.get("model_class") or _BOOSTER)  # files of MLflow before 1.22 say nothing


FLAVOR: Final = XGBoostFlavor()
