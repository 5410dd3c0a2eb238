"""The run that a training logs to, and what may go wrong with it while the training goes on.

    the run that was given   by `run=`: a run, or the id of one, which is resumed
    the active run           where the script has started one
    one of its own           otherwise; it is active meanwhile, and ends with the training

A callback must not end a training of three days because a bucket did not answer. So what cannot be
begun is an error, before anything is trained; what fails later is a warning in the log, and an entry of
`failures`. Numbers that were not written are tried again with the next ones.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from posixpath import normpath
from typing import Any, Final, Literal

import holdall

_log = logging.getLogger("holdall")
_MOST: Final = 6_000  # characters of a parameter's value; what is longer is cut, as MLflow's integrations do
_KEY: Final = 250
_FOREIGN: Final = re.compile(r"[^/\w.\- :]")  # what no key may have
_left: dict[tuple[str, int], Job] = {}  # by framework and thread: a run of its own that a training has not ended


class Job:
    """A run that a training logs to. What fails there while it goes on is a warning.

    Attributes:
        run: The run.
        own: Whether it was started for this training, and so ends with it.
        failures: What went wrong, and so is not in the run.
        level: How loud that is told, as `logging` has it.
    """

    level = logging.WARNING

    def __init__(self, run: holdall.Run, framework: str, *, own: bool) -> None:
        self.run, self.own, self.failures = run, own, list[Exception]()
        self._place = framework, threading.get_ident()

    @classmethod
    def begin(
        cls,
        framework: str,
        run: holdall.Run | str | None = None,
        *,
        name: str | None = None,
        paths: Literal["immutable", "versioned"] | None = None,
    ) -> Job:
        """Return a job on the run that was given, the active one, or else a new one.

        Args:
            framework: The name of the framework. A run of its own that an earlier training of it has left is FAILED.
            run: A run, or the id of one.
            name: What a new run is called.
            paths: As for `holdall.start_run`, for a new run.

        Raises: as `holdall.start_run`.
        """
        if isinstance(run, holdall.Run):
            return cls(run, framework, own=False)
        if left := _left.pop((framework, threading.get_ident()), None):
            with suppress(Exception):
                left.end("FAILED")
        if run is None and (active := holdall.active_run()):
            return cls(active, framework, own=False)
        nested = holdall.active_run() is not None
        job = cls(holdall.start_run(run, run_name=name, nested=nested, paths=paths), framework, own=True)
        _left[job._place] = job
        return job

    @property
    def versioned(self) -> bool:
        """Return whether the run's files may be replaced."""
        return self.run.info.versioned

    @contextmanager
    def going_on(self, what: str) -> Iterator[None]:
        """Make an error of this block a warning that says what failed."""
        try:
            yield
        except Exception as error:  # whatever it is, the training is worth more
            self.failures.append(error)
            _log.log(self.level, "run %s: %s failed, and the training goes on: %s", self.run.id, what, error)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters: keys that no run may have are changed, long values cut; one with another value stays."""
        kept = {key_of(key): _cut(str(value)) for key, value in params.items() if value is not None}
        try:
            self.run.log_params(kept)
        except holdall.ParamExistsError:
            self._log_new_params(kept)
        except Exception as error:
            self.failures.append(error)
            _log.log(self.level, "run %s: its parameters were not logged: %s", self.run.id, error)

    def _log_new_params(self, params: Mapping[str, str]) -> None:
        """Log those that the run has not, as a training that is resumed with other settings must go on."""
        other = []
        for key, value in params.items():
            try:
                self.run.log_param(key, value)
            except holdall.ParamExistsError:
                other.append(key)
        told = "run %s has other values of these parameters, and keeps them: %s"
        _log.log(self.level, told, self.run.id, ", ".join(other))

    def log_metrics(self, values: Mapping[str, Any], step: int | None) -> None:
        """Log those of the values that are numbers. A key that no run may have is changed."""
        found = {key_of(key): number for key, value in values.items() if (number := number_of(value)) is not None}
        if found:
            with self.going_on("logging measurements"):
                self.run.log_metrics(found, step=step)

    def end(self, status: str = "FINISHED") -> None:
        """Write what waits; end the run if it is this job's own. Raises nothing, as the training is done."""
        if _left.get(self._place) is self:
            del _left[self._place]
        with self.going_on("ending the run"):
            if not self.own:
                self.run.flush()
            elif (active := holdall.active_run()) and active.id == self.run.id:
                holdall.end_run(status)
            else:
                self.run.finish(status)


def _cut(value: str) -> str:
    return value if len(value) <= _MOST else f"{value[: _MOST - 3]}..."


def key_of(name: str) -> str:
    """Return a name as a run may have it: with `_` for characters that it may not, and as a path in short.

    Example:
        >>> key_of("eval/loss (mean)")
        'eval/loss _mean_'
    """
    key = normpath(_FOREIGN.sub("_", str(name)))[:_KEY].strip("/ ")
    return key if key and not key.startswith("..") and key != "." else f"_{key}"


def number_of(value: Any) -> float | None:
    """Return a number, or the element of an array or tensor of one; None for anything else."""
    if value is None or isinstance(value, str | bytes):
        return None
    with suppress(Exception):  # each library has its own for what has more elements than one
        return float(value.item() if callable(getattr(value, "item", None)) else value)
    return None


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level, with `/` between the names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        found |= flat(value, f"{name}/") if isinstance(value, Mapping) and value else {name: value}
    return found


def is_first_rank() -> bool:
    """Return whether this process is the first of a job of torch's, or of none."""
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    return not (distributed and distributed.is_available() and distributed.is_initialized() and distributed.get_rank())
