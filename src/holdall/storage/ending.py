"""The end of a process: what is still to be said to a bucket, within one short time for all of it.

Runs are ended and sessions closed when a process ends. Against a bucket that
is gone each of them would be tried until its deadline, one after the other,
and again by the hook that comes later: minutes, while somebody waits for a
prompt or an orchestrator is about to kill. So all that is to be done at the
end is registered here and shares a few seconds:

    whole          all of it together, whatever the number of runs and hooks
    once           what failed is not tried again, and no request is retried beyond those seconds
    interruptible  the work is done in a thread that nobody has to wait for: a signal ends the waiting
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401  # its hook must come first, so that it is run after this one's
import threading
import time
from collections.abc import Callable

PATIENCE = 10.0  # seconds


class Ending:
    """Work for the end of a process.

    Args:
        patience: Seconds that all of it may take.
        clock: Seconds that only go forward.
    """

    def __init__(self, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        self._works: list[Callable[[], None]] = []
        self._left, self._clock = patience, clock
        self._until: float | None = None
        self.given_up = False

    @property
    def running(self) -> bool:
        """Return whether the process is ending just now."""
        return self._until is not None

    def remaining(self) -> float:
        """Return the seconds after which no request is sent again; infinite while the process is not ending."""
        if self.given_up:
            return 0.0
        return float("inf") if self._until is None else max(0.0, self._until - self._clock())

    def register(self, work: Callable[[], None]) -> None:
        """Register work for the end; of several, the last one is done first. It may be called twice."""
        self._works.append(work)

    def end(self) -> None:
        """Do what was registered, in what is left of the time."""
        if self.given_up or not self._works:
            return
        begin = self._clock()
        self._until = begin + self._left
        try:
            self._wait()
        except BaseException:
            self.given_up = True
            raise
        finally:
            self._left = max(0.0, self._until - self._clock())
            self._until = None

    def _wait(self) -> None:
        thread = threading.Thread(target=self._work, name="holdall-end", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter starts no thread any more
            self._work()
            return
        thread.join(self._left)
        self.given_up = thread.is_alive()

    def _work(self) -> None:
        for work in reversed(self._works):
            if not self.given_up:
                work()


the_end = Ending()
# Threads, which clients need, are gone when atexit's hooks run; this one runs
# before they are joined. It is what concurrent.futures itself uses.
getattr(threading, "_register_atexit", atexit.register)(the_end.end)
atexit.register(the_end.end)  # and again, for what threads began that outlived the main one
