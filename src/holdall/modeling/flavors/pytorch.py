"""PyTorch: modules, and what TorchScript and torch.export make of them.

    pickle         data/model.pth          all of it, as MLflow has it; a script module by its own format, so named
    pt2            data/model.pt2          the graph that one call of it shows; needs no class
    safetensors    data/model.safetensors  the weights, and beside them data/module.pkl, the module without them

Loading the first two can run what is in them. The third runs nothing where the
module is made of torch.nn's own parts (`rebuilt_by: torch.nn`), and else its
skeleton is a pickle like any other; the weights alone can be had of it under
every policy. MLflow loads it where holdall is installed, by the `_load_pyfunc`
of `holdall.pytorch`; that is why the default is `pickle`.

What was saved on a GPU is loaded on the CPU where there is none.
"""

from __future__ import annotations

import copy
import pickle
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdall.errors import ContentError
from holdall.libraries import library
from holdall.modeling.files import torch_files
from holdall.modeling.files.places import named, within
from holdall.modeling.files.torch_tensors import refuse_empty
from holdall.modeling.flavor import Parts, Predictor
from holdall.modeling.signatures import duck_types

PICKLE, PT2, SAFETENSORS = "pickle", "pt2", "safetensors"
FORMATS: Final = (PICKLE, PT2, SAFETENSORS)
_DATA: Final = "data"


class PytorchFlavor:
    """See `Flavor`."""

    name = "pytorch"
    loaders = ("mlflow.pytorch", "holdall.pytorch")
    settings = ("device",)  # of `model_config`, heard whatever a model was logged with: MLflow logs each with one

    def knows(self, kind: type) -> bool:
        """Return whether it derives from `torch.nn.Module`."""
        return (kind.__module__, kind.__name__) == ("torch.nn.modules.module", "Module")

    def save(
        self,
        model: Any,
        folder: Path,
        *,
        serialization_format: str | None = None,
        pickle_module: types.ModuleType | None = None,
        pickle_protocol: int | None = None,
        example_inputs: Any = None,
    ) -> Parts:
        """See `Flavor.save` and `holdall.pytorch.log_model`."""
        kind = serialization_format or PICKLE
        if kind not in FORMATS:
            raise ValueError(f"serialization_format={kind!r} is none of {', '.join(FORMATS)}")
        torch = library("torch", "keeping a PyTorch model")
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"a torch.nn.Module is needed, not a {type(model).__name__}")
        if kind != PICKLE and isinstance(model, torch.jit.ScriptModule):
            raise ValueError(f"a script module has a format of its own: leave serialization_format={kind!r} out")
        refuse_empty([*model.named_parameters(), *model.named_buffers()])
        data = folder / _DATA
        data.mkdir()
        own = {"model_data": _DATA, "pytorch_version": str(torch.__version__), "serialization_format": kind}
        if kind == PT2:
            torch_files.save_exported(torch, model, data, example_inputs)
            return Parts(own=own, pyfunc={"data": _DATA}, modules={"torch"})
        if kind == SAFETENSORS:
            own["rebuilt_by"], modules = torch_files.save_apart(torch, model, data)
            modules |= {"torch", "safetensors", "holdall"}
            return Parts(own=own, pyfunc={"loader_module": self.loaders[1]}, modules=modules)
        name, modules = torch_files.save_pickled(torch, model, data, pickle_module, pickle_protocol)
        return Parts(own=own, pyfunc={"data": _DATA, "pickle_module_name": name}, modules={"torch", *modules})

    def load(
        self,
        folder: Path,
        parts: Parts,
        *,
        device: Any = None,
        map_location: Any = None,
        pickle_module: types.ModuleType | None = None,
        **options: Any,
    ) -> Any:
        """See `Flavor.load` and `holdall.pytorch.load_model`; `options` are those of `torch.load`."""
        torch = library("torch", "loading a PyTorch model")
        data, file = within(folder, _data(parts)), _opened(folder, parts)
        try:
            if parts.own.get("serialization_format") == SAFETENSORS:
                model = torch_files.load_apart(torch, data, free=_runs_nothing(parts))
                device = device or map_location
            elif file.name == torch_files.EXPORTED:
                return torch_files.load_exported(torch, file, device)
            else:
                where = map_location or device or torch_files.at_hand(torch)
                model = torch_files.load_pickled(torch, file, where, pickle_module, options)
            if not isinstance(model, torch.nn.Module):
                raise ContentError(str(file), "a PyTorch model", f"a {type(model).__name__} is none")
            model.eval()
        except (pickle.UnpicklingError, EOFError, OSError, RuntimeError, TypeError, RecursionError) as error:
            raise ContentError(str(data), "a PyTorch model", f"{type(error).__name__}: {error}") from error
        except (ImportError, AttributeError) as error:
            reason = f"it needs what is not here: {error}; install what its requirements.txt lists"
            raise ContentError(str(data), "a model that can be loaded here", reason) from error
        return model if device is None else model.to(device)

    def wrap(self, model: Any, parts: Parts, *, folder: Path, config: Mapping[str, Any]) -> Predictor:  # noqa: ARG002
        """See `Flavor.wrap`; `config` may name a `device`."""
        return Network(_on(model, config.get("device")))

    def runs_code(self, parts: Parts) -> Sequence[str]:
        """All but weights with a skeleton of torch.nn's own parts."""
        if parts.own.get("serialization_format") == SAFETENSORS and _runs_nothing(parts):
            return []
        return _files(parts)


class Network:
    """A module as a python_function: arrays in, arrays out.

    A DataFrame becomes a float32 array of its rows and its answer a DataFrame with the same index, as MLflow has
    it; a dictionary of arrays calls the module by the names of its arguments; what the module answers by name comes
    back so. Nothing learns from it, whatever mode the module is in.
    """

    def __init__(self, model: Any) -> None:
        self._model, self._device = model, _device_of(model)

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return the module's answer. Raises: TypeError for data or answers of other kinds, ValueError for a device."""
        torch = library("torch", "predicting with a PyTorch model")
        if params and "device" in params:
            raise ValueError("a device is chosen when a model is loaded: load_model(uri, model_config={'device': ...})")
        with torch.no_grad(), torch_files.evaluating(self._model):
            if isinstance(data, Mapping):
                named = {name: self._tensor(torch, each) for name, each in data.items()}
                answer = self._model(**named, **(params or {}))
            else:
                answer = self._model(self._tensor(torch, data), **(params or {}))
        if isinstance(answer, Mapping):
            return {name: _array(torch, each) for name, each in answer.items()}
        array = _array(torch, answer)
        if duck_types.is_frame(data) and array.ndim <= 2:  # a table has rows and columns
            return library("pandas", "predicting on a DataFrame").DataFrame(array, index=data.index)
        return array

    def _tensor(self, torch: Any, data: Any) -> Any:
        if duck_types.is_frame(data):
            data = data.to_numpy(dtype="float32")
        if duck_types.is_ndarray(data):
            data = torch.from_numpy(data.copy())  # for an array of the caller's may be read-only or run backwards
        if not isinstance(data, torch.Tensor):
            raise TypeError(
                f"a DataFrame, array, tensor, or dictionary of arrays is needed, not a {type(data).__name__}"
            )
        return data.to(self._device)


def _array(torch: Any, answer: Any) -> Any:
    if not isinstance(answer, torch.Tensor):
        raise TypeError(
            f"the module answers with a {type(answer).__name__}; a python_function needs a tensor, or a dict"
        )
    return duck_types.plain(answer)


def _device_of(model: Any) -> Any:
    """Return where the module's weights are; None where it has none, which leaves data where it is."""
    first = next(iter(model.parameters()), None)
    return None if first is None else first.device


def _on(model: Any, device: Any) -> Any:
    """Return the module on a device: a copy, if it is elsewhere, for since its training may go on."""
    here = _device_of(model)
    if device is None or here is None or here == library("torch", "choosing a device").device(device):
        return model
    return copy.deepcopy(model).to(device)


def _data(parts: Parts) -> str:
    return named(parts.own.get("model_data") or (parts.pyfunc or {}).get("data") or _DATA)


def _files(parts: Parts) -> list[str]:
    """Return the files of which the first that is there is loaded. MLflow does not say which of them it wrote."""
    data, kind = _data(parts), str(parts.own.get("serialization_format"))
    known = {PICKLE: torch_files.PICKLED, PT2: torch_files.EXPORTED, SAFETENSORS: torch_files.SKELETON}
    if kind in known:
        return [f"{data}/{known[kind]}"]
    return [f"{data}/{torch_files.EXPORTED}", f"{data}/{torch_files.PICKLED}", data]  # the last: the oldest are a file


def _opened(folder: Path, parts: Parts) -> Path:
    places = [within(folder, name) for name in _files(parts)]
    return next((place for place in places if place.is_file()), places[0])


def _runs_nothing(parts: Parts) -> bool:
    return parts.own.get("rebuilt_by") == torch_files.TORCH_ONLY


FLAVOR: Final = PytorchFlavor()
