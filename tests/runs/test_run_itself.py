"""A run as its user holds it: what it offers, what it knows by itself, and how a `with` block ends it."""

from __future__ import annotations

import copy
import os
import pickle
from concurrent.futures import Future
from pathlib import Path

import mlflow
import pytest
from tests.support.faulty import FaultyBucket

import holdall
from holdall.chunks.pool import Pool
from holdall.errors import RunDeletedError, RunNotFoundError
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store
from holdall.surfaces.fluent import active

OFFERED = """
    data delete delete_artifact delete_tag diff download entries entry environment finish flush group histories history
    id info inputs later load_dict load_image load_table load_text log_artifact log_artifacts log_batch log_bytes
    log_dict log_figure log_image log_input log_metric log_metrics log_models_made log_models_used log_param
    log_params log_reference log_stream log_table log_text manifest manifest_digest manifest_text
    metric_summaries open
    openlineage outputs read read_ranges reads record references restore run_id set_tag set_tags sign snapshot state
    to_dictionary trim use_artifact verify versions
"""


@pytest.fixture
def bucket() -> FaultyBucket:
    """A bucket in memory that counts requests."""
    return FaultyBucket(MemoryBucket())


@pytest.fixture
def store(bucket: FaultyBucket) -> Store:
    """A store in it."""
    return Store._over(bucket, Pool())


def test_completion_offers_what_is_a_users(store: Store) -> None:
    """`dir(run)` has no name that only this package calls."""
    with store.runs.start() as run:
        assert {name for name in dir(run) if not name.startswith("_")} == set(OFFERED.split())
    assert all(getattr(Run, name).__doc__ for name in OFFERED.split() if name != "id")


@pytest.mark.parametrize(
    ("error", "status"), [(None, "FINISHED"), (KeyError(), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_a_block_ends_its_run(store: Store, error: BaseException | None, status: str) -> None:
    """Of a run that `store.runs.start` began, too; and by how it was left."""
    try:
        with store.runs.start() as run:
            run.log_param("rate", 0.1)
            run.log_metric("loss", 0.5, 3)
            run.set_tag("kept", "yes")
            run.set_tag("gone", "no")
            run.delete_tag("gone")
            if error:
                raise error
    except (KeyError, KeyboardInterrupt):
        pass
    assert run.info.status == store.runs.get(run.run_id).record.info.status == status
    assert (run.data.params, run.data.metrics) == ({"rate": "0.1"}, {"loss": 0.5})
    assert run.history("loss")[0].step == 3
    assert "kept" in run.data.tags
    assert "gone" not in run.data.tags


def test_a_block_leaves_a_run_as_it_is_that_it_only_reads(store: Store) -> None:
    """Nor does it change how a run ended within it; but what was begun in the background is waited for."""
    run = store.runs.start()
    with Store._over(store._location.bucket, Pool()).runs.get(run.id) as other:
        assert other.info.status == "RUNNING"
    assert run.record.info.status == "RUNNING"
    with run:
        run.finish("KILLED")
    assert run.record.info.status == "KILLED"
    with Store._over(store._location.bucket, Pool()).runs.get(run.id) as other:
        other.later(other.log_text, "more", "more.txt")
    assert (run.record.info.status, list(run.manifest)) == ("FINISHED", ["more.txt"])


def test_who_saw_it_deleted_writes_once_another_restored_it(store: Store) -> None:
    """A deletion that a writer met is looked at again before the next refusal: it may have been undone."""
    run = store.runs.start()
    other = Store._over(store._location.bucket, Pool()).runs.get(run.id)
    other.delete()
    for path in ("a", "b"):
        with pytest.raises(RunDeletedError):
            run.log_text("lost", path)
    other.restore()
    run.log_text("kept", "c")
    assert list(other.manifest) == ["c"]


def test_who_the_run_is_costs_its_writer_no_request(bucket: FaultyBucket, store: Store) -> None:
    """`run.info.run_id` is read again and again, within the block and after it."""
    with store.runs.start(name="quick") as run:
        bucket.requests.clear()
        assert (run.info.run_id, run.info.run_name, run.info.status) == (run.run_id, "quick", "RUNNING")
        assert bucket.requests == []
    bucket.requests.clear()
    assert (run.info.status, bucket.requests) == ("FINISHED", [])
    run.delete()
    run.restore()
    assert run.info.lifecycle_stage == "active"
    assert Store._over(bucket, Pool()).runs.get(run.id).info == run.info


def test_what_is_logged_in_the_background_has_a_future(store: Store) -> None:
    """`LogFuture` is one of Python's futures, with MLflow's `wait`; it gives what the verb returned, or raises."""
    with store.runs.start() as run:
        future = run.later(run.log_text, "all is well", "report.txt")
        future.wait()
        assert (future.result().path, future.exception(), future.cancel()) == ("report.txt", None, False)
        failed = run.later(run.log_text, "other", "report.txt")
        assert isinstance(failed.exception(), holdall.ArtifactExistsError)
        assert {type(future), type(failed)} == {holdall.LogFuture}
    offered = {name for name in dir(future) if not name.startswith("_")}
    assert offered - {name for name in dir(Future) if not name.startswith("_")} == {"wait"}
    assert run.info.status == "FINISHED"  # its failure was asked for


def test_a_handle_of_no_run_says_so(store: Store) -> None:
    """Not an empty run."""
    store.maintenance.create()
    with pytest.raises(RunNotFoundError):
        store.runs.get("0" * 32).info  # noqa: B018


def test_a_copy_in_another_process_ends_nothing(tmp_path: Path) -> None:
    """Leaving a block there is the end of the block, not of the run."""
    run = Store.open(str(tmp_path / "store")).runs.start()
    run._pid = os.getppid()  # as if that had begun it
    with pickle.loads(pickle.dumps(run)) as elsewhere:
        assert elsewhere._pid == os.getppid()
    assert elsewhere.record.info.status == "RUNNING"
    elsewhere._pid = os.getpid()
    with copy.copy(elsewhere) as again:
        again.set_tag("written", "here")
    assert elsewhere.record.info.status == "FINISHED"


def test_of_two_blocks_of_one_run_each_ends_its_own(store: Store) -> None:
    """A run that is resumed within its own block is active twice, and handles are told apart by their blocks."""
    active._state.__init__()  # type: ignore[misc]
    active._state.store = store
    with holdall.start_run() as outer:
        with holdall.start_run(run_id=outer.run_id, nested=True) as inner:
            assert holdall.active_run() is inner
            inner.log_input({"name": "n", "digest": "d", "source_type": "t", "source": "s"})
        assert holdall.active_run() is outer
        assert [one.dataset.name for one in outer.inputs.dataset_inputs] == ["n"]
    assert holdall.active_run() is None
    active._state.__init__()  # type: ignore[misc]


def test_a_run_is_told_as_mlflow_tells_it(store: Store, tmp_path: Path) -> None:
    """`to_dictionary` has MLflow's keys at every depth, with plain values."""
    theirs = mlflow.entities.Run(
        mlflow.entities.RunInfo("r", "e", "u", "FINISHED", 1, 2, "active", "uri", "name"),
        mlflow.entities.RunData(),
        mlflow.entities.RunInputs([mlflow.entities.DatasetInput(mlflow.entities.Dataset("n", "d", "t", "s"), [])]),
        mlflow.entities.RunOutputs([]),
    ).to_dictionary()
    with store.runs.start() as run:
        run.log_input({"name": "n", "digest": "d", "source_type": "t", "source": "s"})
    ours = run.to_dictionary()
    assert ours.keys() == theirs.keys()
    assert theirs["info"].keys() - ours["info"].keys() <= {"run_uuid"}
    assert ours["data"].keys() == theirs["data"].keys()
    assert ours["inputs"].keys() == theirs["inputs"].keys()
    assert (
        ours["inputs"]["dataset_inputs"][0]["dataset"].keys() == theirs["inputs"]["dataset_inputs"][0]["dataset"].keys()
    )
    assert ours["inputs"]["dataset_inputs"][0]["tags"] == {}
