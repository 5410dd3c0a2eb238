"""Models of the active run, and models by address: the verbs that the modules of all flavors share."""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import Any

from holdall.errors import InvalidArgumentError, NotFoundError
from holdall.modeling.loading.model_folder import local_folder
from holdall.modeling.saving.requirements import CONDA, REQUIREMENTS
from holdall.settings import read_settings
from holdall.store import Model, ModelInfo, PyFuncModel
from holdall.surfaces.fluent.active import current_store, run_of
from holdall.surfaces.fluent.lineage import noting
from holdall.terminal import warn

# a store's address and the id of a model in it
_last_model: ContextVar[tuple[str | None, str | None]] = ContextVar("holdall_last_model", default=(None, None))


def log_model(
    model: Any,
    name: str | None = None,
    *,
    flavor: str | None = None,
    artifact_path: str | None = None,
    run_id: str | None = None,
    model_id: str | None = None,
    await_registration_for: int | None = None,  # noqa: ARG001  # a version is READY when it is there
    **given: Any,
) -> ModelInfo:
    """Log a model into the active run, in the flavor of its framework: one commit, complete when this returns.

    Args:
        model: A framework's object.
        name: Its path in the run; "model" when None.
        flavor: The name of its flavor; found from the object when None.
        artifact_path: The old name of `name`.
        run_id: The run to log to; the active one when None.
        model_id: Must be None: the run gives the model its id.
        await_registration_for: Accepted for MLflow's sake; a version is READY at once.
        given: The keywords of all flavors, as `holdall.sklearn.log_model` explains them, and those of this flavor.

    Returns:
        Its `model_uri`, its `model_id`, and what else is known of it. From now on it can be loaded by anyone.

    Raises:
        UnknownFlavorError: No flavor knows the object; the error lists those that there are.
        NoActiveRunError: No run is active, and no `run_id` is given.
        ArtifactExistsError: The run holds something of this name.
        TypeError: It is no model of this flavor, or an argument is unknown.
        ValueError: An argument has a value that it cannot have; nothing was logged.
        MissingLibraryError: The framework is not installed.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
        >>> with holdall.start_run():
        ...     info = holdall.log_model(model, "line", pip_requirements=["scikit-learn"])
        >>> sorted(info.flavors)
        ['python_function', 'sklearn']
    """
    if model_id is not None:
        raise InvalidArgumentError("a model gets its id from its run: leave model_id out, and use what is returned")
    info = current_store().log_model(run_of(run_id), model, _name(name, artifact_path), flavor=flavor, **given)
    _last_model.set((current_store().url, info.model_id))
    return info


def last_model_id() -> str | None:
    """Return the id of the model that this thread, or task, logged last, if it was into the current store."""
    store, model_id = _last_model.get()
    return model_id if store == current_store().url else None


def save_model(
    model: Any, path: str | os.PathLike[str], *, flavor: str | None = None, mlflow_model: None = None, **given: Any
) -> None:
    """Write a model into a local folder, as `log_model` writes it into a run. Raises: as it does, DestinationError."""
    if mlflow_model is not None:
        raise InvalidArgumentError("save_model makes the MLmodel file: leave mlflow_model out, and give metadata")
    current_store().models.save(model, path, flavor=flavor, **given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | None = None, *, flavor: str | None = None, **options: Any
) -> Any:
    """Load a model as its framework's object.

    Args:
        model_uri: `models:/<name>/<version>`, `models:/<name>@<alias>`, `models:/<model_id>`,
            `runs:/<run_id>/<path>`, or a local folder.
        dst_path: A folder to keep its files in.
        flavor: The flavor to load it by; its own when None.
        options: Keyword arguments that only this flavor's `load_model` has.

    Raises:
        ArtifactNotFoundError, ModelNotFoundError, ModelVersionNotFoundError: There is nothing there.
        ContentError: What is there is no model, or none of this flavor.
        UntrustedModelError: It would run code that `HOLDALL_TRUST` does not admit.
        MissingLibraryError: Its framework is not installed.
        IntegrityError: Its files are not what was logged.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
        >>> with holdall.start_run():
        ...     info = holdall.log_model(model, "slope", pip_requirements=["scikit-learn"])
        >>> holdall.load_model(info.model_uri).predict([[2.0]]).round().tolist()
        [4.0]
    """
    trust = read_settings().trust
    with noting():
        return current_store().models.load(model_uri, flavor=flavor, dst_path=dst_path, trust=trust, **options)


def load_pyfunc(model_uri: str | os.PathLike[str], **options: Any) -> PyFuncModel:
    """Load a model as a python_function. Args: as `Models.load_pyfunc`. Raises: as `load_model`."""
    with noting():
        return current_store().models.load_pyfunc(model_uri, trust=read_settings().trust, **options)


def describe(model_uri: str | os.PathLike[str]) -> Model:
    """Return what the MLmodel file of a model says. Raises: as `load_model`."""
    return current_store().models.describe(model_uri)


def fetch_requirements(model_uri: str | os.PathLike[str], format: str) -> str:
    """Return the path of a local copy of what a model needs. See `holdall.pyfunc.get_model_dependencies`."""
    files = {"pip": REQUIREMENTS, "conda": CONDA}
    if format not in files:
        raise InvalidArgumentError(f"format={format!r} is none of {', '.join(files)}")
    local = local_folder(model_uri)
    if local is None:
        return str(current_store().artifacts.download(f"{str(model_uri).rstrip('/')}/{files[format]}"))
    if not (local / files[format]).is_file():
        raise NotFoundError(f"the model has no file {files[format]}: {local}")
    return str(local / files[format])


def _name(name: str | None, artifact_path: str | None) -> str:
    if artifact_path is not None:
        if name is not None:
            raise InvalidArgumentError("give name; artifact_path is what it was called before")
        warn("artifact_path is called name now", FutureWarning, stacklevel=4)
    return name or artifact_path or "model"
