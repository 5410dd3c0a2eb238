"""The names of a session's packs, which its process and its workers give side by side.

A pack is named by its session and a number, and no name is ever given twice.
So the numbers, all below 2^32, are dealt out by the million: the process of the
session begins with the first million, and each worker is lent another, of
which it brings back what it did not use. What one gives follows upon one
another, as a stream that runs along known packs expects. A worker that is
lost takes its million with it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from holdall.errors import HoldallError
from holdall.format.layout import PackName

BLOCK: Final = 1 << 20  # numbers: packs of 32 TiB
_ALL: Final = 1 << 32
_ENOUGH: Final = BLOCK // 2  # of which a worker can make something


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers of one session that one process may give to packs: from `start` to `stop`, which is not one of them."""

    session: bytes
    start: int
    stop: int


class LentPackNames:
    """Names with the numbers that another process has lent. Safe between threads."""

    def __init__(self, numbers: Numbers) -> None:
        self.session, self._next, self._stop = numbers.session, numbers.start, numbers.stop
        self._lock = threading.Lock()

    def __next__(self) -> PackName:
        with self._lock:
            if self._next == self._stop:
                raise HoldallError("a worker has no more numbers for packs: log this in several calls")
            self._next += 1
            return PackName(self.session, self._next - 1)

    @property
    def left(self) -> Numbers:
        """Return the numbers that it did not use."""
        with self._lock:
            return Numbers(self.session, self._next, self._stop)


class PackNames:
    """The names of one session's packs, each given once, to any thread, and numbers lent to workers."""

    def __init__(self, session: bytes) -> None:
        self._lock = threading.Lock()
        self.begin(session)

    def begin(self, session: bytes) -> None:
        """Name packs after another session from now on."""
        with self._lock:
            self.session, self._blocks, self._next = session, 1, 0
            self._returned: list[Numbers] = []

    def __next__(self) -> PackName:
        with self._lock:
            if self._next and self._next % BLOCK == 0:
                self._next = self._new_block()
            self._next += 1
            return PackName(self.session, self._next - 1)

    def lend(self) -> Numbers:
        """Return numbers that nobody else gives from now on."""
        with self._lock:
            if self._returned:
                return self._returned.pop()
            start = self._new_block()
            return Numbers(self.session, start, start + BLOCK)

    def take_back(self, numbers: Numbers) -> None:
        """Take back what is left of lent numbers, to lend it again."""
        with self._lock:
            if numbers.session == self.session and numbers.stop - numbers.start >= _ENOUGH:
                self._returned.insert(0, numbers)  # who comes again in the same order gets the same ones

    def _new_block(self) -> int:
        start = self._blocks * BLOCK
        if start >= _ALL:
            raise HoldallError("this session has named all packs that it may: go on in another process, or end the run")
        self._blocks += 1
        return start
