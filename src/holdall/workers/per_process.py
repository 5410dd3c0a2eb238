"""A value of each process, such as a client or a pool of threads.

Neither connections nor threads survive a fork, and a lock may be copied while
another thread holds it. So such values are kept by process id: a child makes
its own, and leaves its parent's alone, since closing them here would close the
parent's sockets.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value of each process, made when it is first asked for. Safe between threads; pickled without values."""

    def __init__(self) -> None:
        self._values: dict[int, T] = {}
        self._locks: dict[int, threading.Lock] = {}

    def __reduce__(self) -> tuple[type[PerProcess[T]], tuple[()]]:
        return PerProcess, ()

    def get(self, make: Callable[[], T]) -> T:
        """Return this process's value; of threads that ask first at once, one makes it."""
        pid = os.getpid()
        if (found := self._values.get(pid)) is not None:
            return found
        with self._locks.setdefault(pid, threading.Lock()):
            if pid not in self._values:
                self._values[pid] = make()
            return self._values[pid]

    def peek(self) -> T | None:
        """Return this process's value, or None if it has none yet."""
        return self._values.get(os.getpid())
