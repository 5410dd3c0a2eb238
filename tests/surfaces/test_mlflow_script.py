"""A script of MLflow's calls gives the same answers where a store is the tracking URI as where a database is."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import pytest
from tests.support.depth import DEEP
from tests.support.mlflow_stores import as_json, recorded, register_stores

sixty_calls: Any = import_module("tests.surfaces.mlflow_scripts.sixty_calls")  # as users write: untyped

# Our answer, where it is another one.
DIFFERENT = {
    # a path that leaves the run is the caller's fault, and the code says so
    "log outside": "MlflowException INVALID_PARAMETER_VALUE",
    # MLflow leaves `registered_model_meta` in the store where it loads from a local disk; reading here writes nothing
    "list the models files": ["MLmodel", "conda.yaml", "python_env.yaml", "python_model.pkl", "requirements.txt"],
}


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Run the script with a tracking URI, and nothing else said; all is as it was afterwards."""
    register_stores()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.setenv(name, "")  # and put back, for MLflow sets them, too
    before = os.environ.copy()
    logging.disable(logging.CRITICAL)

    def run(uri: str) -> dict[str, Any]:
        folders = (str(each) for each in iter(lambda: tmp_path / os.urandom(4).hex(), None))
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient()

        def new_folder() -> str:
            os.mkdir(folder := next(folders))
            return folder

        return as_json(sixty_calls.answers(SimpleNamespace(folder=tmp_path, new_folder=new_folder, client=client)))

    yield run
    logging.disable(logging.NOTSET)
    mlflow.set_tracking_uri("")
    mlflow.tracking.fluent._active_experiment_id = None
    os.environ.clear()
    os.environ.update(before)


def test_sixty_calls_are_answered_as_by_mlflows_database(ask: Callable[[str], dict[str, Any]], tmp_path: Path) -> None:
    """Runs, artifacts, models, registry: of 68 calls in a row each gives what MLflow gives on SQLite, but for two."""
    found, expected = ask(f"holdall+file://{tmp_path}/store"), recorded("sixty_answers")
    assert found.keys() == expected.keys()
    assert len(found) >= 60
    assert {name: found[name] for name in found if found[name] != expected[name]} == DIFFERENT


@pytest.mark.skipif(not DEEP, reason="what MLflow's database answers is recorded; a deep run asks it again")
def test_mlflows_database_still_answers_the_script_as_recorded(
    ask: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    """What is recorded is what the installed MLflow gives."""
    assert ask(f"sqlite:///{tmp_path}/mlflow.db") == recorded("sixty_answers")
