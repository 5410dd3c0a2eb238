"""Memory that is used again.

A fresh buffer costs five times what reading into it does, since the system
clears and maps each of its pages first. So code that moves many megabytes takes
them from here and brings them back; all are counted in the pool's budget until
their owner lets go of the whole lot.
"""

from __future__ import annotations

import os
import threading
import weakref

from holdall.chunks.pool import Pool
from holdall.storage.pages import map_pages


class BufferPool:
    """Buffers of one size for one owner. Safe between threads, but for `clear`.

    Args:
        pool: Whose budget they count in.
        size: Bytes of each.
        limit: How many there may be, unless the owner cannot go on.
    """

    def __init__(self, pool: Pool, size: int, *, limit: int) -> None:
        self._size, self._limit, self._lease = size, limit, _Lease(pool)
        self._free: list[memoryview] = []
        weakref.finalize(self, self._lease.release)  # of an owner that was given up

    def acquire(self, *, force: bool = False) -> memoryview | None:
        """Return a buffer whose pages exist once they are written to; None where there is no room for one.

        Args:
            force: Make one all the same, since the owner cannot go on without.
        """
        try:
            return self._free.pop()  # the one that was used last: it is still in a cache
        except IndexError:
            pass
        within = self._lease.reserved < self._limit * self._size
        if not (within or force) or not self._lease.reserve(self._size, force=force):
            return None
        return memoryview(map_pages(self._size))

    def count(self, size: int) -> None:
        """Count memory that the owner takes elsewhere, to work with these buffers, until it clears them."""
        self._lease.reserve(size, force=True)

    def release(self, buffer: memoryview) -> None:
        """Take back a buffer that is no longer read or written."""
        self._free.append(buffer)

    def clear(self) -> None:
        """Give all memory back that is not in use; what is in use may not be brought back."""
        self._free.clear()
        self._lease.release()


class _Lease:
    """What an owner has claimed and not given back."""

    def __init__(self, pool: Pool) -> None:
        self._pool, self._lock, self.reserved = pool, threading.Lock(), 0
        self._process = os.getpid()

    def reserve(self, size: int, *, force: bool) -> bool:
        granted = self._pool.reserve(size, force=force)
        with self._lock:
            self.reserved += size if granted else 0
        return granted

    def release(self) -> None:
        """Return all of it to the pool; a forked child, whose pool is another, returns nothing."""
        with self._lock:
            reserved, self.reserved = self.reserved, 0
        if reserved and self._process == os.getpid():
            self._pool.release(reserved)
