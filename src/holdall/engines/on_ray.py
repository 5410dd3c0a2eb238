"""The workers of a Ray cluster: that of this process, or the one that RAY_ADDRESS names, or one on this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, TypeVar

from holdall.engines.mapping import Engine, LostError, attempt
from holdall.libraries import library

S = TypeVar("S")
T = TypeVar("T")
_USAGE: Final = ("ray._common.usage.usage_lib", "ray._private.usage.usage_lib")  # of this version, and earlier ones


class RayEngine(Engine):
    """Runs shards as Ray's tasks. Ray itself tries none again: what is tried how often is said in one place."""

    name = "ray"

    def __init__(self, workers: int | None = None) -> None:
        self._ray: Any = library("ray", "work on a Ray cluster")
        self._started = not self._ray.is_initialized()
        if self._started:
            self._init(workers)
        cpus = int(self._ray.cluster_resources().get("CPU", 1))
        super().__init__(workers or max(1, cpus))
        self._task = self._ray.remote(attempt).options(max_retries=0, num_cpus=1)

    def _init(self, workers: int | None) -> None:
        _report_nothing()
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            self._ray.init(num_cpus=workers, include_dashboard=False, **quiet)
        except ValueError:  # RAY_ADDRESS names a cluster, which has as many as it has
            self._ray.init(**quiet)

    def _submit(self, function: Callable[[S], T], shard: S) -> Any:
        return self._task.remote(function, shard)

    def _result(self, handle: Any) -> Any:
        errors = self._ray.exceptions
        try:
            outcome = self._ray.get(handle)
        except errors.RayTaskError:
            raise  # not of the function, whose errors are values: of what Ray does around it
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.ObjectLostError, errors.OutOfMemoryError) as e:
            raise LostError(f"{type(e).__name__}: {str(e).splitlines()[0]}") from e
        return outcome.take()

    def _drop(self, handle: Any) -> None:
        """Let a shard whose result nobody wants end by itself.

        Cancelled, one that ends at this moment makes Ray end this whole process (2.60: "an unexpected system state",
        task_manager.cc, CompletePendingTask).
        """

    def close(self) -> None:
        """Leave the cluster, and end it, if this engine began that."""
        if self._started:
            self._ray.shutdown()


def _report_nothing() -> None:
    """Keep a cluster that is begun here from reporting its use to Ray's makers, unless the user wants that."""
    for name in _USAGE:
        with suppress(ImportError, AttributeError):
            usage: Any = import_module(name)
            if usage._usage_stats_enabledness() is usage.UsageStatsEnabledness.ENABLED_BY_DEFAULT:
                usage.set_usage_stats_enabled_via_env_var(False)
