"""Models of PyTorch: `holdall.pytorch`, as users of MLflow know it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from holdall.missing_names import explaining
from holdall.modeling.files import torch_files
from holdall.modeling.saving.keywords import LogOptions, SaveOptions
from holdall.store import ModelInfo, OnConflict, PyFuncModel
from holdall.surfaces.fluent import models
from holdall.surfaces.fluent.active import current_store
from holdall.surfaces.fluent.autologging import autolog_flavor as autolog
from holdall.surfaces.fluent.files import log_artifacts
from holdall.surfaces.fluent.keywords import list_keywords

__all__ = ["autolog", "load_model", "load_state_dict", "log_model", "log_state_dict", "save_model", "save_state_dict"]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)

_FLAVOR = "pytorch"


class _Options(TypedDict, total=False):
    """Keyword arguments that only this flavor has.

    Attributes:
        serialization_format: "pickle", or None: all of it by `torch.save`, as MLflow has it (a script module by its
            own format); loading it can run code. "pt2": the graph of one call, by `torch.export`; needs an
            example. "safetensors": the weights, and the module without them; it runs no code when it is loaded
            if the module is made of torch.nn's own parts, and MLflow loads it where holdall is installed.
        export_model: True is the old name of `serialization_format="pt2"`.
        pickle_module: The module that pickles it; cloudpickle, which keeps classes of the script with it, when None.
        pickle_protocol: As `torch.save` has it.
        example_inputs: An array, a tensor, or several, for "pt2"; `input_example` when None.
    """

    serialization_format: str | None
    export_model: bool
    pickle_module: ModuleType | None
    pickle_protocol: int | None
    example_inputs: Any


class _LogOptions(LogOptions, _Options, total=False): ...


class _SaveOptions(SaveOptions, _Options, total=False): ...


_listed = list_keywords(_Options, export_model=False)


@_listed
def log_model(pytorch_model: Any, artifact_path: str | None = None, **options: Unpack[_LogOptions]) -> ModelInfo:
    """Log a module into the active run: one commit, complete when this returns.

    Args:
        pytorch_model: A `torch.nn.Module`, or what `torch.jit.script` or `torch.jit.trace` made of one.
        options: See `LogOptions` and `_Options`.

    Raises:
        ValueError: An argument has a value that it cannot have, or the format cannot hold the module; nothing was
            logged.
        Others: as `holdall.log_model`.

    Cost: about one PUT per 32 MiB that no model had before, and a few more: weights that did not change since another
    model was logged in the same format are not stored again.

    Example:
        >>> import torch
        >>> module = torch.nn.Linear(2, 1)
        >>> with holdall.start_run():
        ...     info = holdall.pytorch.log_model(module, name="m", pip_requirements=["torch"])
        >>> torch.equal(holdall.pytorch.load_model(info.model_uri).weight, module.weight)
        True
    """
    return models.log_model(pytorch_model, flavor=_FLAVOR, artifact_path=artifact_path, **_with_format(options))


@_listed
def save_model(
    pytorch_model: Any, path: str | os.PathLike[str], *, mlflow_model: None = None, **options: Unpack[_SaveOptions]
) -> None:
    """Write a module into a local folder, as `log_model` writes it into a run.

    Args:
        pytorch_model: A `torch.nn.Module`, or what `torch.jit.script` or `torch.jit.trace` made of one.
        options: See `SaveOptions` and `_Options`.

    Raises: as `log_model`; DestinationError, where there is something in the folder.

    Example:
        >>> import torch
        >>> module = torch.nn.Linear(2, 1)
        >>> holdall.pytorch.save_model(module, "m", serialization_format="safetensors", pip_requirements=["torch"])
        >>> torch.equal(holdall.pytorch.load_model("m").weight, module.weight)
        True
    """
    models.save_model(pytorch_model, path, flavor=_FLAVOR, mlflow_model=mlflow_model, **_with_format(options))


def load_model(model_uri: str | os.PathLike[str], dst_path: str | None = None, **kwargs: Any) -> Any:
    """Load the module at an address, ready to predict (`eval`), on the CPU if its device is not here.

    Args:
        model_uri: Where it is, as for `holdall.load_model`.
        dst_path: A folder to keep its files in.
        kwargs: `device`, where the module is to be; `map_location`, `pickle_module`, `weights_only` and the like, as
            `torch.load` has them, for what it reads.

    Raises: as `holdall.load_model`.

    Example:
        >>> import torch
        >>> holdall.pytorch.save_model(torch.nn.Linear(2, 1), "m", pip_requirements=["torch"])
        >>> holdall.pytorch.load_model("m", device="cpu")
        Linear(in_features=2, out_features=1, bias=True)
    """
    return models.load_model(model_uri, dst_path, flavor=_FLAVOR, **kwargs)


def log_state_dict(
    state_dict: Mapping[str, Any],
    artifact_path: str,
    run_id: str | None = None,
    *,
    on_conflict: OnConflict = "error",
    keep_last: int | None = None,
    **kwargs: Any,
) -> None:
    """Log weights without a module, as files of the active run.

    Args:
        state_dict: Names and tensors, whose values become `state_dict.safetensors`; a dictionary of any other shape,
            such as an optimizer's, becomes `state_dict.pth`.
        artifact_path: The folder of the run to put the file in.
        run_id: The run; the active one when None.
        on_conflict, keep_last: As for `holdall.log_artifact`: how a versioned run's checkpoint is replaced.
        kwargs: Of `torch.save`; with any, the file is `state_dict.pth`, which MLflow reads.

    Raises:
        TypeError: It is no dictionary.
        ValueError: It has tensors without content, or is more than tensors and plain values.
        NoActiveRunError, ArtifactExistsError, MissingLibraryError: As `log_model`.

    Example:
        >>> import torch
        >>> with holdall.start_run() as run:
        ...     holdall.pytorch.log_state_dict(torch.nn.Linear(2, 1).state_dict(), "weights")
        >>> list(holdall.pytorch.load_state_dict(f"runs:/{run.id}/weights"))
        ['bias', 'weight']
    """
    with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
        save_state_dict(state_dict, folder, **kwargs)
        log_artifacts(folder, artifact_path, run_id, on_conflict=on_conflict, keep_last=keep_last)


def save_state_dict(state_dict: Mapping[str, Any], path: str | os.PathLike[str], **kwargs: Any) -> None:
    """Write weights without a module into a local folder.

    Args, raises: as `log_state_dict`.

    Example:
        >>> import torch
        >>> holdall.pytorch.save_state_dict(torch.nn.Linear(2, 1).state_dict(), "weights")
        >>> list(holdall.pytorch.load_state_dict("weights"))
        ['bias', 'weight']
    """
    torch_files.save_state_dict(state_dict, Path(path), **kwargs)


def load_state_dict(state_dict_uri: str, **kwargs: Any) -> Any:
    """Load weights without their module, ours or MLflow's; or those of a model that was logged as safetensors.

    No code is run, so the weights of a model that is not trusted can be put into a module of your
    own by its `load_state_dict`.

    Args:
        state_dict_uri: The folder's address, or the model's.
        kwargs: Of `torch.load`, for a `state_dict.pth`.

    Raises:
        ContentError: There are no weights there, or ones that only running code could read.
        ArtifactNotFoundError, MissingLibraryError, IntegrityError: As `holdall.load_model`.

    Example:
        >>> import torch
        >>> holdall.pytorch.save_state_dict({"scale": torch.ones(2)}, "scales")
        >>> holdall.pytorch.load_state_dict("scales")
        {'scale': tensor([1., 1.])}
    """
    with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
        stored = state_dict_uri.startswith(("runs:", "models:"))
        found = current_store().artifacts.download(state_dict_uri, folder) if stored else state_dict_uri
        return torch_files.load_state_dict(Path(found), **kwargs)


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> PyFuncModel:
    """What MLflow calls for a model of ours that is kept as safetensors."""
    return models.load_pyfunc(path, model_config=model_config)


def _with_format(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with one word for the format, and for "pt2" with the example that it traces."""
    options = dict(given)
    kind = "pt2" if options.pop("export_model", False) else options.get("serialization_format")
    if kind == "pt2":
        options.setdefault("example_inputs", options.get("input_example"))
    return options | {"serialization_format": kind}
