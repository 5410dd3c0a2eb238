"""Models as one thing with `predict`, whatever their framework, and models of Python's own: `holdall.pyfunc`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from holdall.modeling.python_model import PythonModel, PythonModelContext
from holdall.store import ModelInfo, PyFuncModel
from holdall.surfaces.fluent import models

__all__ = ["PyFuncModel", "PythonModel", "PythonModelContext", "load_model", "log_model", "save_model"]

_FLAVOR = "python_function"


def log_model(
    artifact_path: str | None = None,
    loader_module: str | None = None,
    data_path: str | None = None,
    code_paths: Sequence[str] | None = None,
    conda_env: Any = None,
    python_model: PythonModel | Callable[..., Any] | str | os.PathLike[str] | None = None,
    artifacts: Mapping[str, str] | None = None,
    registered_model_name: str | None = None,
    signature: Any = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    metadata: Mapping[str, Any] | None = None,
    model_config: Any = None,
    streamable: bool | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log a model of Python's own into the active run: one commit, complete when this returns.

    Args:
        python_model: A `PythonModel`; a function of the input, and perhaps of parameters; or the path of a file
            of code that calls `holdall.models.set_model`. It is pickled by value. Or else
        loader_module: a module with `_load_pyfunc(path)`, and
        data_path: the file or folder whose path it is given.
        artifacts: Files that the model reads, by a name of their own: `context.artifacts[name]` is where it
            finds them. Local, or `runs:/...`, `models:/...`.
        model_config: What `context.model_config` is; a mapping, or the path of a YAML file.
        streamable: Whether it has `predict_stream`; found from the class when None.
        kwargs: `run_id`, of the run to log to instead of the active one; `extra_files`.
        conda_env: The environment that the model needs, as conda has it, or the path of its file; or else
        pip_requirements: all lines of it as pip has them, or the path of a file; or else
        extra_pip_requirements: lines beside those that are found from what the model imports.
        code_paths: Files and folders of code that come along, and before all other when it is loaded.
        signature: What it takes and gives, ours or MLflow's. None: inferred from `input_example`, if there is
            one. False: none.
        input_example: Data that the model takes; or a tuple of that and of parameters.
        metadata: What else to say in the MLmodel file: plain values by name.
        extra_files: Files that come along, by address.
        params: What to say of the model, by name.
        tags: The same, for words that may change.
        model_type: What kind of model it is, for people.
        step: Where in the training it belongs.
        registered_model_name: Make it the next version of this registered model as well.
        await_registration_for: Nothing has to be waited for: a version is READY when it is there.
        model_id: Models have the id that the run gives them; None.
        name: Its path in the run; "model" when None.
        artifact_path: What `name` was called before.

    Returns:
        Where it is, `model_uri` and `model_id`, and what is known of it.

    Raises:
        ValueError: Neither or both of `python_model` and `loader_module` are given.
        NoActiveRunError, ArtifactExistsError, MissingLibraryError: As `holdall.sklearn.log_model`.
    """
    return models.log_model(
        python_model,
        name,
        flavor=_FLAVOR,
        artifact_path=artifact_path,
        loader_module=loader_module,
        data_path=data_path,
        code_paths=code_paths,
        conda_env=conda_env,
        artifacts=artifacts,
        registered_model_name=registered_model_name,
        signature=signature,
        input_example=input_example,
        await_registration_for=await_registration_for,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        metadata=metadata,
        model_config=model_config,
        streamable=streamable,
        params=params,
        tags=tags,
        model_type=model_type,
        step=step,
        model_id=model_id,
        **kwargs,
    )


def save_model(
    path: str | os.PathLike[str],
    loader_module: str | None = None,
    data_path: str | None = None,
    code_paths: Sequence[str] | None = None,
    conda_env: Any = None,
    mlflow_model: None = None,
    python_model: PythonModel | Callable[..., Any] | str | os.PathLike[str] | None = None,
    artifacts: Mapping[str, str] | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    metadata: Mapping[str, Any] | None = None,
    model_config: Any = None,
    streamable: bool | None = None,
) -> None:
    """Write a model of Python's own into a local folder. Args: as `log_model`. Raises: as it does, DestinationError."""
    models.save_model(
        python_model,
        path,
        flavor=_FLAVOR,
        mlflow_model=mlflow_model,
        loader_module=loader_module,
        data_path=data_path,
        code_paths=code_paths,
        conda_env=conda_env,
        artifacts=artifacts,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        metadata=metadata,
        model_config=model_config,
        streamable=streamable,
    )


def load_model(
    model_uri: str | os.PathLike[str],
    suppress_warnings: bool = False,  # noqa: ARG001  # MLflow's; ours come once
    dst_path: str | None = None,
    model_config: Any = None,
) -> PyFuncModel:
    """A model of any flavor as a python_function.

    Args:
        model_uri: `models:/<name>/<version>`, `models:/<name>@<alias>`, `models:/<model_id>`,
            `runs:/<run_id>/<path>`, or a local folder.
        suppress_warnings: MLflow's; nothing here warns twice.
        dst_path: A folder to keep its files in; else a temporary one while the model lives.
        model_config: Goes before what the model was logged with.

    Returns:
        What has `predict(data, params=None)`.

    Raises: as `holdall.load_model`.
    """
    return models.load_pyfunc(model_uri, dst_path=dst_path, model_config=model_config)
