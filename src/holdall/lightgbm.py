"""Models of LightGBM: `holdall.lightgbm`, as users of MLflow know it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from holdall.store import ModelInfo
from holdall.surfaces.fluent import models

__all__ = ["load_model", "log_model", "save_model"]

_FLAVOR = "lightgbm"


def log_model(
    lgb_model: Any,
    artifact_path: str | None = None,
    conda_env: Any = None,
    code_paths: Sequence[str] | None = None,
    registered_model_name: str | None = None,
    signature: Any = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    metadata: Mapping[str, Any] | None = None,
    extra_files: Sequence[str] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    serialization_format: str | None = None,
    skops_trusted_types: Sequence[str] | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log a booster or an estimator into the active run: one commit, complete when this returns.

    Its own arguments; the others are those of `holdall.sklearn.log_model`:
        lgb_model: The `Booster`, which is kept as LightGBM's own text; or the fitted estimator.
        serialization_format: For an estimator: "skops", which runs no code when it is loaded, when None; or
            "cloudpickle" or "pickle", which do.
        skops_trusted_types: Types that are safe to build, by their full names, beside those that are known to be.
        kwargs: `run_id`, of the run to log to instead of the active one;
            and for a `Booster` what its own `save_model` takes, such as `num_iteration`.

    Returns:
        Where it is, `model_uri` and `model_id`, and what is known of it.

    Raises:
        NoActiveRunError: No run is active, and none is named.
        ArtifactExistsError: The run holds something of this name.
        TypeError: It is none of these models.
        ValueError: There is no such format, or skops does not know a type; nothing was logged.
        MissingLibraryError: lightgbm is not installed.
    """
    return models.log_model(
        lgb_model,
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
        metadata=metadata,
        extra_files=extra_files,
        params=params,
        tags=tags,
        model_type=model_type,
        step=step,
        model_id=model_id,
        serialization_format=serialization_format,
        skops_trusted_types=skops_trusted_types,
        **kwargs,
    )


def save_model(
    lgb_model: Any,
    path: str | os.PathLike[str],
    conda_env: Any = None,
    code_paths: Sequence[str] | None = None,
    mlflow_model: None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    metadata: Mapping[str, Any] | None = None,
    serialization_format: str | None = None,
    skops_trusted_types: Sequence[str] | None = None,
    extra_files: Sequence[str] | None = None,
    **kwargs: Any,
) -> None:
    """Write a booster or an estimator into a local folder.

    Its arguments are those of `log_model`; `mlflow_model` is refused.

    Raises:
        DestinationError: There is something in the folder.
        TypeError, ValueError, MissingLibraryError: As `log_model`.
    """
    models.save_model(
        lgb_model,
        path,
        flavor=_FLAVOR,
        mlflow_model=mlflow_model,
        conda_env=conda_env,
        code_paths=code_paths,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        metadata=metadata,
        serialization_format=serialization_format,
        skops_trusted_types=skops_trusted_types,
        extra_files=extra_files,
        **kwargs,
    )


def load_model(model_uri: str | os.PathLike[str], dst_path: str | None = None) -> Any:
    """The booster or estimator at an address. Args, raises: as `holdall.load_model`."""
    return models.load_model(model_uri, dst_path, flavor=_FLAVOR)
