"""The threads of this process. They share its connections and its caches, and nothing is pickled."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, TypeVar

from holdall.engines.mapping import Engine

S = TypeVar("S")
T = TypeVar("T")
_WORKERS: Final = 4  # a shard of a store keeps the threads of the pool below it busy


class ThreadEngine(Engine):
    """Runs shards on threads of its own, not the pool's, which never waits for its own work."""

    name, distant = "threads", False

    def __init__(self, workers: int | None = None) -> None:
        super().__init__(workers or _WORKERS)
        self._executor = ThreadPoolExecutor(self.workers, "holdall-shard")

    def _submit(self, function: Callable[[S], T], shard: S) -> Future[T]:
        return self._executor.submit(function, shard)

    def _result(self, handle: Future[T]) -> T:
        return handle.result()

    def _drop(self, handle: Future[T]) -> None:
        """Give a shard up; one that has begun is waited for, since what it writes to may be gone afterwards."""
        if not handle.cancel():
            wait([handle])

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown(cancel_futures=True)
