"""Models of scikit-learn: `holdall.sklearn`, as users of MLflow know it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from holdall.integrations.autologging.sklearn import autolog
from holdall.missing_names import explaining
from holdall.modeling.saving.keywords import LogOptions, SaveOptions
from holdall.store import ModelInfo
from holdall.surfaces.fluent import models
from holdall.surfaces.fluent.keywords import list_keywords

__all__ = ["autolog", "load_model", "log_model", "save_model"]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)

_FLAVOR = "sklearn"


class _Options(TypedDict, total=False):
    """Keyword arguments that only this flavor has.

    Attributes:
        serialization_format: "cloudpickle", the default, keeps classes and functions of the script with it; "pickle"
            keeps their names only; "skops" runs no code when it is loaded. The first two do.
        pyfunc_predict_fn: The method that the python_function's `predict` calls: "predict", "predict_proba",
            "predict_log_proba", "predict_joint_log_proba" or "score".
        skops_trusted_types: Full names of types that are safe to build, in addition to those that are known to be.
    """

    serialization_format: str
    pyfunc_predict_fn: str
    skops_trusted_types: Sequence[str] | None


class _LogOptions(LogOptions, _Options, total=False): ...


class _SaveOptions(SaveOptions, _Options, total=False): ...


_listed = list_keywords(_Options, serialization_format="cloudpickle", pyfunc_predict_fn="predict")


@_listed
def log_model(sk_model: Any, artifact_path: str | None = None, **options: Unpack[_LogOptions]) -> ModelInfo:
    """Log an estimator, or a pipeline, into the active run: one commit, complete when this returns.

    Args:
        sk_model: The fitted estimator.
        options: See `LogOptions` and `_Options`.

    Raises:
        ValueError: An argument has a value that it cannot have; nothing was logged.
        Others: as `holdall.log_model`.

    Cost: one PUT for models of 64 KiB; else about one per 32 MiB and a few more.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
        >>> with holdall.start_run():
        ...     info = holdall.sklearn.log_model(model, name="m", pip_requirements=["scikit-learn"])
        >>> holdall.sklearn.load_model(info.model_uri).predict([[2.0]]).round().tolist()
        [4.0]
    """
    return models.log_model(sk_model, flavor=_FLAVOR, artifact_path=artifact_path, **options)


@_listed
def save_model(
    sk_model: Any, path: str | os.PathLike[str], *, mlflow_model: None = None, **options: Unpack[_SaveOptions]
) -> None:
    """Write an estimator, or a pipeline, into a local folder, as `log_model` writes it into a run.

    Args:
        sk_model: The fitted estimator.
        options: See `SaveOptions` and `_Options`.

    Raises: as `log_model`; DestinationError, where there is something in the folder.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
        >>> holdall.sklearn.save_model(model, "folder", pip_requirements=["scikit-learn"])
        >>> holdall.sklearn.load_model("folder").predict([[2.0]]).round().tolist()
        [4.0]
    """
    models.save_model(sk_model, path, flavor=_FLAVOR, mlflow_model=mlflow_model, **options)


def load_model(model_uri: str | os.PathLike[str], dst_path: str | None = None) -> Any:
    """Load the estimator at an address.

    Args, raises: as `holdall.load_model`.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
        >>> holdall.sklearn.save_model(model, "m", pip_requirements=["scikit-learn"])
        >>> holdall.sklearn.load_model("m").predict([[2.0]]).round().tolist()
        [4.0]
    """
    return models.load_model(model_uri, dst_path, flavor=_FLAVOR)
