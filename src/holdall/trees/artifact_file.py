"""One file of a run, opened for reading at any place.

Each chunk that is touched is verified; the rest of the file is not fetched.
Reading on from where the last read ended fetches ahead, twice as far at each
request. So reading on takes few requests, and reading that stops has fetched
about twice of what was read at most.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeAlias, TypeVar

from holdall.errors import IntegrityError
from holdall.format.chunk_table import Chunks
from holdall.format.tree import Entry
from holdall.trees.blobs import RunBlobReader
from holdall.trees.file_content import FileContent, OnRange
from holdall.trees.partial_file import IncrementalHasher

_FIRST: Final = 256 << 10  # bytes read ahead when reading begins to be sequential
_FURTHEST: Final = 16 << 20

T = TypeVar("T")
Ranges: TypeAlias = Iterable[tuple[int, int]]
Again: TypeAlias = "Callable[[IntegrityError], ArtifactFile]"


class Content(Protocol):
    """Where the bytes of a file come from: the store's chunks (`FileContent`), or elsewhere."""

    def has(self, start: int, stop: int) -> bool: ...

    def fill(self, view: memoryview, start: int, *, further: int = 0) -> None: ...

    def fill_many(self, views: Iterable[tuple[memoryview, int]]) -> None: ...

    def fill_all(self, view: memoryview, came: OnRange) -> None: ...


class ArtifactFile(io.RawIOBase):
    """A seekable, read-only binary file. Wrap it in `ArtifactReader` for lines, and for threads that share it.

    Holds at most about 32 MiB of chunks. Several threads may call `read_at` and `read_ranges` at once.

    Args:
        blobs: Where its content is.
        entry: The file.
        again: Is called with the error where content cannot be read; returns the same file as its run has it now, or
            raises an error: this one where nothing is new.
    """

    def __init__(self, blobs: RunBlobReader, entry: Entry, again: Again | None = None) -> None:
        self._begin(entry)
        self._source: tuple[Content, Again | None] = FileContent(blobs, entry), again

    def _begin(self, entry: Entry) -> None:
        self.entry = entry
        self._at = 0
        self._next, self._ahead = 0, 0

    def _reading(self, read: Callable[[Content], T]) -> T:
        """Return what `read` returns, from where the content is now if it is not where it was."""
        while True:
            source = self._source
            content, again = source
            try:
                return read(content)
            except IntegrityError as error:
                if self._source is not source:  # another thread has found where it is now
                    continue
                if again is None:
                    raise
                self._source = again(error)._source

    @property
    def name(self) -> str:
        """Return the path within the run."""
        return self.entry.path

    @property
    def chunks(self) -> Chunks | None:
        """Return the chunks that it is cut into, in order; None where it is not in the store's packs."""
        content = self._source[0]
        return content.chunks if isinstance(content, FileContent) else None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = self.sought(self._at, offset, whence)
        return self._at

    def sought(self, at: int, offset: int, whence: int) -> int:
        """Return where a seek from a position leads. Raises: ValueError: Before the beginning, or from nowhere."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: at, io.SEEK_END: self.entry.size}.get(whence)
        if base is None:
            raise ValueError(f"whence is 0, 1 or 2, not {whence!r}")
        to = base + offset
        if to < 0:
            raise ValueError(f"cannot seek to {to}")
        return to

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any writable buffer
        count = self.read_into_at(buffer, self._at)
        self._at += count
        return count

    def read_into_at(self, buffer: memoryview, start: int) -> int:
        """Fill a buffer with the bytes from `start` on, as far as there are any; return how many there were."""
        view = memoryview(buffer).cast("B")
        count = max(min(len(view), self.entry.size - start), 0)
        self._fill(view[:count], start)
        return count

    def read_at(self, start: int, size: int) -> bytes:
        """Return up to so many bytes from `start` on; the position does not change."""
        found = _Bytes(max(min(size, self.entry.size - start), 0))
        self._fill(found.view, start)
        return found.done()

    def readall(self) -> bytes:
        """Read the rest of the file; if that is all of it, check it against its SHA-256 too."""
        rest = self.rest_at(self._at)
        self._at = max(self._at, self.entry.size)
        return rest

    def rest_at(self, start: int) -> bytes:
        """Return all from `start` on; as `readall`, but for the position."""
        size = self.entry.size
        return self.read_ranges([(min(start, size), size)])[0] if start else self._reading(self._whole)

    def read_ranges(self, ranges: Ranges) -> list[bytes]:
        """Read many ranges at once, each `(start, stop)`; the file's position does not matter and does not change.

        Args:
            ranges: First byte, counted from 0, and the byte after the last one; in any order, overlapping or not.

        Returns:
            `stop - start` bytes for each, in the order asked for, each chunk of them verified.

        Raises:
            ValueError: One does not obey `0 <= start <= stop <= size`; nothing was fetched.
            IntegrityError: A chunk is not what was written.

        Cost: all requests are planned together: one for each stretch of a pack without a gap of 1 MiB, of
        at most 16 MiB, side by side; at most one chunk (of 128 KiB) more at either end of a stretch. Holds
        what it returns, and what is on its way.
        """
        wanted = [self._range(*each) for each in ranges]
        return self._reading(lambda content: _read_ranges(content, wanted))

    # --- inside ---

    def _range(self, start: int, stop: int) -> tuple[int, int]:
        if not 0 <= start <= stop <= self.entry.size:
            rule = f"0 <= start <= stop <= {self.entry.size}, which is its size"
            raise ValueError(f"({start}, {stop}) is no range of {self.name!r}: give {rule}")
        return start, stop

    def _fill(self, view: memoryview, start: int) -> None:
        """Fill a view, and fetch some bytes beyond it if this goes on from the last read."""
        if not len(view):
            return
        goes_on, stop = 0 < start == self._next, start + len(view)
        ahead = self._ahead if goes_on else 0
        if goes_on and not self._source[0].has(start, stop):
            ahead = min(max(2 * ahead, _FIRST), _FURTHEST)
        self._ahead = ahead  # threads that read here and there undo one another's: that costs a request at most
        self._reading(lambda content: content.fill(view, start, further=ahead))
        self._next = stop

    def _whole(self, content: Content) -> bytes:
        """Read all of the file, which is hashed while it comes."""
        found = _Bytes(self.entry.size)
        view = found.view
        follower = IncrementalHasher(self.entry.size, lambda start, stop: view[start:stop])
        content.fill_all(view, follower.add)
        if self.entry.sha256 and follower.digest() != self.entry.sha256:
            raise IntegrityError("its content", "it has another SHA-256 than was logged", self.entry.path)
        return found.done()


def _read_ranges(content: Content, wanted: Ranges) -> list[bytes]:
    found = [_Bytes(stop - start) for start, stop in wanted]
    content.fill_many([(each.view, start) for each, (start, _) in zip(found, wanted, strict=True)])
    return [each.done() for each in found]


class _Bytes:
    """So many bytes, filled in through a view and then given away without a copy."""

    def __init__(self, size: int) -> None:
        self._stream = io.BytesIO(bytes(size))
        self.view = self._stream.getbuffer()

    def done(self) -> bytes:
        self.view.release()
        return self._stream.getvalue()
