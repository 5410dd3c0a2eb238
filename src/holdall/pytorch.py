"""Models of PyTorch: `holdall.pytorch`, as users of MLflow know it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from holdall.modeling.files import torch_files
from holdall.store import ModelInfo, PyFuncModel
from holdall.surfaces.fluent import models
from holdall.surfaces.fluent.active import current_store
from holdall.surfaces.fluent.verbs import log_artifacts

__all__ = ["load_model", "load_state_dict", "log_model", "log_state_dict", "save_model", "save_state_dict"]

_FLAVOR = "pytorch"


def log_model(
    pytorch_model: Any,
    artifact_path: str | None = None,
    conda_env: Any = None,
    code_paths: Sequence[str] | None = None,
    pickle_module: ModuleType | None = None,
    registered_model_name: str | None = None,
    signature: Any = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    extra_files: Sequence[str] | None = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    metadata: Mapping[str, Any] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    export_model: bool = False,
    serialization_format: str | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log a module into the active run: one commit, complete when this returns.

    Args:
        pytorch_model: A `torch.nn.Module`, or what `torch.jit.script` or `torch.jit.trace` made of one.
        pickle_module: What pickles it; None: cloudpickle, which keeps classes of the script with it.
        serialization_format: "pickle", or None: all of it by `torch.save`, as MLflow has it (a script module by its
            own format); loading it can run code. "pt2": the graph of one call, by `torch.export`; needs an
            example. "safetensors": the weights, and the module without them; it runs no code when it is loaded
            if the module is made of torch.nn's own parts, and MLflow loads it where holdall is installed.
        export_model: What `serialization_format="pt2"` was called before.
        kwargs: `example_inputs`, an array or tensor or several, for "pt2", where `input_example` is none of these;
            `pickle_protocol`, as `torch.save` has it; `run_id`, of the run to log to instead of the active one.
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
        TypeError: It is no module.
        ValueError: An argument has a value that it cannot have, or the format cannot hold the module; nothing was
            logged.
        NoActiveRunError, ArtifactExistsError, MissingLibraryError: As `holdall.sklearn.log_model`.

    Cost: about one PUT per 32 MiB that no model had before, and a few more: weights that did not change since another
    model was logged in the same format are not stored again.
    """
    return models.log_model(
        pytorch_model,
        name,
        flavor=_FLAVOR,
        artifact_path=artifact_path,
        conda_env=conda_env,
        code_paths=code_paths,
        pickle_module=pickle_module,
        registered_model_name=registered_model_name,
        signature=signature,
        input_example=input_example,
        await_registration_for=await_registration_for,
        extra_files=extra_files,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        metadata=metadata,
        params=params,
        tags=tags,
        model_type=model_type,
        step=step,
        model_id=model_id,
        **_as_format(serialization_format, export_model, input_example, kwargs),
    )


def save_model(
    pytorch_model: Any,
    path: str | os.PathLike[str],
    conda_env: Any = None,
    mlflow_model: None = None,
    code_paths: Sequence[str] | None = None,
    pickle_module: ModuleType | None = None,
    signature: Any = None,
    input_example: Any = None,
    extra_files: Sequence[str] | None = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    metadata: Mapping[str, Any] | None = None,
    export_model: bool = False,
    serialization_format: str | None = None,
    **kwargs: Any,
) -> None:
    """Write a module into a local folder. Args: as `log_model`; `mlflow_model` is refused.

    Raises:
        DestinationError: There is something in the folder.
        TypeError, ValueError, MissingLibraryError: As `log_model`.
    """
    models.save_model(
        pytorch_model,
        path,
        flavor=_FLAVOR,
        mlflow_model=mlflow_model,
        conda_env=conda_env,
        code_paths=code_paths,
        pickle_module=pickle_module,
        signature=signature,
        input_example=input_example,
        extra_files=extra_files,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        metadata=metadata,
        **_as_format(serialization_format, export_model, input_example, kwargs),
    )


def load_model(model_uri: str | os.PathLike[str], dst_path: str | None = None, **kwargs: Any) -> Any:
    """The module at an address, ready to predict (`eval`), on the CPU if what it was on is not here.

    Args:
        model_uri: Where it is, as for `holdall.load_model`.
        dst_path: A folder to keep its files in.
        kwargs: `device`, where the module is to be; `map_location`, `pickle_module`, `weights_only` and the like, as
            `torch.load` has them, for what it reads.

    Raises:
        What `holdall.load_model` does.
    """
    return models.load_model(model_uri, dst_path, flavor=_FLAVOR, **kwargs)


def log_state_dict(state_dict: Mapping[str, Any], artifact_path: str, run_id: str | None = None, **kwargs: Any) -> None:
    """Log weights without a module, as files of the active run.

    Args:
        state_dict: Names and tensors, whose values become `state_dict.safetensors`; a dictionary of any other shape,
            such as an optimizer's, becomes `state_dict.pth`.
        artifact_path: The folder of the run to put the file in.
        run_id: The run; the active one when None.
        kwargs: Of `torch.save`; with any, the file is `state_dict.pth`, which MLflow reads.

    Raises:
        TypeError: It is no dictionary.
        ValueError: It has tensors without content, or is more than tensors and plain values.
        NoActiveRunError, ArtifactExistsError, MissingLibraryError: As `log_model`.
    """
    with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
        save_state_dict(state_dict, folder, **kwargs)
        log_artifacts(folder, artifact_path, run_id)


def save_state_dict(state_dict: Mapping[str, Any], path: str | os.PathLike[str], **kwargs: Any) -> None:
    """Write weights without a module into a local folder. Args, raises: as `log_state_dict`."""
    torch_files.save_state_dict(state_dict, Path(path), **kwargs)


def load_state_dict(state_dict_uri: str, **kwargs: Any) -> Any:
    """Weights without their module, ours or MLflow's; or those of a model that was logged as safetensors.

    No code is run, whoever wrote them: so the weights of a model that is not trusted can be put into a module of your
    own by its `load_state_dict`.

    Args:
        state_dict_uri: The folder's address, or the model's.
        kwargs: Of `torch.load`, for a `state_dict.pth`.

    Raises:
        ContentError: There are no weights there, or ones that only running code could read.
        ArtifactNotFoundError, MissingLibraryError, IntegrityError: As `holdall.load_model`.
    """
    with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
        stored = state_dict_uri.startswith(("runs:", "models:"))
        found = current_store().artifacts.download(state_dict_uri, folder) if stored else state_dict_uri
        return torch_files.load_state_dict(Path(found), **kwargs)


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> PyFuncModel:
    """What MLflow calls for a model of ours that is kept as safetensors."""
    return models.load_pyfunc(path, model_config=model_config)


def _as_format(
    serialization_format: str | None, export_model: bool, input_example: Any, given: Mapping[str, Any]
) -> dict[str, Any]:
    kind = "pt2" if export_model else serialization_format
    traced = {"example_inputs": input_example} if kind == "pt2" and "example_inputs" not in given else {}
    return {"serialization_format": kind, **traced, **given}
