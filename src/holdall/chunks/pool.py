"""The one thread pool of the package, and its one byte budget.

Work that waits for a bucket, or that releases the GIL, is given to a pool of
threads. Three rules keep it from ever standing still: a task never waits for
another task; what a task holds of the budget it gives back itself, at its end;
and while no task holds anything, the next one is let in, whatever is free. So
a caller that waits for room waits only for tasks that can finish.

Buffers that outlive a task are counted too (`reserve`), but nobody waits for
them to be given back: a writer may keep some for as long as its user likes.

Threads do not survive a fork: a child gets a fresh pool when it first asks.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from holdall.workers.per_process import PerProcess

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")


CPU_THREADS: Final = 4
_PER_THREAD: Final = 64 << 20  # bytes of the budget for each of them: what it encodes and what it encodes with
_SMALL: Final = 2  # threads for small requests, of those for all others: they wait, and hold next to nothing
_worker = threading.local()


def _begin_worker() -> None:
    _worker.running = True


class _Threads:
    """An executor and the bytes in its hands, of one process."""

    def __init__(self, workers: int, memory: int) -> None:
        self.io = ThreadPoolExecutor(workers, "holdall", _begin_worker)
        self.small = ThreadPoolExecutor(workers * _SMALL, "holdall-small", _begin_worker)
        most = min(os.cpu_count() or 1, CPU_THREADS, max(1, memory // _PER_THREAD))
        self.cpu = ThreadPoolExecutor(most, "holdall-cpu", _begin_worker)
        self.free = memory
        self.holders = 0  # tasks that hold some of it
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
        self._threads: PerProcess[_Threads] = PerProcess()

    def __reduce__(self) -> tuple[Callable[[], Pool], tuple[()]]:
        workers, memory = self._workers, self._memory
        return _PoolFactory(workers, memory), ()

    @property
    def memory(self) -> int:
        """Return how many bytes may be held at once."""
        return self._memory

    def submit(self, task: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a task in some thread, soon."""
        return self._for_submitting().io.submit(task, *args, **kwargs)

    def submit_cpu(self, task: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a task that waits for nothing but a processor, soon.

        As many threads as there are processors do that, and no more than a
        few: such tasks let the GIL go for some microseconds and want it back,
        and sixteen of them would spend a third of the time in taking turns.
        """
        return self._for_submitting().cpu.submit(task, *args, **kwargs)

    def submit_small(self, task: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a task in some thread, soon, that waits for a small answer: twice as many of those are under way."""
        return self._for_submitting().small.submit(task, *args, **kwargs)

    def submit_with_budget(self, size: int, task: Callable[[], T]) -> Future[T]:
        """Wait until `size` bytes of the budget are free, then run a task that holds them until it ends."""
        threads = self._for_submitting()
        self._acquire(threads, size)
        future = threads.io.submit(task)
        future.add_done_callback(lambda _: self._return(threads, size))
        return future

    def run_with_budget(self, size: int, task: Callable[[], T]) -> T:
        """Run a task with a share of the budget in the caller's own thread: quicker where there is only one."""
        threads = self._for_submitting()
        self._acquire(threads, size)
        try:
            return task()
        finally:
            self._return(threads, size)

    def reserve(self, size: int, *, force: bool = False) -> bool:
        """Count `size` bytes as held, if they are free or `force` is set; return whether they are counted.

        The caller releases them again.
        """
        threads = self._of_this_process()
        with threads.changed:
            granted = force or threads.free >= size
            threads.free -= size if granted else 0
        return granted

    def release(self, size: int) -> None:
        """Return reserved bytes, of this process."""
        if threads := self._threads.peek():
            with threads.changed:
                threads.free += size
                threads.changed.notify_all()

    def map(self, task: Callable[[U], T], items: Iterable[U]) -> list[T]:
        """Run a task for all items; return the results in order. The first failure is raised when all have ended."""
        wanted = list(items)
        if len(wanted) == 1:
            return [task(wanted[0])]  # a thread would only make it later
        return list(gather([self.submit(task, item) for item in wanted]))

    def stream(
        self, task: Callable[[U], T], groups: Iterable[tuple[K, Sequence[U]]], *, ahead: int
    ) -> Iterator[tuple[K, list[T]]]:
        """Yield each group's key and a small task's results for its items, in order, while later ones are under way.

        No wave ends before the next begins: whenever a group is taken, tasks of those behind it are submitted.

        Args:
            task: As `submit_small` runs it.
            groups: Taken one by one, some ahead; it may be another stream of this pool. A group may be empty.
            ahead: Groups, and items of them, that are held at once, about.

        Raises: the first failure of a task or of `groups`, when all groups before it were yielded.
        """
        held: deque[tuple[K, list[Future[T]]]] = deque()
        items, failed = 0, list[Exception]()
        try:
            for key, group in _until_failure(groups, failed):
                held.append((key, []))
                for item in group:
                    held[-1][1].append(self.submit_small(task, item))
                items += len(group)
                while held and (items >= ahead or len(held) >= ahead):
                    items -= len(held[0][1])
                    yield _take(held)
            while held:
                yield _take(held)
            if failed:
                raise failed[0]
        finally:
            _cancel_and_wait(future for _, futures in held for future in futures)

    @staticmethod
    def _acquire(threads: _Threads, size: int) -> None:
        with threads.changed:
            threads.changed.wait_for(lambda: threads.free >= size or not threads.holders)
            threads.free -= size
            threads.holders += 1

    @staticmethod
    def _return(threads: _Threads, size: int) -> None:
        with threads.changed:
            threads.free += size
            threads.holders -= 1
            threads.changed.notify_all()

    def _for_submitting(self) -> _Threads:
        assert not getattr(_worker, "running", False), "a task must not give work to the pool that it runs in"
        return self._of_this_process()

    def _of_this_process(self) -> _Threads:
        return self._threads.get(lambda: _Threads(self._workers, self._memory))


class _PoolFactory:
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
            _cancel_and_wait(self._futures)

    def submit(self, task: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> Future[Any]:
        """Submit a task to the pool; once a task of the batch has failed, raise its failure instead."""
        self._raise_failures()
        self._futures.append(future := self._pool.submit(task, *args, **kwargs))
        return future

    def submit_with_budget(self, size: int, task: Callable[[], object]) -> None:
        """Submit a task that holds a share of the budget."""
        self._raise_failures()
        self._futures.append(self._pool.submit_with_budget(size, task))

    def _raise_failures(self) -> None:
        waiting = []
        for future in self._futures:
            if future.done():
                future.result()
            else:
                waiting.append(future)
        self._futures = waiting

    def finish(self) -> None:
        """Wait for all, and raise the first failure."""
        futures, self._futures = self._futures, []
        list(gather(futures))

    def settle(self) -> None:
        """Wait for all, whether they fail or not: who does so has a failure of its own to raise."""
        wait(self._futures)


class LogFuture(Future[Any]):
    """A future of what is logged in the background: what verbs return with `synchronous=False`.

    It is one of Python's futures, so `concurrent.futures.wait` and `add_done_callback` work; it cannot be cancelled.
    """

    def __init__(self) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()
        self._taken = False  # whether somebody has asked for it

    def wait(self) -> None:
        """Wait until it is logged, as MLflow's does. Raises: what went wrong."""
        self.result()

    def result(self, timeout: float | None = None) -> Any:
        """Wait, and return what the verb returned.

        Args:
            timeout: Seconds to wait at most; without end when None.

        Raises:
            TimeoutError: It took longer.
            Exception: What went wrong.
        """
        self._taken = True
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait, and return what went wrong, or None. Raises: TimeoutError."""
        self._taken = True
        return super().exception(timeout)

    @property
    def _failure(self) -> BaseException | None:
        """Return what went wrong with something that is done, without taking it."""
        return super().exception()


class SerialExecutor:
    """Runs calls in the background, one after the other, in a thread of its own.

    Not by the pool's: such work gives tasks to the pool and waits for them.
    Made for one process; a fork leaves its thread behind.

    Args:
        bound: Pieces of work that may wait; who brings more waits too.
    """

    def __init__(self, bound: int = 1000) -> None:
        self._executor = ThreadPoolExecutor(1, "holdall-lane")
        self._room = threading.Semaphore(bound)
        self._failed: list[LogFuture] = []
        self._last: LogFuture | None = None

    @property
    def busy(self) -> bool:
        """Return whether there is work to be done, or a failure that nobody has asked for."""
        return bool(self._last and not self._last.done()) or any(not failed._taken for failed in self._failed)

    def submit(self, work: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> LogFuture:
        """Do this when all before it is done. A failure that nobody asks for is raised by `drain`."""
        self._room.acquire()
        outcome = self._last = LogFuture()
        self._executor.submit(self._do, outcome, partial(work, *args, **kwargs))
        return outcome

    def drain(self) -> None:
        """Wait until all work is done, and raise the first failure that nobody has asked for."""
        self._executor.submit(int).result()
        failed, self._failed = self._failed, []
        for outcome in failed:
            if not outcome._taken:
                raise outcome._failure or AssertionError  # never the latter: it has failed

    def _do(self, outcome: LogFuture, work: Callable[[], object]) -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            self._failed.append(outcome)
            outcome.set_exception(error)
        finally:
            self._room.release()


def _until_failure(items: Iterable[U], failed: list[Exception]) -> Iterator[U]:
    """Yield items; where taking one fails, say how instead, and end."""
    try:
        yield from items
    except Exception as error:
        failed.append(error)


def _take(held: deque[tuple[K, list[Future[T]]]]) -> tuple[K, list[T]]:
    """Wait for the first group; what fails leaves it where it is, to be cancelled with the others.

    Who waits is woken once for several: a thread that sleeps and wakes for each small answer costs as much as that.
    """
    key, futures = held[0]
    if futures and not futures[-1].done():
        wait(held[len(held) // 4][1])
    results = [future.result() for future in futures]
    held.popleft()
    return key, results


def gather(futures: Iterable[Future[T]]) -> Iterator[T]:
    """Return results in order, once all have ended or one has failed; cancel what has not begun by then.

    Also where the caller is interrupted, no task is left running.
    """
    waiting = list(futures)
    try:
        wait(waiting, return_when="FIRST_EXCEPTION")
        failed = [future for future in waiting if future.done() and not future.cancelled() and future.exception()]
        if failed:
            raise failed[0].exception() or AssertionError  # never the latter: it has failed
    except BaseException:
        _cancel_and_wait(waiting)
        raise
    return (future.result() for future in waiting)


def _cancel_and_wait(futures: Iterable[Future[Any]]) -> None:
    """Cancel what has not begun, and wait for the rest."""
    begun = [future for future in futures if not future.cancel()]
    wait(begun)
