"""A real `mlflow server` of two workers, whose artifacts are in a store on a real S3 server, and clients as they are.

Its runs and models are in MLflow's own database: only `--artifacts-destination` names the store.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from tests.support.depth import DEEP
from tests.support.servers import Server, free_port, wait_until

import holdall
from holdall.store import Store

FULL = any(distributions(name="mlflow"))
pytestmark = [
    pytest.mark.doors,
    pytest.mark.skipif(
        not (FULL or DEEP), reason="the full mlflow is not installed; a deep run tries its server without"
    ),
]
pytest.importorskip("flask", reason="the full mlflow is not installed: its server needs Flask")
mlflow: Any = pytest.importorskip("mlflow", reason="MLflow is not installed")
linear_model: Any = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
_MINE = {"HOLDALL_PROGRESS": "off", "HOLDALL_CACHE": "off", "MLFLOW_DISABLE_TELEMETRY": "true"}


@dataclass
class Served:
    """A server. Attributes: url, store (where its artifacts are), backend (its database's address)."""

    url: str
    store: Store
    backend: str


@pytest.fixture(scope="module")
def served(localstack: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server, and this process as its client."""
    folder, bucket = tmp_path_factory.mktemp("served"), localstack.new_bucket()
    keys = {
        "AWS_ENDPOINT_URL": localstack.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    store = holdall.Store.open(f"{bucket}/prefix", localstack.options)
    store.maintenance.create()
    port, backend = free_port(), f"sqlite:///{folder}/mlflow.db"
    words = ["--backend-store-uri", backend, "--artifacts-destination", f"holdall+{bucket}/prefix/mlflow"]
    words += ["--host", "127.0.0.1", "--port", str(port), "--workers", "2" if DEEP else "1"]
    words += ["--uvicorn-opts", "--timeout-worker-healthcheck 120"]  # a busy machine is no reason to end a worker
    log = folder / "server.out"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *words],
            env=os.environ | keys | _MINE,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (_MINE | keys).items():
            patch.setenv(name, value)
        try:
            wait_until(lambda: fetched(f"{url}/health")[0] == 200, process, log, seconds=120)
            mlflow.set_tracking_uri(url)
            yield Served(url, store, backend)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
            mlflow.set_tracking_uri(before)


def fetched(url: str, method: str = "GET", data: bytes | None = None) -> tuple[int, bytes]:
    """The status and the body of an answer; 0 where there is none."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def test_clients_log_list_and_fetch(served: Served, tmp_path: Path) -> None:
    """Text, folders and large files come back, replaced where they were logged again, by clients side by side."""
    (tmp_path / "d" / "deep").mkdir(parents=True)
    (tmp_path / "d" / "deep" / "large.bin").write_bytes(os.urandom(9 << 20))
    (tmp_path / "d" / "small.txt").write_text("small")
    with mlflow.start_run() as run:
        mlflow.log_text("first", "a/report.txt")
        mlflow.log_text("second", "a/report.txt")
        mlflow.log_artifacts(str(tmp_path / "d"), "files")
        with ThreadPoolExecutor(8) as clients:
            client = mlflow.MlflowClient()
            list(clients.map(lambda n: client.log_text(run.info.run_id, f"{n}", f"many/{n}.txt"), range(16)))
    uri = run.info.artifact_uri
    assert uri.startswith("mlflow-artifacts:")
    assert mlflow.artifacts.load_text(f"{uri}/a/report.txt") == "second"
    found = client.list_artifacts(run.info.run_id, "files")
    assert [(each.path, each.is_dir) for each in found] == [("files/deep", True), ("files/small.txt", False)]
    fetched_to = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="files"))
    assert (fetched_to / "deep/large.bin").read_bytes() == (tmp_path / "d/deep/large.bin").read_bytes()
    assert len(client.list_artifacts(run.info.run_id, "many")) == 16
    with pytest.raises(mlflow.MlflowException):
        mlflow.artifacts.load_text(f"{uri}/nothing.txt")


def test_a_model_is_loaded_by_all_its_addresses(served: Served) -> None:
    """A model that was logged and registered is found by its run, its id, its version and its alias."""
    model = linear_model.LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(
            model, name="line", pip_requirements=[], serialization_format="pickle", registered_model_name="line"
        )
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("line", "best", "1")
    client.copy_model_version("models:/line@best", "copied")
    addresses = [
        f"runs:/{run.info.run_id}/line",
        info.model_uri,
        "models:/line/1",
        "models:/line@best",
        "models:/copied/1",
    ]
    for uri in addresses:
        assert mlflow.pyfunc.load_model(uri).predict([[3.0]])[0] == pytest.approx(6.0)
    assert mlflow.models.get_model_info(addresses[2]).model_id == info.model_id
    roots = {run.data.tags.get("holdall.mlflow.root", "") for run in served.store.runs.search()}
    assert any(root.endswith(f"models/{info.model_id}/artifacts") for root in roots)


def test_the_pages_see_what_was_logged(served: Served) -> None:
    """The routes that MLflow's pages preview by give a run's file, a model's and a registered version's."""
    model = linear_model.LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    with mlflow.start_run() as run:
        mlflow.log_dict({"rate": 0.1}, "a/config.json")
        info = mlflow.sklearn.log_model(
            model, name="shown", pip_requirements=[], serialization_format="pickle", registered_model_name="shown"
        )
    for path, asked in (
        ("get-artifact", {"run_id": run.info.run_id, "path": "a/config.json"}),
        (f"ajax-api/2.0/mlflow/logged-models/{info.model_id}/artifacts/files", {"artifact_file_path": "MLmodel"}),
        ("model-versions/get-artifact", {"name": "shown", "version": "1", "path": "MLmodel"}),
    ):
        status, body = fetched(f"{served.url}/{path}?{urllib.parse.urlencode(asked)}")
        assert status == 200, body
        assert b"rate" in body or b"flavors" in body


@pytest.mark.parametrize(
    "path", ["../x", "%2e%2e/x", "%252e%252e%252fx", "a/../../x", ".", "a%5c..%5cx", "%2Fetc/passwd"]
)
def test_no_request_leaves_the_store(served: Served, path: str) -> None:
    """What leads out of the artifacts is refused, written nowhere, and `.` deletes nothing."""
    with mlflow.start_run() as run:
        mlflow.log_text("kept", "kept.txt")
    at = f"{served.url}/api/2.0/mlflow-artifacts/artifacts/{path}"
    for method, data in (("GET", None), ("PUT", b"x"), ("DELETE", None)):
        status, _ = fetched(at, method, data)
        assert status == 0 or 300 <= status < 500
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/kept.txt") == "kept"


def test_a_server_that_takes_no_parts_is_sent_whole_files(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that would upload in parts is told that there are none, and sends the file as it is."""
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(1 << 20))
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE", str(1 << 20))
    (tmp_path / "large.bin").write_bytes(os.urandom(3 << 20))
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(tmp_path / "large.bin"))
    found = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="large.bin")
    assert Path(found).read_bytes() == (tmp_path / "large.bin").read_bytes()


def test_gc_frees_what_was_logged(served: Served, tmp_path: Path) -> None:
    """`mlflow gc` deletes a run's artifacts, and the next garbage collection of the store frees their bytes."""
    (tmp_path / "large.bin").write_bytes(os.urandom(5 << 20))
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(tmp_path / "large.bin"))
    before = served.store.maintenance.stats().object_bytes
    mlflow.delete_run(run.info.run_id)
    words = ["gc", "--backend-store-uri", served.backend, "--tracking-uri", served.url, "--run-ids", run.info.run_id]
    subprocess.run([sys.executable, "-m", "mlflow", *words], check=True, cwd=tmp_path, timeout=200)
    served.store.maintenance.gc(delay=0)
    assert served.store.maintenance.stats().object_bytes < before - (5 << 20) + (1 << 16)
