"""Models of TensorFlow: `holdall.tensorflow`, as users of MLflow know it."""

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

_FLAVOR = "tensorflow"


class _Options(TypedDict, total=False):
    """Keyword arguments that only this flavor has.

    Attributes:
        custom_objects: Classes and functions of a Keras model that are not Keras's own, by name. They are kept
            with it, and run code when it is loaded.
        saved_model_kwargs: Of a `tf.Module`: keyword arguments of `tf.saved_model.save`.
        keras_model_kwargs: Of a Keras model: keyword arguments of its `save`; `{"save_format": "h5"}` is the old
            format.
    """

    custom_objects: Mapping[str, Any] | None
    saved_model_kwargs: Mapping[str, Any] | None
    keras_model_kwargs: Mapping[str, Any] | None


class _LogOptions(LogOptions, _Options, total=False): ...


class _SaveOptions(SaveOptions, _Options, total=False): ...


_listed = list_keywords(_Options)


@_listed
def log_model(model: Any, artifact_path: str | None = None, **options: Unpack[_LogOptions]) -> ModelInfo:
    """Log a `tf.Module` or a Keras model into the active run: one commit, complete when this returns.

    Args:
        model: The `tf.Module`, or the Keras model.
        options: See `LogOptions` and `_Options`.

    Raises:
        ValueError: TensorFlow cannot save the model; nothing was logged.
        Others: as `holdall.log_model`.

    Example:
        >>> import tensorflow as tf
        >>> model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
        >>> with holdall.start_run():
        ...     info = holdall.tensorflow.log_model(model, name="m", pip_requirements=["tensorflow"])
        >>> holdall.tensorflow.load_model(info.model_uri).count_params()
        3
    """
    return models.log_model(model, flavor=_FLAVOR, artifact_path=artifact_path, **options)


@_listed
def save_model(
    model: Any, path: str | os.PathLike[str], *, mlflow_model: None = None, **options: Unpack[_SaveOptions]
) -> None:
    """Write a `tf.Module` or a Keras model into a local folder, as `log_model` writes it into a run.

    Args:
        model: The `tf.Module`, or the Keras model.
        options: See `SaveOptions` and `_Options`.

    Raises: as `log_model`; DestinationError, where there is something in the folder.

    Example:
        >>> import tensorflow as tf
        >>> model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
        >>> holdall.tensorflow.save_model(model, "folder", pip_requirements=["tensorflow"])
        >>> holdall.tensorflow.load_model("folder").count_params()
        3
    """
    models.save_model(model, path, flavor=_FLAVOR, mlflow_model=mlflow_model, **options)


def load_model(
    model_uri: str | os.PathLike[str],
    dst_path: str | None = None,
    saved_model_kwargs: Mapping[str, Any] | None = None,
    keras_model_kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """Load the Keras model, or the program that was a `tf.Module`, at an address.

    Its own arguments; the others are those of `holdall.load_model`:
        saved_model_kwargs: For a `tf.Module`: what `tf.saved_model.load` takes.
        keras_model_kwargs: For a Keras model: what `tf.keras.models.load_model` takes.

    Raises: as `holdall.load_model`.

    Example:
        >>> import tensorflow as tf
        >>> model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
        >>> holdall.tensorflow.save_model(model, "m", pip_requirements=["tensorflow"])
        >>> holdall.tensorflow.load_model("m").count_params()
        3
    """
    return models.load_model(
        model_uri,
        dst_path,
        flavor=_FLAVOR,
        saved_model_kwargs=saved_model_kwargs,
        keras_model_kwargs=keras_model_kwargs,
    )
