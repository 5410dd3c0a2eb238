"""Keras 3: `HoldallCallback`, for `model.fit`.

    model.fit(x, y, validation_data=(a, b), callbacks=[HoldallCallback()])

It logs the optimizer's settings and those of `fit` as parameters, what Keras measures with the epoch as step, the
model's summary, and the model when the training ends, by `holdall.keras.log_model`, with its shapes as signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import keras

import holdall
from holdall.integrations.job import Job, flat, is_first_rank

__all__ = ["HoldallCallback"]


class HoldallCallback(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """Logs a training of Keras into a run.

    Args:
        run: The run, or its id; the active one when None, or one of its own, which ends with the training.
        log_model: Whether the model is logged at the end, as `model`.
        options: Keyword arguments of `holdall.keras.log_model`, such as `input_example=`.

    Attributes:
        run: The run, once the training has begun; None in processes that are not the first.
        failures: What could not be logged. It was a warning, and the training went on.
    """

    def __init__(self, run: holdall.Run | str | None = None, *, log_model: bool = True, **options: Any) -> None:
        super().__init__()
        self._given, self._log_model, self._options = run, log_model, options
        self._job: Job | None = None

    @property
    def run(self) -> holdall.Run | None:
        """Return the run; None before the training."""
        return self._job.run if self._job else None

    @property
    def failures(self) -> list[Exception]:
        """Return what could not be logged."""
        return self._job.failures if self._job else []

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Find or start the run, and log the settings. Raises: as `holdall.start_run`."""
        if not is_first_rank():
            return
        self._job = job = Job.begin("keras", self._given)
        with job.going_on("logging parameters"):
            optimizer = getattr(self.model, "optimizer", None)
            settings = optimizer.get_config() if optimizer else {}
            fit = {key: value for key, value in (self.params or {}).items() if key != "verbose"}
            job.log_params({**fit, **flat({f"optimizer_{key}": value for key, value in settings.items()})})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log the measurements of an epoch."""
        if self._job:
            self._job.log_metrics(logs or {}, epoch)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Log the model, and end the run if it is the callback's own."""
        if (job := self._job) is None:
            return
        with job.going_on("logging the summary"):
            lines: list[str] = []
            self.model.summary(print_fn=lambda line, *_, **__: lines.append(str(line)))
            holdall.log_text("\n".join(lines), "model_summary.txt", run_id=job.run.id)
        if self._log_model:
            with job.going_on("logging the model"):
                given = dict(self._options)
                if "signature" not in given and "input_example" not in given:
                    given["signature"] = _signature(self.model)
                holdall.keras.log_model(self.model, **{"name": "model", **given}, run_id=job.run.id)
        job.end()


def _signature(model: Any) -> Any:
    """Return the signature of a model with one input and one output; None of another."""
    with suppress(Exception):  # one without a signature is logged all the same
        (given,), (answered,) = model.inputs, model.outputs
        return holdall.models.ModelSignature(inputs=_schema(given), outputs=_schema(answered))
    return None


def _schema(tensor: Any) -> Any:
    import numpy as np

    shape = tuple(-1 if size is None else size for size in tensor.shape)
    return holdall.models.Schema([holdall.models.TensorSpec(np.dtype(tensor.dtype), shape)])
