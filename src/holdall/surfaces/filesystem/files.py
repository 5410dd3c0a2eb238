"""Open files: those of runs, to be read, and those that become files of runs when they are closed."""

from __future__ import annotations

import io
import logging
import sys
import tempfile
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from fsspec.spec import AbstractBufferedFile

from holdall.errors import NoSuchFileError
from holdall.store import ArtifactReader

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_log = logging.getLogger("holdall")
_IN_MEMORY: Final = 64 << 20  # bytes of a new file that are not put on disk
Log = Callable[[BinaryIO, int], None]


class RunFile(ArtifactReader):
    """A file of a run, opened by fsspec. Threads may share it, as any `ArtifactReader`.

    Attributes:
        fs, path: Where it is.
        size: Bytes.
        details: What `fs.info(path)` says.
    """

    mode = "rb"
    blocksize = 4 << 20  # bytes that those who copy read at once

    def __init__(self, file: ArtifactReader, fs: Any, path: str, details: dict[str, Any]) -> None:
        super().__init__(cast("Any", file.detach()))
        self.fs, self.path, self.details = fs, path, details

    @property
    def size(self) -> int:
        return self.raw.entry.size

    @property
    def full_name(self) -> str:
        """Return its address, with the protocol."""
        return str(self.fs.unstrip_protocol(self.path))

    def info(self) -> dict[str, Any]:
        """Return what `fs.info(path)` says."""
        return self.details

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened_again, (self.fs, self.path, self.tell(), self.details["sha256"])


def _opened_again(fs: Any, path: str, at: int, sha256: str) -> RunFile:
    """Return a file that was open in another process, where it was."""
    file: RunFile = fs.open(path)
    if file.details["sha256"] != sha256:
        raise NoSuchFileError(path, f"{path!r} was replaced since it was opened: open it anew")
    file.seek(at)
    return file


class BlockFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """A file of a run whose bytes are kept by another: `blockcache` of fsspec puts its own `cache` into it."""

    def __init__(self, file: RunFile) -> None:
        super().__init__(file.fs, file.path, "rb", file.blocksize, cache_type="none", size=file.size)
        self._file = file

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self._file.read_ranges([(start, min(end, self.size))])[0]

    def close(self) -> None:
        self._file.close()
        super().close()


class NewFile(io.RawIOBase):
    """A file that is logged when it is closed, as one commit; nothing is, if an error is under way then.

    Up to 64 MiB are held in memory, more in a temporary file.

    Args:
        log: Logs the content, from its beginning, of so many bytes.
        autocommit: Whether closing logs it; else `commit` does.
    """

    mode = "wb"

    def __init__(self, log: Log, path: str, *, autocommit: bool = True) -> None:
        self._log, self.path, self._autocommit = log, path, autocommit
        self._spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # it outlives this function
        self._around = sys.exc_info()[1]  # an error that was being handled already
        self._waits = True

    @property
    def size(self) -> int:
        """Return how many bytes there are so far."""
        at = self._spool.tell()
        size = self._spool.seek(0, io.SEEK_END)
        self._spool.seek(at)
        return size

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._spool.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._spool.seek(offset, whence)

    def write(self, data: ReadableBuffer, /) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return self._spool.write(data)

    def close(self) -> None:
        if self.closed:
            return
        error = sys.exc_info()[1]
        try:
            if error is not None and error is not self._around:
                _log.warning("nothing was logged as %r, which was being written when an error came up", self.path)
                self.discard()
            elif self._autocommit:
                self.commit()
        finally:
            super().close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self.discard()
        self.close()

    def __del__(self) -> None:
        self.discard()  # who forgets to close a file has not said that it is whole

    def commit(self) -> None:
        """Log it, if that was not done."""
        if self._waits:
            self._waits, size = False, self.size
            self._spool.seek(0)
            self._log(cast("BinaryIO", self._spool), size)
            self._spool.close()

    def discard(self) -> None:
        """Log nothing."""
        self._waits = False
        self._spool.close()


class CompressedFile(io.RawIOBase):
    """A file that is compressed while it is written; closing it closes the file of the run, too.

    Args:
        packed: Compresses into the file.
        file: The file.
    """

    mode = "wb"

    def __init__(self, packed: Any, file: NewFile) -> None:
        self._packed, self._file = packed, file

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        return int(self._packed.write(data))

    def close(self) -> None:
        if not self.closed:
            self._packed.close()
            self._file.close()
            super().close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self._packed.close()
            self._file.discard()
        self.close()

    def __del__(self) -> None:
        self._file.discard()
