"""Every public name of MLflow 3.17 is here, or says what to do instead; the table of those has no other names."""

from __future__ import annotations

import importlib
import inspect
from pkgutil import iter_modules
from types import ModuleType

import mlflow
import pytest

import holdall
from holdall.missing_names import INSTEAD

# Modules of MLflow whose public names are looked for, below holdall's own name. Flavors whose library is not
# installed cannot be looked at.
MODULES = (
    "",
    *("artifacts", "client", "data", "entities", "entities.model_registry", "exceptions", "models", "models.signature"),
    *(
        "pyfunc",
        "tracking",
        "types",
        "types.schema",
        "lightgbm",
        "onnx",
        "pytorch",
        "sklearn",
        "transformers",
        "xgboost",
    ),
)

# names of the table that none of these modules has, and why
BESIDE = {
    "data.get_dataset_source_from_json": "it is in the data module, and not in its list",
    "data.get_registered_sources": "likewise",
}


def _public(module: ModuleType) -> set[str]:
    """What a module shows: its list, and at the top what is a module of MLflow's; without a list, what it defines."""
    if module is mlflow:
        return {found.name for found in iter_modules(mlflow.__path__) if found.name[0] != "_"} | set(mlflow.__all__)
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return {name for name in listed if not name.startswith("_")}
    defined = ((name, found) for name, found in _shown(module) if inspect.isfunction(found) or inspect.isclass(found))
    return {name for name, found in defined if found.__module__.startswith(module.__name__)}


def _shown(module: ModuleType) -> list[tuple[str, object]]:
    return [(name, getattr(module, name, None)) for name in dir(module) if not name.startswith("_")]


def _names() -> dict[str, tuple[object, str]]:
    """Each name by its full name without the package; where it is to be, and what it is called there."""
    found: dict[str, tuple[object, str]] = {}
    for place in MODULES:
        theirs = importlib.import_module(f"mlflow.{place}".rstrip("."))
        ours = importlib.import_module(f"holdall.{place}".rstrip("."))
        found |= {f"{place}.{name}".lstrip("."): (ours, name) for name in _public(theirs)}
    for own in iter_modules(holdall.__path__):  # such as `demo`: here whenever somebody imports it
        if own.name not in holdall.__all__:
            found.pop(own.name, None)
    client = {name for name in dir(mlflow.MlflowClient) if not name.startswith("_")}
    return found | {f"Client.{name}": (holdall.Client("memory://names"), name) for name in client}


NAMES = _names()


def test_each_name_is_here_or_says_what_to_do_instead() -> None:
    """No name is answered with silence or a guess."""
    silent = []
    for full, (owner, name) in NAMES.items():
        try:
            getattr(owner, name)
        except AttributeError as error:
            said = INSTEAD.get(full) or INSTEAD.get(name)
            if not said or not str(error).endswith(f": {said}"):
                silent.append(full)
    assert silent == []
    assert len(NAMES) > 550


def test_the_table_has_only_what_is_not_here() -> None:
    """A name that came to be here leaves the table, and one that is none of MLflow's has no place in it."""
    missing = {full for full, (owner, name) in NAMES.items() if not hasattr(owner, name)}
    known = missing | {full.rpartition(".")[2] for full in missing} | BESIDE.keys()
    assert set(INSTEAD) - known == set()
    assert set(BESIDE) <= set(INSTEAD)


@pytest.mark.parametrize("name", ["log_artifct", "search_rns", "__wrapped__", "_private"])
def test_what_is_nobodys_name_is_no_attribute(name: str) -> None:
    """Other names get a guess, and those of tools nothing, from modules and from clients alike."""
    for owner in (holdall, holdall.Client("memory://names")):
        with pytest.raises(AttributeError) as caught:
            getattr(owner, name)
        assert ("did you mean" in str(caught.value)) == (not name.startswith("_"))
