"""The flavors' verbs take MLflow's keywords, and tell them to people and to type checkers.

What MLflow's documentation writes by position, the model and where it goes, is taken by position;
all else by name. MLflow's source is read, not imported: that would need TensorFlow.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from inspect import Parameter
from pathlib import Path
from typing import Any, Final

import mlflow
import pytest

import holdall
from holdall.modeling.flavor_registry import flavor_named
from holdall.modeling.saving.keywords import LogOptions, ModelExtras, SaveOptions
from holdall.store import Store

FLAVORS: Final = ["keras", "lightgbm", "onnx", "pyfunc", "pytorch", "sklearn", "tensorflow", "transformers", "xgboost"]
VERBS: Final = [(flavor, verb) for flavor in FLAVORS for verb in ("log_model", "save_model", "load_model")]
PLACES: Final = {"keras": {"load_model": "load.py", "log_model": "save.py", "save_model": "save.py"}}

# keywords of MLflow that are not here; using one is a TypeError that says what to do
NOT_HERE: Final = {
    "pyfunc": {"infer_code_paths", "resources", "auth_policy", "uv_project_path", "uv_groups", "uv_extras", "prompts"}
}
# other defaults: cloudpickle keeps what skops refuses, such as every forest; UBJSON needs no warning
DEFAULTS: Final = {("sklearn", "serialization_format")}


def _theirs(flavor: str, verb: str) -> ast.arguments:
    """What MLflow's verb takes, out of its source."""
    folder = Path(mlflow.__file__).parent / flavor
    file = folder / PLACES.get(flavor, {}).get(verb, "__init__.py")
    tree = ast.parse((file if folder.is_dir() else folder.with_suffix(".py")).read_text(encoding="utf-8"))
    (found,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == verb]
    return found.args


def _ours(flavor: str, verb: str) -> dict[str, Parameter]:
    return dict(inspect.signature(getattr(import_module(f"holdall.{flavor}"), verb)).parameters)


def _defaults(args: ast.arguments) -> Iterator[tuple[str, object]]:
    """Defaults that are written out; names of constants are not followed."""
    for arg, default in zip(args.args[::-1], args.defaults[::-1], strict=False):
        if isinstance(default, ast.Constant):
            yield arg.arg, default.value


@pytest.mark.parametrize(("flavor", "verb"), VERBS)
def test_mlflows_keywords_are_shown(flavor: str, verb: str) -> None:
    """`help()` and the tooltips of editors tell each of them, with MLflow's default."""
    theirs, ours = _theirs(flavor, verb), _ours(flavor, verb)
    names = {arg.arg for arg in theirs.args + theirs.kwonlyargs}
    assert names - ours.keys() == (NOT_HERE.get(flavor, set()) & names)
    for name, default in _defaults(theirs):
        if name in ours and (flavor, name) not in DEFAULTS:
            assert ours[name].default == default, name


@pytest.mark.parametrize(("flavor", "verb"), VERBS)
@pytest.mark.every(2)
def test_a_model_and_its_place_go_by_position(flavor: str, verb: str) -> None:
    """As MLflow's documentation writes it: `log_model(model, "path")`, `save_model(model, path)`."""
    theirs, ours = [arg.arg for arg in _theirs(flavor, verb).args], _ours(flavor, verb)
    count = 1 if flavor == "pyfunc" and verb != "load_model" else 2
    by_position = [name for name, each in ours.items() if each.kind is Parameter.POSITIONAL_OR_KEYWORD]
    assert by_position[:count] == theirs[:count]
    assert by_position == theirs[: len(by_position)]


@pytest.mark.parametrize(("flavor", "verb"), [each for each in VERBS if each[1] != "load_model"])
def test_every_keyword_is_explained(flavor: str, verb: str) -> None:
    """The text about a shared keyword stands once in the source, and in the help of each verb."""
    text = getattr(import_module(f"holdall.{flavor}"), verb).__doc__
    for name in _ours(flavor, verb):
        assert f"    {name}: " in text, name


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_keyword_that_is_shown_is_taken(flavor: str) -> None:
    """What the face shows is what the flavor's `save` and every model have, with the same defaults."""
    save = inspect.signature(flavor_named("python_function" if flavor == "pyfunc" else flavor).save).parameters
    shown, extras = _ours(flavor, "save_model"), dict.fromkeys(ModelExtras.__dataclass_fields__)
    of_mlflow = {"export_model", "save_pretrained", "prompt_template", "prompts", "base_model_path", "python_model"}
    for name, each in shown.items():
        if each.kind is Parameter.KEYWORD_ONLY and name not in of_mlflow | {"mlflow_model"}:
            assert name in save or name in extras, name
            assert name not in save or save[name].default == each.default, name


def test_shared_keywords_are_what_every_model_has() -> None:
    """A keyword is said in one place, and `log_model` takes all of `save_model`."""
    assert {*SaveOptions.__annotations__} == {*ModelExtras.__dataclass_fields__} - {"artifacts", "model_config"}
    assert SaveOptions.__annotations__.items() <= LogOptions.__annotations__.items()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"signatur": None}, "did you mean 'signature'"),
        ({"pyfunc_predict_fun": "predict"}, "did you mean 'pyfunc_predict_fn'"),
        ({"registered_name": "m"}, "did you mean 'registered_model_name'"),
        ({"xyzzy": 1}, "its own are serialization_format"),
        ({"prompts": ["p"]}, "no registry of prompts"),
        ({"code_path": ["c"]}, "called code_paths"),
    ],
)
def test_an_unknown_keyword_names_the_near_one(given: dict[str, Any], said: str) -> None:
    """Before anything is logged, whatever the model is."""
    store = holdall.set_store("memory://keywords")
    with holdall.start_run() as run:
        with pytest.raises(TypeError, match=said):
            holdall.sklearn.log_model(object(), name="m", **given)
        assert store.models.logged(run.info.run_id) == []


@pytest.mark.parametrize("flavor", FLAVORS)
def test_no_flavor_takes_a_wrong_keyword(flavor: str) -> None:
    """It is refused before the framework is asked, or imported."""
    store = Store.open("memory://keywords")
    named = "python_function" if flavor == "pyfunc" else flavor
    with pytest.raises(TypeError, match="metadata"):
        store.models.save(object(), "never", flavor=named, metadatum={})


def test_keywords_of_mlflow_that_are_none_change_nothing() -> None:
    """A script that passes MLflow's own defaults along runs."""
    store = Store.open("memory://keywords")
    run = store.runs.start()
    info = store.models.log(
        run, len, "m", flavor="python_function", pip_requirements=[], infer_code_paths=False, resources=None
    )
    assert info.name == "m"
