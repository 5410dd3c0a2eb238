"""Ray Train: `HoldallCallback`, for `ray.train.RunConfig(callbacks=[...])`.

    run = holdall.start_run()
    trainer = TorchTrainer(train, run_config=RunConfig(callbacks=[HoldallCallback(run)]))

Ray calls it in a process of its own, once for each `ray.train.report` of all workers, so it needs a run: a handle may
be pickled. Of the workers the first one's numbers are logged; a checkpoint of all workers is one commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray.train import UserCallback

import holdall
from holdall.integrations.job import Job

__all__ = ["HoldallCallback"]


class HoldallCallback(UserCallback):  # type: ignore[misc]  # its types are not read
    """Logs what workers report into a run.

    Args:
        run: The run, which the script ends. It must be in a store that Ray's head node can reach.
        checkpoint_path: The directory of the run for checkpoints, which are named by the number of the report.
    """

    def __init__(self, run: holdall.Run, *, checkpoint_path: str = "checkpoints") -> None:
        self._run, self._path, self._reports = run, checkpoint_path.strip("/"), 0

    def after_report(self, run_context: Any, metrics: Sequence[Mapping[str, Any]], checkpoint: Any) -> None:
        """Log the numbers of a report, and its checkpoint, which is in the run when this returns."""
        number, job = self._reports, Job(self._run, "ray", own=False)
        self._reports += 1
        for numbers in metrics[:1]:
            step = numbers.get("step", number)
            job.log_metrics({key: value for key, value in numbers.items() if key != "step"}, step)
        if checkpoint is not None:
            with job.going_on(f"logging checkpoint {number}"), checkpoint.as_directory() as folder:
                self._run.log_artifacts(folder, f"{self._path}/checkpoint-{number}".lstrip("/"))
        job.end()
