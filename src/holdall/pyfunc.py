"""Models as one thing with `predict`, whatever their framework, and models written in Python: `holdall.pyfunc`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from holdall.missing_names import explaining
from holdall.modeling.python_model import PythonModel, PythonModelContext
from holdall.modeling.saving.keywords import Config, LogOptions, SaveOptions
from holdall.store import ModelInfo, PyFuncModel
from holdall.surfaces.fluent import models
from holdall.surfaces.fluent.keywords import list_keywords

__all__ = [
    "PyFuncModel",
    "PythonModel",
    "PythonModelContext",
    "get_model_dependencies",
    "load_model",
    "log_model",
    "save_model",
]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)

_FLAVOR = "python_function"


class _Options(TypedDict, total=False):
    """Keyword arguments that only this flavor has.

    Attributes:
        python_model: A `PythonModel`; a function of the input, and perhaps of parameters; or the path of a file
            of code that calls `holdall.models.set_model`. Objects are pickled by value. Either this is given or
            `loader_module`.
        loader_module: A module with a function `_load_pyfunc(path)`.
        data_path: The file or folder whose copy `_load_pyfunc` gets the path of.
        artifacts: Files that the model reads, by a name of their own: `context.artifacts[name]` is the path of its
            copy. Local paths, `runs:/...` or `models:/...`.
        model_config: The value of `context.model_config`; a dictionary, or the path of a YAML file.
        streamable: Whether it has `predict_stream`; found from the class when None.
    """

    python_model: PythonModel | Callable[..., Any] | str | os.PathLike[str] | None
    loader_module: str | None
    data_path: str | None
    artifacts: Mapping[str, str] | None
    model_config: Config | None
    streamable: bool | None


class _LogOptions(LogOptions, _Options, total=False): ...


class _SaveOptions(SaveOptions, _Options, total=False): ...


_listed = list_keywords(_Options)


@_listed
def log_model(artifact_path: str | None = None, **options: Unpack[_LogOptions]) -> ModelInfo:
    """Log a model written in Python into the active run: one commit, complete when this returns.

    Args:
        options: See `LogOptions` and `_Options`.

    Raises:
        ValueError: Neither or both of `python_model` and `loader_module` are given.
        Others: as `holdall.log_model`.

    Example:
        >>> class Doubler(holdall.pyfunc.PythonModel):
        ...     def predict(self, context, model_input, params=None):
        ...         return [2 * each for each in model_input]
        >>> with holdall.start_run():
        ...     info = holdall.pyfunc.log_model(name="m", python_model=Doubler(), pip_requirements=[])
        >>> holdall.pyfunc.load_model(info.model_uri).predict([1, 2])
        [2, 4]
    """
    model = options.pop("python_model", None)
    return models.log_model(model, flavor=_FLAVOR, artifact_path=artifact_path, **options)


@_listed
def save_model(path: str | os.PathLike[str], *, mlflow_model: None = None, **options: Unpack[_SaveOptions]) -> None:
    """Write a model written in Python into a local folder, as `log_model` writes it into a run.

    Args:
        options: See `SaveOptions` and `_Options`.

    Raises: as `log_model`; DestinationError, where there is something in the folder.

    Example:
        >>> holdall.pyfunc.save_model("folder", python_model=lambda model_input: len(model_input), pip_requirements=[])
        >>> holdall.pyfunc.load_model("folder").predict([1, 2])
        2
    """
    model = options.pop("python_model", None)
    models.save_model(model, path, flavor=_FLAVOR, mlflow_model=mlflow_model, **options)


def load_model(
    model_uri: str | os.PathLike[str],
    suppress_warnings: bool = False,  # noqa: ARG001  # MLflow's; ours come once
    dst_path: str | None = None,
    model_config: Any = None,
) -> PyFuncModel:
    """Load a model of any flavor as a python_function.

    Args:
        model_uri: `models:/<name>/<version>`, `models:/<name>@<alias>`, `models:/<model_id>`,
            `runs:/<run_id>/<path>`, or a local folder.
        suppress_warnings: Accepted for MLflow's sake; nothing here warns twice.
        dst_path: A folder to keep its files in; a temporary one, removed with the model, when None.
        model_config: Values that override those that the model was logged with.

    Returns:
        A model with `predict(data, params=None)`.

    Raises: as `holdall.load_model`.

    Example:
        >>> holdall.pyfunc.save_model("m", python_model=lambda model_input: sum(model_input), pip_requirements=[])
        >>> holdall.pyfunc.load_model("m").predict([1, 2])
        3
    """
    return models.load_pyfunc(model_uri, dst_path=dst_path, model_config=model_config)


def get_model_dependencies(model_uri: str | os.PathLike[str], format: str = "pip") -> str:
    """Return the path of a local file with what a model needs: `pip install -r` takes it.

    Args:
        model_uri: An address, as for `load_model`.
        format: "pip" for its requirements.txt, or "conda" for its conda.yaml.

    Raises:
        ValueError: There is no such format.
        ArtifactNotFoundError, ModelNotFoundError: There is no such file.

    Example:
        >>> holdall.pyfunc.save_model("m", python_model=lambda model_input: 1, pip_requirements=["a==1"])
        >>> holdall.pyfunc.get_model_dependencies("m")
        '...requirements.txt'
    """
    return models.fetch_requirements(model_uri, format)
