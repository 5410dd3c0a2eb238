"""Optuna: `HoldallCallback`, whose study is a run and whose trials are its children, and `HoldallArtifactStore`.

    callback = HoldallCallback()
    study.optimize(callback.tracked(objective), n_trials=20, callbacks=[callback])

A trial's run has its parameters, values, intermediate values with their steps, attributes and state. With `tracked`,
the trial's run is active while the objective runs, so that what it logs goes there. The study's run has the best
value and parameters; processes that share a study share it, if they are given it by `run=`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, BinaryIO, Final, cast

import optuna
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import TrialState

import holdall
from holdall.integrations.job import Job, key_of

__all__ = ["HoldallArtifactStore", "HoldallCallback"]

_STATUS: Final = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}
_MOST: Final = 5_000  # characters of a tag; what is longer is cut


class HoldallCallback:
    """Logs a study of Optuna: a run for it, and a child for each trial.

    Args:
        run: The study's run, or its id; the active one when None, or one of its own, which `finish` ends, or the end
            of a `with` block, or else that of the process.
        metric_name: What the value is called, or one name for each of several; Optuna's own, or "value", when None.

    Attributes:
        run: The study's run.
        failures: What could not be logged. It was a warning, and the study went on.
    """

    def __init__(self, run: holdall.Run | str | None = None, *, metric_name: str | list[str] | None = None) -> None:
        self._job = Job.begin("optuna", run, name="study")
        self._names = [metric_name] if isinstance(metric_name, str) else metric_name
        self._jobs: dict[int, Job] = {}  # of trials that are under way in this process
        self._best: float | None = None

    @property
    def run(self) -> holdall.Run:
        """Return the study's run."""
        return self._job.run

    @property
    def failures(self) -> list[Exception]:
        """Return what could not be logged."""
        return self._job.failures

    def __enter__(self) -> HoldallCallback:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.finish("FINISHED" if kind is None else "FAILED")

    def tracked(self, objective: Callable[[optuna.Trial], Any]) -> Callable[[optuna.Trial], Any]:
        """Return an objective during which the trial's run is the active one."""

        @wraps(objective)
        def within(trial: optuna.Trial) -> Any:
            with self._job.going_on(f"starting the run of trial {trial.number}"):
                self._jobs[trial.number] = self._start(trial.number)
            try:
                return objective(trial)
            except optuna.TrialPruned:
                raise
            except BaseException:
                if job := self._jobs.get(trial.number):
                    job.end("FAILED")  # the study may end by it, and then calls nobody
                raise

        return within

    def __call__(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        """Log what came of a trial, which is Optuna's to call."""
        with self._job.going_on(f"logging trial {trial.number}"):
            job = self._jobs.pop(trial.number, None) or self._start(trial.number)
            self._log_trial(job, study, trial)
            self._log_study(study)

    def finish(self, status: str = "FINISHED") -> None:
        """End the study's run if it is the callback's own."""
        self._job.end(status)

    # --- inside ---

    def _start(self, number: int) -> Job:
        run = holdall.start_run(run_name=f"trial-{number}", nested=True, parent_run_id=self._job.run.id)
        return Job(run, "optuna", own=True)

    def _log_trial(self, job: Job, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        job.failures = self._job.failures
        job.log_params(trial.params)
        for step, value in trial.intermediate_values.items():
            job.log_metrics({"intermediate_value": value}, step)
        if trial.values:
            job.log_metrics(dict(zip(self._metrics(study), trial.values, strict=False)), None)
        words = {f"user_attr/{key}": value for key, value in trial.user_attrs.items()}
        words |= {f"distribution/{key}": value for key, value in trial.distributions.items()}
        tags = {"number": trial.number, "state": trial.state.name, "study": study.study_name, **words}
        job.run.set_tags({key_of(f"optuna.{key}"): str(value)[:_MOST] for key, value in tags.items()})
        job.end(_STATUS.get(trial.state, "FINISHED"))

    def _log_study(self, study: optuna.Study) -> None:
        directions = ", ".join(direction.name for direction in study.directions)
        tags: dict[str, Any] = {"optuna.study": study.study_name, "optuna.direction": directions}
        if len(study.directions) == 1 and any(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))):
            best = study.best_trial
            tags |= {"optuna.best_trial": best.number}
            tags |= {key_of(f"optuna.best/{key}"): str(value)[:_MOST] for key, value in best.params.items()}
            if best.value != self._best:
                self._best = best.value
                self._job.log_metrics({f"best_{self._metrics(study)[0]}": best.value}, best.number)
        self._job.run.set_tags(tags)

    def _metrics(self, study: optuna.Study) -> list[str]:
        names = self._names or study.metric_names
        many = len(study.directions)
        return list(names) if names else ["value"] if many == 1 else [f"value_{n}" for n in range(many)]


class HoldallArtifactStore:
    """Keeps the artifacts of Optuna's trials in a run: `upload_artifact(artifact_store=HoldallArtifactStore(run))`.

    Args:
        run: The run. It may be pickled, so processes of a study may share it. Removing needs a versioned run.
        path: The directory of the run.
    """

    def __init__(self, run: holdall.Run, path: str = "optuna") -> None:
        self._run, self._path = run, path

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Open an artifact. Raises: ArtifactNotFound, of Optuna."""
        try:
            return cast("BinaryIO", self._run.open(self._at(artifact_id)))
        except holdall.ArtifactNotFoundError as error:
            raise ArtifactNotFound(str(error)) from error

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Log an artifact. Raises, cost: as `Run.log_stream`."""
        self._run.log_stream(content_body, self._at(artifact_id))

    def remove(self, artifact_id: str) -> None:
        """Take an artifact out, and give its space back. Raises: ArtifactNotFound, of Optuna; RunNotVersionedError."""
        try:
            self._run.delete_artifact(self._at(artifact_id))
        except holdall.ArtifactNotFoundError as error:
            raise ArtifactNotFound(str(error)) from error
        self._run.trim(self._at(artifact_id), keep_last=0)

    def _at(self, artifact_id: str) -> str:
        return f"{self._path}/{artifact_id}".lstrip("/")
