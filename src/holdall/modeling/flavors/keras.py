"""Keras 3, with any of its backends.

    data/model.keras        Keras's own file; runs no code, but in its unsafe mode
    data/model/             or a program that TensorFlow runs, exported from the model
    data/keras_module.txt   "keras", for MLflow

Layers of the user's own are not in the file: give them as `custom_objects` when
loading, register them, or keep them with the model by `holdall.tensorflow`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdall.errors import ContentError
from holdall.libraries import library
from holdall.modeling.files.keras_files import FILE, KerasPredictor, is_safe_here, load_keras, save_keras
from holdall.modeling.files.places import named, within
from holdall.modeling.flavor import Parts, Predictor, root_module

_DATA: Final = "data"
_EXPORTED: Final = "model"


class KerasFlavor:
    """See `Flavor`."""

    name = "keras"
    loaders = ("mlflow.keras",)

    def knows(self, kind: type) -> bool:
        """Return whether it is one of Keras's classes, or derives from one."""
        return root_module(kind) == "keras"

    def save(
        self,
        model: Any,
        folder: Path,
        *,
        save_exported_model: bool = False,
        save_model_kwargs: Mapping[str, Any] | None = None,
    ) -> Parts:
        """See `Flavor.save` and `holdall.keras.log_model`."""
        keras = library("keras", "keeping a Keras model")
        if not isinstance(model, keras.Model):
            raise TypeError(f"a keras.Model is needed, not a {type(model).__name__}")
        backend = keras.backend.backend()
        (folder / _DATA).mkdir()
        (folder / _DATA / "keras_module.txt").write_text("keras")
        if save_exported_model:
            library("tensorflow", "exporting a Keras model")
            model.export(str(folder / _DATA / _EXPORTED), **{"verbose": False, **(save_model_kwargs or {})})
        else:
            save_keras(model, folder / _DATA / FILE, save_model_kwargs)
        own = {
            "data": _DATA,
            "keras_version": keras.__version__,
            "keras_backend": backend,
            "save_exported_model": save_exported_model,
        }
        needed = {"tensorflow"} if save_exported_model else {backend}
        return Parts(own=own, modules={"keras", *needed})

    def load(
        self,
        folder: Path,
        parts: Parts,
        *,
        custom_objects: Mapping[str, Any] | None = None,
        load_model_kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """See `Flavor.load`."""
        if _exported(parts):
            return _load_exported(within(folder, f"{_data(parts)}/{_EXPORTED}"))
        keras = library("keras", "loading a Keras model")
        given = dict(custom_objects) if custom_objects else None
        options = {"custom_objects": given, **(load_model_kwargs or {})}
        return load_keras(keras.saving.load_model, within(folder, f"{_data(parts)}/{FILE}"), **options)

    def wrap(self, model: Any, parts: Parts, *, folder: Path, config: Mapping[str, Any]) -> Predictor:  # noqa: ARG002
        """See `Flavor.wrap`."""
        serve = getattr(model, "serve", None)  # only what was exported has it
        return KerasPredictor((lambda data: _arrays(serve(data))) if serve else lambda d: model.predict(d, verbose=0))

    def runs_code(self, parts: Parts) -> Sequence[str]:
        """A program of TensorFlow's can do what it likes with files; and an old Keras can be made to run code."""
        if _exported(parts):
            return [f"{_data(parts)}/{_EXPORTED}/saved_model.pb"]
        return [] if is_safe_here() else [f"{_data(parts)}/{FILE}"]


def _load_exported(folder: Path) -> Any:
    tensorflow = library("tensorflow", "loading an exported Keras model")
    try:
        return tensorflow.saved_model.load(str(folder))
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ContentError(str(folder), "a program of TensorFlow", reason) from error


def _arrays(found: Any) -> Any:
    """Return tensors as arrays."""
    if isinstance(found, Mapping):
        return {name: _arrays(each) for name, each in found.items()}
    if isinstance(found, list | tuple):
        return [_arrays(each) for each in found]
    return found.numpy()


def _exported(parts: Parts) -> bool:
    return bool(parts.own.get("save_exported_model"))


def _data(parts: Parts) -> str:
    return named(parts.own.get("data") or _DATA)


FLAVOR: Final = KerasFlavor()
