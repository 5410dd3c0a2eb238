"""MLflow's tracking store over a store: what it costs, when it is written, and that both sides see the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy
import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException
from tests.support.depth import DEEP
from tests.support.stores import tiny_location, tiny_store

from holdall.errors import RunNotFoundError
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store
from holdall.surfaces.mlflow import addresses
from holdall.surfaces.mlflow.addresses import native_root
from holdall.surfaces.mlflow.plugin import tracking_store
from holdall.surfaces.mlflow.tracking.held import Writer

ADDRESS = "holdall+memory://tracked"


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """No store is open in this process."""
    monkeypatch.setattr(addresses, "_stores", {})


def over(bucket: Bucket, *, seed: int = 1, root: str | None = None) -> Any:
    """Return MLflow's store over the store of a bucket, as another process opens it."""
    addresses._stores["memory://tracked"] = Store(tiny_location(bucket, seed=seed, create=False))
    return tracking_store(ADDRESS, root)


@pytest.fixture
def bucket() -> MemoryBucket:
    """A bucket with a store."""
    found = MemoryBucket()
    tiny_store(found)
    return found


# --- costs ----------------------------------------------------------------------


def _began(store: Any) -> tuple[str, str]:
    experiment = store.create_experiment("vision", None, [])
    return experiment, store.create_run(experiment, "me", 1000, [], "first").info.run_id


COSTS: dict[str, tuple[Callable[[Any, str, str], Any], int, int]] = {
    # verb -> what it does, and its requests: in a training process, in a server
    "get_experiment": (lambda s, experiment, _: s.get_experiment(experiment), 2, 2),
    "get_experiment_by_name": (lambda s, _, __: s.get_experiment_by_name("vision"), 2, 2),
    "search_experiments": (lambda s, _, __: s.search_experiments(), 2, 2),
    "create_run": (lambda s, experiment, _: s.create_run(experiment, "me", 1000, [], "second"), 3, 3),
    "get_run": (lambda s, _, run: s.get_run(run), 2, 2),
    "log_metric": (lambda s, _, run: s.log_metric(run, Metric("loss", 1, 1, 1)), 0, 1),
    "log_param": (lambda s, _, run: s.log_param(run, Param("a", "b")), 0, 1),
    "set_tag": (lambda s, _, run: s.set_tag(run, RunTag("a", "b")), 0, 1),
    "log_batch": (lambda s, _, run: s.log_batch(run, [Metric("loss", 1, 1, 1)], [Param("a", "b")], []), 0, 1),
    "log_inputs": (lambda s, _, run: s.log_inputs(run, [DatasetInput(Dataset("a", "d", "local", "{}"), [])]), 0, 1),
    "search_runs": (lambda s, experiment, _: s.search_runs([experiment], "", ViewType.ALL), 2, 2),
    "get_metric_history": (lambda s, _, run: s.get_metric_history(run, "loss"), 2, 2),
    "end": (lambda s, _, run: s.update_run_info(run, RunStatus.FINISHED, 2000, None), 1, 1),
    "delete_run": (lambda s, _, run: s.delete_run(run), 1, 1),
    "create_logged_model": (lambda s, experiment, run: s.create_logged_model(experiment, "tree", run), 1, 1),
    "search_logged_models": (lambda s, experiment, _: s.search_logged_models([experiment]), 2, 2),
}


@pytest.mark.parametrize("root", [None, "mlflow-artifacts:/"])
@pytest.mark.parametrize("verb", COSTS)
@pytest.mark.every(2)
def test_a_verb_costs_what_the_native_one_costs(bucket: MemoryBucket, verb: str, root: str | None) -> None:
    """The numbers of the guide: requests, once the process has written to the run."""
    counter = RequestCounter()
    store = over(TraceBucket(bucket, counter), root=root)
    experiment, run = _began(store)
    store.get_run(run)
    counter.clear()
    do, training, server = COSTS[verb]
    do(store, experiment, run)
    assert counter.total == (server if root else training), dict(counter.requests)


# --- when it is written ---------------------------------------------------------


def test_what_a_server_logs_is_written_when_it_answers(bucket: MemoryBucket) -> None:
    """Another worker sees it at once: measurements, parameters, tags, inputs."""
    store = over(bucket, root="mlflow-artifacts:/")
    _, run = _began(store)
    store.log_metric(run, Metric("loss", 0.5, 1, 1))
    store.log_batch(run, [], [Param("a", "b")], [RunTag("t", "v")])
    store.log_inputs(run, [DatasetInput(Dataset("train", "d", "local", "{}"), [InputTag("k", "v")])])
    seen = over(bucket, seed=2).get_run(run)
    assert (seen.data.metrics, seen.data.params, seen.data.tags["t"]) == ({"loss": 0.5}, {"a": "b"}, "v")
    assert seen.inputs.dataset_inputs[0].dataset.name == "train"


def test_what_a_training_logs_is_seen_by_itself_at_once_and_by_others_soon(bucket: MemoryBucket) -> None:
    """Every way to read flushes; and what nobody reads is written by the thread, however little it is."""
    store = over(bucket)
    experiment, run = _began(store)
    store.log_metric(run, Metric("loss", 0.5, 1, 1))
    other = over(bucket, seed=2)
    assert other.get_run(run).data.metrics == {}
    store._writer.write()  # as its thread does, after a few seconds
    assert other.get_run(run).data.metrics == {"loss": 0.5}
    reads: tuple[Callable[[float], Any], ...] = (
        lambda value: store.get_run(run).data.metrics["loss"] == value,
        lambda value: store.search_runs([experiment], f"metrics.loss = {value}", ViewType.ALL),
        lambda value: store.get_metric_history(run, "loss")[-1].value == value,
    )
    for step, read in enumerate(reads, 2):
        store.log_metric(run, Metric("loss", step, step, step))
        assert read(step)


def test_the_thread_writes_and_ends() -> None:
    """What waits is written without another call, by a thread that is gone when nothing waits."""

    class Noting:
        id, flushed = "run", 0

        def flush(self) -> None:
            self.flushed += 1

    writer, run = Writer(patience=0.0), Noting()
    for times in (1, 2):
        writer.write_soon(run)  # type: ignore[arg-type]  # it needs no more of a run
        thread = writer._thread
        if thread:
            thread.join(20)
        assert run.flushed == times


def test_what_cannot_be_written_later_is_a_warning(bucket: MemoryBucket, caplog: pytest.LogCaptureFixture) -> None:
    """The call that logged it has returned: a run that another deleted meanwhile takes nothing, and says so."""
    store = over(bucket)
    _, run = _began(store)
    store.log_metric(run, Metric("loss", 0.5, 1, 1))
    over(bucket, seed=2).delete_run(run)
    store._writer.write()
    assert f"run {run} is lost" in caplog.text


def test_a_run_is_written_to_by_several_processes(bucket: MemoryBucket) -> None:
    """Each adds what it logs; a parameter has the value that was logged first."""
    first, second = over(bucket, root="x:/"), over(bucket, seed=2, root="x:/")
    _, run = _began(first)
    for step in range(3):
        for number, store in enumerate((first, second)):
            store.log_metric(run, Metric("loss", step, number, step))
    second.log_param(run, Param("a", "1"))
    with pytest.raises(MlflowException):
        first.log_param(run, Param("a", "2"))
    assert len(first.get_metric_history(run, "loss")) == 6
    assert second.get_run(run).data.params == {"a": "1"}


def test_what_a_forked_child_logs_is_there_however_it_ends(tmp_path: Path) -> None:
    """No hook is run where a child ends, as workers of pools do; and what its parent collected is written once."""
    store = tracking_store(f"holdall+file://{tmp_path}/store")
    _, run = _began(store)
    store.log_metric(run, Metric("loss", 0.5, 1, 1))
    if not (child := os.fork()):
        store.log_metric(run, Metric("child", 1.5, 2, 2))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    store.log_metric(run, Metric("loss", 0.25, 3, 2))
    assert store.get_run(run).data.metrics == {"child": 1.5, "loss": 0.25}
    assert len(store.get_metric_history(run, "loss")) == 2


_NEVER_ENDS = """
import mlflow, sys
client = mlflow.MlflowClient(tracking_uri=sys.argv[1])
run = client.create_run("0", run_name="never ended")
client.log_metric(run.info.run_id, "loss", 0.5)
print(run.info.run_id)
"""


@pytest.mark.skipif(not DEEP, reason="importing MLflow in another process takes seconds: HOLDALL_TESTS=deep")
def test_what_a_client_logs_that_never_ends_its_run_is_there(tmp_path: Path) -> None:
    """The process writes it when it ends; the run goes on RUNNING, as in MLflow."""
    uri = f"holdall+file://{tmp_path}/store"
    done = subprocess.run([sys.executable, "-c", _NEVER_ENDS, uri], capture_output=True, text=True, check=True)
    found = tracking_store(uri).get_run(done.stdout.split()[-1])
    assert (found.info.status, found.data.metrics) == ("RUNNING", {"loss": 0.5})


# --- both sides -----------------------------------------------------------------


@pytest.fixture
def tracked(tmp_path: Path) -> Iterator[str]:
    """An address that MLflow's fluent verbs use."""
    uri = f"holdall+file://{tmp_path}/store"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    yield uri
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(before)


def test_both_sides_see_the_same_run(tracked: str, tmp_path: Path) -> None:
    """What MLflow logs is a native run of the same id, with its files; what is logged natively MLflow finds."""
    mlflow.set_experiment("vision")
    with mlflow.start_run(run_name="theirs") as run:
        mlflow.log_params({"rate": 0.1})
        mlflow.log_metric("loss", 0.5, step=3)
        mlflow.log_text("all is well", "report.txt")
        mlflow.log_text("all is better", "report.txt")  # replaces, as MLflow's users expect
    id, store = run.info.run_id, Store.open(str(tmp_path / "store"))
    assert native_root(run.info.artifact_uri).run_id == id  # type: ignore[union-attr]
    native = store.runs.get(id)
    assert (native.info.run_name, native.info.status, native.data.params) == ("theirs", "FINISHED", {"rate": "0.1"})
    assert [(one.value, one.step) for one in native.history("loss")] == [(0.5, 3)]
    assert native.load_text("report.txt") == "all is better"
    with store.runs.start(experiment="vision", name="ours", tags={"team": "a"}) as ours:
        ours.log_metrics({"loss": 0.25})
        ours.log_text("hello", "ours.txt")
    found = mlflow.search_runs(experiment_names=["vision"], filter_string="metrics.loss < 0.3", output_format="list")
    assert [one.info.run_id for one in found] == [ours.id]
    assert [tag for tag in found[0].data.tags if tag.startswith("holdall.")] == []
    assert mlflow.artifacts.load_text(f"runs:/{ours.id}/ours.txt") == "hello"


def test_a_server_tells_clients_its_own_root(bucket: MemoryBucket) -> None:
    """Of runs made here and there alike; where it puts artifacts elsewhere, the run keeps that."""
    experiment, run = _began(over(bucket))
    proxied = over(bucket, seed=2, root="mlflow-artifacts:/")
    assert proxied.get_run(run).info.artifact_uri == f"mlflow-artifacts:/{experiment}/{run}/artifacts"
    elsewhere = over(bucket, seed=3, root="s3://other/x")
    moved = elsewhere.create_run(experiment, "me", 1, [], "moved").info
    assert moved.artifact_uri == f"s3://other/x/{experiment}/{moved.run_id}/artifacts"
    assert over(bucket, seed=4).get_run(moved.run_id).info.artifact_uri == moved.artifact_uri
    chosen = elsewhere.create_experiment("chosen", "s3://mine/y", [])
    assert over(bucket, seed=5).create_run(chosen, "me", 1, [], "x").info.artifact_uri.startswith("s3://mine/y/")


def test_our_errors_are_mlflows_with_ours_as_the_cause(bucket: MemoryBucket) -> None:
    """The code is MLflow's, the text says what to do, and the cause is ours."""
    with pytest.raises(MlflowException, match="no run") as caught:
        over(bucket).get_run("f" * 32)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert isinstance(caught.value.__cause__, RunNotFoundError)
    with pytest.raises(MlflowException, match=r"no traces.*disable") as refused:
        over(bucket).start_trace(None)
    assert refused.value.error_code == "NOT_IMPLEMENTED"
    assert over(bucket).search_traces(["0"]) == ([], None)


def test_reading_where_no_store_is_makes_none() -> None:
    """There are no runs, and the default experiment, as in a new store of MLflow; nothing is written."""
    store = tracking_store("holdall+memory://nothing-here")
    assert [found.name for found in store.search_experiments()] == ["Default"]
    assert store.search_experiments(filter_string="last_update_time > 5", order_by=["creation_time"]) == []
    assert store.search_runs(["0"], "", ViewType.ALL) == []
    assert store.search_logged_models(["0"]) == []
    assert store._get_deleted_runs() == store._get_deleted_logged_models() == []
    assert store.get_experiment_by_name("vision") is None
    assert not list(store.store._location.bucket.list(""))


def test_what_a_store_has_not_is_refused_as_mlflow_refuses(bucket: MemoryBucket) -> None:
    """No verb of MLflow's ends in a bare NotImplementedError, which a server answers with 500."""
    store = over(bucket)
    assert store.list_scorers("0") == []
    with pytest.raises(MlflowException) as caught:
        store.get_label_schema("0")
    assert caught.value.error_code == "NOT_IMPLEMENTED"


def test_the_last_value_of_a_measurement_has_its_step_and_time(bucket: MemoryBucket) -> None:
    """As the interface shows them beside the value."""
    store = over(bucket)
    _, run = _began(store)
    store.log_batch(run, [Metric("loss", 0.5, 17, 3), Metric("loss", 0.25, 18, 4)], [], [])
    [last] = store.get_run(run).data._metric_objs
    assert (last.value, last.timestamp, last.step) == (0.25, 18, 4)


def test_a_models_history_of_mlflow_is_a_tag(bucket: MemoryBucket) -> None:
    """Each model that is recorded is added to MLflow's tag of them."""
    store = over(bucket)
    _, run = _began(store)
    for name in "ab":
        store.record_logged_model(run, mlflow.models.Model(name, run))
    assert [each["artifact_path"] for each in json.loads(store.get_run(run).data.tags["mlflow.log-model.history"])] == [
        "a",
        "b",
    ]
    with pytest.raises(TypeError):
        store.record_logged_model(run, "no model")


@pytest.mark.skipif(not DEEP, reason="importing all of scikit-learn's estimators takes seconds: HOLDALL_TESTS=deep")
def test_mlflows_own_autolog_logs_to_a_store(tracked: str) -> None:
    """Parameters, measurements, plots, the data set, and child runs of a search."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    mlflow.set_experiment("auto")
    mlflow.sklearn.autolog(log_models=False)
    try:
        data, labels = numpy.arange(16.0).reshape(8, 2), numpy.array([0, 1] * 4)
        GridSearchCV(LogisticRegression(max_iter=20), {"C": [0.1, 1.0]}, cv=2).fit(data, labels)
    finally:
        mlflow.sklearn.autolog(disable=True)
    runs = mlflow.search_runs(experiment_names=["auto"], output_format="list")
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(runs) == 3
    assert {"best_C", "cv"} <= parent.data.params.keys()
    assert "training_score" in parent.data.metrics


def test_a_store_works_under_the_small_mlflow() -> None:
    """`holdall[mlflow]` brings mlflow-skinny, which has no SQLAlchemy: nothing of the three stores asks for it."""
    script = """
import sys
sys.modules["sqlalchemy"] = None
import mlflow
mlflow.set_tracking_uri("holdall+memory://small")
with mlflow.start_run() as run:
    mlflow.log_text("all is well", "report.txt")
client = mlflow.MlflowClient()
client.create_registered_model("reports")
client.create_model_version("reports", f"runs:/{run.info.run_id}/report.txt", run.info.run_id)
print(client.search_logged_models(["0"], "name = 'x'"), client.get_model_version("reports", "1").version)
"""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}  # others set some
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env)
    assert done.stdout.split() == ["[]", "1"], done.stderr
