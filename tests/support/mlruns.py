"""Something that an MLflow keeps in a folder or a database, with a bit of everything, and what it is."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelStatus, Metric

BEGAN = 1_600_000_000_000


@contextmanager
def file_store_allowed() -> Iterator[None]:
    """MLflow's backend of files is refused otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        yield
        mlflow.set_tracking_uri("")


def fill(uri: str, runs: int, artifacts: Path | None = None) -> Any:
    """Log so many runs, with models, versions and all else. Returns: the client."""
    mlflow.set_tracking_uri(uri)  # its registry looks for logged models there, whatever the client's is
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    place = artifacts.as_uri() if artifacts else None
    experiment = client.create_experiment("vision", artifact_location=place, tags={"team": "a"})
    ids: list[str] = []
    for n in range(runs):
        tags = {"n": str(n), **({"mlflow.parentRunId": ids[0]} if n % 3 == 1 else {})}
        run = client.create_run(experiment, start_time=BEGAN + n, run_name=f"run {n}", tags=tags)
        ids.append(run.info.run_id)
        values = [n / 3, math.nan, math.inf if "sqlite" not in uri else 2.0, -1.5]
        points = [Metric("loss", value, BEGAN + n + step, step) for step, value in enumerate(values)]
        client.log_batch(ids[-1], metrics=[*points, Metric("a/b", 1.0, BEGAN, 0)])
        client.log_param(ids[-1], "rate", f"0.{n}")
        client.log_text(ids[-1], f"report {n}\n" * 40, "out/report.txt")
        client.log_text(ids[-1], "the same", "same.txt")
        if n % 4 == 0:
            dataset = Dataset(f"data {n}", "digest", "local", '{"uri": "x.csv"}', "{}", None)
            client.log_inputs(ids[-1], [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
        if n % 5 != 4:
            status = ("FINISHED", "FAILED", "KILLED")[n % 3]
            client.set_terminated(ids[-1], status, end_time=BEGAN + n + 1000)
        if n % 7 == 6:
            client.delete_run(ids[-1])
    return client


def log_model(client: Any, run_id: str, folder: Path, name: str = "forest") -> str:
    """Log a model of MLflow 3 into a run. Returns: its id."""
    experiment = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment, name, run_id, {"stage": "x"}, {"depth": "3"}, "classifier")
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: nothing\n")
    (folder / "data/weights.bin").write_bytes(bytes(range(256)) * 20)
    client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    client.log_metric(run_id, "accuracy", 0.75, BEGAN, 3, model_id=model.model_id)
    return str(model.model_id)


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file below a folder, by its path."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
