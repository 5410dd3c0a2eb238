"""MLflow on an encrypted store: ids of experiments are others there, and its default experiment is still number 0."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

import holdall
from holdall.surfaces.mlflow import addresses


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an encrypted store, which this process opens as its environment says."""
    monkeypatch.setattr(addresses, "_stores", {})
    monkeypatch.setattr(addresses, "_defaults", set(addresses._defaults))
    monkeypatch.setenv("HOLDALL_PASSPHRASE", "open, sesame")
    unlock = holdall.Unlock(passphrase="open, sesame")
    holdall.open(str(tmp_path / "store"), unlock=unlock).maintenance.create(encrypt=True)
    return f"holdall+file://{tmp_path}/store"


def test_mlflow_works_on_an_encrypted_store(address: str, tmp_path: Path) -> None:
    """Runs of its default experiment and of others are logged, found and read, with what they hold; nothing is open."""
    client = MlflowClient(address)
    run = client.create_run("0")
    (tmp_path / "secret-plan.txt").write_text("the plan")
    client.log_param(run.info.run_id, "depth-of-trees", 3)
    client.log_artifact(run.info.run_id, str(tmp_path / "secret-plan.txt"))
    other = client.create_run(client.create_experiment("hidden-name"))
    assert [found.info.run_id for found in client.search_runs(["0"])] == [run.info.run_id]
    assert (run.info.experiment_id, client.get_experiment("0").name) == ("0", "Default")
    named = client.get_experiment_by_name("hidden-name")
    assert named
    assert other.info.experiment_id == named.experiment_id
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["secret-plan.txt"]
    fetched = mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/secret-plan.txt", tracking_uri=address)
    assert Path(fetched).read_text() == "the plan"
    files = [file for file in (tmp_path / "store").rglob("*") if file.is_file()]
    words = (b"secret-plan", b"depth-of-trees", b"hidden-name", b"the plan")
    assert [(file.name, word) for file in files for word in words if word in file.read_bytes()] == []
