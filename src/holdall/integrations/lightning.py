"""Lightning: `HoldallLogger`, and `HoldallCheckpointIO` for checkpoints that never touch the disk.

    trainer = Trainer(logger=HoldallLogger())

It is for `lightning` and for `pytorch_lightning`, whichever the script uses. The first process logs: hyperparameters,
what the modules log, and each checkpoint that `ModelCheckpoint` writes, as `checkpoints/NAME`. It is held before the
callback returns and uploaded while the training goes on. What Lightning deletes, because `save_top_k` keeps others,
is taken out of the run as well; `last.ckpt` is replaced. Both need a versioned run, which one of its own is.
"""

from __future__ import annotations

import io
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

import holdall
from holdall.integrations.job import Job, flat
from holdall.integrations.uploads import Uploads, When

__all__ = ["HoldallCheckpointIO", "HoldallLogger"]


def _package() -> str:
    """Return the name that the script uses, of the two that Lightning has."""
    for name, module in (("lightning.pytorch", "lightning.pytorch"), ("pytorch_lightning", "pytorch_lightning")):
        if module in sys.modules:
            return name
    try:
        import_module("lightning.pytorch")
    except ModuleNotFoundError:
        return "pytorch_lightning"
    return "lightning.pytorch"


_loggers: Any = import_module(f"{_package()}.loggers.logger")
_plugins: Any = import_module(f"{_package()}.plugins.io")
_rank: Any = import_module(f"{_package()}.utilities.rank_zero")
F = TypeVar("F", bound=Callable[..., Any])


def _first(method: F) -> F:
    """Return a method that does nothing in processes that are not the first."""
    return cast("F", _rank.rank_zero_only(method))


class HoldallLogger(_loggers.Logger):  # type: ignore[misc]  # it has no types here
    """Logs what a `Trainer` of Lightning does into a run.

    Args:
        run: The run, or its id; the active one when None, or one of its own, which ends with `fit`, `test` and so on,
            and is gone on with by the next of them.
        name: What a new run is called.
        save_dir: The local folder below which Lightning keeps its checkpoints; the trainer's own when None.
        log_checkpoints: Whether checkpoints go into the run.
        checkpoint_path: The directory of the run for them.
        follow_deletes: Whether a checkpoint that Lightning deletes is taken out of a versioned run; in others it stays.
        prefix: What the names of measurements begin with.
        uploads: "background", while the training goes on, or "now", before it goes on.
        pending: How many checkpoints may be under way; who saves faster than that waits.

    Attributes:
        failures: What could not be logged. It was a warning, and the training went on.
    """

    def __init__(
        self,
        run: holdall.Run | str | None = None,
        *,
        name: str | None = None,
        save_dir: str | None = None,
        log_checkpoints: bool = True,
        checkpoint_path: str = "checkpoints",
        follow_deletes: bool = True,
        prefix: str = "",
        uploads: When = "background",
        pending: int = 2,
    ) -> None:
        super().__init__()
        self._given, self._run_name, self._save_dir, self._prefix = run, name, save_dir, prefix
        self._log_checkpoints, self._path, self._follow = log_checkpoints, checkpoint_path.strip("/"), follow_deletes
        self._when, self._pending = uploads, pending
        self._job: Job | None = None
        self._ended: str | None = None  # the id of a run of its own
        self._uploads: Uploads | None = None
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._writers: dict[str, Any] = {}  # by their key, as there may be several
        self.failures: list[Exception] = []

    def _experiment(self) -> holdall.Run:
        """Return the run, which is started by the first call. Raises: as `holdall.start_run`."""
        return self._begun().run

    experiment = property(_loggers.rank_zero_experiment(_experiment))

    @property
    def name(self) -> str:
        """Return the folder for checkpoints that Lightning makes, below `save_dir`."""
        return "holdall"

    @property
    def version(self) -> str | None:
        """Return the run's id; None in processes that are not the first."""
        return self._begun().run.id if _rank.rank_zero_only.rank == 0 else None

    @property
    def save_dir(self) -> str | None:
        """Return the local folder of Lightning's checkpoints."""
        return self._save_dir

    @_first
    def log_hyperparams(self, params: Mapping[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Log hyperparameters, nested ones as `a/b`."""
        self._begun().log_params(flat(vars(params) if isinstance(params, Namespace) else params))

    @_first
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log measurements."""
        before = f"{self._prefix}-" if self._prefix else ""
        self._begun().log_metrics({f"{before}{key}": value for key, value in metrics.items()}, step)

    @_first
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Hold the checkpoint that was written, and begin to upload it."""
        if self._log_checkpoints:
            self._begun()
            self._writers[str(getattr(checkpoint_callback, "state_key", ""))] = checkpoint_callback
            self._log_new(checkpoint_callback)

    @_first
    def save(self) -> None:
        """Write the measurements that wait."""
        if self._job:
            with self._job.going_on("writing measurements"):
                self._job.run.flush()

    @_first
    def finalize(self, status: str) -> None:
        """Wait for what is being uploaded, and end the run if it is the logger's own: FAILED if the trainer failed."""
        if not (self._job and self._uploads):
            return
        for writer in self._writers.values():
            self._log_new(writer)
            self._tag_best(writer)
        self._uploads.wait()
        job, self._job = self._job, None
        if not job.own:
            self._given = job.run
        self._ended = job.run.id if job.own else None
        job.end("FINISHED" if status in ("success", "finished") else "FAILED")

    # --- inside ---

    def _begun(self) -> Job:
        """Return the job; what it does is gone on with where it was ended, as `test` does after `fit`."""
        if self._job is None:
            job = Job.begin("lightning", self._ended or self._given, name=self._run_name, paths=self._paths())
            job.failures = self.failures
            before = self._uploads.logged if self._uploads else {}
            keep = 1 if self._follow else None
            self._job, self._uploads = job, Uploads(job, self._when, pending=self._pending, keep_last=keep)
            self._uploads.logged.update(before)
        return self._job

    def _paths(self) -> Any:
        return None if self._ended or self._given else "versioned"

    def _log_new(self, writer: Any) -> None:
        """Log the files that a callback keeps and that are new or changed; then give up those that are deleted."""
        if self._uploads is None:
            return
        singles = [getattr(writer, name, "") for name in ("best_model_path", "last_model_path")]
        for place in dict.fromkeys(filter(None, [*getattr(writer, "best_k_models", ()), *singles])):
            stamp = _stamp(place)
            if stamp and self._seen.get(place) != stamp:
                self._seen[place] = stamp
                self._uploads.log(Path(place), self._path_of(Path(place), writer))
        if self._follow:
            self._uploads.remove_missing()

    def _path_of(self, place: Path, writer: Any) -> str:
        """Return the path in the run: with the folder where two callbacks use a name, with the step if it is taken."""
        path = f"{self._path}/{place.name}".lstrip("/")
        logged = self._uploads.logged if self._uploads else {}
        if logged.get(path, place) != place:
            path = f"{self._path}/{place.parent.name}/{place.name}".lstrip("/")
        if path in logged and self._job and not self._job.versioned:
            step = getattr(writer, "_last_global_step_saved", len(self._seen))
            return f"{path.removesuffix(place.suffix)}-step={step}{place.suffix}"
        return path

    def _tag_best(self, writer: Any) -> None:
        best, score = getattr(writer, "best_model_path", ""), getattr(writer, "best_model_score", None)
        paths = {str(local): path for path, local in self._uploads.logged.items()} if self._uploads else {}
        if best in paths and score is not None and self._job:
            with self._job.going_on("naming the best checkpoint"):
                self._job.run.set_tags({"best_checkpoint": paths[best], "best_score": float(score)})


def _stamp(place: str) -> tuple[int, int, int] | None:
    """Return what tells a file from another that takes its name; None for one that is not there."""
    try:
        found = Path(place).stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class HoldallCheckpointIO(_plugins.CheckpointIO):  # type: ignore[misc]  # as above
    """Keeps Lightning's checkpoints in a run, and nowhere else: `Trainer(plugins=[HoldallCheckpointIO(run)])`.

    Args:
        run: The run; a versioned one, if checkpoints are to be replaced or deleted.
        path: The directory of the run.

    A checkpoint is one commit, and is there when `save_checkpoint` returns. Lightning looks for the newest one on the
    disk, so name the one to go on with: `trainer.fit(model, ckpt_path="epoch=3-step=40.ckpt")`.
    """

    def __init__(self, run: holdall.Run, path: str = "checkpoints") -> None:
        self._run, self._path = run, path

    def save_checkpoint(self, checkpoint: Mapping[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Log a checkpoint. Raises: as `Run.log_stream`."""
        import torch

        data = io.BytesIO()
        torch.save(checkpoint, data)
        data.seek(0)
        self._run.log_stream(data, self._at(path), on_conflict="replace" if self._run.info.versioned else "error")

    def load_checkpoint(self, path: str | Path, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """Read a checkpoint, of weights alone unless `weights_only` is False. Raises: ArtifactNotFoundError."""
        import torch

        with self._run.open(self._at(path)) as file:
            return torch.load(file, map_location=map_location, weights_only=weights_only is not False)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Take a checkpoint out of a versioned run, and give its space back; in others it stays."""
        if self._run.info.versioned:
            self._run.delete_artifact(self._at(path))
            self._run.trim(self._at(path), keep_last=0)

    def _at(self, path: str | Path) -> str:
        return f"{self._path}/{Path(path).name}".lstrip("/")
