"""What a store keeps is written into an MLflow, once, and comes back from there as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from tests.support.mlruns import BEGAN, file_store_allowed
from tests.support.shell import Shell
from tests.support.stores import tiny_store

import holdall
from holdall import exporting, importing
from holdall.errors import ExperimentNotFoundError
from holdall.moving import shown_address
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


@pytest.fixture(autouse=True)
def allowed() -> Iterator[None]:
    with file_store_allowed():
        yield


@pytest.fixture
def store() -> Store:
    """With a parent, a child that has a model, one that was deleted, and a model whose first version went."""
    store = tiny_store(MemoryBucket())
    store.experiments.create("vision", {"team": "a"})
    parent = store.runs.start(experiment="vision", name="parent", start_time=BEGAN, tags={"n": "0"})
    parent.log_batch(metrics=[("loss", value, n, BEGAN + n) for n, value in enumerate([1.0, float("nan"), 0.5])])
    parent.log_params({"rate": 0.1})
    parent.log_input({"name": "d", "digest": "x", "source_type": "local", "source": "{}"}, context="training")
    parent.log_text("all is well", "out/report.txt")
    parent.finish("FAILED", end_time=BEGAN + 9)
    child = store.runs.start(experiment="vision", name="child", parent=parent.id)
    info = store.models.log(child, lambda model_input: model_input, "same", pip_requirements=[], params={"depth": 3})
    child.finish()
    gone = store.runs.start(experiment="vision", name="gone")
    gone.finish()
    gone.delete()
    for _ in range(3):
        store.registry.register(info.model_uri, "fraud", tags={"a": "b"}, description="said")
    store.registry.delete_version("fraud", 1)
    store.registry.set_alias("fraud", "champion", 2)
    return store


def exported(store: Store, target: Path) -> Any:
    mlflow.set_tracking_uri(str(target))  # where its registry looks for logged models
    return exporting.to_mlflow(store, str(target)).perform()


def vision(client: Any) -> str:
    """The experiment's id in an MLflow."""
    return str(client.get_experiment_by_name("vision").experiment_id)


def facts(store: Store) -> Any:
    """What a round must not change, by the names of runs."""
    told = {}
    names = {run.info.run_id: run.info.run_name for run in store.runs.search(stage=None)}
    for record in store.runs.search("attributes.run_name != 'placeholder'", stage=None):
        run, info = store.runs.get(record.info.run_id), record.info
        told[info.run_name] = {
            "info": (info.status, info.start_time, info.end_time, info.lifecycle_stage),
            "points": [(one.step, repr(one.value), one.timestamp) for one in run.history("loss")],
            "params": record.data.params,
            "parent": names.get(record.data.tags.get("mlflow.parentRunId", "")),
            "files": dict(run.manifest),
            "inputs": [(one.dataset, one.context) for one in run.inputs.dataset_inputs],
            "models": [(one.name, dict(one.params), one.flavors) for one in store.models.logged(run.id)],
        }
    versions = store.registry.search_versions("name = 'fraud'")
    registered = [(one.version, one.description, one.tags["a"], one.digest) for one in versions]
    return told, sorted(registered), store.registry.get_model("fraud").aliases


def test_what_was_exported_comes_back_as_it_was(store: Store, tmp_path: Path) -> None:
    """Dates, points, parameters, parents, data sets, files, models, and versions with their numbers and aliases."""
    report = exported(store, tmp_path / "mlruns")
    assert report.outcomes == {"new": 4}
    assert report.complete
    back = tiny_store(MemoryBucket())
    assert importing.from_mlflow(back, str(tmp_path / "mlruns")).perform().complete
    assert facts(back) == facts(store)


def test_a_second_export_writes_nothing_new_and_a_changed_run_is_gone_on_with(store: Store, tmp_path: Path) -> None:
    """By the tag that says whose a run is: none is made twice, and no measurement."""
    exported(store, tmp_path / "mlruns")
    assert exported(store, tmp_path / "mlruns").outcomes == {"same": 4}
    (found,) = store.runs.search("attributes.run_name = 'parent'")
    run = store.runs.resume(found.info.run_id)
    run.log_metric("loss", 0.25, step=3, timestamp=BEGAN)
    run.log_text("late", "late.txt")
    run.finish("FINISHED", end_time=BEGAN + 10)
    report = exported(store, tmp_path / "mlruns")
    assert report.outcomes == {"more": 1, "same": 3}
    assert [one.points for one in report.brought if one.outcome == "more"] == [1]
    client = mlflow.MlflowClient(str(tmp_path / "mlruns"))
    (there,) = client.search_runs([vision(client)], "tags.n = '0'")
    assert [one.step for one in client.get_metric_history(there.info.run_id, "loss")] == [0, 1, 2, 3]
    assert (there.info.status, there.info.end_time) == ("FINISHED", BEGAN + 10)
    assert [one.path for one in client.list_artifacts(there.info.run_id)] == ["late.txt", "out"]


def test_what_changes_in_the_registry_is_exported_again(store: Store, tmp_path: Path) -> None:
    """Tags, descriptions, stages and aliases of what MLflow has already; once, and then they are the same."""
    exported(store, tmp_path / "mlruns")
    store.registry.set_version_tag("fraud", 2, "a", "c")
    store.registry.describe_version("fraud", 2, "better")
    store.registry.set_stage("fraud", 2, "Production")
    store.registry.set_alias("fraud", "champion", 3)
    store.registry.set_alias("fraud", "second", 2)
    store.registry.set_model_tag("fraud", "owner", "b")
    client = mlflow.MlflowClient(str(tmp_path / "mlruns"), str(tmp_path / "mlruns"))
    for outcomes in ({"same": 3, "more": 1}, {"same": 4}):
        assert exported(store, tmp_path / "mlruns").outcomes == outcomes
    second, model = client.get_model_version("fraud", "2"), client.get_registered_model("fraud")
    assert (second.tags["a"], second.description, second.current_stage) == ("c", "better", "Production")
    assert (model.tags["owner"], {key: str(to) for key, to in model.aliases.items()}) == (
        "b",
        {"champion": "3", "second": "2"},
    )


def test_a_file_with_other_bytes_of_the_same_size_is_written_again(store: Store, tmp_path: Path) -> None:
    """What an interrupted export left is compared by SHA-256, not by its size."""
    exported(store, tmp_path / "mlruns")
    (file,) = (tmp_path / "mlruns").glob("*/*/artifacts/out/report.txt")
    file.write_text("all is lost")
    client = mlflow.MlflowClient(str(tmp_path / "mlruns"))
    client.delete_tag(file.parents[2].name, "holdall.exported")
    assert exported(store, tmp_path / "mlruns").outcomes == {"more": 1, "same": 3}
    assert file.read_text() == "all is well"


@pytest.mark.parametrize("which", ["log_artifacts", "log_model_artifacts"])
def test_what_mlflow_keeps_otherwise_is_told_until_it_is_right(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """Every file is read back and compared, those of models too; a run that is not right has no mark."""
    real = getattr(mlflow.MlflowClient, which)

    def damaging(self: Any, id: str, folder: str, *args: Any) -> None:
        for file in Path(folder).rglob("*"):
            if file.name in ("report.txt", "MLmodel"):
                file.write_bytes(bytes(file.stat().st_size))
        real(self, id, folder, *args)

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, which, damaging)
        first = exported(store, tmp_path / "mlruns")
    assert {Path(one.path).name for one in first.problems} == {"report.txt" if which == "log_artifacts" else "MLmodel"}
    again = exported(store, tmp_path / "mlruns")
    assert again.complete
    assert again.outcomes["more"] >= 1
    assert exported(store, tmp_path / "mlruns").outcomes == {"same": 4}


def test_one_that_was_interrupted_is_gone_on_with(store: Store, tmp_path: Path) -> None:
    """A run that MLflow has without its mark is completed, and nothing of it is there twice."""
    exported(store, tmp_path / "mlruns")
    client = mlflow.MlflowClient(str(tmp_path / "mlruns"))
    id = vision(client)
    for run in client.search_runs([id]):
        client.delete_tag(run.info.run_id, "holdall.exported")
    assert exported(store, tmp_path / "mlruns").outcomes == {"more": 2, "same": 2}
    (run,) = client.search_runs([id], "tags.n = '0'")
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 3
    assert len(client.search_runs([id])) == 2


def test_one_experiment_can_be_exported_alone(store: Store, tmp_path: Path) -> None:
    """One that is not there is an error before anything is written."""
    store.runs.start(name="other").finish()
    planned = exporting.to_mlflow(store, str(tmp_path / "mlruns"), experiments=["Default"])
    assert (planned.runs, planned.models, planned.experiments) == (1, 0, ["Default"])
    with pytest.raises(ExperimentNotFoundError):
        exporting.to_mlflow(store, str(tmp_path / "mlruns"), experiments=["none"])


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://user:secret@host/db?password=secret", "postgresql://host/db"),
        ("https://token@host:5000/x", "https://host:5000/x"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
        ("./mlruns", "./mlruns"),
    ],
)
def test_an_address_is_shown_without_its_secrets(uri: str, shown: str) -> None:
    """It stands in tags and reports."""
    assert shown_address(uri) == shown


def test_the_command_plans_asks_and_exports(tmp_path: Path) -> None:
    """--dry-run writes nothing; without --yes nothing happens."""
    shell = Shell(tmp_path)
    holdall.Store.open(str(tmp_path / "store")).runs.start(name="first").finish()
    words = ("export", "mlflow", "--to", str(tmp_path / "mlruns"))
    assert "runs     1" in shell(*words, "--dry-run")
    shell(*words, code=2)
    assert "1 new" in shell(*words, "--yes")
    assert "1 same" in shell(*words, "--yes")
