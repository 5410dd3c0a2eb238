"""Models as ONNX: `holdall.onnx`, as users of MLflow know it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from holdall.store import ModelInfo
from holdall.surfaces.fluent import models

__all__ = ["load_model", "log_model", "save_model"]

_FLAVOR = "onnx"


def log_model(
    onnx_model: Any,
    artifact_path: str | None = None,
    conda_env: Any = None,
    code_paths: Sequence[str] | None = None,
    registered_model_name: str | None = None,
    signature: Any = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    onnx_execution_providers: Sequence[Any] | None = None,
    onnx_session_options: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    save_as_external_data: bool = True,
    extra_files: Sequence[str] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log a graph into the active run: one commit, complete when this returns.

    Its own arguments; the others are those of `holdall.sklearn.log_model`:
        onnx_model: The `onnx.ModelProto`; it stays as it is.
        onnx_execution_providers: Of onnxruntime, the first that it has goes first: names, or tuples of a name and
            options. CUDA and then the CPU when None.
        onnx_session_options: `inter_op_num_threads`, `intra_op_num_threads`, `execution_mode`,
            `graph_optimization_level` and `extra_session_config`, for onnxruntime.
        save_as_external_data: Keep tensors of 1 KiB and more in a file of their own; must be where all of them
            have 2 GiB or more.
        kwargs: `run_id`, of the run to log to instead of the active one;
            and what else `onnx.save_model` takes.

    Returns:
        Where it is, `model_uri` and `model_id`, and what is known of it.

    Raises:
        NoActiveRunError: No run is active, and none is named.
        ArtifactExistsError: The run holds something of this name.
        TypeError: It is none of these models.
        ValueError: onnxruntime has no such option; nothing was logged.
        MissingLibraryError: onnx (to predict: onnxruntime) is not installed.
    """
    return models.log_model(
        onnx_model,
        name,
        flavor=_FLAVOR,
        artifact_path=artifact_path,
        conda_env=conda_env,
        code_paths=code_paths,
        registered_model_name=registered_model_name,
        signature=signature,
        input_example=input_example,
        await_registration_for=await_registration_for,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        onnx_execution_providers=onnx_execution_providers,
        onnx_session_options=onnx_session_options,
        metadata=metadata,
        save_as_external_data=save_as_external_data,
        extra_files=extra_files,
        params=params,
        tags=tags,
        model_type=model_type,
        step=step,
        model_id=model_id,
        **kwargs,
    )


def save_model(
    onnx_model: Any,
    path: str | os.PathLike[str],
    conda_env: Any = None,
    code_paths: Sequence[str] | None = None,
    mlflow_model: None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    onnx_execution_providers: Sequence[Any] | None = None,
    onnx_session_options: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    save_as_external_data: bool = True,
    extra_files: Sequence[str] | None = None,
    **kwargs: Any,
) -> None:
    """Write a graph into a local folder.

    Its arguments are those of `log_model`; `mlflow_model` is refused.

    Raises:
        DestinationError: There is something in the folder.
        TypeError, ValueError, MissingLibraryError: As `log_model`.
    """
    models.save_model(
        onnx_model,
        path,
        flavor=_FLAVOR,
        mlflow_model=mlflow_model,
        conda_env=conda_env,
        code_paths=code_paths,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        onnx_execution_providers=onnx_execution_providers,
        onnx_session_options=onnx_session_options,
        metadata=metadata,
        save_as_external_data=save_as_external_data,
        extra_files=extra_files,
        **kwargs,
    )


def load_model(model_uri: str | os.PathLike[str], dst_path: str | None = None) -> Any:
    """The `onnx.ModelProto`, checked, at an address. Args, raises: as `holdall.load_model`."""
    return models.load_model(model_uri, dst_path, flavor=_FLAVOR)
