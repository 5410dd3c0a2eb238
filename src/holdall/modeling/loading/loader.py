"""A model out of a folder, of our making or of MLflow's: as its framework's object, or as a python_function."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdall.errors import ContentError, UnknownFlavorError
from holdall.modeling.code.model_code import use_code
from holdall.modeling.files.places import check_links, check_names, named, within
from holdall.modeling.flavor import PYFUNC, Flavor, Parts, Predictor
from holdall.modeling.flavor_registry import flavor_loading, known_flavors
from holdall.modeling.model import FILE, Model, parse_model

_log = logging.getLogger("holdall")


def read_model(folder: Path) -> Model:
    """Return what the MLmodel file of a folder says.

    Raises:
        ContentError: There is none, or it says what cannot be, or links lead out of the folder.
    """
    check_links(folder)
    try:
        return check_names(parse_model((folder / FILE).read_bytes(), str(folder / FILE)), folder / FILE)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise ContentError(str(folder), "a model", f"it has no {FILE} file") from error


def native_flavor(model: Model) -> Flavor:
    """Return the flavor to load the framework's object by; the python_function if there is no other.

    Raises:
        UnknownFlavorError: None of the model's flavors is known here.
    """
    known = {flavor.name: flavor for flavor in known_flavors()}
    for name in (*(name for name in model.flavors if name != PYFUNC), PYFUNC):
        if name in model.flavors and name in known:
            return known[name]
    raise UnknownFlavorError(f"a model of {', '.join(model.flavors)}", ", ".join(known))


def parts_of(flavor: Flavor, model: Model, where: str) -> Parts:
    """Return what an MLmodel file says for a flavor.

    Raises:
        ContentError: Nothing.
    """
    if flavor.name not in model.flavors:
        raise ContentError(where, f"a {flavor.name} model", f"its flavors are {', '.join(model.flavors)}")
    return Parts(own=model.flavors[flavor.name], pyfunc=model.flavors.get(PYFUNC))


def code_run_by(flavor: Flavor | None, model: Model) -> list[str]:
    """Return the files of a model whose loading can run code; `flavor` None: a module that is no flavor's loads it."""
    entry = model.flavors.get(PYFUNC, {})
    own = model.flavors.get(flavor.name, {}) if flavor else entry
    code = [named(each["code"]) for each in (own, entry) if each.get("code")]
    files = (
        list(flavor.runs_code(Parts(own=own, pyfunc=entry))) if flavor else [f"what {entry.get('loader_module')} reads"]
    )
    return [*files, *dict.fromkeys(code)]


def load_native(folder: Path, model: Model, flavor: Flavor, options: Mapping[str, Any]) -> Any:
    """Return the framework's object. Raises: ContentError, and what the flavor raises."""
    parts = parts_of(flavor, model, str(folder))
    _use_code(folder, parts.own)
    return flavor.load(folder, parts, **options)


def predicting_flavor(model: Model, where: str) -> Flavor | None:
    """Return the flavor that makes a python_function of it; None if a module that is no flavor's does.

    Raises:
        ContentError: It has no python_function flavor.
    """
    entry = model.flavors.get(PYFUNC)
    if entry is None:
        raise ContentError(where, "a python_function", f"its flavors are {', '.join(model.flavors)}")
    return flavor_loading(str(entry.get("loader_module")))


def effective_config(model: Model, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model was logged with, with what the caller sets instead; other keys are left out, with a warning.

    A flavor may have settings of its own, which are heard whatever it was logged with.
    """
    entry = model.flavors.get(PYFUNC, {})
    logged = dict(entry.get("config") or {})
    heard = {*logged, *getattr(flavor_loading(str(entry.get("loader_module"))), "settings", ())}
    if other := [str(key) for key in given if key not in heard]:
        known = f"only {', '.join(map(str, logged))}" if logged else "no model_config"
        _log.warning("left out of model_config: %s; the model was logged with %s", ", ".join(other), known)
    return logged | {key: value for key, value in given.items() if key in heard}


def load_predictor(
    folder: Path, model: Model, flavor: Flavor | None, config: Mapping[str, Any]
) -> tuple[Any, Predictor]:
    """Return the framework's object, and the same as a python_function, with its whole configuration.

    Raises:
        UnknownFlavorError: Its `loader_module` is no flavor's, and cannot be imported.
    """
    entry = model.flavors[PYFUNC]
    _use_code(folder, entry)
    if flavor is None:
        predictor = _foreign(str(entry.get("loader_module")), folder, entry, config)
        return predictor, predictor
    parts = Parts(own=model.flavors.get(flavor.name, {}), pyfunc={**entry, "config": config} if config else entry)
    native = flavor.load(folder, parts)
    return native, flavor.wrap(native, parts, folder=folder, config=config)


def brings_code(model: Model) -> bool:
    """Return whether modules of the model's folder may be imported at any time after it is loaded."""
    return any(entry.get("code") or entry.get("model_code_path") for entry in model.flavors.values())


def _use_code(folder: Path, entry: Mapping[str, Any]) -> None:
    if entry.get("code"):
        use_code(within(folder, entry["code"]))


def _foreign(loader: str, folder: Path, entry: Mapping[str, Any], config: Mapping[str, Any]) -> Predictor:
    """What a module that is no flavor's makes of the folder, by MLflow's contract: `_load_pyfunc(path[, config])`."""
    try:
        module = importlib.import_module(loader)
    except ImportError as error:
        names = ", ".join(flavor.name for flavor in known_flavors())
        raise UnknownFlavorError(f"a model that {loader} loads ({error})", names) from error
    data = within(folder, entry["data"]) if entry.get("data") else folder
    found: Predictor = module._load_pyfunc(str(data), dict(config)) if config else module._load_pyfunc(str(data))
    return found
