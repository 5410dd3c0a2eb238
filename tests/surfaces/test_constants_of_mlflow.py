"""`holdall.utils.mlflow_tags` and `holdall.protos.databricks_pb2`: constants that scripts import by MLflow's names."""

from __future__ import annotations

from typing import Any

import mlflow.exceptions
import pytest
from mlflow.protos import databricks_pb2 as their_codes
from mlflow.utils import mlflow_tags as their_tags

import holdall
from holdall.error_codes import NUMBERS
from holdall.exceptions import MlflowException
from holdall.protos import databricks_pb2 as codes
from holdall.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from holdall.utils import mlflow_tags
from holdall.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

THEIR_CODES: Any = their_codes
# tags and codes of MLflow's own server and of Databricks, which nothing sets or raises here
ELSEWHERE = ("DATABRICKS", "GENAI", "TRACE", "ISSUE", "GATEWAY", "CUSTOM_VIEW", "ONLINE", "SOURCE_ID", "RUN_TYPE_")


def test_tags_are_those_of_mlflow() -> None:
    """Each has MLflow's text; one that is not here is about what is not here."""
    theirs = {name: text for name, text in vars(their_tags).items() if name.startswith("MLFLOW_")}
    ours = {name: getattr(mlflow_tags, name) for name in mlflow_tags.__all__}
    assert ours == {name: theirs[name] for name in ours}
    left = {name for name in theirs.keys() - ours.keys() if not any(word in name for word in ELSEWHERE)}
    assert left == {"MLFLOW_EXPERIMENT_SOURCE_TYPE", "MLFLOW_MODEL_IS_EXTERNAL", "MLFLOW_MODEL_VERSIONS"}


def test_codes_are_those_of_mlflow() -> None:
    """Each is MLflow's number, as a constant and in the table."""
    theirs = dict(THEIR_CODES.ErrorCode.items())
    assert {name: getattr(codes, name) for name in codes.__all__ if name != "ErrorCode"} == NUMBERS
    assert {name: theirs[name] for name in NUMBERS} == NUMBERS == dict(ErrorCode.items())
    assert [ErrorCode.Name(ErrorCode.Value(name)) for name in ErrorCode.keys()] == list(NUMBERS)  # noqa: SIM118
    for wrong in (lambda: ErrorCode.Name(99_999), lambda: ErrorCode.Value("NONE")):
        with pytest.raises(ValueError, match="Enum ErrorCode has no"):
            wrong()


@pytest.mark.parametrize("code", [1, 1000, 99_999, RESOURCE_ALREADY_EXISTS, None])
def test_an_errors_code_may_be_given_as_a_number(code: int | None) -> None:
    """As MLflow's exception takes it; `error_code` is the name."""
    given: Any = code
    theirs: Any = mlflow.exceptions.MlflowException("text", error_code=given)
    ours = MlflowException("text", error_code=code)
    assert (ours.error_code, ours.get_http_status_code()) == (theirs.error_code, theirs.get_http_status_code())


def test_scripts_compare_with_constants() -> None:
    """As those do that catch an error, and those that ask for a run's parent."""
    holdall.set_store("memory://constants")
    client = holdall.Client()
    client.create_experiment("taken")
    with pytest.raises(MlflowException) as caught:
        client.create_experiment("taken")
    assert caught.value.error_code == ErrorCode.Name(RESOURCE_ALREADY_EXISTS)
    with holdall.start_run(), holdall.start_run(nested=True) as child:
        parent = child.data.tags[MLFLOW_PARENT_RUN_ID]
    assert parent == child.to_dictionary()["data"]["tags"][mlflow_tags.MLFLOW_PARENT_RUN_ID]
