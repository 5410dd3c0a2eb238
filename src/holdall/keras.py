"""Models of Keras 3: `holdall.keras`, as users of MLflow know it."""

from __future__ import annotations

import os
from collections.abc import Mapping
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

_FLAVOR = "keras"


class _Options(TypedDict, total=False):
    """Keyword arguments that only this flavor has.

    Attributes:
        save_exported_model: Export it as a program for TensorFlow, which predicts and cannot be trained; it runs code
            when it is loaded. Else it is a `.keras` file, which runs none.
        save_model_kwargs: Keyword arguments of the model's `save` or `export`.
    """

    save_exported_model: bool
    save_model_kwargs: Mapping[str, Any] | None


class _LogOptions(LogOptions, _Options, total=False): ...


class _SaveOptions(SaveOptions, _Options, total=False): ...


_listed = list_keywords(_Options, save_exported_model=False)


@_listed
def log_model(model: Any, artifact_path: str | None = None, **options: Unpack[_LogOptions]) -> ModelInfo:
    """Log a Keras model into the active run: one commit, complete when this returns.

    Args:
        model: The `keras.Model`.
        options: See `LogOptions` and `_Options`.

    Raises:
        ValueError: Keras cannot save the model; nothing was logged.
        Others: as `holdall.log_model`.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> with holdall.start_run():
        ...     info = holdall.keras.log_model(model, name="m", pip_requirements=["keras"])
        >>> holdall.keras.load_model(info.model_uri).count_params()
        3
    """
    return models.log_model(model, flavor=_FLAVOR, artifact_path=artifact_path, **options)


@_listed
def save_model(
    model: Any, path: str | os.PathLike[str], *, mlflow_model: None = None, **options: Unpack[_SaveOptions]
) -> None:
    """Write a Keras model into a local folder, as `log_model` writes it into a run.

    Args:
        model: The `keras.Model`.
        options: See `SaveOptions` and `_Options`.

    Raises: as `log_model`; DestinationError, where there is something in the folder.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> holdall.keras.save_model(model, "folder", pip_requirements=["keras"])
        >>> holdall.keras.load_model("folder").count_params()
        3
    """
    models.save_model(model, path, flavor=_FLAVOR, mlflow_model=mlflow_model, **options)


def load_model(
    model_uri: str | os.PathLike[str],
    dst_path: str | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    load_model_kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """Load the Keras model, or the program that was exported from it, at an address.

    Its own arguments; the others are those of `holdall.load_model`:
        custom_objects: Classes and functions that are not Keras's own, by name.
        load_model_kwargs: What `keras.saving.load_model` takes. `{"safe_mode": False}` lets the file run code.

    Raises: as `holdall.load_model`.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> holdall.keras.save_model(model, "m", pip_requirements=["keras"])
        >>> holdall.keras.load_model("m").count_params()
        3
    """
    return models.load_model(
        model_uri,
        dst_path,
        flavor=_FLAVOR,
        custom_objects=custom_objects,
        load_model_kwargs=load_model_kwargs,
    )
