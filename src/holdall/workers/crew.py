"""The workers of this process, and who has them.

    crew = crew_of(count, memory)
    with crew.claim(8) as workers:             # up to eight; fewer, or none, where there are no more to be had
        futures = [worker.call(function, part) for worker, part in zip(workers, parts)]

Workers are started when they are first claimed and stay for the next claim, so
that a checkpoint each minute does not pay for their start; who is idle for a
minute is let go. A claim is exclusive. It never waits for another: threads
that claim at once share what there is, and who gets none works in this process.

    leaving a claim    what workers kept for it is let go (`process.at_release`)
    with calls out     they are cancelled: each gets a KeyboardInterrupt in its worker; who does not end is killed
    a worker dies      its calls fail with WorkerDiedError; the next claim starts another
    none can start     said once in the log; tried again after a minute
    a fork             the child has no workers, and starts its own; the parent's are left alone
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

from holdall.errors import HoldallError
from holdall.sizes import format_size
from holdall.workers import process, starting
from holdall.workers.cores import EACH
from holdall.workers.per_process import PerProcess
from holdall.workers.worker import Worker

IDLE: Final = 60.0  # seconds after which a worker that nobody claims is let go
LEAST_MEMORY: Final = EACH  # bytes that a worker needs, as measured; with less it would hold more than it may
_LOOKS: Final = 4  # looks for idle workers in that time
_STARTING: Final = 60.0  # seconds that a start may take, on a machine that does much else
_SETTLING: Final = 5.0  # seconds that a cancelled call may take to end
_AGAIN: Final = 60.0  # seconds after which a start that failed is tried again
_log: Final = logging.getLogger("holdall")

# What is done at the end of a process is done in it: no thread can be started any more, hence no worker.
_process_ends: Final = threading.Event()
getattr(threading, "_register_atexit", atexit.register)(_process_ends.set)


class Crew:
    """Worker processes, up to a number, and the bytes that they may hold together. Safe between threads.

    Args:
        count: Workers at most; 0: there are none. There are fewer where memory would not do for so many.
        memory: Bytes that their work and this process's may hold at once, together.
        idle: Seconds after which an idle worker is let go.
    """

    def __init__(self, count: int, memory: int, *, idle: float = IDLE) -> None:
        self._asked, self._memory, self._idle = count, memory, idle
        self._members: PerProcess[_Members] = PerProcess()

    def __reduce__(self) -> tuple[Callable[[int, int], Crew], tuple[int, int]]:
        return crew_of, (self._asked, self._memory)

    @property
    def count(self) -> int:
        """Return how many workers there may be at once."""
        return max(0, min(self._asked, self._memory // LEAST_MEMORY - 1))

    @property
    def share(self) -> int:
        """Return how many bytes each worker may hold: as many as this process then has left for itself."""
        return self._memory // (self.count + 1)

    @contextmanager
    def claim(self, most: int) -> Iterator[list[Worker]]:
        """Have workers for oneself, which are started if need be.

        Args:
            most: So many of them at most.

        Returns:
            Those that are to be had now; an empty list if there are none: then the work is this process's.

        Cost: 0.1 to 0.2 seconds where workers are started; else some microseconds.
        """
        members = self._of_this_process()
        taken = members.take(most, self.share) if members else []
        try:
            yield taken
        finally:
            if members and taken:
                members.give_back(taken)

    def close(self) -> None:
        """Let all workers of this process go; those that somebody has, when they are given back."""
        if members := self._members.peek():
            members.close()

    def _of_this_process(self) -> _Members | None:
        if self.count == 0 or _process_ends.is_set() or process.inside() or not starting.can_start():
            return None
        return self._members.get(lambda: _Members(self.count, self._idle))


class _Members:
    """The workers of one process."""

    def __init__(self, count: int, idle: float) -> None:
        self._most, self._patience = count, idle
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._count = 0  # that live, or are being started
        self._idle: list[tuple[Worker, float]] = []  # and since when; the one that was used last is last
        self._refused: float | None = None  # when one could not be started
        self._complained = False

    def take(self, most: int, memory: int) -> list[Worker]:
        with self._lock:
            found = self._from_idle(most)
            missing = min(most - len(found), self._most - self._count)
            if self._refused is not None and time.monotonic() < self._refused + _AGAIN:
                missing = 0
            self._count += max(0, missing)
        found += self._start(missing, memory)
        for worker in found:
            worker.begin(memory)
        return found

    def _from_idle(self, most: int) -> list[Worker]:
        found: list[Worker] = []
        while self._idle and len(found) < most:
            worker, _ = self._idle.pop()
            if worker.lost:
                self._count -= 1
            else:
                found.append(worker)
        return found

    def _start(self, many: int, memory: int) -> list[Worker]:
        """Start workers side by side; return those that could be started."""
        begun: list[Worker] = []
        ready: list[Worker] = []
        try:
            for _ in range(many):
                begun.append(Worker(self._let_go, self._patience / _LOOKS))  # noqa: PERF401  # one may be the last
            for worker in begun:
                worker.ready.result(_STARTING)
                ready.append(worker)
        except (OSError, RuntimeError, MemoryError, HoldallError) as error:  # a TimeoutError is the first
            ready = [worker for worker in begun if worker.ready.done() and not worker.ready.exception()]
            self._complain(str(error) or f"no answer within {_STARTING:g} s", many - len(ready))
        finally:
            for worker in begun:
                if worker not in ready:
                    worker.kill()
                    worker.join(_SETTLING)
            with self._lock:
                self._count -= many - len(ready)
        if ready:
            each = format_size(memory)
            _log.info("%d worker processes were started, with %s of memory for the work of each", len(ready), each)
        return ready

    def _complain(self, reason: str, missing: int) -> None:
        self._refused = time.monotonic()
        if not self._complained:
            self._complained = True
            many = "a worker process" if missing == 1 else f"{missing} worker processes"
            _log.warning("%s could not be started, so work goes on with fewer or none: %s", many, reason)

    def give_back(self, taken: list[Worker]) -> None:
        """Take workers back, without calls that are out; kill those that do not let them go."""
        if os.getpid() != self._pid:  # a fork within a claim: they are the parent's
            return
        try:
            for worker in taken:
                if worker.busy:
                    worker.cancel()
            for worker in taken:
                if not worker.settle(_SETTLING):
                    worker.kill()
        except BaseException:  # interrupted once more
            for worker in taken:
                if worker.busy:
                    worker.kill()
            raise
        finally:
            with self._lock:
                for worker in taken:
                    self._take_back(worker)

    def _take_back(self, worker: Worker) -> None:
        if worker.lost or self._most == 0:
            worker.dismiss()
            self._count -= 1
            return
        worker.end()
        self._idle.append((worker, time.monotonic()))

    def _let_go(self, worker: Worker) -> bool:
        """Return whether a worker was idle for long; then it is nobody's any more."""
        with self._lock:
            for at, (one, since) in enumerate(self._idle):
                if one is worker and time.monotonic() - since >= self._patience:
                    del self._idle[at]
                    self._count -= 1
                    return True
        return False

    def close(self) -> None:
        with self._lock:
            idle, self._idle, self._most = self._idle, [], 0
            self._count -= len(idle)
        for worker, _ in idle:
            worker.dismiss()


@cache
def crew_of(count: int, memory: int) -> Crew:
    """Return the crew of this process with these settings: stores that agree in them share it."""
    return Crew(count, memory)


NOBODY: Final = Crew(0, 0)
