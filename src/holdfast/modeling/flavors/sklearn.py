"""scikit-learn: estimators, and pipelines of them.

    cloudpickle   model.pkl     with classes and functions of the script itself in it; runs code when loaded
    pickle        model.pkl     everything by its module's name; runs code when loaded
    skops         model.skops   runs none: what it may build is listed

As a python_function, `predict` calls the method that was named when it was logged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdfast.modeling.flavor import Parts, Predictor, root_module
from holdfast.modeling.pickling import dump_noting_modules, load_pickle
from holdfast.runs.rendering import library

CLOUDPICKLE, PICKLE, SKOPS = "cloudpickle", "pickle", "skops"
FORMATS: Final = (CLOUDPICKLE, PICKLE, SKOPS)
METHODS: Final = ("predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba", "score")


class SklearnFlavor:
    """See `Flavor`."""

    name = "sklearn"
    loaders = ("mlflow.sklearn",)

    def knows(self, kind: type) -> bool:
        """Classes of scikit-learn's own, and with them all that derive from them."""
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
        """See `Flavor.save` and `holdfast.sklearn.log_model`."""
        if serialization_format not in FORMATS:
            raise ValueError(f"serialization_format={serialization_format!r} is none of {', '.join(FORMATS)}")
        sklearn = library("sklearn", "keeping a scikit-learn model", "scikit-learn")
        file = "model.skops" if serialization_format == SKOPS else "model.pkl"
        modules: set[str] = set()
        with (folder / file).open("wb") as stream:
            modules = dump_noting_modules(model, stream, by_value=serialization_format == CLOUDPICKLE)
        own = {
            "pickled_model": file,
            "sklearn_version": sklearn.__version__,
            "serialization_format": serialization_format,
            "skops_trusted_types": skops_trusted_types,
        }
        can = hasattr(model, pyfunc_predict_fn)
        pyfunc = {"model_path": file, "predict_fn": pyfunc_predict_fn} if can else None
        return Parts(own=own, pyfunc=pyfunc, modules={"sklearn", *modules})

    def load(self, folder: Path, parts: Parts) -> Any:
        """See `Flavor.load`."""
        library("sklearn", "loading a scikit-learn model", "scikit-learn")
        return load_pickle(folder / _file(parts))

    def wrap(self, model: Any, parts: Parts, *, folder: Path, config: Mapping[str, Any]) -> Predictor:  # noqa: ARG002
        """See `Flavor.wrap`."""
        return _Wrapped(model, str((parts.pyfunc or {}).get("predict_fn") or "predict"))

    def runs_code(self, parts: Parts) -> Sequence[str]:
        """A pickle does."""
        return [_file(parts)]


class _Wrapped:
    """One method of an estimator."""

    def __init__(self, model: Any, method: str) -> None:
        self._model, self._method = model, method

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        return getattr(self._model, self._method)(data, **(params or {}))


def _file(parts: Parts) -> str:
    file = parts.own.get("pickled_model") or (parts.pyfunc or {}).get("model_path") or (parts.pyfunc or {}).get("data")
    return str(file or "model.pkl")


FLAVOR: Final = SklearnFlavor()
