"""Models of LightGBM: `holdall.lightgbm`, as users of MLflow know it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from holdall.missing_names import explaining
from holdall.modeling.saving.keywords import LogOptions, SaveOptions
from holdall.store import ModelInfo
from holdall.surfaces.fluent import models
from holdall.surfaces.fluent.autologging import autolog_flavor as autolog
from holdall.surfaces.fluent.keywords import list_keywords

__all__ = ["autolog", "load_model", "log_model", "save_model"]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)

_FLAVOR = "lightgbm"


class _Options(TypedDict, total=False):
    """Keyword arguments that only this flavor has.

    Attributes:
        serialization_format: Of an estimator: "skops", which runs no code when it is loaded, when None; or
            "cloudpickle" or "pickle", which do.
        skops_trusted_types: Full names of types that are safe to build, in addition to those that are known to be.
        num_iteration: Of a `Booster`: how many of its trees are kept; those up to its best iteration when None.
        start_iteration: Of a `Booster`: the first tree that is kept.
        importance_type: Of a `Booster`: the importance of features that its file tells, "split" or "gain".
    """

    serialization_format: str | None
    skops_trusted_types: Sequence[str] | None
    num_iteration: int | None
    start_iteration: int
    importance_type: str


class _LogOptions(LogOptions, _Options, total=False): ...


class _SaveOptions(SaveOptions, _Options, total=False): ...


_listed = list_keywords(_Options, start_iteration=0, importance_type="split")


@_listed
def log_model(lgb_model: Any, artifact_path: str | None = None, **options: Unpack[_LogOptions]) -> ModelInfo:
    """Log a booster or an estimator into the active run: one commit, complete when this returns.

    Args:
        lgb_model: The `Booster`, which is kept as LightGBM's own text; or the fitted estimator.
        options: See `LogOptions` and `_Options`.

    Raises:
        ValueError: There is no such format, or skops does not know a type; nothing was logged.
        Others: as `holdall.log_model`.

    Example:
        >>> import lightgbm, numpy
        >>> x = numpy.arange(40.0)
        >>> booster = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(x.reshape(40, 1), label=x), num_boost_round=1)
        >>> with holdall.start_run():
        ...     info = holdall.lightgbm.log_model(booster, name="m", pip_requirements=["lightgbm"])
        >>> holdall.lightgbm.load_model(info.model_uri).num_trees()
        1
    """
    return models.log_model(lgb_model, flavor=_FLAVOR, artifact_path=artifact_path, **options)


@_listed
def save_model(
    lgb_model: Any, path: str | os.PathLike[str], *, mlflow_model: None = None, **options: Unpack[_SaveOptions]
) -> None:
    """Write a booster or an estimator into a local folder, as `log_model` writes it into a run.

    Args:
        lgb_model: The `Booster`, which is kept as LightGBM's own text; or the fitted estimator.
        options: See `SaveOptions` and `_Options`.

    Raises: as `log_model`; DestinationError, where there is something in the folder.

    Example:
        >>> import lightgbm, numpy
        >>> x = numpy.arange(40.0)
        >>> booster = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(x.reshape(40, 1), label=x), num_boost_round=1)
        >>> holdall.lightgbm.save_model(booster, "folder", pip_requirements=["lightgbm"])
        >>> holdall.lightgbm.load_model("folder").num_trees()
        1
    """
    models.save_model(lgb_model, path, flavor=_FLAVOR, mlflow_model=mlflow_model, **options)


def load_model(model_uri: str | os.PathLike[str], dst_path: str | None = None) -> Any:
    """Load the booster or estimator at an address.

    Args, raises: as `holdall.load_model`.

    Example:
        >>> import lightgbm, numpy
        >>> x = numpy.arange(40.0)
        >>> booster = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(x.reshape(40, 1), label=x), num_boost_round=1)
        >>> holdall.lightgbm.save_model(booster, "m", pip_requirements=["lightgbm"])
        >>> holdall.lightgbm.load_model("m").num_trees()
        1
    """
    return models.load_model(model_uri, dst_path, flavor=_FLAVOR)
