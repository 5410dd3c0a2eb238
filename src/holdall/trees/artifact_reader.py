"""A file of a run as users get it: buffered, by lines too, and for threads that share it.

Who reads much at once reads past the buffer, and without a lock: threads that
read here and there do not wait for one another's requests.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Final, TypeVar

from holdall.trees.artifact_file import ArtifactFile, Ranges
from holdall.trees.shared_position import SharedPosition
from holdall.workers.per_process import PerProcess

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")
_LARGE: Final = io.DEFAULT_BUFFER_SIZE


class ArtifactReader(io.BufferedReader):
    """A file of a run, opened: seekable, in binary, by lines too.

    Threads may share it. Each read moves the one position on; but the first read after a seek begins where the same
    thread has sought, whatever others do in between.
    """

    raw: ArtifactFile

    def __init__(self, raw: ArtifactFile) -> None:
        super().__init__(raw)
        self._position = SharedPosition()
        self._locks: PerProcess[threading.RLock] = PerProcess()  # of a child its own: a fork may copy one that is held

    def read_ranges(self, ranges: Ranges) -> list[bytes]:
        """Read many ranges at once; as `ArtifactFile.read_ranges`."""
        self._check_open()
        return self.raw.read_ranges(ranges)

    def tell(self) -> int:
        self._check_open()
        with self._lock:
            return self._position.take(get_ident())

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._check_open()
        with self._lock:
            at = self._position.take(get_ident()) if whence == io.SEEK_CUR else 0
            to = self.raw.sought(at, offset, whence)
            self._position.seek(get_ident(), to, to_read=whence != io.SEEK_END or offset != 0)
            return to

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return self._past_buffer(self.raw.entry.size, self.raw.rest_at)
        if size >= _LARGE:
            return self._past_buffer(size, lambda at: self.raw.read_at(at, size))
        return self._by_buffer(lambda: super(ArtifactReader, self).read(size), len)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        if len(view) >= _LARGE:
            return self._past_buffer(len(view), lambda at: self.raw.read_into_at(view, at))
        return self._by_buffer(lambda: super(ArtifactReader, self).readinto(view), int)

    def read1(self, size: int = -1, /) -> bytes:
        return self._by_buffer(lambda: super(ArtifactReader, self).read1(size), len)

    def readinto1(self, buffer: WriteableBuffer, /) -> int:
        return self._by_buffer(lambda: super(ArtifactReader, self).readinto1(buffer), int)

    def peek(self, size: int = 0, /) -> bytes:
        return self._by_buffer(lambda: super(ArtifactReader, self).peek(size), lambda _: 0)

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._by_buffer(lambda: super(ArtifactReader, self).readline(-1 if size is None else size), len)

    # --- inside ---

    @property
    def _lock(self) -> threading.RLock:
        return self._locks.get(threading.RLock)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _by_buffer(self, read: Callable[[], T], count: Callable[[T], int]) -> T:
        """Return what `read` reads through the buffer, from where this thread is; `count` says how many bytes."""
        self._check_open()
        with self._lock:
            at = self._position.take(get_ident())
            super().seek(at)
            try:
                found = read()
            except BaseException:
                self._position.seek(get_ident(), at)
                raise
            self._position.move(get_ident(), at + count(found))
            return found

    def _past_buffer(self, size: int, read: Callable[[int], T]) -> T:
        """Return what `read` reads from where this thread is, while others may read elsewhere."""
        self._check_open()
        with self._lock:
            at = self._position.take(get_ident())
            self._position.move(get_ident(), max(at, min(at + size, self.raw.entry.size)))
        try:
            return read(at)
        except BaseException:
            with self._lock:
                self._position.seek(get_ident(), at)
            raise
