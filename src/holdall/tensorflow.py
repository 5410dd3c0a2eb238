"""Models of TensorFlow: `holdall.tensorflow`, as users of MLflow know it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from holdall.store import ModelInfo
from holdall.surfaces.fluent import models

__all__ = ["load_model", "log_model", "save_model"]

_FLAVOR = "tensorflow"


def log_model(
    model: Any,
    artifact_path: str | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    conda_env: Any = None,
    code_paths: Sequence[str] | None = None,
    signature: Any = None,
    input_example: Any = None,
    registered_model_name: str | None = None,
    await_registration_for: int | None = 300,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    saved_model_kwargs: Mapping[str, Any] | None = None,
    keras_model_kwargs: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    extra_files: Sequence[str] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log a `tf.Module` or a Keras model into the active run: one commit, complete when this returns.

    Its own arguments; the others are those of `holdall.sklearn.log_model`:
        model: The `tf.Module`, or the Keras model.
        custom_objects: Classes and functions of a Keras model that are not Keras's own, by name. They are kept
            with it, and run code when it is loaded.
        saved_model_kwargs: For a `tf.Module`: what `tf.saved_model.save` takes.
        keras_model_kwargs: For a Keras model: what its `save` takes; `{"save_format": "h5"}` is the format of old.
        kwargs: `run_id`, of the run to log to instead of the active one.

    Returns:
        Where it is, `model_uri` and `model_id`, and what is known of it.

    Raises:
        NoActiveRunError: No run is active, and none is named.
        ArtifactExistsError: The run holds something of this name.
        TypeError: It is none of these models.
        ValueError: TensorFlow cannot save the model; nothing was logged.
        MissingLibraryError: tensorflow is not installed.
    """
    return models.log_model(
        model,
        name,
        flavor=_FLAVOR,
        artifact_path=artifact_path,
        custom_objects=custom_objects,
        conda_env=conda_env,
        code_paths=code_paths,
        signature=signature,
        input_example=input_example,
        registered_model_name=registered_model_name,
        await_registration_for=await_registration_for,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        saved_model_kwargs=saved_model_kwargs,
        keras_model_kwargs=keras_model_kwargs,
        metadata=metadata,
        extra_files=extra_files,
        params=params,
        tags=tags,
        model_type=model_type,
        step=step,
        model_id=model_id,
        **kwargs,
    )


def save_model(
    model: Any,
    path: str | os.PathLike[str],
    conda_env: Any = None,
    code_paths: Sequence[str] | None = None,
    mlflow_model: None = None,
    custom_objects: Mapping[str, Any] | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    saved_model_kwargs: Mapping[str, Any] | None = None,
    keras_model_kwargs: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    extra_files: Sequence[str] | None = None,
    **kwargs: Any,
) -> None:
    """Write a `tf.Module` or a Keras model into a local folder.

    Its arguments are those of `log_model`; `mlflow_model` is refused.

    Raises:
        DestinationError: There is something in the folder.
        TypeError, ValueError, MissingLibraryError: As `log_model`.
    """
    models.save_model(
        model,
        path,
        flavor=_FLAVOR,
        mlflow_model=mlflow_model,
        conda_env=conda_env,
        code_paths=code_paths,
        custom_objects=custom_objects,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        saved_model_kwargs=saved_model_kwargs,
        keras_model_kwargs=keras_model_kwargs,
        metadata=metadata,
        extra_files=extra_files,
        **kwargs,
    )


def load_model(
    model_uri: str | os.PathLike[str],
    dst_path: str | None = None,
    saved_model_kwargs: Mapping[str, Any] | None = None,
    keras_model_kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """The Keras model, or the program that was a `tf.Module`, at an address.

    Its own arguments; the others are those of `holdall.load_model`:
        saved_model_kwargs: For a `tf.Module`: what `tf.saved_model.load` takes.
        keras_model_kwargs: For a Keras model: what `tf.keras.models.load_model` takes.

    Raises: as `holdall.load_model`.
    """
    return models.load_model(
        model_uri,
        dst_path,
        flavor=_FLAVOR,
        saved_model_kwargs=saved_model_kwargs,
        keras_model_kwargs=keras_model_kwargs,
    )
