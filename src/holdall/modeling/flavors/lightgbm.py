"""LightGBM: boosters, and the estimators that wrap them.

    model.lgb      a booster, as LightGBM's own text; runs no code
    model.skops    an estimator; runs none either, for its types are known to be harmless
    model.pkl      an estimator by cloudpickle or pickle; runs code when loaded

LightGBM has no format of its own for estimators, so theirs are scikit-learn's.
The first two have the same bytes for the same model.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdall.errors import ContentError
from holdall.libraries import library
from holdall.modeling.files.branching import TreeError
from holdall.modeling.files.lightgbm_trees import check_lightgbm, check_schema
from holdall.modeling.files.pickling import dump_noting_modules, load_pickle
from holdall.modeling.files.places import named, within
from holdall.modeling.files.skops_files import all_harmless, dump_skops, load_skops
from holdall.modeling.flavor import Parts, Predictor, root_module

SKOPS, CLOUDPICKLE, PICKLE = "skops", "cloudpickle", "pickle"
FORMATS: Final = (SKOPS, CLOUDPICKLE, PICKLE)
_BOOSTER: Final = "lightgbm.basic.Booster"
# A booster is built by LightGBM's parser from its text, and by nothing else.
_HARMLESS: Final = re.compile(
    r"collections\.(OrderedDict|defaultdict)|lightgbm\.basic\.Booster"
    r"|lightgbm\.sklearn\.LGBM(Model|Classifier|Regressor|Ranker)"
)


class LightGBMFlavor:
    """See `Flavor`."""

    name = "lightgbm"
    loaders = ("mlflow.lightgbm",)

    def knows(self, kind: type) -> bool:
        """Return whether it is one of LightGBM's classes, or derives from one."""
        return root_module(kind) == "lightgbm"

    def save(
        self,
        model: Any,
        folder: Path,
        *,
        serialization_format: str | None = None,
        skops_trusted_types: Sequence[str] | None = None,
        num_iteration: int | None = None,
        start_iteration: int = 0,
        importance_type: str = "split",
    ) -> Parts:
        """See `Flavor.save` and `holdall.lightgbm.log_model`."""
        form = serialization_format or SKOPS
        if form not in FORMATS:
            raise ValueError(f"serialization_format={form!r} is none of {', '.join(FORMATS)}")
        lightgbm = library("lightgbm", "keeping a LightGBM model")
        kind = type(model)
        listed = list(skops_trusted_types or ())
        modules = {"lightgbm", kind.__module__}
        if isinstance(model, lightgbm.Booster):
            file = "model.lgb"
            model.save_model(folder / file, num_iteration, start_iteration, importance_type)
        elif (num_iteration, start_iteration, importance_type) != (None, 0, "split"):
            raise TypeError(
                f"num_iteration, start_iteration and importance_type are for a Booster, not a {kind.__name__}"
            )
        elif not isinstance(model, lightgbm.LGBMModel):
            raise TypeError(f"a Booster or an estimator of LightGBM is needed, not a {kind.__name__}")
        elif form == SKOPS:
            file = "model.skops"
            listed = dump_skops(model, folder / file, harmless=_HARMLESS, listed=listed)
            modules |= {"skops", "sklearn"}
        else:
            file = "model.pkl"
            with (folder / file).open("wb") as stream:
                modules |= {"sklearn", *dump_noting_modules(model, stream, by_value=form == CLOUDPICKLE)}
        own = {
            "lgb_version": lightgbm.__version__,
            "data": file,
            "model_class": _BOOSTER if file == "model.lgb" else f"{kind.__module__}.{kind.__qualname__}",
            "serialization_format": form,
            "skops_trusted_types": listed or None,
        }
        if file == "model.lgb" and model.best_iteration > 0:  # its own text does not say it, and predict goes by it
            own["best_iteration"] = int(model.best_iteration)
        return Parts(own=own, pyfunc={"data": file}, modules=modules)

    def load(self, folder: Path, parts: Parts) -> Any:
        """See `Flavor.load`."""
        lightgbm = library("lightgbm", "loading a LightGBM model")
        file = within(folder, _file(parts))
        if not _is_booster(parts):
            listed = parts.own.get("skops_trusted_types")
            return load_skops(file, listed, before=check_schema) if _is_skops(parts) else load_pickle(file)
        try:
            check_lightgbm(file.read_bytes())
            return _with_best(lightgbm.Booster(model_file=file), parts.own.get("best_iteration"))
        except (TreeError, OSError) as error:
            raise ContentError(str(file), "a LightGBM model that can be followed to its leaves", str(error)) from error
        except lightgbm.basic.LightGBMError as error:
            raise ContentError(str(file), "a LightGBM model", str(error)) from error

    def wrap(self, model: Any, parts: Parts, *, folder: Path, config: Mapping[str, Any]) -> Predictor:  # noqa: ARG002
        """See `Flavor.wrap`."""
        return _Wrapped(model)

    def runs_code(self, parts: Parts) -> Sequence[str]:
        """A pickle does, and a model of skops that lists types of its own."""
        if _is_booster(parts):
            return []
        listed = parts.own.get("skops_trusted_types")
        return [] if _is_skops(parts) and all_harmless(listed, _HARMLESS) else [_file(parts)]


def _with_best(booster: Any, best: Any) -> Any:
    """Return a booster that predicts with its best iteration, where that was kept and it has it."""
    if isinstance(best, int) and 0 < best <= booster.current_iteration():
        booster.best_iteration = best
    return booster


class _Wrapped:
    """A booster or an estimator."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        taken = inspect.signature(self._model.predict).parameters
        return self._model.predict(data, **{name: value for name, value in (params or {}).items() if name in taken})


def _is_booster(parts: Parts) -> bool:
    """Files of MLflow before 1.23 do not say; they all are."""
    return str(parts.own.get("model_class") or _BOOSTER) == _BOOSTER


def _is_skops(parts: Parts) -> bool:
    return parts.own.get("serialization_format") == SKOPS


def _file(parts: Parts) -> str:
    return named(parts.own.get("data") or (parts.pyfunc or {}).get("data") or "model.lgb")


FLAVOR: Final = LightGBMFlavor()
