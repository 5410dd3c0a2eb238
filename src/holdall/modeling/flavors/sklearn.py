"""scikit-learn: estimators, and pipelines of them.

    cloudpickle   model.pkl     with classes and functions of the script itself in it; runs code when loaded
    pickle        model.pkl     everything by its module's name; runs code when loaded
    skops         model.skops   runs none: what it may build is listed

skops refuses to build what is neither its own list's nor the reader's. `_HARMLESS`
adds compiled parts of scikit-learn's estimators, which hold numbers and nothing
that is called; without them not even a forest could be kept, whose trees are
looked at when it is loaded. Nearest neighbours by trees and boosting by
histograms are kept, too, but are the reader's to admit: nothing looks at theirs. What a
model lists beyond them, it lists itself: that counts as running code, and is
the reader's to admit (an MLmodel file that could vouch for itself would be no
protection).

As a python_function, `predict` calls the method that was named when it was logged.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdall.libraries import library
from holdall.modeling.files.pickling import dump_noting_modules, load_pickle
from holdall.modeling.files.places import named, within
from holdall.modeling.files.sklearn_trees import check_sklearn
from holdall.modeling.files.skops_files import all_harmless, dump_skops, load_skops
from holdall.modeling.flavor import Parts, Predictor, root_module

CLOUDPICKLE, PICKLE, SKOPS = "cloudpickle", "pickle", "skops"
FORMATS: Final = (CLOUDPICKLE, PICKLE, SKOPS)
_HARMLESS: Final = re.compile(
    r"sklearn\.(tree\._tree\.Tree|_loss\._loss\.Cy[A-Za-z]+|_loss\.(loss|link)\.[A-Za-z]+"
    r"|linear_model\._sgd_fast\.[A-Za-z]+|utils\._bunch\.Bunch)"
)
# Without code as well; but scikit-learn follows the numbers in them without a look, and nothing looks before.
_FOLLOWED: Final = re.compile(
    r"sklearn\.(neighbors\._(kd_tree\.KDTree|ball_tree\.BallTree)(32|64)?|metrics\._dist_metrics\.[A-Za-z0-9]+"
    r"|ensemble\._hist_gradient_boosting\.(predictor\.TreePredictor|binning\._BinMapper))"
)
_KEPT: Final = re.compile(f"{_HARMLESS.pattern}|{_FOLLOWED.pattern}")
METHODS: Final = ("predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba", "score")
_log = logging.getLogger("holdall")


class SklearnFlavor:
    """See `Flavor`."""

    name = "sklearn"
    loaders = ("mlflow.sklearn",)

    def knows(self, kind: type) -> bool:
        """Return whether it is one of scikit-learn's classes, or derives from one."""
        return root_module(kind) in ("sklearn", "imblearn")

    def save(
        self,
        model: Any,
        folder: Path,
        *,
        serialization_format: str = CLOUDPICKLE,
        pyfunc_predict_fn: str = "predict",
        skops_trusted_types: Sequence[str] | None = None,
    ) -> Parts:
        """See `Flavor.save` and `holdall.sklearn.log_model`."""
        if serialization_format not in FORMATS:
            raise ValueError(f"serialization_format={serialization_format!r} is none of {', '.join(FORMATS)}")
        if pyfunc_predict_fn not in METHODS:
            raise ValueError(f"pyfunc_predict_fn={pyfunc_predict_fn!r} is none of {', '.join(METHODS)}")
        if not any(callable(getattr(model, verb, None)) for verb in ("fit", "predict", "transform")):
            raise TypeError(f"an estimator is needed, not a {type(model).__name__}")
        sklearn = library("sklearn", "keeping a scikit-learn model", "scikit-learn")
        file = "model.skops" if serialization_format == SKOPS else "model.pkl"
        listed = list(skops_trusted_types or ())
        if serialization_format == SKOPS:
            listed = dump_skops(model, folder / file, harmless=_KEPT, listed=listed)
            modules = {"skops", *_modules_of(model)}
        else:
            with (folder / file).open("wb") as stream:
                modules = dump_noting_modules(model, stream, by_value=serialization_format == CLOUDPICKLE)
        own = {
            "pickled_model": file,
            "sklearn_version": sklearn.__version__,
            "serialization_format": serialization_format,
            "skops_trusted_types": listed or None,
        }
        can = hasattr(model, pyfunc_predict_fn)
        pyfunc = {"model_path": file, "predict_fn": pyfunc_predict_fn} if can else None
        if not can:
            _log.warning("no python_function: %s has no method %s", type(model).__name__, pyfunc_predict_fn)
        return Parts(own=own, pyfunc=pyfunc, modules={"sklearn", *modules})

    def load(self, folder: Path, parts: Parts) -> Any:
        """See `Flavor.load`."""
        library("sklearn", "loading a scikit-learn model", "scikit-learn")
        file = within(folder, _file(parts))
        listed = parts.own.get("skops_trusted_types")
        return load_skops(file, listed, after=check_sklearn) if _is_skops(parts) else load_pickle(file)

    def wrap(self, model: Any, parts: Parts, *, folder: Path, config: Mapping[str, Any]) -> Predictor:  # noqa: ARG002
        """See `Flavor.wrap`."""
        return _Wrapped(model, str((parts.pyfunc or {}).get("predict_fn") or "predict"))

    def runs_code(self, parts: Parts) -> Sequence[str]:
        """A pickle does, and a model of skops that lists types of its own."""
        listed = parts.own.get("skops_trusted_types")
        return [] if _is_skops(parts) and all_harmless(listed, _HARMLESS) else [_file(parts)]


class _Wrapped:
    """One method of an estimator."""

    def __init__(self, model: Any, method: str) -> None:
        self._model, self._method = model, method

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        return getattr(self._model, self._method)(data, **(params or {}))


def _modules_of(model: Any) -> set[str]:
    """Return where the classes of an estimator and of those in it are from."""
    parts = [model, *getattr(model, "get_params", dict)().values()]
    return {kind.__module__ for part in parts for kind in type(part).__mro__} - {"builtins", "__main__"}


def _file(parts: Parts) -> str:
    file = parts.own.get("pickled_model") or (parts.pyfunc or {}).get("model_path") or (parts.pyfunc or {}).get("data")
    return named(file or "model.pkl")


def _is_skops(parts: Parts) -> bool:
    """Whether it is read as skops, which reads nothing else; what does not say is judged by its name."""
    form = parts.own.get("serialization_format")
    return form == SKOPS if form else _file(parts).endswith(".skops")


FLAVOR: Final = SklearnFlavor()
