"""A script of MLflow's calls gives the same answers where a store is the tracking URI as where a database is."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import distributions, entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import pytest
from tests.support.depth import DEEP
from tests.support.mlflow_stores import as_json, recorded, register_stores
from tests.support.servers import Server, free_port, guarded, stop, wait_until

from holdall.store import Store

sixty_calls: Any = import_module("tests.surfaces.mlflow_on_stores.sixty_calls")  # as users write: untyped

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


# Through a server some answers look otherwise, wherever it tracks: nothing is an empty text, a version is a text.
SERVED = {
    "log no metric": "TypeError: must be real number, not str",  # says the client, before it asks
    "list the models files": DIFFERENT["list the models files"],
}


def _as_served(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_as_served(each) for each in answer]
    return "" if answer is None else str(answer) if isinstance(answer, int) else answer


def _get(url: str, body: object = None) -> Any:
    """What one of the routes answers that MLflow's web page asks."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = answer.read()
        return json.loads(found) if "json" in answer.headers["Content-Type"] else found


@pytest.fixture(params=["moto", "localstack"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str, dict[str, str], Server]]:
    """The URL of an MLflow server with two workers on a store in a bucket; the store, and how the server reaches it."""
    installed = any(point.name == "holdall+s3" for point in entry_points(group="mlflow.tracking_store"))
    if not list(distributions(name="mlflow")) or not installed:  # mlflow-skinny has no server
        pytest.skip("needs the packages of the extra doors: mlflow with its server, and holdall installed")
    s3: Server = request.getfixturevalue(request.param)
    store, port, log = f"{s3.new_bucket()}/store", free_port(), tmp_path / "server.log"
    url = f"http://127.0.0.1:{port}"
    reach = {"AWS_ENDPOINT_URL": s3.url, "HOLDALL_CACHE": "off"}
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "2"]
    command += ["--backend-store-uri", f"holdall+{store}", "--artifacts-destination", f"holdall+{store}"]
    with log.open("w") as out:
        process = subprocess.Popen(
            [*guarded(), *command], stdout=out, stderr=out, env={**os.environ, **reach}, start_new_session=True
        )
    try:
        wait_until(lambda: "startup complete" in log.read_text(), process, log, seconds=120)
        yield url, store, reach, s3
    finally:
        stop(process.pid)


@pytest.mark.doors
@pytest.mark.timeout(600)
def test_a_server_on_a_bucket_serves_unmodified_clients(
    ask: Callable[[str], dict[str, Any]], served: tuple[str, str, dict[str, str], Server]
) -> None:
    """Over HTTP, by who cannot reach the bucket: the script, the pages' routes, and `mlflow gc` of what was deleted."""
    url, store, reach, s3 = served
    found, expected = ask(url), recorded("sixty_answers")
    different = {name: found[name] for name in found if _as_served(found[name]) != _as_served(expected[name])}
    assert different == SERVED

    experiment = mlflow.create_experiment("pages")
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_text("a,b\n1,2\n", "tables/x.csv")
        mlflow.log_metric("loss", 0.5)
    id, ajax = run.info.run_id, f"{url}/ajax-api/2.0/mlflow"
    assert _get(f"{url}/get-artifact?path=tables/x.csv&run_uuid={id}") == b"a,b\n1,2\n"
    assert _get(f"{ajax}/artifacts/list?run_id={id}&path=tables")["files"][0]["path"] == "tables/x.csv"
    assert _get(f"{ajax}/metrics/get-history-bulk?run_id={id}&metric_key=loss")["metrics"][0]["value"] == 0.5
    assert _get(f"{ajax}/runs/search", {"experiment_ids": [experiment]})["runs"][0]["info"]["run_id"] == id
    assert _get(f"{ajax}/registered-models/search?max_results=5")["registered_models"][0]["name"] == "online"
    assert _get(f"{ajax}/experiments/search", {"max_results": 9})["experiments"]
    assert _get(f"{ajax}/webhooks") == {}

    mlflow.MlflowClient().delete_run(id)
    collect = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", f"holdall+{store}"]
    subprocess.run(collect, env={**os.environ, **reach}, check=True, capture_output=True)
    kept = Store.open(store, s3.options).runs.search(stage=None)
    assert kept
    assert id not in [each.info.run_id for each in kept]
