"""The files that a PyTorch module can be kept in, each with how it is read again.

    model.pth, pickle_module_info.txt    torch.save of all of it; a script module's own format, under the same name
    model.pt2                            the graph that one call shows
    model.safetensors, module.pkl        the weights, and the module without them
    state_dict.safetensors or .pth       weights without a module

A tensor that the module knows by several names is in `model.safetensors` once;
its header says under `aliases` which others it has. Where tensors are views of
one another, or of a kind that the format lacks, there is no such file.
"""

from __future__ import annotations

import importlib
import json
import pickle
import types
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from holdall.errors import ContentError
from holdall.libraries import library
from holdall.modeling.files.pickling import noting_pickler
from holdall.modeling.files.restricted import MAX_BYTES, Buildable
from holdall.modeling.files.skeleton import dump_skeleton, load_skeleton
from holdall.modeling.files.torch_tensors import compact, is_unsettled, own_storages, refuse_empty, settled, tensors_in
from holdall.modeling.signatures import duck_types

PICKLED, EXPORTED, WEIGHTS, SKELETON = "model.pth", "model.pt2", "model.safetensors", "module.pkl"
STATE: Final = ("state_dict.safetensors", "state_dict.pth")
TORCH_ONLY: Final = "torch.nn"  # what a skeleton needs that is read without running code
_INFO: Final = "pickle_module_info.txt"
_THEIRS: Final = "mlflow.pytorch.pickle_module"  # cloudpickle's classes with pickle's reader
_READ_BY_PICKLE: Final = {"", "pickle", "cloudpickle", _THEIRS}


def at_hand(torch: Any) -> str | None:
    """Return where to put what was on a device that may not be here: the CPU, unless there is an accelerator."""
    return None if torch.accelerator.is_available() else "cpu"


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """As `model.eval()`, with every part's mode as it was in the end: nothing is learnt from looking."""
    training = [part for part in model.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


# --- all of it ---


def save_pickled(
    torch: Any, model: Any, folder: Path, given: types.ModuleType | None, protocol: int | None
) -> tuple[str, set[str]]:
    """Write a module as MLflow does.

    Args:
        torch: The framework.
        model: The module.
        folder: Where to.
        given: What pickles it; cloudpickle when None.
        protocol: Of the pickle; torch's own when None.

    Returns:
        What is said to have pickled it, and the modules that loading it imports.
    """
    noting, modules = noting_pickler(by_value=True)
    name = given.__name__ if given else _THEIRS
    (folder / _INFO).write_text(name)
    if isinstance(model, torch.jit.ScriptModule):
        model.save(str(folder / PICKLED))
        return name, set()
    pickling = given or types.SimpleNamespace(__name__=_THEIRS, Pickler=noting)
    options = {} if protocol is None else {"pickle_protocol": protocol}
    with own_storages(torch, model):
        torch.save(model, folder / PICKLED, pickle_module=pickling, **options)
    return name, modules


def load_pickled(torch: Any, file: Path, where: Any, given: Any, options: Mapping[str, Any]) -> Any:
    """Return the module; runs code."""
    if _is_script(file):
        return torch.jit.load(str(file), map_location=where)
    if options.get("weights_only"):
        return torch.load(file, map_location=where, **options)
    info = file.with_name(_INFO)
    name = info.read_text().strip() if info.is_file() else ""
    reading = given or (pickle if name in _READ_BY_PICKLE else importlib.import_module(name))
    return torch.load(file, map_location=where, pickle_module=reading, **{"weights_only": False, **options})


def _is_script(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as found:
        return any(name.endswith("/constants.pkl") for name in found.namelist())


# --- a graph ---


def save_exported(torch: Any, model: Any, folder: Path, examples: Any) -> None:
    """Write what a call of the module with examples shows, every dimension as free as the module lets it be.

    Raises:
        ValueError: There are no examples that are arrays or tensors.
    """
    given = examples if isinstance(examples, list | tuple) else [examples]
    if not given or not all(hasattr(each, "shape") and hasattr(each, "dtype") for each in given):
        raise ValueError("pt2 needs example_inputs, an array or tensor or several of them, to see what the module does")
    tensors = tuple(torch.as_tensor(each) for each in given)
    free = tuple(dict.fromkeys(range(each.dim()), torch.export.Dim.AUTO) for each in tensors)
    with evaluating(model):
        program = torch.export.export(model, tensors, dynamic_shapes=free)
    held = [*program.state_dict.items(), *tensors_in(program.constants)]
    refuse_empty(held)
    if lost := [name for name, each in held if duck_types.is_a(each, "torch", "Tensor") and is_unsettled(each)]:
        raise ValueError(f"pt2 would lose that {', '.join(lost)} is a conjugate or negative view: resolve_conj() it")
    torch.export.save(program, folder / EXPORTED)


def load_exported(torch: Any, file: Path, device: Any) -> Any:
    """Return the graph as a module; runs code."""
    program = torch.export.load(file)
    if device is not None:
        program = torch.export.passes.move_to_device_pass(program, device)
    return program.module()


# --- the weights apart ---


def save_apart(torch: Any, model: Any, folder: Path) -> tuple[str, set[str]]:
    """Write a module as its weights and the rest.

    Returns:
        `TORCH_ONLY` if the rest is read without running code, else "pickle"; and the modules that it imports.

    Raises:
        ValueError: Its tensors cannot be kept so.
    """
    state = model.state_dict(keep_vars=True)  # the very tensors; held, so that no other gets their ids
    names: dict[int, str] = {}
    aliases = {name: first for name, each in state.items() if (first := names.setdefault(id(each), name)) != name}
    weights: dict[str, Any] = {}

    def named(obj: Any) -> tuple[str, bool, bool] | None:
        if not isinstance(obj, torch.Tensor):
            return None
        if type(obj) not in (torch.Tensor, torch.nn.Parameter) or obj.layout is not torch.strided:
            raise ValueError(f"a {type(obj).__name__} ({obj.layout}) cannot be kept as safetensors; keep it as pickle")
        name = names.setdefault(id(obj), f"_.{len(names)}")
        refuse_empty([(name, obj)])
        weights[name] = obj.detach()
        return name, isinstance(obj, torch.nn.Parameter), obj.requires_grad

    skeleton, modules = dump_skeleton(model, named)
    _write_weights(weights, folder / WEIGHTS, aliases)
    (folder / SKELETON).write_bytes(skeleton)
    try:
        load_skeleton(skeleton, _restoring(torch, weights), only=_buildable(torch))
    except pickle.UnpicklingError:
        return "pickle", modules
    return TORCH_ONLY, modules


def load_apart(torch: Any, data: Path, *, free: bool) -> Any:
    """Return the module, on the CPU. `free`: run no code, by building from torch.nn's own parts alone."""
    weights = _read_weights(data / WEIGHTS)
    only = _buildable(torch) if free else None
    with (data / SKELETON).open("rb") as file:
        skeleton = file.read(MAX_BYTES + 1 if free else -1)
    return load_skeleton(skeleton, _restoring(torch, weights), only=only)


def _restoring(torch: Any, weights: Mapping[str, Any]) -> Callable[..., Any]:
    made: dict[Any, Any] = {}  # one object for one name: tied weights stay tied

    def restored(name: str, parameter: bool, learns: bool) -> Any:
        if name not in weights:
            raise pickle.UnpicklingError(f"there are no weights {name!r}")
        if name not in made:
            tensor = weights[name]
            made[name] = torch.nn.Parameter(tensor, learns) if parameter else tensor.requires_grad_(learns)
        return made[name]

    return restored


@lru_cache(maxsize=1)
def _buildable(torch: Any) -> Buildable:
    """What builds itself from plain values and does nothing else: torch.nn's layers, and what they are set up with."""
    from collections import OrderedDict

    parts, found = [torch.nn.Module], {}
    for part in parts:
        if part.__module__.startswith("torch.nn.modules."):
            found[part.__module__, part.__qualname__] = part
            parts.extend(part.__subclasses__())
    dtypes = {("torch", name): each for name, each in vars(torch).items() if isinstance(each, torch.dtype)}
    functions = {
        (each.__module__, each.__name__): each for each in (torch.nn.functional.relu, torch.nn.functional.gelu)
    }
    plain = {
        ("torch", "Size"): torch.Size,
        ("torch", "device"): torch.device,
        ("collections", "OrderedDict"): OrderedDict,
    }

    def fill(module: Any, state: Any) -> None:
        if type(state) is not dict or not all(type(name) is str for name in state):
            raise pickle.UnpicklingError(f"the state of a {type(module).__name__} is no dictionary of names")
        if isinstance(module, torch.nn.RNNBase) and not _is_of_names(state.get("_all_weights")):
            raise pickle.UnpicklingError("a recurrent layer of old, which counts its layers anew")
        type(module).__setstate__(module, state)

    return Buildable(
        names={**found, **dtypes, **functions, **plain},
        empty=frozenset(found.values()),
        called=frozenset(plain.values()),
        fill=fill,
    )


def _is_of_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, list) and all(map(_is_name, each)) for each in value)


def _is_name(value: Any) -> bool:
    return type(value) is str


# --- weights alone ---


def save_state_dict(state: Mapping[str, Any], folder: Path, **options: Any) -> None:
    """Write a state dict: as safetensors if it is names and tensors that share nothing, else by `torch.save`.

    Raises:
        TypeError: It is none.
        ValueError: It has tensors without content, or could not be loaded again without running code.
        MissingLibraryError: PyTorch is not installed.
    """
    torch = library("torch", "keeping a state dict")
    if not isinstance(state, Mapping):
        raise TypeError(f"a state dict is a dictionary, not a {type(state).__name__}")
    refuse_empty(tensors_in(state))
    flat = all(isinstance(key, str) and type(each) in (torch.Tensor, torch.nn.Parameter) for key, each in state.items())
    folder.mkdir(parents=True, exist_ok=True)
    if flat and not options:
        try:
            return _write_weights({key: each.detach() for key, each in state.items()}, folder / STATE[0], {})
        except ValueError:
            pass  # weights that are tied, or of a kind that the format lacks
    _save_whole(torch, compact(torch, dict(state)), folder / STATE[1], options)
    return None


def _save_whole(torch: Any, state: Any, file: Path, options: Mapping[str, Any]) -> None:
    """Write what `torch.save` makes of it, if that can be read again without running code."""
    try:
        torch.save(state, file, **options)
        torch.load(file, weights_only=True, map_location="cpu", mmap=zipfile.is_zipfile(file))
    except (pickle.PickleError, RuntimeError, AttributeError) as error:
        file.unlink(missing_ok=True)
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"it is more than tensors and plain values, and could not be loaded again: {reason}"
        ) from error


def load_state_dict(folder: Path, **options: Any) -> Any:
    """Return the weights of a state dict, or of a model whose weights stand apart. It runs no code.

    Raises:
        ContentError: There are none.
        MissingLibraryError: PyTorch is not installed.
    """
    torch = library("torch", "loading a state dict")
    for name in (STATE[0], f"data/{WEIGHTS}"):
        if (folder / name).is_file():
            return {key: each for key, each in _read_weights(folder / name).items() if not key.startswith("_.")}
    if not (folder / STATE[1]).is_file():
        raise ContentError(str(folder), "a state dict", f"it has no {STATE[0]}, {STATE[1]} or data/{WEIGHTS}")
    try:
        return torch.load(folder / STATE[1], **{"map_location": at_hand(torch), **options, "weights_only": True})
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        reason = f"it is damaged, or needs code to be read: {str(error).partition(chr(10))[0]}"
        raise ContentError(str(folder / STATE[1]), "a state dict of tensors and plain values", reason) from error


def _write_weights(weights: Mapping[str, Any], file: Path, aliases: Mapping[str, str]) -> None:
    safetensors = library("safetensors.torch", "keeping weights as safetensors", "safetensors")
    metadata = {"format": "pt", "aliases": json.dumps(aliases, sort_keys=True)} if aliases else None
    try:
        safetensors.save_file(
            {name: settled(each).cpu().contiguous() for name, each in weights.items()}, file, metadata
        )
    except (RuntimeError, KeyError, ValueError) as error:
        raise ValueError(f"these weights cannot be kept as safetensors ({error}); keep the model as pickle") from error


def _read_weights(file: Path) -> dict[str, Any]:
    """Return weights by all of their names.

    Raises:
        ContentError: It is not such a file.
    """
    safetensors = library("safetensors", "loading weights", "safetensors")
    try:
        with safetensors.safe_open(file, "pt") as found:
            weights = {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118  # it is no dictionary
            aliases = json.loads((found.metadata() or {}).get("aliases", "{}"))
        return weights | {name: weights[first] for name, first in aliases.items()}
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, AttributeError) as error:
        raise ContentError(str(file), "weights as safetensors", f"{type(error).__name__}: {error}") from error
