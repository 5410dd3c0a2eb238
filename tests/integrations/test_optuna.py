"""Optuna's studies are runs, and their trials the children; artifacts of trials live in a run."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import pytest

import holdall
from holdall.store import Run, Store

optuna = pytest.importorskip("optuna", reason="Optuna is not installed")
optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def children(run: Run) -> dict[str, Any]:
    found = holdall.search_runs(filter_string=f"tags.mlflow.parentRunId = '{run.id}'", output_format="list")
    return {each.info.run_name: each for each in found}


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_trial_is_a_run_below_the_studys(here: Store, jobs: int) -> None:
    """It is active during the objective, in each thread its own; and ends as the trial did."""
    from holdall.integrations.optuna import HoldallCallback

    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", -1, 1)
        holdall.log_metric("inside", x)
        trial.report(x, 7)
        trial.set_user_attr("note (long)", "seen")
        if trial.number == 1:
            raise optuna.TrialPruned
        if trial.number == 2:
            raise ValueError
        return float(x * x)

    study = optuna.create_study(study_name="squares")
    with HoldallCallback(metric_name="square") as callback:
        study.optimize(callback.tracked(objective), 5, jobs, catch=(ValueError,), callbacks=[callback])
    runs = children(callback.run)
    assert callback.failures == []
    assert [runs[f"trial-{n}"].info.status for n in range(4)] == ["FINISHED", "KILLED", "FAILED", "FINISHED"]
    for trial in study.trials:
        run = runs[f"trial-{trial.number}"]
        assert run.data.params == {"x": str(trial.params["x"])}
        assert run.data.metrics["inside"] == run.data.metrics["intermediate_value"] == trial.params["x"]
        assert run.data.tags["optuna.user_attr/note _long_"] == "seen"
    assert runs["trial-0"].data.metrics["square"] == study.trials[0].value
    record = callback.run.record
    assert record.info.status == "FINISHED"
    assert record.data.metrics == {"best_square": study.best_value}
    assert record.data.tags["optuna.best_trial"] == str(study.best_trial.number)
    assert holdall.active_run() is None


def test_without_tracking_trials_are_logged_when_they_are_done(here: Store) -> None:
    """Into children of the active run, which stays open; several values have names each."""
    from holdall.integrations.optuna import HoldallCallback

    study = optuna.create_study(directions=["minimize", "maximize"])
    with holdall.start_run() as run:
        study.optimize(lambda trial: (trial.number, 2 * trial.number), 2, callbacks=[HoldallCallback()])
        assert holdall.active_run() is not None
    assert children(run)["trial-1"].data.metrics == {"value_0": 1.0, "value_1": 2.0}


def test_an_objective_that_ends_the_study_has_a_run_that_failed(here: Store) -> None:
    """Optuna calls nobody then."""
    from holdall.integrations.optuna import HoldallCallback

    def objective(trial: Any) -> float:
        raise ValueError(trial.number)

    callback = HoldallCallback()
    with pytest.raises(ValueError, match="0"), callback:
        optuna.create_study().optimize(callback.tracked(objective), 1, callbacks=[callback])
    assert [run.info.status for run in (*children(callback.run).values(), callback.run.record)] == ["FAILED", "FAILED"]


def test_artifacts_of_trials_live_in_a_run(here: Store, tmp_path: Path) -> None:
    """By Optuna's own verbs; the store may be pickled; what is not there is Optuna's own error."""
    from holdall.integrations.optuna import HoldallArtifactStore

    run = here.runs.start(paths="versioned")
    artifacts = HoldallArtifactStore(run)
    (tmp_path / "model.bin").write_bytes(b"weights")
    trial = optuna.create_study().ask()
    id = optuna.artifacts.upload_artifact(
        artifact_store=artifacts, file_path=str(tmp_path / "model.bin"), study_or_trial=trial
    )
    optuna.artifacts.download_artifact(artifact_store=artifacts, artifact_id=id, file_path=str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == b"weights"
    assert list(run.manifest) == [f"optuna/{id}"]
    assert pickle.loads(pickle.dumps(artifacts)).open_reader(id).read() == b"weights"
    artifacts.remove(id)
    for verb in (artifacts.open_reader, artifacts.remove):
        with pytest.raises(optuna.artifacts.exceptions.ArtifactNotFound):
            verb(id)
    with pytest.raises(holdall.RunNotVersionedError):
        unversioned = HoldallArtifactStore(here.runs.start())
        unversioned.write("a", io.BytesIO(b"x"))
        unversioned.remove("a")
