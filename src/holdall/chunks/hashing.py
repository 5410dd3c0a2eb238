"""A file's SHA-256, made while the file is still being read.

SHA-256 is a chain: no two threads can share one. So a long file gets a thread
of its own, which is fed block by block and does what it can at 2 GB/s while
the other threads cut, name and compress. A short one is hashed on the spot, or
by the pool.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from holdall.chunks.pool import Pool
from holdall.format import digest

_AT_ONCE: Final = 32 << 10  # bytes that are hashed before a thread would have begun


class FileHash:
    """The SHA-256 of one file. A caller must not change a buffer before it was hashed."""

    def __init__(self, pool: Pool) -> None:
        self._pool, self._hasher = pool, digest.file_hash()
        self._thread: ThreadPoolExecutor | None = None

    def feed(self, data: memoryview) -> Future[None]:
        """Hash more of the file, with more to come; return a future that is done when the data was read."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "holdall-sha256")
        return self._thread.submit(self._hasher.update, data)

    def end(self, data: memoryview) -> bytes | Future[bytes]:
        """Hash the last of the file, or all of it; return the hash, or a future of it."""
        if self._thread is not None:
            last = self._thread.submit(self._finish, data)
            self._thread.shutdown(wait=False)
            return last
        if len(data) > _AT_ONCE:
            return self._pool.submit_cpu(self._finish, data)
        return self._finish(data)

    def give_up(self) -> None:
        """Free the thread, since the file cannot be read."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    def _finish(self, data: memoryview) -> bytes:
        self._hasher.update(data)
        return self._hasher.digest()


class Unhashed:
    """In the place of a file's hash, where nobody wants it: a part of a file has none."""

    def feed(self, _data: memoryview) -> Future[None]:
        """Return a future that is done."""
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def end(self, _data: memoryview) -> bytes:
        """Return nothing."""
        return b""

    def give_up(self) -> None:
        """Do nothing."""
