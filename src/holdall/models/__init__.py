"""What models are made of, and verbs for models of any framework: `holdall.models`, as users of MLflow know it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from holdall.missing_names import explaining
from holdall.modeling.code.code_config import ModelConfig
from holdall.modeling.python_model import set_model
from holdall.modeling.signatures.data_types import DataType
from holdall.modeling.signatures.example import ModelInputExample, convert_input_example_to_serving_input
from holdall.modeling.signatures.params import ParamSchema, ParamSpec
from holdall.modeling.signatures.schema import ColSpec, Schema, TensorSpec
from holdall.modeling.signatures.signature import ModelSignature, infer_signature
from holdall.models.changing import set_signature, update_model_requirements
from holdall.models.trying import predict, validate_schema, validate_serving_input
from holdall.store import LoggedModel, Model, ModelInfo
from holdall.surfaces.fluent.active import current_store

__all__ = [
    "ColSpec",
    "DataType",
    "LoggedModel",
    "Model",
    "ModelConfig",
    "ModelInfo",
    "ModelInputExample",
    "ModelSignature",
    "ParamSchema",
    "ParamSpec",
    "Schema",
    "TensorSpec",
    "convert_input_example_to_serving_input",
    "get_logged_model",
    "get_model_info",
    "infer_signature",
    "list_models",
    "predict",
    "set_model",
    "set_signature",
    "update_model_requirements",
    "validate_schema",
    "validate_serving_input",
]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)


def get_model_info(model_uri: str | os.PathLike[str]) -> ModelInfo:
    """Return what is known of a model: its signature, its flavors, its tags, without loading it.

    Args:
        model_uri: An address, as for `holdall.load_model`.

    Raises: as `holdall.load_model`.

    Cost: reading its MLmodel file and its run's end.

    Example:
        >>> with holdall.start_run():
        ...     logged = holdall.pyfunc.log_model(name="m", python_model=lambda model_input: 1, pip_requirements=[])
        >>> holdall.models.get_model_info(logged.model_uri).name
        'm'
    """
    return current_store().model_info(model_uri)


def get_logged_model(model_id: str) -> LoggedModel:
    """Return a logged model by its id, with what was said of it since.

    Raises: InvalidURIError, RunNotFoundError, ArtifactNotFoundError.

    Example:
        >>> with holdall.start_run():
        ...     logged = holdall.pyfunc.log_model(name="m", python_model=lambda model_input: 1, pip_requirements=[])
        >>> holdall.models.get_logged_model(logged.model_id).status
        'READY'
    """
    return current_store().models.get(model_id)


def list_models(run_id: str) -> list[LoggedModel]:
    """Return the models that a run logged, in that order. Raises: RunNotFoundError. Cost: reading the run's end.

    Example:
        >>> with holdall.start_run() as run:
        ...     _ = holdall.pyfunc.log_model(name="m", python_model=lambda model_input: 1, pip_requirements=[])
        >>> [model.name for model in holdall.models.list_models(run.info.run_id)]
        ['m']
    """
    return current_store().models.logged(run_id)
