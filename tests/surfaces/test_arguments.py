"""What is given where names and values, or a list, are expected is taken as that, or refused by a sentence."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import holdall
import holdall.surfaces.fluent.active

FACES: Final = ["keras", "lightgbm", "onnx", "pyfunc", "pytorch", "sklearn", "tensorflow", "transformers", "xgboost"]
ON: Final = np.ones(2)
RUN, MODEL = "r" * 32, "m-" + "1" * 32 + "-1"


def _client() -> Any:
    return holdall.Client(holdall.surfaces.fluent.active.current_store().url)


def answer(model_input: Any) -> Any:
    return model_input


def _logged(**given: Any) -> Any:
    return holdall.pyfunc.log_model(python_model=answer, name="m", pip_requirements=[], **given)


def _run() -> Any:
    return holdall.active_run()


NAMED: Final[dict[str, Callable[[Any], object]]] = {
    "log_params": lambda it: holdall.log_params(it),
    "log_params, later": lambda it: holdall.log_params(it, synchronous=False).wait(),  # type: ignore[union-attr]
    "log_metrics": lambda it: holdall.log_metrics(it),
    "set_tags": lambda it: holdall.set_tags(it),
    "log_input": lambda it: holdall.log_input(holdall.data.from_numpy(ON), tags=it),
    "start_run": lambda it: holdall.start_run(nested=True, tags=it),
    "create_experiment": lambda it: holdall.create_experiment("other", tags=it),
    "Client.create_run": lambda it: _client().create_run(_run().info.experiment_id, tags=it),
    "log_model of tags": lambda it: _logged(tags=it),
    "log_model of params": lambda it: _logged(params=it),
    "log_model of metadata": lambda it: _logged(metadata=it),
    "register_model": lambda it: holdall.register_model(_run().known, "known", tags=it),
    "create_registered_model": lambda it: _client().create_registered_model("other", tags=it),
    "create_model_version": lambda it: _client().create_model_version("known", _run().known, tags=it),
    "set_logged_model_tags": lambda it: holdall.set_logged_model_tags(MODEL, it),
    "log_model_params": lambda it: holdall.log_model_params(it, MODEL),
}
LISTED: Final[dict[str, Callable[[Any], object]]] = {
    "search_runs by ids": lambda it: holdall.search_runs(it),
    "search_runs by names": lambda it: holdall.search_runs(experiment_names=it),
    "search_runs in an order": lambda it: holdall.search_runs(order_by=it),
    "Client.search_runs": lambda it: _client().search_runs(it),
    "search_experiments": lambda it: holdall.search_experiments(order_by=it),
    "search_logged_models by ids": lambda it: holdall.search_logged_models(it),
    "search_logged_models on data": lambda it: holdall.search_logged_models(datasets=it),
    "search_logged_models in an order": lambda it: holdall.search_logged_models(order_by=it),
    "search_registered_models": lambda it: _client().search_registered_models(order_by=it),
    "search_model_versions": lambda it: _client().search_model_versions(order_by=it),
    "get_latest_versions": lambda it: _client().get_latest_versions("known", it),
    "load_table of runs": lambda it: holdall.load_table("t.json", it),
    "load_table with columns": lambda it: holdall.load_table("t.json", extra_columns=it),
    "log_batch of params": lambda it: _client().log_batch(RUN, params=it),
    "log_batch of tags": lambda it: _client().log_batch(RUN, tags=it),
    "log_batch of metrics": lambda it: _client().log_batch(RUN, metrics=it),
    "log_inputs": lambda it: _client().log_inputs("1" * 32, it),
    "log_model of code_paths": lambda it: _logged(code_paths=it),
}


@pytest.fixture(autouse=True)
def a_run(tmp_path: Path) -> Any:
    holdall.set_store(str(tmp_path / "store"))
    holdall.surfaces.fluent.active._state.experiment_id = None
    with holdall.start_run() as run:
        yield run


@pytest.mark.parametrize("given", ["text", b"text", ["a"], 5, dict], ids=repr)
@pytest.mark.parametrize("name", NAMED)
@pytest.mark.every(4)
def test_names_and_values_are_a_dictionary(name: str, given: Any) -> None:
    """Whatever else is given is refused, by a sentence that says what is needed; nothing is logged."""
    if name.startswith(("register", "create_model_version")):
        info = holdall.sklearn.log_model(_line(), name="known", pip_requirements=[])
        holdall.register_model(info.model_uri, "known")
        vars(holdall.active_run())["known"] = info.model_uri
    with pytest.raises(TypeError, match=r"dictionary.*not an? "):
        NAMED[name](given)


@pytest.mark.parametrize("given", ["text", b"text", {"a": 1}, 5], ids=repr)
@pytest.mark.parametrize("name", LISTED)
@pytest.mark.every(4)
def test_a_list_is_no_text(name: str, given: Any) -> None:
    """A text is not taken letter by letter, which finds nothing and says nothing."""
    if name == "get_latest_versions":
        _client().create_registered_model("known")
    if (name, given) == ("log_model of code_paths", 5) or (name == "log_model of code_paths" and given == {"a": 1}):
        pytest.skip("files are looked for, and not found")
    with pytest.raises(TypeError, match="list"):
        LISTED[name](given)


def _line() -> Any:
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])


def test_models_are_searched_in_whole_experiments(tmp_path: Path) -> None:
    """The beginning of an id, or none of it, is no experiment: its models are not another one's."""
    _logged()
    id = _run().info.experiment_id
    assert len(holdall.search_logged_models([id], output_format="list")) == 1
    for other in ("", id[:8], id[:8] + "0" * 24, "../" + id):
        assert holdall.search_logged_models([other], output_format="list") == []


@pytest.mark.parametrize("face", FACES)
def test_no_keyword_is_taken_and_ignored(face: str, tmp_path: Path) -> None:
    """An MLmodel object that a caller gives would be read by nobody: it is refused by its name."""
    module = import_module(f"holdall.{face}")
    model = {"python_model": answer, "path": tmp_path} if face == "pyfunc" else {}
    given = () if model else (answer, tmp_path)
    assert "mlflow_model" in inspect.signature(module.save_model).parameters
    with pytest.raises(ValueError, match="leave mlflow_model out"):
        module.save_model(*given, **model, mlflow_model=object())
    assert not list(tmp_path.glob("MLmodel"))


@pytest.mark.parametrize("search", [holdall.search_runs, holdall.search_logged_models])
def test_an_unknown_format_of_results_is_refused(search: Callable[..., Any]) -> None:
    """As in MLflow it is a ValueError: what was meant as a table is not a list without a word."""
    with pytest.raises(ValueError, match="'pandas' or 'list'"):
        search(output_format="json")
