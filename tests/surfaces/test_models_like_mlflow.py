"""`holdall.models`, `holdall.types` and what scripts of MLflow import from them."""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow.exceptions
import mlflow.models
import mlflow.pyfunc
import mlflow.types.schema
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import holdall
from holdall.errors import ContentError, InvalidURIError, NotFoundError, SchemaMismatchError, SignatureError
from holdall.exceptions import MlflowException
from holdall.models import Model, ModelInfo
from holdall.types.schema import Array, ColSpec, DataType, Schema, TensorSpec

FRAME = pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, 2.0]})


@pytest.fixture(autouse=True)
def a_store() -> Iterator[None]:
    holdall.set_store("memory://models-like-mlflow")
    yield
    holdall.set_store("memory://elsewhere")


def _logged(**given: Any) -> ModelInfo:
    model = LinearRegression().fit(FRAME, [0.0, 2.0])
    with holdall.start_run():
        return holdall.sklearn.log_model(model, name="m", pip_requirements=["scikit-learn"], **given)


# --- what is there ---


OF_MODELS = ["models", "models.signature", "models.model", "types", "types.schema"]
OF_DATA = ["data", "data.dataset", "data.dataset_source", "data.numpy_dataset", "data.pandas_dataset"]


@pytest.mark.parametrize("module", OF_MODELS + OF_DATA)
def test_modules_are_imported_by_mlflows_names(module: str) -> None:
    """Each name of ours that MLflow's module has as well means the same kind of thing."""
    ours, theirs = importlib.import_module(f"holdall.{module}"), importlib.import_module(f"mlflow.{module}")
    for name in ours.__all__:
        if hasattr(theirs, name) and name != "ModelInputExample":
            assert isinstance(getattr(ours, name), type) == isinstance(getattr(theirs, name), type), name


@pytest.mark.parametrize("module", ["models", "pyfunc"])
def test_a_name_of_mlflow_is_there_or_says_what_to_do(module: str) -> None:
    """Its AttributeError has a sentence; a mistyped name of ours names the near one."""
    ours, theirs = importlib.import_module(f"holdall.{module}"), importlib.import_module(f"mlflow.{module}")
    more = ["spark_udf", "add_to_model", "load_pyfunc", "ChatModel", "ChatAgent", "ResponsesAgent"]
    for name in getattr(theirs, "__all__", more):
        if not hasattr(ours, name):
            with pytest.raises(AttributeError, match=rf"'{name}': [`\w]"):
                getattr(ours, name)
    with pytest.raises(AttributeError, match=r"did you mean '(load_model|predict)'"):
        getattr(ours, "load_modle" if module == "pyfunc" else "predictt")


AUTOLOGGING = ["keras", "lightgbm", "pytorch", "tensorflow", "transformers", "xgboost"]


@pytest.mark.parametrize("place", [f"holdall.{flavor}" for flavor in AUTOLOGGING])
def test_autologging_can_be_switched_off_alone(place: str) -> None:
    """A script that switches it off goes on; one that wants it is told what to do instead."""
    autolog = importlib.import_module(place).autolog
    autolog(disable=True, silent=True)
    with pytest.raises(MlflowException, match="log_params, log_metrics and log_model") as caught:
        autolog(log_models=False)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_mlflows_config_is_there() -> None:
    """All of its names, and the switch for logging in the background changes nothing."""
    assert set(mlflow.config.__all__) == set(holdall.config.__all__)
    holdall.config.enable_async_logging()
    holdall.config.enable_async_logging(False)


# --- types ---


@pytest.mark.parametrize("kind", list(DataType))
def test_types_are_numpys_pandas_and_pythons_as_mlflow_has_them(kind: DataType) -> None:
    """`DataType.to_numpy`, `to_pandas` and `to_python` give the same."""
    theirs: Any = mlflow.types.schema.DataType[kind.name]
    assert kind.to_numpy() == theirs.to_numpy()
    assert kind.to_pandas() == theirs.to_pandas()
    assert kind.to_python() == theirs.to_python()


def test_a_schemas_types_are_mlflows() -> None:
    """By column, or by tensor; what has no dtype is refused."""
    columns = [("double", "a", True), ("string", "b", False), ("datetime", "c", True)]
    ours = Schema([ColSpec(DataType(kind), name, need) for kind, name, need in columns])
    theirs = mlflow.types.schema.Schema([mlflow.types.schema.ColSpec(*each) for each in columns])
    assert ours.numpy_types() == theirs.numpy_types()
    assert ours.pandas_types() == theirs.pandas_types()
    assert ours.optional_input_names() == theirs.optional_input_names() == ["b"]
    assert [str(key) for key in ours.input_types_dict()] == list(theirs.input_types_dict())
    tensors = Schema([TensorSpec("float32", (-1, 2), "x")])
    assert tensors.numpy_types() == [np.dtype("float32")]
    with pytest.raises(SignatureError, match="pandas"):
        tensors.pandas_types()
    with pytest.raises(SignatureError, match="numpy"):
        Schema([ColSpec(Array(DataType.double), "a")]).numpy_types()
    with pytest.raises(SignatureError, match="no names"):
        Schema([ColSpec(DataType.long)]).input_types_dict()


# --- what is known of a model ---


def test_get_model_info_has_all_of_mlflows() -> None:
    """Every attribute of MLflow's ModelInfo, out of the store; and the version that was asked for."""
    logged = _logged(registered_model_name="line", params={"a": 1}, tags={"t": "v"}, metadata={"k": "w"})
    wanted = [name for name in dir(mlflow.models.model.ModelInfo) if not name.startswith("_")]
    info = holdall.models.get_model_info(logged.model_uri)
    assert [name for name in wanted if not hasattr(info, name)] == []
    assert (info.model_id, info.name, info.params, info.tags) == (logged.model_id, "m", {"a": "1"}, {"t": "v"})
    assert (info.metadata, info.run_id, info.registered_model_version) == ({"k": "w"}, logged.run_id, None)
    assert holdall.models.get_model_info("models:/line/1").registered_model_version == 1
    holdall.set_logged_model_tags(logged.model_id, {"t": "later"})
    assert holdall.models.get_model_info("models:/line/1").tags == {"t": "later"}
    assert info.get_input_schema() is None


def test_a_folder_is_known_by_its_file_alone(tmp_path: Path) -> None:
    """No run, no id; the address is the folder's."""
    holdall.sklearn.save_model(LinearRegression().fit(FRAME, [0, 1]), tmp_path / "m", pip_requirements=[])
    info = holdall.models.get_model_info(tmp_path / "m")
    assert (info.model_uri, info.run_id, info.model_id) == (str(tmp_path / "m"), "", "")
    assert "sklearn" in info.flavors


def test_an_mlmodel_file_goes_round(tmp_path: Path) -> None:
    """Load, change, save, and as a dictionary, as JSON, as YAML; MLflow reads it."""
    holdall.sklearn.save_model(LinearRegression().fit(FRAME, [0, 1]), tmp_path / "m", pip_requirements=[])
    model = Model.load(tmp_path / "m")
    assert Model.load(tmp_path / "m" / "MLmodel") == model == Model.from_dict(model.to_dict())
    assert json.loads(model.to_json())["model_uuid"] == model.model_uuid
    assert model.add_flavor("mine", data="a") is model
    model.save(tmp_path / "MLmodel")
    theirs = mlflow.models.Model.load(str(tmp_path / "MLmodel"))
    assert theirs.flavors["mine"] == {"data": "a"}
    with (tmp_path / "text").open("w") as stream:
        assert model.to_yaml(stream) == model.to_yaml()
    assert (tmp_path / "text").read_text() == (tmp_path / "MLmodel").read_text()
    info = model.get_model_info(model_uri="here")
    assert (info.model_uri, info.flavors, info.model_uuid) == ("here", model.flavors, model.model_uuid)
    with pytest.raises(InvalidURIError, match="describe"):
        Model.load("models:/line/1")
    for wrong in (tmp_path / "m" / "none", tmp_path / "text.txt"):
        with pytest.raises(ContentError, match="MLmodel"):
            Model.load(wrong)


def test_a_model_is_logged_by_the_module_of_its_flavor() -> None:
    """As MLflow's own flavors do it."""
    with holdall.start_run():
        info = Model.log("m", flavor=holdall.sklearn, sk_model=LinearRegression().fit(FRAME, [0, 1]), tags={"a": "b"})
    assert (info.name, info.tags) == ("m", {"a": "b"})


# --- what is changed ---


def test_another_signature_is_another_model_beside_it() -> None:
    """In the same run, with what was said of the old one; the old one stays as it was."""
    old = _logged(tags={"team": "risk"}, params={"a": 1})
    signature = holdall.models.infer_signature(FRAME, [1.0])
    new = holdall.models.set_signature(old.model_uri, signature)
    assert (new.name, new.run_id, new.signature) == ("m-2", old.run_id, signature)
    assert new.tags == {"team": "risk", "holdall.revised_from": old.model_id}
    assert new.params == {"a": "1"}
    assert holdall.models.get_model_info(old.model_uri).signature is None
    assert [each.name for each in holdall.models.list_models(old.run_id)] == ["m", "m-2"]
    with pytest.raises(SchemaMismatchError):
        holdall.pyfunc.load_model(new.model_uri).predict(FRAME[["x"]])
    again = holdall.models.set_signature(old.model_uri, signature)
    assert again.name == "m-3"


def test_another_signature_of_a_version_is_the_next_version() -> None:
    """Aliases stay where they are: to move one is a decision."""
    _logged(registered_model_name="next")
    holdall.Client().set_registered_model_alias("next", "best", "1")
    new = holdall.models.set_signature("models:/next@best", holdall.models.infer_signature(FRAME))
    assert new.registered_model_version == 2
    assert holdall.models.get_model_info("models:/next/2").signature == new.signature
    assert holdall.Client().get_model_version_by_alias("next", "best").version == "1"


def test_a_signature_of_a_folder_is_changed_in_place(tmp_path: Path) -> None:
    """Nothing keeps a folder as it is; MLflow does the same."""
    holdall.sklearn.save_model(LinearRegression().fit(FRAME, [0, 1]), tmp_path / "m", pip_requirements=[])
    signature = mlflow.models.infer_signature(FRAME)
    holdall.models.set_signature(tmp_path / "m", signature)
    assert mlflow.models.get_model_info(str(tmp_path / "m")).signature == signature
    with pytest.raises(SignatureError):
        holdall.models.set_signature(tmp_path / "m", 5)


def test_requirements_are_added_and_removed() -> None:
    """In requirements.txt and conda.yaml; a line takes the place of one for the same package."""
    old = _logged()
    new = holdall.models.update_model_requirements(old.model_uri, "add", ["Scikit_Learn==1.7", "extra>=2"])

    def lines(info: ModelInfo) -> set[str]:
        return {*holdall.artifacts.load_text(f"{info.model_uri}/requirements.txt").split()}

    assert lines(new) >= {"Scikit_Learn==1.7", "extra>=2"}
    assert "scikit-learn" not in lines(new)
    conda = holdall.artifacts.load_text(f"{new.model_uri}/conda.yaml")
    assert "extra>=2" in conda
    less = holdall.models.update_model_requirements(new.model_uri, "remove", ["extra"])
    assert lines(less) == lines(new) - {"extra>=2"}
    wrong: tuple[Any, ...] = (("swap", ["a"], ValueError), ("add", "a", TypeError), ("add", ["-r x"], ValueError))
    for operation, given, error in wrong:
        with pytest.raises(error):
            holdall.models.update_model_requirements(old.model_uri, operation, given)


# --- what is tried ---


def test_a_model_is_asked_without_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By data, by a body, by a file; the answer is printed, or goes to a file."""
    info = _logged(input_example=FRAME)
    holdall.models.predict(info.model_uri, FRAME)
    first = json.loads(capsys.readouterr().out)
    (tmp_path / "in.csv").write_text("x,y\n0,1\n1,2\n")
    given: dict[str, Any] = {"input_path": tmp_path / "in.csv", "content_type": "csv", "output_path": tmp_path / "o"}
    holdall.models.predict(info.model_uri, **given)
    assert json.loads((tmp_path / "o").read_text()) == first == {"predictions": [pytest.approx(0), pytest.approx(2)]}
    body = holdall.models.convert_input_example_to_serving_input(FRAME)
    assert body == mlflow.models.convert_input_example_to_serving_input(FRAME)
    assert body is not None
    assert list(holdall.models.validate_serving_input(info.model_uri, body)) == pytest.approx([0, 2])
    with pytest.raises(SchemaMismatchError):
        holdall.models.validate_serving_input(info.model_uri, {"inputs": {"x": [1.0]}})
    assert holdall.models.convert_input_example_to_serving_input(None) is None


@pytest.mark.parametrize(
    "given", [{}, {"input_data": 1, "input_path": "a"}, {"input_data": 1, "content_type": "xml"},
              {"input_data": 1, "env_manager": "conda"}]
)  # fmt: skip
def test_a_wrong_question_is_refused(given: dict[str, Any]) -> None:
    """Before the model is looked for."""
    with pytest.raises(ValueError, match=r"give either|content_type|env_manager"):
        holdall.models.predict("models:/none/1", **given)


def test_requirements_come_as_a_file_for_pip(tmp_path: Path) -> None:
    """`get_model_dependencies` gives a path, of a stored model or a folder."""
    info = _logged()
    pip = holdall.pyfunc.get_model_dependencies(info.model_uri)
    assert "scikit-learn" in Path(pip).read_text()
    assert "dependencies" in Path(holdall.pyfunc.get_model_dependencies(info.model_uri, "conda")).read_text()
    with pytest.raises(ValueError, match="pip, conda"):
        holdall.pyfunc.get_model_dependencies(info.model_uri, "uv")
    with pytest.raises(NotFoundError):
        holdall.pyfunc.get_model_dependencies(str(tmp_path))


NO_MODELS: list[tuple[Any, str]] = [
    (3, "a PythonModel or a function is needed, not a int"),
    (b"x", "not a bytes"),
    (object, "takes nothing"),
    (None, "give either a python_model"),
    ("nofile.py", r"there is no file 'nofile\.py'"),
    (Path("nofile.py"), "there is no file"),
]


@pytest.mark.parametrize(("given", "said"), NO_MODELS)
def test_what_is_no_model_is_refused_as_mlflow_does(given: Any, said: str, tmp_path: Path) -> None:
    """`except MlflowException` has it, with MLflow's code; nothing is logged."""
    theirs: Any = mlflow.pyfunc
    with pytest.raises(mlflow.exceptions.MlflowException) as refused:
        theirs.save_model(str(tmp_path / "theirs"), python_model=given, pip_requirements=[])
    with holdall.start_run() as run, pytest.raises(MlflowException, match=said) as caught:
        holdall.pyfunc.log_model(python_model=given, name="m", pip_requirements=[])
    assert caught.value.error_code == refused.value.error_code == "INVALID_PARAMETER_VALUE"
    assert not run.manifest


def test_a_file_of_another_kind_has_mlflows_code() -> None:
    """What `load_dict` and `load_image` cannot read is a BAD_REQUEST there."""
    with holdall.start_run() as run:
        run.log_text("x: [", "a.json")
        run.log_text("x: [", "a.yaml")
    for load, name in itertools.product((holdall.artifacts.load_dict, holdall.artifacts.load_image), run.manifest):
        with pytest.raises(MlflowException, match="is not") as caught:
            load(f"runs:/{run.id}/{name}")
        assert (caught.value.error_code, caught.value.get_http_status_code()) == ("BAD_REQUEST", 400)
