"""XGBoost: `HoldallCallback`, for `xgboost.train`, `xgboost.cv` and its estimators.

    booster = xgboost.train(settings, data, evals=[(test, "test")], callbacks=[HoldallCallback()])

Parameters are those that the booster ends up with, measurements have the round as their step and MLflow's names
(`test-rmse`), and the booster is logged at the end, by `holdall.xgboost.log_model`. Of several processes of a
distributed training the first logs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import xgboost

import holdall
from holdall.integrations.job import Job

__all__ = ["HoldallCallback"]


class HoldallCallback(xgboost.callback.TrainingCallback):
    """Logs a training of XGBoost into a run.

    Args:
        run: The run, or its id; the active one when None, or one of its own, which ends with the training.
        log_model: Whether the booster is logged at the end, as `model`.
        options: Keyword arguments of `holdall.xgboost.log_model`, such as `input_example=`. Where there is no
            signature among them, the booster's own names and types of features make one, if it knows them.

    Attributes:
        run: The run, once the training has begun; None in processes that are not the first.
        failures: What could not be logged. It was a warning, and the training went on.
    """

    def __init__(self, run: holdall.Run | str | None = None, *, log_model: bool = True, **options: Any) -> None:
        self._given, self._log_model, self._options = run, log_model, options
        self._job: Job | None = None
        self._history: Mapping[str, Any] = {}
        self._next = 0  # round

    @property
    def run(self) -> holdall.Run | None:
        """Return the run; None before the training."""
        return self._job.run if self._job else None

    @property
    def failures(self) -> list[Exception]:
        """Return what could not be logged."""
        return self._job.failures if self._job else []

    def before_training(self, model: Any) -> Any:
        """Find or start the run. Raises: as `holdall.start_run`."""
        self._history, self._next = {}, 0
        if not xgboost.collective.is_distributed() or xgboost.collective.get_rank() == 0:
            self._job = Job.begin("xgboost", self._given)
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:
        """Log the measurements of a round."""
        if epoch == 0 and self._job and isinstance(model, xgboost.Booster):
            with self._job.going_on("logging parameters"):
                self._job.log_params(_settings(model))
        self._history = evals_log
        self._log_rounds()
        return False

    def after_training(self, model: Any) -> Any:
        """Log the booster and its best round, and end the run if it is the callback's own."""
        if job := self._job:
            self._log_rounds()  # of the one that another callback stopped at
            if isinstance(model, xgboost.Booster):
                self._log_end(job, model)
            job.end()
        return model

    # --- inside ---

    def _log_rounds(self) -> None:
        """Log what the history has of the rounds that are not logged yet."""
        series = {f"{data}-{name}": found for data, by_name in self._history.items() for name, found in by_name.items()}
        for at in range(self._next, max(map(len, series.values()), default=0)):
            values = {name: found[at] for name, found in series.items() if at < len(found)}
            deviations = {f"{name}-std": value[1] for name, value in values.items() if isinstance(value, tuple)}
            means = {name: value[0] if isinstance(value, tuple) else value for name, value in values.items()}
            if self._job:
                self._job.log_metrics({**means, **deviations}, at)
            self._next = at + 1

    def _log_end(self, job: Job, model: Any) -> None:
        best = {name: float(value) for name in ("best_iteration", "best_score") if (value := model.attr(name))}
        job.log_metrics({**best, "boosted_rounds": model.num_boosted_rounds()}, None)
        if self._log_model:
            with job.going_on("logging the model"):
                given = dict(self._options)
                if "signature" not in given and "input_example" not in given:
                    given["signature"] = _signature(model)
                holdall.xgboost.log_model(model, **{"name": "model", **given}, run_id=job.run.id)


def _settings(model: Any) -> dict[str, Any]:
    """Return what a booster is trained by, as it says itself."""
    learner = json.loads(model.save_config())["learner"]
    booster = learner["gradient_booster"]
    parts = [learner["learner_train_param"], *(booster[key] for key in booster if key.endswith("_train_param"))]
    return {key: value for part in parts if isinstance(part, dict) for key, value in part.items() if value != ""}


def _signature(model: Any) -> Any:
    """Return the signature of a booster that knows the names and types of its features; None of another."""
    types = {"int": "int64", "float": "float64", "q": "float64", "i": "bool"}
    names, kinds = model.feature_names, model.feature_types
    if not names or not kinds or not set(kinds) <= set(types):
        return None
    with suppress(Exception):  # one without a signature is logged all the same
        import pandas as pd

        frame = pd.DataFrame({name: pd.Series([0], dtype=types[kind]) for name, kind in zip(names, kinds, strict=True)})
        return holdall.models.infer_signature(frame, model.predict(xgboost.DMatrix(frame, feature_types=kinds)))
    return None
