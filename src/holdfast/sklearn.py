"""Models of scikit-learn: `holdfast.sklearn`, as users of MLflow know it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.store import ModelInfo
from holdfast.surfaces.fluent import models

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
    await_registration_for: int | None = 300,  # noqa: ARG001  # a version is ready when it is there
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    pyfunc_predict_fn: str = "predict",
    metadata: Mapping[str, Any] | None = None,
    extra_files: Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,  # noqa: ARG001
    name: str | None = None,
    skops_trusted_types: Sequence[str] | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log an estimator into the active run."""
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
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        pyfunc_predict_fn=pyfunc_predict_fn,
        metadata=metadata,
        extra_files=extra_files,
        params=params,
        tags=tags,
        model_type=model_type,
        step=step,
        skops_trusted_types=skops_trusted_types,
        **kwargs,
    )


def save_model(sk_model: Any, path: str | os.PathLike[str], **given: Any) -> None:
    """Write an estimator into a local folder."""
    models.save_model(sk_model, path, flavor=_FLAVOR, **given)


def load_model(model_uri: str, dst_path: str | os.PathLike[str] | None = None) -> Any:
    """The estimator at an address."""
    return models.load_model(model_uri, dst_path, flavor=_FLAVOR)
