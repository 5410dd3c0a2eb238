"""Memory that is used again.

A fresh buffer costs five times what reading into it does, since the system
clears and maps each of its pages first. So whoever moves many megabytes takes
them from here and brings them back; all are counted in the pool's budget until
their owner lets go of the whole lot.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
import weakref

from holdall.chunks.pool import Pool


class Buffers:
    """Buffers of one size for one owner. Safe between threads, but for `let_go`.

    Args:
        pool: Whose budget they count in.
        size: Bytes of each.
        most: How many there may be, unless the owner cannot go on.
    """

    def __init__(self, pool: Pool, size: int, *, most: int) -> None:
        self._size, self._most, self._tab = size, most, _Tab(pool)
        self._free: list[memoryview] = []
        weakref.finalize(self, self._tab.pay)  # of an owner that was given up

    def take(self, *, at_all_costs: bool = False) -> memoryview | None:
        """A buffer whose pages exist once they are written to; None where there is no room for one.

        Args:
            at_all_costs: Make one all the same, since the owner cannot go on without.
        """
        try:
            return self._free.pop()  # the one that was used last: it is still in a cache
        except IndexError:
            pass
        within = self._tab.owed < self._most * self._size
        if not (within or at_all_costs) or not self._tab.add(self._size, at_all_costs=at_all_costs):
            return None
        return memoryview(_pages(self._size))

    def bring_back(self, buffer: memoryview) -> None:
        """A buffer of these that nobody looks at any more."""
        self._free.append(buffer)

    def let_go(self) -> None:
        """Give all memory back that is not in use; what is in use may not be brought back."""
        self._free.clear()
        self._tab.pay()


def _pages(size: int) -> mmap.mmap:
    """Zeroed memory of this process alone, in pages of 2 MiB where the system has them.

    The first touch of a buffer of usual pages runs at 2 GB/s, of such ones at 9 to 15.
    """
    if not hasattr(mmap, "MAP_PRIVATE"):  # not on Windows
        return mmap.mmap(-1, size)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without them
            pages.madvise(mmap.MADV_HUGEPAGE)
    return pages


class _Tab:
    """What an owner has claimed and not given back."""

    def __init__(self, pool: Pool) -> None:
        self._pool, self._lock, self.owed = pool, threading.Lock(), 0
        self._process = os.getpid()

    def add(self, size: int, *, at_all_costs: bool) -> bool:
        granted = self._pool.claim(size, at_all_costs=at_all_costs)
        with self._lock:
            self.owed += size if granted else 0
        return granted

    def pay(self) -> None:
        """Give it back; a forked child, whose pool is another, owes nothing."""
        with self._lock:
            owed, self.owed = self.owed, 0
        if owed and self._process == os.getpid():
            self._pool.unclaim(owed)
