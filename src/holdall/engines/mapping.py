"""One function over many shards, by workers that may die.

Every engine is this loop over a way to hand out one shard and to wait for one
result. Shards are handed out some at a time, so that neither they nor their
results pile up; results come in the order of the shards. Work that a lost
worker had is handed out again. It must not matter how often a shard is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

from holdall.errors import WorkerLostError

S = TypeVar("S")
T = TypeVar("T")

TRIES: Final = 3  # how often a shard is handed out whose worker is lost each time
_AHEAD: Final = 2  # shards for each worker that are out or wait for their turn to be returned


class LostError(Exception):
    """The worker that had a shard is lost, and its result with it. `again`: whether to hand the shard out again."""

    def __init__(self, reason: str, *, again: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.again = reason, again


@dataclass(slots=True)
class _Out(Generic[S]):
    """A shard that was handed out: to `handle`, for the n-th time."""

    shard: S
    handle: Any
    tries: int = 1


class Engine:
    """Workers for independent pieces of work. Leave it as a context manager, so that what it started ends.

    Attributes:
        name: What asks for it.
        workers: How many shards are worked on at once, about.
        distant: Whether the workers are other processes: functions, shards and results are then pickled.
    """

    name = ""
    distant = True

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(self, function: Callable[[S], T], shards: Iterable[S]) -> Iterator[T]:
        """Yield what a function returns for each shard, in their order; as many as two a worker are under way.

        Args:
            function: Picklable, as what it returns is. It may be called more than once for a shard.
            shards: Picklable; `str(shard)` is what an error calls one. They are taken as workers become free.

        Raises:
            WorkerLostError: Three workers died over the same shard.
            Exception: What the function raised, as it was raised.
        """
        left, out = iter(shards), deque[_Out[S]]()
        try:
            while True:
                for shard in islice(left, _AHEAD * self.workers - len(out)):
                    out.append(_Out(shard, self._submit(function, shard)))
                if not out:
                    return
                result: T = self._finish(function, out[0])
                out.popleft()
                yield result
        finally:
            for one in out:
                self._drop(one.handle)

    def _finish(self, function: Callable[[S], T], out: _Out[S]) -> T:
        """Return the result of a shard, which is handed out again as often as it is lost."""
        while True:
            try:
                result: T = self._result(out.handle)
                return result
            except LostError as error:
                if not error.again or out.tries >= TRIES:
                    raise WorkerLostError(str(out.shard), self.name, error.reason) from error
            out.tries += 1
            out.handle = self._submit(function, out.shard)

    def _submit(self, function: Callable[[S], T], shard: S) -> Any:
        """Hand a shard out, and return what stands for its result."""
        raise NotImplementedError

    def _result(self, handle: Any) -> Any:
        """Wait for a result. Raises: LostError, or what the function raised."""
        raise NotImplementedError

    def _drop(self, handle: Any) -> None:
        """Give up a shard that was handed out, so far as that is possible."""
        raise NotImplementedError

    def close(self) -> None:
        """End what this engine started."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a function returned or raised in another process: engines dress up exceptions that they carry."""

    value: T | None = None
    error: Exception | None = None

    def take(self) -> T | None:
        """Return the value, or raise the error."""
        if self.error:
            raise self.error
        return self.value


def attempt(function: Callable[[S], T], shard: S) -> Outcome[T]:
    """Do a shard, and return what came of it."""
    try:
        return Outcome(function(shard))
    except Exception as error:
        return Outcome(error=error)
