"""Models that are code or functions: their configuration, hints, streams, arguments and what they import."""

from __future__ import annotations

import datetime as dt
import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pydantic
import pytest

from holdall import pyfunc
from holdall.errors import InvalidArgumentError, SchemaMismatchError
from holdall.models import ModelConfig
from holdall.surfaces.serving.requests import JSON
from holdall.surfaces.serving.scoring import score

SOURCES = {"ours": "holdall.models", "theirs": "mlflow.models"}
CODE = """
from {source} import ModelConfig, set_model

config = ModelConfig(development_config={{"depth": 1}})

def predict(model_input: list[str]) -> list[str]:
    return [each * config.get("depth") for each in model_input]

set_model(predict)
"""


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_code_sees_its_configuration(source: str, tmp_path: Path) -> None:
    """What it was logged with, or what the caller of load_model sets instead; and a list[str] is given a list."""
    file = tmp_path / "code_model.py"
    file.write_text(CODE.format(source=source))
    folder = str(tmp_path / "model")
    pyfunc.save_model(folder, python_model=str(file), model_config={"depth": 2}, pip_requirements=[])
    loaded = pyfunc.load_model(folder)
    assert loaded.metadata.is_signature_from_type_hint
    assert loaded.predict(["ab"]) == ["abab"]
    assert pyfunc.load_model(folder, model_config={"depth": 3}).predict(["ab"]) == ["ababab"]
    assert json.loads(score(loaded, b'{"inputs": ["x"]}', JSON).body) == {"predictions": ["xx"]}


def test_a_configuration_is_needed_and_told() -> None:
    """By itself the file sees its own; a key that is not there is named with those that are."""
    assert ModelConfig(development_config={"a": 1}).to_dict() == {"a": 1}
    with pytest.raises(KeyError, match="'b' is not in the model's configuration, which has a"):
        ModelConfig(development_config={"a": 1}).get("b")
    with pytest.raises(FileNotFoundError, match="model_config="):
        ModelConfig()


@pytest.mark.parametrize("logged", [None, {"a": 1}])
def test_keys_that_were_not_logged_are_left_out(
    logged: dict[str, int] | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning names them, and what there is: a misspelt key would change nothing in silence."""

    def echo(model_input: Any) -> Any:
        return model_input

    pyfunc.save_model(str(tmp_path / "m"), python_model=echo, model_config=logged, pip_requirements=[])
    with caplog.at_level(logging.WARNING, "holdall"):
        loaded = pyfunc.load_model(str(tmp_path / "m"), model_config={"b": 2})
    assert loaded.model_config == (logged or {})
    assert "left out of model_config: b" in caplog.text


HINTED: dict[str, tuple[Any, Any, Any]] = {
    "times": (list[dt.datetime], ["2024-01-01T12:00:00"], [dt.datetime(2024, 1, 1, 12)]),
    "days": (list[dt.date], ["2024-01-01"], [dt.date(2024, 1, 1)]),
    "named times": (list[dict[str, dt.datetime]], [{"a": "2024-01-01"}], [{"a": dt.datetime(2024, 1, 1)}]),
    "lists of times": (list[list[dt.datetime]], [["2024-01-01"]], [[dt.datetime(2024, 1, 1)]]),
}


@pytest.mark.parametrize(("hint", "sent", "expected"), HINTED.values(), ids=HINTED)
def test_hints_with_dates_are_served(hint: Any, sent: Any, expected: Any, tmp_path: Path) -> None:
    """The function gets Python's own dates, whether they come by HTTP or from a caller."""

    def shown(model_input: Any) -> list[str]:
        return [repr(each) for each in model_input]

    shown.__annotations__["model_input"] = hint
    pyfunc.save_model(str(tmp_path / "m"), python_model=shown, pip_requirements=[])
    loaded = pyfunc.load_model(str(tmp_path / "m"))
    told = [repr(each) for each in expected]
    answer = score(loaded, json.dumps({"inputs": sent}).encode(), JSON)
    assert (answer.status, json.loads(answer.body)) == (200, {"predictions": told})
    assert loaded.predict(expected) == told


NOON = dt.datetime(2024, 1, 1, 12)
THERE = NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))


class Visit(pydantic.BaseModel):
    at: dt.datetime
    left: dt.date | None = None
    seen: dict[str, dt.datetime] = pydantic.Field(default_factory=dict)


GIVEN: dict[str, tuple[Any, list[Any]]] = {
    "times of zones": (list[dt.datetime], [THERE, NOON, dt.datetime(2024, 1, 1, tzinfo=dt.UTC)]),
    "named": (list[dict[str, dt.datetime]], [{"a": NOON}, {"b": THERE}, {"c": pd.Timestamp(NOON)}, {}]),
    "named days": (list[dict[str, dt.date]], [{"a": NOON.date()}]),
    "lists": (list[list[dt.datetime]], [[NOON, THERE], []]),
    "named lists": (list[dict[str, list[dt.datetime]]], [{"a": [THERE]}]),
    "records": (list[Visit], [Visit(at=NOON), Visit(at=THERE, left=NOON.date(), seen={"x": THERE})]),
}


@pytest.mark.parametrize(("hint", "given"), GIVEN.values(), ids=GIVEN)
def test_a_date_is_admitted_wherever_a_hint_has_one(hint: Any, given: Any, tmp_path: Path) -> None:
    """In a list, an object or a record, with a zone or without; and it comes as it was given."""

    def shown(model_input: Any) -> list[str]:
        return [repr(each) for each in model_input]

    shown.__annotations__["model_input"] = hint
    pyfunc.save_model(str(tmp_path / "m"), python_model=shown, pip_requirements=[])
    loaded = pyfunc.load_model(str(tmp_path / "m"))
    assert loaded.predict(given) == [repr(each) for each in given]
    with pytest.raises(SchemaMismatchError):
        loaded.predict([*given, 5])


def test_a_record_may_lack_what_has_a_default(tmp_path: Path) -> None:
    """Given as a dictionary, too: its own class knows what that is."""

    def shown(model_input: list[Visit]) -> list[str]:
        return [repr(each) for each in model_input]

    pyfunc.save_model(str(tmp_path / "m"), python_model=shown, pip_requirements=[])
    loaded = pyfunc.load_model(str(tmp_path / "m"))
    assert loaded.predict([{"at": NOON}]) == [repr(Visit(at=NOON))]
    with pytest.raises(SchemaMismatchError, match="at"):
        loaded.predict([{"left": None}])


STREAM = """
from holdall.models import set_model
from holdall.pyfunc import PythonModel

class Counting(PythonModel):
    def predict(self, model_input):
        return list(model_input)

    def predict_stream(self, model_input):
        yield from model_input

set_model(Counting())
"""
LOADER = """
class Counting:
    def predict(self, data, params=None):
        return list(data)

    def predict_stream(self, data, params=None):
        yield from data

def _load_pyfunc(path):
    return Counting()
"""


def test_code_streams(tmp_path: Path) -> None:
    """Where its class does."""
    (tmp_path / "streaming.py").write_text(STREAM)
    pyfunc.save_model(str(tmp_path / "m"), python_model=str(tmp_path / "streaming.py"), pip_requirements=[])
    assert list(pyfunc.load_model(str(tmp_path / "m")).predict_stream([1, 2])) == [1, 2]


def test_a_loader_module_streams(tmp_path: Path) -> None:
    """Where it was logged as streamable; else it is refused as before."""
    (tmp_path / "my_streaming_loader.py").write_text(LOADER)
    for streamable in (True, False):
        folder = str(tmp_path / f"m{streamable}")
        pyfunc.save_model(
            folder,
            loader_module="my_streaming_loader",
            code_paths=[str(tmp_path / "my_streaming_loader.py")],
            streamable=streamable,
            pip_requirements=[],
        )
    assert list(pyfunc.load_model(str(tmp_path / "mTrue")).predict_stream([1, 2])) == [1, 2]
    with pytest.raises(TypeError, match="all at once"):
        pyfunc.load_model(str(tmp_path / "mFalse")).predict_stream([1])


@pytest.mark.parametrize(
    "function", [lambda: 1, lambda a, b: a, lambda context, data: data, lambda a, b, c: a], ids=["0", "2", "2c", "3"]
)
def test_a_function_of_no_or_two_arguments_is_refused(function: Any, tmp_path: Path) -> None:
    """Before anything is written: it could not be called."""
    with pytest.raises(InvalidArgumentError, match="takes its data and perhaps params"):
        pyfunc.save_model(str(tmp_path / "m"), python_model=function, pip_requirements=[])
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "given",
    [
        {"code_paths": "lib.py"},
        {"code_paths": Path("lib.py")},
        {"artifacts": "a"},
        {"metadata": "a"},
        {"artifacts": []},
    ],
    ids=repr,
)
def test_a_text_is_no_list(given: dict[str, Any], tmp_path: Path) -> None:
    """It would be taken letter by letter."""
    with pytest.raises(TypeError, match=f"{next(iter(given))} is a"):
        pyfunc.save_model(str(tmp_path / "m"), python_model=lambda data: data, **given)


def test_what_a_function_imports_when_it_runs_is_required(tmp_path: Path) -> None:
    """In functions inside it, too."""

    def outer(model_input: Any) -> Any:
        import yaml

        def inner() -> Any:
            from scipy import sparse

            return sparse

        return yaml, inner, model_input

    pyfunc.save_model(str(tmp_path / "m"), python_model=outer)
    needed = (tmp_path / "m/requirements.txt").read_text().lower()
    assert "pyyaml==" in needed
    assert "scipy==" in needed
