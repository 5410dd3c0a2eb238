"""Models of scikit-learn: `holdall.sklearn`, as users of MLflow know it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from holdall.store import ModelInfo
from holdall.surfaces.fluent import models

__all__ = ["load_model", "log_model", "save_model"]

_FLAVOR = "sklearn"


def log_model(
    sk_model: Any,
    artifact_path: str | None = None,
    conda_env: Any = None,
    code_paths: Sequence[str] | None = None,
    serialization_format: str = "cloudpickle",
    registered_model_name: str | None = None,
    signature: Any = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    pyfunc_predict_fn: str = "predict",
    metadata: Mapping[str, Any] | None = None,
    extra_files: Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    name: str | None = None,
    skops_trusted_types: Sequence[str] | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log an estimator, or a pipeline, into the active run: one commit, complete when this returns.

    Args:
        sk_model: The fitted estimator.
        serialization_format: "cloudpickle" keeps classes and functions of the script with it; "pickle" keeps
            their names only; "skops" runs no code when it is loaded. The first two do.
        pyfunc_predict_fn: What `predict` of the python_function calls: "predict", "predict_proba",
            "predict_log_proba", "predict_joint_log_proba" or "score".
        skops_trusted_types: Types that are safe to build, by their full names, beside those that are known to be.
        kwargs: `run_id`, of the run to log to instead of the active one.
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
        NoActiveRunError: No run is active, and none is named.
        ArtifactExistsError: The run holds something of this name.
        ValueError: An argument has a value that it cannot have; nothing was logged.
        MissingLibraryError: scikit-learn, cloudpickle or skops is not installed.

    Cost: one PUT for models of 64 KiB; else about one per 32 MiB and a few more.
    """
    return models.log_model(
        sk_model,
        name,
        flavor=_FLAVOR,
        artifact_path=artifact_path,
        conda_env=conda_env,
        code_paths=code_paths,
        serialization_format=serialization_format,
        registered_model_name=registered_model_name,
        signature=signature,
        input_example=input_example,
        await_registration_for=await_registration_for,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        pyfunc_predict_fn=pyfunc_predict_fn,
        metadata=metadata,
        extra_files=extra_files,
        params=params,
        tags=tags,
        model_type=model_type,
        step=step,
        model_id=model_id,
        skops_trusted_types=skops_trusted_types,
        **kwargs,
    )


def save_model(
    sk_model: Any,
    path: str | os.PathLike[str],
    conda_env: Any = None,
    code_paths: Sequence[str] | None = None,
    mlflow_model: None = None,
    serialization_format: str = "cloudpickle",
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    pyfunc_predict_fn: str = "predict",
    metadata: Mapping[str, Any] | None = None,
    skops_trusted_types: Sequence[str] | None = None,
    extra_files: Sequence[str] | None = None,
) -> None:
    """Write an estimator into a local folder. Args: as `log_model`; `mlflow_model` is refused.

    Raises:
        DestinationError: There is something in the folder.
        ValueError, MissingLibraryError: As `log_model`.
    """
    models.save_model(
        sk_model,
        path,
        flavor=_FLAVOR,
        mlflow_model=mlflow_model,
        conda_env=conda_env,
        code_paths=code_paths,
        serialization_format=serialization_format,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        pyfunc_predict_fn=pyfunc_predict_fn,
        metadata=metadata,
        skops_trusted_types=skops_trusted_types,
        extra_files=extra_files,
    )


def load_model(model_uri: str | os.PathLike[str], dst_path: str | None = None) -> Any:
    """The estimator at an address. Args, raises: as `holdall.load_model`."""
    return models.load_model(model_uri, dst_path, flavor=_FLAVOR)
