"""The one thread pool of the package, and its one byte budget.

Work that waits for a bucket, or that releases the GIL, is given to a pool of
threads. Two rules keep it from ever standing still: a task never waits for
another task, and what a task holds of the budget it gives back itself, at its
end. So whoever waits for room waits only for tasks that can finish.

Threads do not survive a fork: the pool is keyed by process id, and a child
gets a fresh one when it first asks.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")


_worker = threading.local()


def _begin_worker() -> None:
    _worker.running = True


class _Threads:
    """An executor and the bytes in its hands, of one process."""

    def __init__(self, workers: int, memory: int) -> None:
        self.pid = os.getpid()
        self.executor = ThreadPoolExecutor(workers, "holdfast", _begin_worker)
        self.free = memory
        self.changed = threading.Condition()


class Pool:
    """Threads for blocking work, and a bound on the bytes that it holds at once.

    Args:
        workers: Threads at most.
        memory: Bytes that tasks may hold together; one that wants more than
            all of it runs alone.
    """

    def __init__(self, *, workers: int = 16, memory: int = 256 << 20) -> None:
        self._workers, self._memory = workers, memory
        self._threads: _Threads | None = None

    def __reduce__(self) -> tuple[Callable[[], Pool], tuple[()]]:
        workers, memory = self._workers, self._memory
        return _Remake(workers, memory), ()

    def submit(self, task: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a task in some thread, soon."""
        return self._mine().executor.submit(task, *args, **kwargs)

    def submit_holding(self, size: int, task: Callable[[], T]) -> Future[T]:
        """Wait until `size` bytes of the budget are free, then run a task that holds them until it ends."""
        threads = self._mine()
        held = self._take(threads, size)
        future = threads.executor.submit(task)
        future.add_done_callback(lambda _: self._give_back(threads, held))
        return future

    def run_holding(self, size: int, task: Callable[[], T]) -> T:
        """The same in the caller's own thread, which is quicker where there is only one task."""
        threads = self._mine()
        held = self._take(threads, size)
        try:
            return task()
        finally:
            self._give_back(threads, held)

    def map(self, task: Callable[[U], T], items: Iterable[U]) -> list[T]:
        """The task's results for all items, in their order; the first failure is raised when all have ended."""
        wanted = list(items)
        if len(wanted) == 1:
            return [task(wanted[0])]  # a thread would only make it later
        return list(gather([self.submit(task, item) for item in wanted]))

    def _take(self, threads: _Threads, size: int) -> int:
        held = min(size, self._memory)
        with threads.changed:
            threads.changed.wait_for(lambda: threads.free >= held)
            threads.free -= held
        return held

    def _give_back(self, threads: _Threads, held: int) -> None:
        with threads.changed:
            threads.free += held
            threads.changed.notify_all()

    def _mine(self) -> _Threads:
        assert not getattr(_worker, "running", False), "a task must not give work to the pool that it runs in"
        threads = self._threads
        if threads is None or threads.pid != os.getpid():
            self._threads = threads = _Threads(self._workers, self._memory)
        return threads


class _Remake:
    """Makes an equal pool in another process."""

    def __init__(self, workers: int, memory: int) -> None:
        self.workers, self.memory = workers, memory

    def __call__(self) -> Pool:
        return Pool(workers=self.workers, memory=self.memory)


class Lane:
    """Work that nobody waits for, done in order by a thread of its own.

    Not by the pool's: such work gives tasks to the pool and waits for them.
    Made for one process; a fork leaves its thread behind.

    Args:
        bound: Pieces of work that may wait; who brings more waits too.
    """

    def __init__(self, bound: int = 1000) -> None:
        self.pid = os.getpid()
        self._executor = ThreadPoolExecutor(1, "holdfast-lane")
        self._room = threading.Semaphore(bound)
        self._failed: list[BaseException] = []

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do this when all before it is done. A failure is in the future, and raised by `drain`."""
        self._room.acquire()
        future = self._executor.submit(work, *args, **kwargs)
        future.add_done_callback(self._ended)
        return future

    def drain(self) -> None:
        """Wait until all work is done, and raise the first failure since the last time."""
        self._executor.submit(int).result()
        failed, self._failed = self._failed, []
        if failed:
            raise failed[0]

    def _ended(self, future: Future[Any]) -> None:
        self._room.release()
        if not future.cancelled() and (error := future.exception()):
            self._failed.append(error)


def gather(futures: Iterable[Future[T]]) -> Iterator[T]:
    """Results in order, once all have ended or one has failed; what has not begun by then is cancelled."""
    waiting = list(futures)
    wait(waiting, return_when="FIRST_EXCEPTION")
    failed = [future for future in waiting if future.done() and not future.cancelled() and future.exception()]
    if failed:
        for future in waiting:
            future.cancel()
        wait(waiting)
        raise failed[0].exception() or AssertionError  # never the latter: it has failed
    return (future.result() for future in waiting)
