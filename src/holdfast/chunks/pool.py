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
from functools import partial
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
        self._threads: dict[int, _Threads] = {}  # by process id

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
        pid = os.getpid()
        # Of threads that come first at once, all get the same.
        return self._threads.get(pid) or self._threads.setdefault(pid, _Threads(self._workers, self._memory))


class _Remake:
    """Makes an equal pool in another process."""

    def __init__(self, workers: int, memory: int) -> None:
        self.workers, self.memory = workers, memory

    def __call__(self) -> Pool:
        return Pool(workers=self.workers, memory=self.memory)


class Batch:
    """Tasks of one job, which end with it, whatever ends it: what they write to may be gone afterwards."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._futures: list[Future[Any]] = []

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        if kind is None:
            self.finish()
        else:
            _call_off(self._futures)

    def submit_holding(self, size: int, task: Callable[[], object]) -> None:
        """As the pool's; but once a task of the batch has failed, its failure is raised instead."""
        done = [future for future in self._futures if future.done()]
        for future in done:
            future.result()
        self._futures = [future for future in self._futures if future not in done]
        self._futures.append(self._pool.submit_holding(size, task))

    def finish(self) -> None:
        """Wait for all, and raise the first failure."""
        futures, self._futures = self._futures, []
        list(gather(futures))


class Outcome(Future[Any]):
    """What comes of something that is done in the background. It cannot be called off."""

    def __init__(self) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()
        self.taken = False  # whether somebody has asked for it

    def wait(self) -> None:
        """Return when it is done. Raises: what went wrong."""
        self.result()

    def result(self, timeout: float | None = None) -> Any:
        """What it returned, or raised."""
        self.taken = True
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What went wrong; None if nothing did."""
        self.taken = True
        return super().exception(timeout)

    @property
    def failure(self) -> BaseException | None:
        """What went wrong with something that is done, without taking it."""
        return super().exception()


class Lane:
    """Work that nobody waits for, done in order by a thread of its own.

    Not by the pool's: such work gives tasks to the pool and waits for them.
    Made for one process; a fork leaves its thread behind.

    Args:
        bound: Pieces of work that may wait; who brings more waits too.
    """

    def __init__(self, bound: int = 1000) -> None:
        self._executor = ThreadPoolExecutor(1, "holdfast-lane")
        self._room = threading.Semaphore(bound)
        self._failed: list[Outcome] = []

    def submit(self, work: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> Outcome:
        """Do this when all before it is done. A failure that nobody asks for is raised by `drain`."""
        self._room.acquire()
        outcome = Outcome()
        self._executor.submit(self._do, outcome, partial(work, *args, **kwargs))
        return outcome

    def drain(self) -> None:
        """Wait until all work is done, and raise the first failure that nobody has asked for."""
        self._executor.submit(int).result()
        failed, self._failed = self._failed, []
        for outcome in failed:
            if not outcome.taken:
                raise outcome.failure or AssertionError  # never the latter: it has failed

    def _do(self, outcome: Outcome, work: Callable[[], object]) -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            self._failed.append(outcome)
            outcome.set_exception(error)
        finally:
            self._room.release()


def gather(futures: Iterable[Future[T]]) -> Iterator[T]:
    """Results in order, once all have ended or one has failed; what has not begun by then is called off.

    Also where the caller is interrupted, no task is left running.
    """
    waiting = list(futures)
    try:
        wait(waiting, return_when="FIRST_EXCEPTION")
        failed = [future for future in waiting if future.done() and not future.cancelled() and future.exception()]
        if failed:
            raise failed[0].exception() or AssertionError  # never the latter: it has failed
    except BaseException:
        _call_off(waiting)
        raise
    return (future.result() for future in waiting)


def _call_off(futures: Iterable[Future[Any]]) -> None:
    """Cancel what has not begun, and wait for the rest."""
    begun = [future for future in futures if not future.cancel()]
    wait(begun)
