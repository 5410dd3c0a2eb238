"""A flavor: what holdall must know of one framework to keep its models.

A flavor is one file with one value, `FLAVOR`, that has the shape of `Flavor`.
Those in `flavors/` are found because they lie there; those of other packages
by an entry point, so that a stranger adds a framework without asking us:

    [project.entry-points."holdall.flavors"]
    prophet = "my_package.holdall_flavor:FLAVOR"

    save   model                 ->  files in a folder, and `Parts`: what MLmodel says of them
    load   the folder and Parts  ->  the model again
    wrap   model and Parts       ->  something with `predict(data, params)`

A flavor writes its framework's own files and nothing else: signature, example,
environment, code and the MLmodel file are the same for all, and `saving` makes
them. Importing a flavor's file imports no framework; its functions do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from holdall.modeling.signatures.signature import ModelSignature

PYFUNC: Final = "python_function"


@runtime_checkable
class Predictor(Protocol):
    """What every model is as a `python_function`."""

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return predictions for data, which was held against the signature already. Raises: what the model raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the MLmodel file says of a model on behalf of its flavor.

    Attributes:
        own: What stands under the flavor's name: names of files, versions, formats. As JSON and YAML have
            values; every path is relative to the model's folder.
        pyfunc: What it adds under `python_function`, such as `model_path` or `data`, and `predict_fn`;
            `loader_module` is the first of the flavor's `loaders` unless it says another. None: the model
            cannot be used as a python_function.
        modules: Modules that are imported when the model is loaded or predicts, such as "sklearn" and
            "cloudpickle": the distributions that they come from are the model's requirements. Only `save` gives them.
        hinted: The signature that type hints in the model's code promise; it stands unless the caller gives
            another, and data is then handed over as it came. Only `save` gives it.
    """

    own: Mapping[str, Any]
    pyfunc: Mapping[str, Any] | None = field(default_factory=dict)
    modules: Collection[str] = ()
    hinted: ModelSignature | None = None


class Flavor(Protocol):
    """One framework.

    Attributes:
        name: Its key among the flavors of an MLmodel file, such as "sklearn".
        loaders: What MLmodel files name as its `loader_module`, the one that we write first; for frameworks
            that MLflow knows, MLflow's own, such as "mlflow.sklearn".
    """

    name: str
    loaders: tuple[str, ...]

    def knows(self, kind: type) -> bool:
        """Whether a class is one of the framework's, judged by its name and module alone.

        It is asked for each class that a model's type derives from, the nearest first; the first flavor that
        knows one has the model. So a class of xgboost that is a scikit-learn estimator as well is xgboost's.
        """
        ...

    def save(self, model: Any, folder: Path, **options: Any) -> Parts:
        """Write a model's own files.

        Args:
            model: The framework's object.
            folder: A folder that is there, with nothing of the flavor's in it.
            options: The keyword arguments of `log_model` and `save_model` that only this flavor has; declare
                each of them.

        Raises:
            TypeError: It is none of the framework's models.
            ValueError: An option has a value that it cannot have; then nothing was written.
            MissingLibraryError: The framework is not installed.
        """
        ...

    def load(self, folder: Path, parts: Parts, **options: Any) -> Any:
        """Return the framework's object again; everything is read when this returns.

        Args:
            folder: The model's folder, of ours or of MLflow's making.
            parts: What the MLmodel file there says; keys that older files lack have their defaults.
            options: The keyword arguments of `load_model` that only this flavor has.

        Raises:
            ContentError: The files are not what `parts` says.
            MissingLibraryError: The framework is not installed.
        """
        ...

    def wrap(self, model: Any, parts: Parts, *, folder: Path, config: Mapping[str, Any]) -> Predictor:
        """Return a framework's object as a python_function.

        Args:
            model: What `load` gave, or what `save` was given.
            parts: What the MLmodel file says.
            folder: The model's folder; it stays while the predictor lives.
            config: The model's `model_config`, with what the caller of `load_model` set instead.
        """
        ...

    def runs_code(self, parts: Parts) -> Sequence[str]:
        """The files, relative to the folder, whose loading can run any code, such as pickles; none if none can."""
        ...


def root_module(kind: type) -> str:
    """Return the package that a class is from: for most flavors, all there is to know."""
    return kind.__module__.partition(".")[0]
