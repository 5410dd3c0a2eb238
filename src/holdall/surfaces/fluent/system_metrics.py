"""System metrics: what the machine did while a run went on, as metrics of the run.

A thread beside the run measures it every ten seconds and logs `system/cpu_utilization_percentage` and
so on, as MLflow names them. It begins with `start_run(log_system_metrics=True)` and is stopped
before the run ends; what it collected last is logged then, so that a short run has a measurement too.
Whatever goes wrong in it, the run goes on.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Final

from holdall.errors import InvalidNameError, MissingLibraryError
from holdall.settings import Settings, read_settings
from holdall.store import Machine, Run, averages

_log = logging.getLogger("holdall")
_PREFIX: Final = "system/"
_PATIENCE: Final = 30.0  # seconds that the end of a run waits for a measurement that is being logged


@dataclass
class _Chosen:
    """What verbs have said; None: what the environment says holds."""

    enabled: bool | None = None
    interval: float | None = None
    samples: int | None = None
    node_id: str | None = None


_chosen = _Chosen()


def enable_system_metrics_logging() -> None:
    """Log system metrics of runs that are started from now on, unless one is started with `log_system_metrics=False`.

    Needs psutil, and for GPUs nvidia-ml-py: `pip install 'holdall[system]'`.

    Example:
        >>> holdall.enable_system_metrics_logging()
        >>> with holdall.start_run() as run:
        ...     pass
        >>> "system/cpu_utilization_percentage" in holdall.get_run(run.run_id).data.metrics
        True
        >>> holdall.disable_system_metrics_logging()
    """
    _chosen.enabled = True


def disable_system_metrics_logging() -> None:
    """Log no system metrics of runs that are started from now on, unless one is started with `log_system_metrics`.

    Example:
        >>> holdall.disable_system_metrics_logging()
    """
    _chosen.enabled = False


def set_system_metrics_sampling_interval(interval: float | None) -> None:
    """Measure every so many seconds in runs that are started from now on; every ten when None.

    Raises: InvalidNameError.

    Example:
        >>> holdall.set_system_metrics_sampling_interval(1)
        >>> holdall.set_system_metrics_sampling_interval(None)
    """
    _chosen.interval = None if interval is None else _positive("interval", interval)


def set_system_metrics_samples_before_logging(samples: int | None) -> None:
    """Log the mean of so many measurements in runs that are started from now on; each one when None.

    Raises: InvalidNameError.

    Example:
        >>> holdall.set_system_metrics_samples_before_logging(6)
        >>> holdall.set_system_metrics_samples_before_logging(None)
    """
    _chosen.samples = None if samples is None else int(_positive("samples", samples))


def set_system_metrics_node_id(node_id: str | None) -> None:
    """Name the machine in runs that are started from now on: `system/<node_id>/cpu_utilization_percentage`.

    Example:
        >>> holdall.set_system_metrics_node_id("worker-1")
        >>> holdall.set_system_metrics_node_id(None)
    """
    _chosen.node_id = node_id


def machine_for(wanted: bool | None) -> Machine | None:
    """Return what measures the machine, if a run that is started so is to have it.

    Args:
        wanted: What `start_run` was told; None: what was set holds.

    Raises:
        MissingLibraryError: It was told to, and psutil is not installed. Where it is only set, a warning says so.
    """
    enabled = wanted if wanted is not None else _chosen.enabled
    if not (enabled if enabled is not None else read_settings().system_metrics):
        return None
    try:
        return Machine()
    except MissingLibraryError as error:
        if wanted:
            raise
        _log.warning("no system metrics are logged: %s", error)
        return None


def watch(run: Run, machine: Machine, *, resumed: bool) -> None:
    """Measure the machine until the run ends in this process. Cost: for a run that was resumed, reading it."""
    sampler = Sampler(run, machine, read_settings(), first_step=_next_step(run) if resumed else 0)
    run._before_end(sampler.stop)
    sampler.start()


class Sampler(threading.Thread):
    """Measures and logs until it is stopped."""

    def __init__(self, run: Run, machine: Machine, settings: Settings, *, first_step: int) -> None:
        super().__init__(name="holdall-system-metrics", daemon=True)
        self._run, self._machine, self._step = run, machine, first_step
        self._interval = _chosen.interval or settings.system_interval
        self._enough = _chosen.samples or settings.system_samples
        node = _chosen.node_id or settings.system_node_id
        self._prefix = f"{_PREFIX}{node}/" if node else _PREFIX
        self._ended = threading.Event()
        self._samples: list[dict[str, float]] = []

    def run(self) -> None:
        """Measure now and after each interval; log when there is enough, and at the end what there is."""
        try:
            while not self._ended.is_set():
                self._samples.append(self._machine.sample())
                self._ended.wait(self._interval)
                if self._ended.is_set() or len(self._samples) >= self._enough:
                    self._publish()
        except Exception as error:  # the run goes on without
            _log.warning("system metrics of run %s are logged no longer: %s", self._run.id, error)

    def stop(self) -> None:
        """Log what was measured last, and end."""
        self._ended.set()
        if self.ident and self is not threading.current_thread():
            self.join(_PATIENCE)

    def _publish(self) -> None:
        samples, self._samples = self._samples, []
        found = {f"{self._prefix}{name}": value for name, value in averages(samples).items()}
        self._run.log_metrics(found, step=self._step)
        self._step += 1


def _next_step(run: Run) -> int:
    """The step after the last one of a run's system metrics."""
    metrics = run.state.metrics
    return max([int(last[1]) + 1 for key, last in metrics.items() if key.startswith(_PREFIX)], default=0)


def _positive(what: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise InvalidNameError(f"system metrics' {what}", repr(value), "it is a number greater than 0")
    return value
