"""Local files that worker processes read: whole, or parts of them side by side.

What is said in `source.py` of files that change while they are read holds here
too. Between the openings of one file nobody watches it, so each compares the
file with what it was when the work was planned: which file it is, its size and
its times.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

from holdall.errors import SourceChangedError
from holdall.format import digest
from holdall.trees.source import Unchanging, named_errors, unreadable

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A local file as it was when the work was planned. Picklable."""

    place: str
    stamp: tuple[int, int, int, int, int]

    @classmethod
    def at(cls, place: str) -> LocalFile:
        """Return the file at a path. Raises: SourceUnreadableError."""
        with named_errors(place):
            return cls(place, _stamp(Path(place).stat()))

    @property
    def size(self) -> int:
        """Return its length in bytes."""
        return self.stamp[2]

    def open(self) -> Unchanging:
        """Open all of it."""
        return Unchanging(self.place)

    def open_part(self, begin: int, end: int, start: int, stop: int) -> FileRange:
        """Open it to be read from `begin` to `end`, with a digest of what is between `start` and `stop`."""
        return FileRange(self, begin, end, start, stop)

    def refuse_changed(self) -> None:
        """Raise the error that says that it changed."""
        raise SourceChangedError(self.place, "it changed while it was read")


class FileRange:
    """A range of a local file, opened unbuffered by `with`, and the digest of a part of it.

    Raises:
        SourceUnreadableError: It cannot be opened or read.
        SourceChangedError: It is not what it was when the work was planned.
    """

    def __init__(self, file: LocalFile, begin: int, end: int, start: int, stop: int) -> None:
        self._planned, self._at, self._end = file, begin, end
        self._start, self._stop = start, stop
        self._digest = digest.blob_hash()

    def __enter__(self) -> FileRange:
        place = self._planned.place
        try:
            self._file = io.FileIO(place)
        except OSError as error:
            raise unreadable(place, error) from error
        try:
            self._refuse_changed()
            self._add_range(self._start, self._at)
            self._file.seek(self._at)
        except BaseException:
            self._file.close()
            raise
        return self

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill some of the buffer, and return how much; 0 at the end."""
        count = self._file.readinto(buffer[: self._end - self._at]) or 0
        low, high = max(self._start, self._at) - self._at, min(self._stop, self._at + count) - self._at
        if low < high:
            self._digest.update(buffer[low:high])
        self._at += count
        return count

    def read_at(self, offset: int, count: int, /) -> bytes:
        """Return so many bytes from an offset in the file, fewer at its end."""
        return os.pread(self._file.fileno(), count, offset)

    def digest(self) -> bytes:
        """Return the BLAKE3 of the part, of which it reads what was not asked for."""
        self._add_range(max(self._start, self._at), self._stop)
        return self._digest.digest()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        with self._file:
            if isinstance(error, OSError):
                raise unreadable(self._planned.place, error) from error
            if kind is None:
                self._refuse_changed()

    def _add_range(self, start: int, stop: int) -> None:
        """Read some of the part for its digest alone."""
        while start < stop and (data := self.read_at(start, min(_PIECE, stop - start))):
            self._digest.update(data)
            start += len(data)

    def _refuse_changed(self) -> None:
        if _stamp(os.fstat(self._file.fileno())) != self._planned.stamp:
            self._planned.refuse_changed()


def _stamp(status: os.stat_result) -> tuple[int, int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
