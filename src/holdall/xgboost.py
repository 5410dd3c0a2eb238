"""Models of XGBoost: `holdall.xgboost`, as users of MLflow know it."""

from __future__ import annotations

import os
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

_FLAVOR = "xgboost"


class _Options(TypedDict, total=False):
    """Keyword arguments that only this flavor has.

    Attributes:
        model_format: "ubj", the default, "json" or "xgb" (UBJSON under an old name). XGBoost's own, which run no code.
    """

    model_format: str


class _LogOptions(LogOptions, _Options, total=False): ...


class _SaveOptions(SaveOptions, _Options, total=False): ...


_listed = list_keywords(_Options, model_format="ubj")


@_listed
def log_model(xgb_model: Any, artifact_path: str | None = None, **options: Unpack[_LogOptions]) -> ModelInfo:
    """Log a booster or an estimator into the active run: one commit, complete when this returns.

    Args:
        xgb_model: The `Booster`, or the fitted estimator.
        options: See `LogOptions` and `_Options`.

    Raises:
        ValueError: There is no such format; nothing was logged.
        Others: as `holdall.log_model`.

    Example:
        >>> import xgboost, numpy
        >>> data = xgboost.DMatrix(numpy.eye(2), label=[0.0, 1.0])
        >>> booster = xgboost.train({}, data, num_boost_round=1)
        >>> with holdall.start_run():
        ...     info = holdall.xgboost.log_model(booster, name="m", pip_requirements=["xgboost-cpu"])
        >>> holdall.xgboost.load_model(info.model_uri).num_boosted_rounds()
        1
    """
    return models.log_model(xgb_model, flavor=_FLAVOR, artifact_path=artifact_path, **options)


@_listed
def save_model(
    xgb_model: Any, path: str | os.PathLike[str], *, mlflow_model: None = None, **options: Unpack[_SaveOptions]
) -> None:
    """Write a booster or an estimator into a local folder, as `log_model` writes it into a run.

    Args:
        xgb_model: The `Booster`, or the fitted estimator.
        options: See `SaveOptions` and `_Options`.

    Raises: as `log_model`; DestinationError, where there is something in the folder.

    Example:
        >>> import xgboost, numpy
        >>> data = xgboost.DMatrix(numpy.eye(2), label=[0.0, 1.0])
        >>> booster = xgboost.train({}, data, num_boost_round=1)
        >>> holdall.xgboost.save_model(booster, "folder", pip_requirements=["xgboost-cpu"])
        >>> holdall.xgboost.load_model("folder").num_boosted_rounds()
        1
    """
    models.save_model(xgb_model, path, flavor=_FLAVOR, mlflow_model=mlflow_model, **options)


def load_model(model_uri: str | os.PathLike[str], dst_path: str | None = None) -> Any:
    """Load the booster or estimator at an address.

    Args, raises: as `holdall.load_model`.

    Example:
        >>> import xgboost, numpy
        >>> data = xgboost.DMatrix(numpy.eye(2), label=[0.0, 1.0])
        >>> booster = xgboost.train({}, data, num_boost_round=1)
        >>> holdall.xgboost.save_model(booster, "m", pip_requirements=["xgboost-cpu"])
        >>> holdall.xgboost.load_model("m").num_boosted_rounds()
        1
    """
    return models.load_model(model_uri, dst_path, flavor=_FLAVOR)
