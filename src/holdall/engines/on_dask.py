"""The workers of a Dask cluster: that of this process's client, or that its settings name, or processes made here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from holdall.engines.mapping import Engine, LostError, attempt
from holdall.errors import WorkerLostError
from holdall.libraries import library

S = TypeVar("S")
T = TypeVar("T")
_MAIN: Final = "a script that starts processes keeps its work below `if __name__ == '__main__':`"


class DaskEngine(Engine):
    """Runs shards as Dask's tasks. Its scheduler gives a lost worker's tasks to others, by itself, three times."""

    name = "dask"

    def __init__(self, workers: int | None = None) -> None:
        self._dask: Any = library("distributed", "work on a Dask cluster")
        try:
            self._client, self._started = self._dask.get_client(), False
        except ValueError:  # there is none
            self._client, self._started = self._new_client(workers), True
        threads = sum(self._client.nthreads().values())
        super().__init__(workers or max(1, threads))

    def _new_client(self, workers: int | None) -> Any:
        config = library("dask", "work on a Dask cluster").config
        if config.get("scheduler-address", None):
            return self._dask.Client()
        local = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "silence_logs": 50}
        try:
            return self._dask.Client(**local)
        except RuntimeError as error:
            reason = f"its processes did not start ({error}); {_MAIN}"
            raise WorkerLostError("the first shard", self.name, reason) from error

    def _submit(self, function: Callable[[S], T], shard: S) -> Any:
        return self._client.submit(attempt, function, shard, pure=False)

    def _result(self, handle: Any) -> Any:
        try:
            outcome = handle.result()
        except self._dask.KilledWorker as error:
            raise LostError(str(error).splitlines()[0], again=False) from error
        except self._dask.CancelledError as error:
            raise LostError("the scheduler no longer knows of it") from error
        handle.release()
        return outcome.take()

    def _drop(self, handle: Any) -> None:
        handle.cancel()

    def close(self) -> None:
        """End the client and its workers, if this engine began them."""
        if self._started:
            self._client.close()
