"""Models of the active run, and models by address: what the faces of all flavors share."""

from __future__ import annotations

import os
import warnings
from typing import Any

from holdfast.store import ModelInfo, PyFuncModel
from holdfast.surfaces.fluent.active import current_store, run_of


def log_model(
    model: Any,
    name: str | None = None,
    *,
    flavor: str | None = None,
    artifact_path: str | None = None,
    run_id: str | None = None,
    **given: Any,
) -> ModelInfo:
    """Log a model into the active run, in the flavor that knows it.

    Args:
        model: A framework's object.
        name: Its path in the run; "model" when None.
        flavor: The name of its flavor; found from the object when None.
        artifact_path: What `name` was called before.
        run_id: The run; the active one when None.
        given: What every flavor's `log_model` takes, and what this flavor's own takes.

    Returns:
        Where it is, and what is known of it. It is complete and can be loaded by anyone.

    Raises:
        UnknownFlavorError: No flavor knows the object; it says which there are.
        ArtifactExistsError: The run holds something of this name.
        NoActiveRunError: No run is active, and none is named.
    """
    return current_store().models.log(run_of(run_id), model, _name(name, artifact_path), flavor=flavor, **given)


def save_model(model: Any, path: str | os.PathLike[str], *, flavor: str | None = None, **given: Any) -> None:
    """Write a model into a local folder, as `log_model` writes it into a run. Raises: as it does, DestinationError."""
    current_store().models.save(model, path, flavor=flavor, **given)


def load_model(
    model_uri: str, dst_path: str | os.PathLike[str] | None = None, *, flavor: str | None = None, **options: Any
) -> Any:
    """A model as its framework's object.

    Args:
        model_uri: `models:/<name>/<version>`, `models:/<name>@<alias>`, `models:/<model_id>`,
            `runs:/<run_id>/<path>`, or a local folder.
        dst_path: A folder to keep its files in.
        flavor: The flavor to load it by; its own when None.
        options: What this flavor's own `load_model` takes.
    """
    return current_store().models.load(model_uri, flavor=flavor, dst_path=dst_path, **options)


def load_pyfunc(model_uri: str, **options: Any) -> PyFuncModel:
    """A model as a python_function. Args: as `Models.load_pyfunc`."""
    return current_store().models.load_pyfunc(model_uri, **options)


def _name(name: str | None, artifact_path: str | None) -> str:
    if artifact_path is not None:
        if name is not None:
            raise ValueError("give name; artifact_path is what it was called before")
        warnings.warn("artifact_path is called name now", FutureWarning, stacklevel=4)
    return name or artifact_path or "model"
