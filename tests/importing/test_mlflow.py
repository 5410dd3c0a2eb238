"""What an MLflow keeps is brought whole, once, and compared with its source."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support.depth import DEEP
from tests.support.faulty import Fault, FaultyBucket
from tests.support.mlruns import BEGAN, digests, file_store_allowed, fill, log_model
from tests.support.shell import Shell
from tests.support.stores import tiny_store

from holdall import exporting, importing
from holdall.errors import CommitStateUnknownError, InvalidURIError, MissingLibraryError, StorageError
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store

RUNS = 200 if DEEP else 20


@pytest.fixture(scope="module", autouse=True)
def allowed() -> Iterator[None]:
    with file_store_allowed():
        yield


@pytest.fixture(scope="module")
def mlruns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of MLflow with runs, as it was before a test."""
    folder = tmp_path_factory.mktemp("source") / "mlruns"
    client = fill(str(folder), RUNS)
    run = client.search_runs(["0", *_ids(client)], "tags.n = '0'")[0].info.run_id
    model = log_model(client, run, folder.parent / "model")
    client.create_registered_model("forest", tags={"owner": "b"}, description="finds trees")
    source = client.get_logged_model(model).artifact_location
    for n in range(4):
        tags = {"n": str(n)}
        client.create_model_version("forest", source, run, tags=tags, description=f"number {n}", model_id=model)
    client.delete_model_version("forest", "2")
    client.set_registered_model_alias("forest", "champion", "3")
    gone = client.create_run(_ids(client)[0], run_name="gone")
    client.log_text(gone.info.run_id, "weights", "old/weights.bin")
    client.create_registered_model("old")
    client.create_model_version("old", f"{gone.info.artifact_uri}/old", gone.info.run_id)
    kept = folder.parent / "kept"
    shutil.copytree(gone.info.artifact_uri + "/old", kept)
    client.create_model_version("old", str(kept), gone.info.run_id)
    shutil.rmtree(Path(gone.info.artifact_uri).parent)
    return folder


def _ids(client: Any) -> list[str]:
    return [one.experiment_id for one in client.search_experiments() if one.name == "vision"]


def brought(store: Store, source: object) -> importing.MoveReport:
    return importing.from_mlflow(store, str(source)).perform()


def run_of(store: Store, n: int) -> Run:
    (found,) = store.runs.search(f"tags.n = '{n}'", stage=None)
    return store.runs.get(found.info.run_id)


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBucket())


def test_all_runs_are_brought_with_every_digest_and_a_second_time_nothing_is_new(store: Store, mlruns: Path) -> None:
    """Each file of each run has the SHA-256 that it has at the source; importing again writes nothing."""
    first = brought(store, mlruns)
    assert first.outcomes == {
        "new": RUNS + 3
    }  # with two registered models, a gone run, and a run for the files of one whose run is gone
    compared = 0
    for record in store.runs.search(stage=None):
        at = next(mlruns.glob(f"*/{record.data.tags['imported.run_id']}/artifacts"), None)
        if at is not None:
            expected = digests(at)
            manifest = store.runs.get(record.info.run_id).manifest
            assert expected == {path: manifest[path] for path in expected}
            compared += len(expected)
    assert compared == 2 * RUNS
    before = dict(store._location.bucket.objects)  # type: ignore[attr-defined]  # it is one of memory
    again = brought(store, mlruns)
    assert again.outcomes == {"same": RUNS + 3}
    assert again.problems == first.problems
    assert store._location.bucket.objects == before  # type: ignore[attr-defined]


def test_a_run_comes_with_all_that_mlflow_knows_of_it(store: Store, mlruns: Path) -> None:
    """Dates, status, parameters, every point with NaN and infinity, tags, data sets, and what it was called."""
    brought(store, mlruns)
    run = run_of(store, 0)
    assert (run.info.run_name, run.info.status) == ("run 0", "FINISHED")
    assert (run.info.start_time, run.info.end_time) == (BEGAN, BEGAN + 1000)
    assert run.data.params == {"rate": "0.0"}
    points = [(one.step, repr(one.value), one.timestamp) for one in run.history("loss")]
    assert points == [(n, text, BEGAN + n) for n, text in enumerate(["0.0", "nan", "inf", "-1.5"])]
    assert [one.value for one in run.history("a/b")] == [1.0]
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.schema, given.context) == ("data 0", "{}", "training")
    source = run.data.tags["imported.run_id"]
    assert store.runs.get(store.runs.id_of(f"mlflow:{source}", "vision")).info.run_name == "run 0"
    assert "mlflow.source.git.commit" not in run.data.tags  # of the machine that imports, which ran nothing
    assert run_of(store, 1).data.tags["mlflow.parentRunId"] == run.id
    assert run_of(store, 1).data.tags["imported.parent_run_id"] == source
    assert run_of(store, 1).info.status == "FAILED"
    assert run_of(store, 4).info.status == "RUNNING"
    assert run_of(store, 6).info.lifecycle_stage == "deleted"
    assert store.experiments.use("vision").tags["team"] == "a"


def test_a_logged_model_is_one_here_with_its_bytes(store: Store, mlruns: Path) -> None:
    """Its files are those of the source to the byte; parameters, tags, type and what was measured come along."""
    brought(store, mlruns)
    run = run_of(store, 0)
    (model,) = store.models.logged(run.id)
    assert (model.name, model.model_type, model.flavors) == ("forest", "classifier", ("python_function",))
    assert model.params == {"depth": "3"}
    assert model.tags["stage"] == "x"
    assert [(one.key, one.value, one.step) for one in model.metrics] == [("accuracy", 0.75, 3)]
    (place,) = mlruns.glob("*/models/m-*/artifacts")
    assert {path: run.manifest[f"forest/{path}"] for path in digests(place)} == digests(place)


def test_what_is_said_of_a_logged_model_later_is_brought_later(store: Store, mlruns: Path, tmp_path: Path) -> None:
    """A tag that was set, a measurement that was made: also of a model that is here already."""
    import mlflow

    moved = tmp_path / "mlruns"
    shutil.copytree(mlruns, moved)
    brought(store, moved)
    client, run = mlflow.MlflowClient(str(moved), str(moved)), run_of(store, 0)
    (model,) = store.models.logged(run.id)
    there = model.tags["imported.model_id"]
    client.set_logged_model_tags(there, {"stage": "y"})
    client.log_metric(run.data.tags["imported.run_id"], "recall", 0.5, BEGAN, 4, model_id=there)
    for outcomes in ({"more": 1, "same": RUNS + 2}, {"same": RUNS + 3}):
        assert brought(store, moved).outcomes == outcomes
    (model,) = store.models.logged(run.id)
    assert model.tags["stage"] == "y"
    assert {(one.key, one.value) for one in model.metrics} == {("accuracy", 0.75), ("recall", 0.5)}


def test_versions_keep_their_numbers_where_one_was_deleted(store: Store, mlruns: Path) -> None:
    """Version 3 is version 3; descriptions, tags and aliases come along."""
    brought(store, mlruns)
    model = store.registry.get_model("forest")
    assert (model.description, model.tags["owner"], model.aliases) == ("finds trees", "b", {"champion": "3"})
    versions = store.registry.search_versions("name = 'forest'")
    assert sorted(one.version for one in versions) == ["1", "3", "4"]
    third = store.registry.get_version("forest", 3)
    assert (third.description, third.tags["n"], third.path) == ("number 2", "2", "forest")


def test_a_version_whose_run_is_gone_keeps_its_files(store: Store, mlruns: Path) -> None:
    """They get a run of their own; a version whose files are gone, too, is told, and its number is not given again."""
    report = brought(store, mlruns)
    assert store.artifacts.read("models:/old/2/weights.bin") == b"weights"
    assert [one.version for one in store.registry.search_versions("name = 'old'")] == ["2"]
    assert [(one.what, one.path) for one in report.problems if one.what == "version"] == [("version", "1")]


def test_what_the_source_gets_later_is_brought_later(store: Store, mlruns: Path, tmp_path: Path) -> None:
    """A run that went on gets the points and files that it lacks, none twice; another is left alone."""
    import mlflow

    moved = tmp_path / "mlruns"
    shutil.copytree(mlruns, moved)
    brought(store, moved)
    client = mlflow.MlflowClient(tracking_uri=str(moved))
    run = next(iter(moved.glob(f"*/{run_of(store, 4).data.tags['imported.run_id']}")))
    client.log_metric(run.name, "loss", 0.25, BEGAN, 9)
    (run / "artifacts/late.txt").write_text("late")
    client.set_terminated(run.name, "FINISHED", end_time=BEGAN + 5)
    report = brought(store, moved)
    assert report.outcomes == {"more": 1, "same": RUNS + 2}
    (more,) = [one for one in report.brought if one.outcome == "more"]
    assert (more.points, more.id) == (1, run_of(store, 4).id)
    assert [one.step for one in run_of(store, 4).history("loss")] == [0, 1, 2, 3, 9]
    assert run_of(store, 4).read("late.txt") == b"late"
    assert (run_of(store, 4).info.status, run_of(store, 4).info.end_time) == ("FINISHED", BEGAN + 5)


def test_a_folder_that_was_moved_is_read_where_it_is(store: Store, mlruns: Path, tmp_path: Path) -> None:
    """Its books name the old place; the files beside them are meant."""
    moved = tmp_path / "elsewhere"
    shutil.copytree(mlruns, moved)
    away = mlruns.with_name("away")
    mlruns.rename(away)
    try:
        report = brought(store, moved)
    finally:
        away.rename(mlruns)
    assert not [one for one in report.problems if one.what in ("file", "run")]
    assert run_of(store, 2).read("same.txt") == b"the same"


def test_a_file_that_is_missing_is_told_and_the_rest_is_brought(store: Store, mlruns: Path, tmp_path: Path) -> None:
    """Each time, until it is there: then it is brought."""
    moved = tmp_path / "mlruns"
    shutil.copytree(mlruns, moved)
    for folder in moved.glob("*/*/artifacts/out"):
        run = folder.parents[1].name
        (folder / "report.txt").unlink()
        (folder / "report.txt").symlink_to("gone")
    for _ in range(2):
        report = brought(store, moved)
        assert {one.path for one in report.problems if one.what == "file"} == {"out/report.txt"}
        assert len([one for one in report.problems if one.what == "file"]) == RUNS
    id = next(found.info.run_id for found in store.runs.search(f"tags.`imported.run_id` = '{run}'", stage=None))
    assert list(store.runs.get(id).manifest) == ["same.txt"]
    report_file = next(moved.glob(f"*/{run}/artifacts")) / "out/report.txt"
    report_file.unlink()
    report_file.write_text("found")
    brought(store, moved)
    assert store.runs.get(id).read("out/report.txt") == b"found"


def test_a_file_that_was_replaced_at_the_source_is_told(store: Store, mlruns: Path, tmp_path: Path) -> None:
    """Also by one of the same size, each time; the run keeps what it has."""
    moved = tmp_path / "mlruns"
    shutil.copytree(mlruns, moved)
    first = brought(store, moved)
    file = next(moved.glob("*/*/artifacts/same.txt"))
    file.write_text("the SAME")
    for _ in range(2):
        report = brought(store, moved)
        assert [one.path for one in report.problems if one not in first.problems] == ["same.txt"]
    (found,) = store.runs.search(f"tags.`imported.run_id` = '{file.parents[1].name}'", stage=None)
    assert store.runs.get(found.info.run_id).read("same.txt") == b"the same"


def test_an_experiment_that_was_renamed_since_is_the_same(tmp_path: Path, store: Store) -> None:
    """Its runs are not brought twice, and what is new comes into the experiment that is here."""
    client = fill(str(tmp_path / "mlruns"), 2)
    brought(store, tmp_path / "mlruns")
    (id,) = _ids(client)
    client.rename_experiment(id, "sight")
    client.create_run(id, run_name="later")
    assert brought(store, tmp_path / "mlruns").outcomes == {"same": 2, "new": 1}
    assert {one.name for one in store.experiments.search()} == {"Default", "vision"}


def test_links_to_folders_are_followed_and_one_that_leads_back_is_told(tmp_path: Path, store: Store) -> None:
    """What is behind a link is no less an artifact: it is not left out without a word."""
    client = fill(str(tmp_path / "mlruns"), 1)
    (run,) = client.search_runs(_ids(client))
    artifacts = Path(run.info.artifact_uri)
    (tmp_path / "away/deep").mkdir(parents=True)
    (tmp_path / "away/deep/weights.bin").write_bytes(b"weights")
    (artifacts / "linked").symlink_to(tmp_path / "away")
    (artifacts / "back").symlink_to(artifacts)
    report = brought(store, tmp_path / "mlruns")
    assert [one.path for one in report.problems] == ["back"]
    assert run_of(store, 0).read("linked/deep/weights.bin") == b"weights"


def test_an_import_that_is_killed_at_any_request_is_gone_on_with(tmp_path: Path) -> None:
    """However far it came, the next one ends with the same runs, points, files, models and versions."""
    source = tmp_path / "mlruns"
    client = fill(str(source), 2)
    run = client.search_runs(_ids(client), "tags.n = '0'")[0].info.run_id
    model = log_model(client, run, tmp_path / "model")
    client.create_registered_model("forest")
    for _ in range(2):
        client.create_model_version("forest", f"models:/{model}", run, model_id=model)
    client.delete_model_version("forest", "1")

    def facts(store: Store) -> Any:
        runs = store.runs.search(stage=None)
        told = {
            record.info.run_id: (
                record.info.status,
                [repr(one.value) for one in store.runs.get(record.info.run_id).history("loss")],
                dict(store.runs.get(record.info.run_id).manifest),
                [(model.name, [one.key for one in model.metrics]) for model in store.models.logged(record.info.run_id)],
            )
            for record in runs
        }
        return told, [one.version for one in store.registry.search_versions("name = 'forest'")]

    whole = tiny_store(MemoryBucket())
    counting = FaultyBucket(whole._location.bucket)
    assert brought(tiny_store(counting, create=False), source).complete
    count, wanted = len(counting.requests), facts(whole)
    came_through = 0
    for n in range(1, count, 1 if DEEP else max(1, count // 12)):
        bucket = MemoryBucket()
        tiny_store(bucket)
        dying = FaultyBucket(bucket)
        dying.plan(Fault("", "lose", at=n), Fault("", "fail", at=n + 1, times=None))
        with suppress(StorageError, CommitStateUnknownError):
            brought(tiny_store(dying, create=False), source)
            came_through += 1
        report = brought(tiny_store(bucket, create=False), source)
        assert not report.problems
        assert facts(tiny_store(bucket, create=False)) == wanted
    assert came_through <= 1  # of which the last request was the one that failed


def test_what_is_no_mlflow_is_refused(store: Store, tmp_path: Path) -> None:
    """A folder without runs, one that is not there, and a database that MLflow would make."""
    (tmp_path / "mlruns/0").mkdir(parents=True)
    for uri, why in ((tmp_path, "did you mean"), (tmp_path / "x", "no such folder")):
        with pytest.raises(InvalidURIError, match=why):
            importing.from_mlflow(store, str(uri))
    with pytest.raises(InvalidURIError, match="no such database"):
        importing.from_mlflow(store, f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()


def test_a_database_without_what_opens_it_names_the_package(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mlflow-skinny has no SQLAlchemy; a wrong address is told what an MLflow's address is."""
    (tmp_path / "mlflow.db").touch()
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    for move in (importing.from_mlflow, exporting.to_mlflow):
        with pytest.raises(MissingLibraryError) as lacking:
            move(store, f"sqlite:///{tmp_path}/mlflow.db")
        assert lacking.value.hint == "pip install 'mlflow'"
    with pytest.raises(InvalidURIError) as wrong:
        importing.from_mlflow(store, f"{tmp_path}/nowhere")
    assert "sqlite:///" in wrong.value.hint


def test_nothing_is_written_into_the_source(store: Store, mlruns: Path) -> None:
    """Not even a folder, as MLflow's own store would."""
    before = sorted(str(path) for path in mlruns.rglob("*"))
    brought(store, mlruns)
    assert sorted(str(path) for path in mlruns.rglob("*")) == before


def test_a_database_is_brought_as_a_folder_is(store: Store, tmp_path: Path) -> None:
    """With experiments that are deleted, whose runs are deleted here, too."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = fill(uri, 8, tmp_path / "files")
    old = client.create_experiment("old", artifact_location=(tmp_path / "old").as_uri())
    client.create_run(old, run_name="old")
    client.delete_experiment(old)
    for outcome in ("new", "same"):
        report = brought(store, uri)
        assert report.outcomes == {outcome: 9}
        assert report.complete
    run = run_of(store, 0)
    assert [(one.step, repr(one.value)) for one in run.history("loss")] == [
        (0, "0.0"),
        (1, "nan"),
        (2, "2.0"),
        (3, "-1.5"),
    ]
    assert run.read("same.txt") == b"the same"
    experiments = {one.name: one.lifecycle_stage for one in store.experiments.search(stage=None)}
    assert experiments == {"Default": "active", "vision": "active", "old": "deleted"}


def test_the_command_plans_asks_and_tells_what_is_missing(mlruns: Path, tmp_path: Path) -> None:
    """--dry-run makes no store; without --yes nothing happens; exit code 1 and a file name what is missing."""
    shell = Shell(tmp_path)
    told = shell("import", "mlflow", "--from", str(mlruns), "-n", code=1)
    assert "runs " in told
    assert not (tmp_path / "store").exists()
    shell("import", "mlflow", "--from", str(mlruns), code=2)
    shell("import", "mlflow", "--from", str(mlruns), "--yes", code=1)
    (problem,) = (tmp_path / "problems.jsonl").read_text().splitlines()
    assert json.loads(problem)["source_id"] == "old"
    report = shell.json("import", "mlflow", "--from", str(mlruns), "--yes", "-e", "vision")
    assert report["complete"]
    assert not (tmp_path / "problems.jsonl").exists()
