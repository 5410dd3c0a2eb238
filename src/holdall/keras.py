"""Models of Keras 3: `holdall.keras`, as users of MLflow know it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from holdall.store import ModelInfo
from holdall.surfaces.fluent import models

__all__ = ["load_model", "log_model", "save_model"]

_FLAVOR = "keras"


def log_model(
    model: Any,
    artifact_path: str | None = None,
    save_exported_model: bool = False,
    conda_env: Any = None,
    signature: Any = None,
    input_example: Any = None,
    registered_model_name: str | None = None,
    await_registration_for: int | None = 300,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    save_model_kwargs: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log a Keras model into the active run: one commit, complete when this returns.

    Its own arguments; the others are those of `holdall.sklearn.log_model`:
        model: The `keras.Model`.
        save_exported_model: Export it as a program for TensorFlow, which predicts and cannot be trained on; it
            runs code when it is loaded. Else it is a `.keras` file, which runs none.
        save_model_kwargs: What the model's `save` or `export` takes.
        kwargs: `run_id`, of the run to log to instead of the active one;
            `code_paths` and `extra_files`.

    Returns:
        Where it is, `model_uri` and `model_id`, and what is known of it.

    Raises:
        NoActiveRunError: No run is active, and none is named.
        ArtifactExistsError: The run holds something of this name.
        TypeError: It is none of these models.
        ValueError: Keras cannot save the model; nothing was logged.
        MissingLibraryError: keras is not installed.
    """
    return models.log_model(
        model,
        name,
        flavor=_FLAVOR,
        artifact_path=artifact_path,
        save_exported_model=save_exported_model,
        conda_env=conda_env,
        signature=signature,
        input_example=input_example,
        registered_model_name=registered_model_name,
        await_registration_for=await_registration_for,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        save_model_kwargs=save_model_kwargs,
        metadata=metadata,
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
    save_exported_model: bool = False,
    conda_env: Any = None,
    mlflow_model: None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    save_model_kwargs: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> None:
    """Write a Keras model into a local folder.

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
        save_exported_model=save_exported_model,
        conda_env=conda_env,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        save_model_kwargs=save_model_kwargs,
        metadata=metadata,
        **kwargs,
    )


def load_model(
    model_uri: str | os.PathLike[str],
    dst_path: str | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    load_model_kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """The Keras model, or the program that was exported from it, at an address.

    Its own arguments; the others are those of `holdall.load_model`:
        custom_objects: Classes and functions that are not Keras's own, by name.
        load_model_kwargs: What `keras.saving.load_model` takes. `{"safe_mode": False}` lets the file run code.

    Raises: as `holdall.load_model`.
    """
    return models.load_model(
        model_uri,
        dst_path,
        flavor=_FLAVOR,
        custom_objects=custom_objects,
        load_model_kwargs=load_model_kwargs,
    )
