"""LightGBM: `HoldallCallback`, for `lightgbm.train`, `lightgbm.cv` and its estimators.

    with HoldallCallback() as logging:
        booster = lightgbm.train(settings, data, valid_sets=[test], callbacks=[logging])

Measurements have the round as their step and MLflow's names (`valid_0-l2`). LightGBM tells no callback that a
training has ended: leaving the `with` block does, which logs the booster, by `holdall.lightgbm.log_model`. Without one,
the last round does; but a training that `early_stopping` ends has none, and its run is then ended by `finish()`.
"""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Any, Final

import lightgbm

import holdall
from holdall.integrations.job import Job, is_first_rank

__all__ = ["HoldallCallback"]

_ORDER: Final = 25  # before early_stopping, which is 30 and ends the round by an exception


class HoldallCallback:
    """Logs a training of LightGBM into a run.

    Args:
        run: The run, or its id; the active one when None, or one of its own, which ends with the training.
        log_model: Whether the booster is logged at the end, as `model`.
        options: Keyword arguments of `holdall.lightgbm.log_model`, such as `input_example=`. Where there is no
            signature among them, the booster's own names of features make one.

    Attributes:
        run: The run, once the training has begun.
        failures: What could not be logged. It was a warning, and the training went on.
    """

    order = _ORDER
    before_iteration = False

    def __init__(self, run: holdall.Run | str | None = None, *, log_model: bool = True, **options: Any) -> None:
        self._given, self._log_model, self._options = run, log_model, options
        self._job: Job | None = None
        self._model: Any = None
        self._waits = self._ended = False

    @property
    def run(self) -> holdall.Run | None:
        """Return the run; None before the training."""
        return self._job.run if self._job else None

    @property
    def failures(self) -> list[Exception]:
        """Return what could not be logged."""
        return self._job.failures if self._job else []

    def __enter__(self) -> HoldallCallback:
        self._waits = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.finish("FINISHED" if kind is None else "FAILED")

    def __call__(self, env: Any) -> None:
        """Log the measurements of a round, which is LightGBM's to call. Raises: as `holdall.start_run`, at first."""
        if not is_first_rank():
            return
        if self._job is None or self._ended:
            self._job, self._ended = Job.begin("lightgbm", self._given), False
            self._job.log_params(env.params)
        self._model = env.model
        values = {}
        for data, name, value, _, *deviation in env.evaluation_result_list or ():
            values[f"{data}-{name}"] = value
            values |= {f"{data}-{name}-std": each for each in deviation}
        self._job.log_metrics(values, env.iteration)
        if not self._waits and env.iteration == env.end_iteration - 1:
            self.finish()

    def finish(self, status: str = "FINISHED") -> None:
        """Log the booster and its best round, and end the run if it is the callback's own. Nothing, if that is done."""
        if (job := self._job) is None or self._ended:
            return
        self._ended = True
        if status == "FINISHED" and isinstance(self._model, lightgbm.Booster):
            self._log_end(job, self._model)
        self._model = None
        job.end(status)

    # --- inside ---

    def _log_end(self, job: Job, model: Any) -> None:
        best = {
            f"best_{data}-{name}": value for data, found in model.best_score.items() for name, value in found.items()
        }
        rounds = {"best_iteration": model.best_iteration} if model.best_iteration > 0 else {}
        job.log_metrics(
            {**best, **rounds, "boosted_rounds": model.num_trees() // model.num_model_per_iteration()}, None
        )
        if self._log_model:
            with job.going_on("logging the model"):
                given = dict(self._options)
                if "signature" not in given and "input_example" not in given:
                    given["signature"] = _signature(model)
                holdall.lightgbm.log_model(model, **{"name": "model", **given}, run_id=job.run.id)


def _signature(model: Any) -> Any:
    """Return the signature of a booster whose features are all numbers; None of another."""
    with suppress(Exception):  # one without a signature is logged all the same
        import pandas as pd

        if model.pandas_categorical:
            return None
        frame = pd.DataFrame({name: [0.0] for name in model.feature_name()})
        return holdall.models.infer_signature(frame, model.predict(frame))
    return None
