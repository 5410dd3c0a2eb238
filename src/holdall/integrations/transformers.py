"""Hugging Face's Trainer: `HoldallCallback`.

    trainer = Trainer(model, args, callbacks=[HoldallCallback()])

The world's first process logs: settings as parameters, what the trainer logs as measurements with their steps, each
checkpoint as `checkpoints/checkpoint-STEP`, and the model at the end. The trainer rewrites and deletes checkpoints
after its callbacks, so their files are held before this one returns and uploaded while it trains on. With several
processes that is done one step later, since the others still write theirs when the first is told; what is on
other machines is not seen.

A checkpoint says which run it is from, so that `trainer.train(resume_from_checkpoint=True)` goes on with that.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

import holdall
from holdall.integrations.job import Job, flat
from holdall.integrations.uploads import Uploads, When, log_at

__all__ = ["HoldallCallback"]

_log = logging.getLogger("holdall")
_PARTS: Final = {  # what turns text, pictures or sound into a model's input -> its name in a model of the flavor
    "PreTrainedTokenizerBase": "tokenizer",
    "BaseImageProcessor": "image_processor",
    "FeatureExtractionMixin": "feature_extractor",
}


class HoldallCallback(TrainerCallback, ExportableState):  # type: ignore[misc]  # transformers has no types
    """Logs a `Trainer`'s work into a run.

    Args:
        run: The run, or its id; the active one when None, or one of its own, which ends with the training.
        log_checkpoints: Whether what the trainer saves goes into the run.
        checkpoint_path: The directory of the run for them.
        follow_deletes: Whether a checkpoint that the trainer deletes, as `save_total_limit` wants, is taken out of the
            run as well. That needs a versioned run, which one of its own is; in others they stay.
        log_model: Whether the model is logged as `model` when the training ends, with its tokenizer or processor: the
            best one where `load_best_model_at_end` says so.
        uploads: "background", while the training goes on, or "now", before it goes on.
        pending: How many checkpoints may be under way; who saves faster than that waits.

    Attributes:
        run: The run, once the training has begun; in processes that are not the first of the world, None.
        failures: What could not be logged. It was a warning, and the training went on.
    """

    def __init__(
        self,
        run: holdall.Run | str | None = None,
        *,
        log_checkpoints: bool = True,
        checkpoint_path: str = "checkpoints",
        follow_deletes: bool = True,
        log_model: bool = True,
        uploads: When = "background",
        pending: int = 2,
    ) -> None:
        self._given, self._log_checkpoints, self._path = run, log_checkpoints, checkpoint_path.strip("/")
        self._follow, self._log_model, self._when, self._pending = follow_deletes, log_model, uploads, pending
        self._job: Job | None = None
        self._uploads: Uploads | None = None
        self._due: list[Path] = []
        self.resumed_run_id: str | None = None  # as a checkpoint says

    @property
    def run(self) -> holdall.Run | None:
        """Return the run; None before the training, and in all processes but the first."""
        return self._job.run if self._job else None

    @property
    def failures(self) -> list[Exception]:
        """Return what could not be logged."""
        return self._job.failures if self._job else []

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of this callback, which is the trainer's to call."""
        words = {
            "log_checkpoints": self._log_checkpoints,
            "checkpoint_path": self._path,
            "follow_deletes": self._follow,
            "log_model": self._log_model,
            "uploads": self._when,
            "pending": self._pending,
        }
        return {"args": words, "attributes": {"resumed_run_id": self.run.id if self.run else self.resumed_run_id}}

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Find or start the run, and log the settings. Raises: as `holdall.start_run`."""
        if not state.is_world_process_zero:
            return
        self._job = job = self._begin(args, state)
        keep = 1 if self._follow else None
        self._uploads, self._due = Uploads(job, self._when, pending=self._pending, keep_last=keep), []
        job.log_params(flat({**_settings(getattr(model, "config", None)), **_settings(args)}))
        state.stateful_callbacks.setdefault(type(self).__name__, self.state())  # or it misses it in older checkpoints
        if state.global_step:
            self._uploads.logged.update(_there_already(job.run, self._path, Path(args.output_dir)))

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """Log measurements, with the step."""
        if self._job and state.is_world_process_zero:
            self._job.log_metrics(logs or {}, state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Hold the files of a checkpoint and begin to upload them."""
        if self._uploads and self._log_checkpoints:
            self._due.append(Path(args.output_dir, f"checkpoint-{state.global_step}"))
            if args.world_size == 1:
                self._upload_due()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Upload what other processes have finished to write: they took part in this step."""
        self._upload_due()

    def on_train_end(
        self, args: Any, state: Any, control: Any, model: Any = None, processing_class: Any = None, **kwargs: Any
    ) -> None:
        """Log the model, wait for what is being uploaded, and end the run if it is the callback's own."""
        if not (self._job and self._uploads):
            return
        self._upload_due()
        if self._follow:
            self._uploads.remove_missing()
        self._uploads.wait()
        if self._log_model and model is not None:
            with self._job.going_on("logging the model"):
                _log_model(self._job.run, model, processing_class, state.global_step)
        self._job.end()

    # --- inside ---

    def _begin(self, args: Any, state: Any) -> Job:
        """Return a job; on the run of the checkpoint that the training is resumed from, where none was given."""
        name = getattr(args, "run_name", None)
        name = None if name == args.output_dir else name  # which it was by default in earlier versions
        earlier = state.stateful_callbacks.get(type(self).__name__) if state.global_step else None
        said = earlier.get("attributes", {}).get("resumed_run_id") if isinstance(earlier, Mapping) else None
        if said and self._given is None and holdall.active_run() is None:
            try:
                return Job.begin("transformers", said)
            except (holdall.NotFoundError, holdall.RunDeletedError, ValueError) as error:
                _log.warning("the run of the checkpoint cannot be gone on with, so a new one is started: %s", error)
        return Job.begin("transformers", self._given, name=name, paths="versioned")

    def _upload_due(self) -> None:
        if not self._uploads:
            return
        due, self._due = self._due, []
        for folder in due:
            self._uploads.log(folder, f"{self._path}/{folder.name}".lstrip("/"))
        if due and self._follow:
            self._uploads.remove_missing()


def _there_already(run: holdall.Run, path: str, output: Path) -> dict[str, Path]:
    """Return the checkpoints that a run has, and the trainer still, by their paths in the run."""
    folders = {found.rpartition("/")[0] for found in run.manifest if found.startswith(f"{path}/".lstrip("/"))}
    local = {folder: output / folder.rpartition("/")[2] for folder in folders}
    return {folder: place for folder, place in local.items() if place.is_dir()}


def _settings(of: Any) -> dict[str, Any]:
    """Return settings as a dictionary, in which the trainer's own hide what is secret."""
    return of.to_dict() if callable(getattr(of, "to_dict", None)) else {}


def _log_model(run: holdall.Run, model: Any, processing: Any, step: int) -> None:
    """Log the model as one that can be loaded; where the flavor does not take it, as the files that it writes."""
    kinds = {kind.__name__ for kind in type(processing).__mro__}
    parts = {name: processing for kind, name in _PARTS.items() if kind in kinds}
    more = {"processor": processing} if "ProcessorMixin" in kinds else {}
    given = {"model": model, **parts} if parts else model
    try:
        try:
            holdall.transformers.log_model(given, name="model", run_id=run.id, step=step, **more)
        except holdall.ArtifactExistsError:  # of an earlier training
            holdall.transformers.log_model(given, name=f"model-{step}", run_id=run.id, step=step, **more)
    except (TypeError, ValueError) as error:
        _log.warning("run %s: its model is logged as files alone: %s", run.id, error)
        _log_files(run, model, processing)


def _log_files(run: holdall.Run, *parts: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
        for part in parts:
            if callable(getattr(part, "save_pretrained", None)):
                part.save_pretrained(folder)
        log_at(run, Path(folder), "model", replace=run.info.versioned)
