"""Accelerate: `HoldallTracker`.

    accelerator = Accelerator(log_with=HoldallTracker())
    accelerator.init_trackers("my_project", config={"rate": 0.1})
    accelerator.log({"loss": 0.3}, step=1)
    accelerator.end_training()

The main process logs. `accelerator.get_tracker("holdall", unwrap=True)` is the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accelerate.tracking import GeneralTracker, on_main_process

import holdall
from holdall.integrations.job import Job, flat

__all__ = ["HoldallTracker"]


class HoldallTracker(GeneralTracker):  # type: ignore[misc]  # accelerate has no types
    """Logs a training with Accelerate into a run.

    Args:
        run: The run, or its id; the active one when None, or one of its own, which `accelerator.end_training()` ends.
        run_name: What a new run is called.

    Attributes:
        failures: What could not be logged. It was a warning, and the training went on.
    """

    name = "holdall"
    requires_logging_directory = False
    main_process_only = True

    def __init__(self, run: holdall.Run | str | None = None, *, run_name: str | None = None) -> None:
        super().__init__()
        self._given, self._run_name = run, run_name
        self._job: Job | None = None

    @property
    def tracker(self) -> holdall.Run | None:
        """Return the run; None before the training, and in all processes but the main one."""
        return self._job.run if self._job else None

    @property
    def failures(self) -> list[Exception]:
        """Return what could not be logged."""
        return self._job.failures if self._job else []

    @on_main_process  # type: ignore[untyped-decorator]
    def start(self) -> None:
        """Find or start the run. Raises: as `holdall.start_run`."""
        self._begun()

    @on_main_process  # type: ignore[untyped-decorator]
    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Log settings, nested ones as `a/b`."""
        self._begun().log_params(flat(values))

    @on_main_process  # type: ignore[untyped-decorator]
    def log(self, values: Mapping[str, Any], step: int | None = None, **options: Any) -> None:
        """Log the values that are numbers as measurements, and texts as tags."""
        job = self._begun()
        job.log_metrics(values, step)
        if words := {key: value for key, value in values.items() if isinstance(value, str)}:
            with job.going_on("logging texts"):
                job.run.set_tags(words)

    @on_main_process  # type: ignore[untyped-decorator]
    def finish(self) -> None:
        """End the run if it is the tracker's own."""
        if self._job:
            self._job.end()

    def _begun(self) -> Job:
        self._job = self._job or Job.begin("accelerate", self._given, name=self._run_name)
        return self._job
