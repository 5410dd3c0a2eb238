"""What models are made of, and models whatever their framework: `holdall.models`, as users of MLflow know it."""

from __future__ import annotations

import os

from holdall.modeling.code.code_config import ModelConfig
from holdall.modeling.python_model import set_model
from holdall.modeling.signatures.params import ParamSchema, ParamSpec
from holdall.modeling.signatures.schema import ColSpec, DataType, Schema, TensorSpec
from holdall.modeling.signatures.signature import ModelSignature, infer_signature
from holdall.store import LoggedModel, Model, ModelInfo
from holdall.surfaces.fluent import models
from holdall.surfaces.fluent.active import current_store

__all__ = [
    "ColSpec",
    "DataType",
    "LoggedModel",
    "Model",
    "ModelConfig",
    "ModelInfo",
    "ModelSignature",
    "ParamSchema",
    "ParamSpec",
    "Schema",
    "TensorSpec",
    "get_logged_model",
    "get_model_info",
    "infer_signature",
    "list_models",
    "set_model",
]


def get_model_info(model_uri: str | os.PathLike[str]) -> Model:
    """What the MLmodel file of a model says: signature, flavors, metadata. Raises, cost: as `Models.describe`."""
    return models.describe(model_uri)


def get_logged_model(model_id: str) -> LoggedModel:
    """A logged model by its id. Raises: InvalidURIError, RunNotFoundError, ArtifactNotFoundError."""
    return current_store().models.get(model_id)


def list_models(run_id: str) -> list[LoggedModel]:
    """The models that a run logged, in that order. Raises: RunNotFoundError. Cost: reading the run's end."""
    return current_store().models.logged(run_id)
