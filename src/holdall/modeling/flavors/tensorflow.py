"""TensorFlow: modules, and Keras models with classes of the user's own.

    tf2model/                                a tf.Module, as TensorFlow's SavedModel: a program, which runs
    data/model.keras (or .h5)                a Keras model
    data/custom_objects.cloudpickle          its classes and functions; run code when loaded
    data/global_custom_objects.cloudpickle   those that Keras had registered
    data/keras_module.txt, save_format.txt   for MLflow

A plain Keras model runs no code when it is loaded. MLflow's files do not say
whether there are custom objects, and count as running code for that reason; ours
list them, and what is not listed is not loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdall.errors import ContentError
from holdall.libraries import library
from holdall.modeling.files.keras_files import FILE, KerasPredictor, is_safe_here, load_keras, save_keras
from holdall.modeling.files.pickling import dump_noting_modules, load_pickle
from holdall.modeling.files.places import named, within
from holdall.modeling.flavor import Parts, Predictor, root_module
from holdall.modeling.signatures import duck_types

_DATA, _PROGRAM, _OLD_FILE = "data", "tf2model", "model.h5"
_KERAS, _MODULE = "keras", "tf2-module"
_GLOBAL, _CUSTOM = "global_custom_objects.cloudpickle", "custom_objects.cloudpickle"  # the second goes before
_LISTED: Final = "custom_objects"


class TensorFlowFlavor:
    """See `Flavor`."""

    name = "tensorflow"
    loaders = ("mlflow.tensorflow",)

    def knows(self, kind: type) -> bool:
        """Return whether it is one of TensorFlow's classes, or derives from one; Keras has a flavor of its own."""
        return root_module(kind) == "tensorflow"

    def save(
        self,
        model: Any,
        folder: Path,
        *,
        custom_objects: Mapping[str, Any] | None = None,
        saved_model_kwargs: Mapping[str, Any] | None = None,
        keras_model_kwargs: Mapping[str, Any] | None = None,
    ) -> Parts:
        """See `Flavor.save` and `holdall.tensorflow.log_model`."""
        tensorflow = library("tensorflow", "keeping a TensorFlow model")
        if isinstance(model, tensorflow.keras.Model):
            return _save_keras(tensorflow, model, folder / _DATA, custom_objects, dict(keras_model_kwargs or {}))
        if not isinstance(model, tensorflow.Module):
            raise TypeError(f"a tf.Module or a Keras model is needed, not a {type(model).__name__}")
        if custom_objects or keras_model_kwargs:
            raise TypeError("custom_objects and keras_model_kwargs are for Keras models, and this is a tf.Module")
        tensorflow.saved_model.save(model, str(folder / _PROGRAM), **(saved_model_kwargs or {}))
        return Parts(own={"saved_model_dir": _PROGRAM, "model_type": _MODULE}, modules={"tensorflow"})

    def load(
        self,
        folder: Path,
        parts: Parts,
        *,
        saved_model_kwargs: Mapping[str, Any] | None = None,
        keras_model_kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """See `Flavor.load`."""
        tensorflow = library("tensorflow", "loading a TensorFlow model")
        if _type(parts) == _KERAS:
            return _load_keras(tensorflow, within(folder, _data(parts)), parts, dict(keras_model_kwargs or {}))
        if _type(parts) != _MODULE:
            raise ContentError(str(folder), "a model of TensorFlow 2", f"its model_type is {_type(parts)}")
        program = within(folder, _program(parts))
        try:
            return tensorflow.saved_model.load(str(program), **(saved_model_kwargs or {}))
        except (OSError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ContentError(str(program), "a program of TensorFlow", reason) from error

    def wrap(self, model: Any, parts: Parts, *, folder: Path, config: Mapping[str, Any]) -> Predictor:  # noqa: ARG002
        """See `Flavor.wrap`."""
        if _type(parts) == _KERAS:
            return KerasPredictor(lambda data: model.predict(data, verbose=0))
        return _Called(model)

    def runs_code(self, parts: Parts) -> Sequence[str]:
        """A program does; and a Keras model with custom objects, in the format of old, or read by an old Keras."""
        if _type(parts) != _KERAS:
            return [f"{_program(parts)}/saved_model.pb"]
        safe = _file(parts) == FILE and is_safe_here()
        return [f"{_data(parts)}/{name}" for name in (*_objects(parts), *([] if safe else [_file(parts)]))]


class _Called:
    """A module of TensorFlow's that is called with a tensor."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG002
        """Return what the module gives; a tensor as an array."""
        if not (duck_types.is_ndarray(data) or isinstance(data, list)):
            raise TypeError(f"a tf.Module takes an array or a list, not a {type(data).__name__}")
        tensorflow = library("tensorflow", "predicting with a TensorFlow model")
        found = self._model(tensorflow.convert_to_tensor(data))
        return found.numpy() if isinstance(found, tensorflow.Tensor) else found


def _save_keras(
    tensorflow: Any, model: Any, folder: Path, custom_objects: Mapping[str, Any] | None, given: dict[str, Any]
) -> Parts:
    form = given.pop("save_format", "tf")
    file = _OLD_FILE if form == "h5" else FILE
    folder.mkdir()
    (folder / "keras_module.txt").write_text("tensorflow.keras")
    (folder / "save_format.txt").write_text(form)
    modules: set[str] = set()
    objects = {_GLOBAL: tensorflow.keras.utils.get_custom_objects(), _CUSTOM: custom_objects}
    listed = [name for name in objects if objects[name]]
    for name in listed:
        with (folder / name).open("wb") as stream:
            modules |= dump_noting_modules(dict(objects[name] or {}), stream, by_value=True)
    save_keras(model, folder / file, given)
    own = {
        "data": _DATA,
        "model_type": _KERAS,
        "keras_version": tensorflow.__version__,
        "save_format": form,
        _LISTED: listed,
    }
    return Parts(own=own, pyfunc={"data": _DATA}, modules={"tensorflow", "keras", *modules})


def _load_keras(tensorflow: Any, folder: Path, parts: Parts, options: dict[str, Any]) -> Any:
    objects: dict[str, Any] = {}
    for name in _objects(parts):
        if (folder / name).exists():
            objects |= load_pickle(within(folder, name))
    objects |= options.pop("custom_objects", None) or {}
    load = tensorflow.keras.models.load_model
    return load_keras(load, within(folder, _file(parts)), custom_objects=objects or None, **options)


def _objects(parts: Parts) -> list[str]:
    """The files of custom objects that may be loaded: those that are listed, all where nothing is said."""
    listed = parts.own.get(_LISTED)
    return [name for name in (_GLOBAL, _CUSTOM) if listed is None or name in listed]


def _type(parts: Parts) -> str:
    return str(parts.own.get("model_type") or "tf1-estimator")  # what MLflow's oldest files are


def _file(parts: Parts) -> str:
    return _OLD_FILE if parts.own.get("save_format", "h5") == "h5" else FILE


def _data(parts: Parts) -> str:
    return named(parts.own.get("data") or _DATA)


def _program(parts: Parts) -> str:
    return named(parts.own.get("saved_model_dir") or _PROGRAM)


FLAVOR: Final = TensorFlowFlavor()
