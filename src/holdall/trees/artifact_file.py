"""One file of a run, opened for reading at any place.

Each chunk that is touched is verified; the rest of the file is not fetched.
Reading on from where the last read ended fetches ahead, twice as far at each
request. So reading on takes few requests, and reading that stops has fetched
about twice of what was read at most.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, TypeAlias, TypeVar

from holdall.chunks.delivery import OnChunk
from holdall.errors import IntegrityError
from holdall.format.chunk_table import Chunks, OneChunk
from holdall.format.digest import Bytes
from holdall.format.layout import PackName
from holdall.format.reference import Ref
from holdall.format.tree import Entry
from holdall.trees.blobs import RunBlobReader
from holdall.trees.checkout import recipes
from holdall.trees.lru import LruCache
from holdall.trees.partial_file import IncrementalHasher

_FIRST: Final = 256 << 10  # bytes read ahead when reading begins to be sequential
_FURTHEST: Final = 16 << 20
_KEPT: Final = 32 << 20

T = TypeVar("T")
Ranges: TypeAlias = Iterable[tuple[int, int]]
Again: TypeAlias = "Callable[[IntegrityError], ArtifactFile]"


class ArtifactFile(io.RawIOBase):
    """A seekable, read-only binary file. Wrap it in `ArtifactReader` for lines.

    Holds at most about 32 MiB of chunks. Not for several threads at once.

    Args:
        blobs: Where its content is.
        entry: The file.
        again: Is called with the error where content cannot be read; returns the same file as its run has it now, or
            raises an error: this one where nothing is new.
    """

    def __init__(self, blobs: RunBlobReader, entry: Entry, again: Again | None = None) -> None:
        self._at = 0
        self._next, self._ahead = 0, 0
        cut = entry.content and not entry.whole
        chunks = recipes(blobs, [entry])[0].chunks if cut else OneChunk([entry.content] if entry.content else [])
        assert isinstance(chunks, Chunks), "a recipe that was read knows where its chunks begin"
        self._place(blobs, entry, chunks, again)

    def _place(self, blobs: RunBlobReader, entry: Entry, chunks: Chunks, again: Again | None) -> None:
        self._blobs, self.entry, self._chunks, self._again = blobs, entry, chunks, again
        self._kept: LruCache[int, bytes] = LruCache(_KEPT, len)

    def _reading(self, read: Callable[[], T]) -> T:
        """Return what `read` returns, from where the content is now if it is not where it was."""
        while True:
            try:
                return read()
            except IntegrityError as error:
                if self._again is None:
                    raise
                now = self._again(error)
                self._place(now._blobs, now.entry, now._chunks, now._again)

    @property
    def name(self) -> str:
        """Return the path within the run."""
        return self.entry.path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.entry.size}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any writable buffer
        view = memoryview(buffer).cast("B")
        stop = min(self._at + len(view), self.entry.size)
        if stop <= self._at:
            return 0
        self._reading(lambda: self._fetch(self._at, stop))
        for i in self._touched(self._at, stop):
            _put(view, self._chunks.start(i) - self._at, self._kept[i])
        count, self._at, self._next = stop - self._at, stop, stop
        self._kept.evict(spare=self._ahead)
        return count

    def readall(self) -> bytes:
        """Read the rest of the file; if that is all of it, check it against its SHA-256 too."""
        size = self.entry.size
        rest = self.read_ranges([(min(self._at, size), size)])[0] if self._at else self._reading(self._whole)
        self._at = max(self._at, size)
        return rest

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
        return self._reading(lambda: self._read_ranges(wanted))

    # --- inside ---

    def _read_ranges(self, wanted: Ranges) -> list[bytes]:
        found = [_Bytes(stop - start) for start, stop in wanted]
        views = [each.view for each in found]
        self._deliver(
            (i, partial(_put, view, self._chunks.start(i) - start))
            for view, (start, stop) in zip(views, wanted, strict=True)
            for i in self._touched(start, stop)
        )
        return [each.done() for each in found]

    def _range(self, start: int, stop: int) -> tuple[int, int]:
        if not 0 <= start <= stop <= self.entry.size:
            rule = f"0 <= start <= stop <= {self.entry.size}, which is its size"
            raise ValueError(f"({start}, {stop}) is no range of {self.name!r}: give {rule}")
        return start, stop

    def _touched(self, start: int, stop: int) -> range:
        """Return the chunks that hold some of these bytes, by their numbers."""
        return range(self._chunk_at(start), self._chunk_at(stop - 1) + 1) if stop > start else range(0)

    def _chunk_at(self, offset: int) -> int:
        return self._chunks.at(offset)

    def _whole(self) -> bytes:
        """Read all of the file, which is hashed while it comes."""
        found = _Bytes(self.entry.size)
        view = found.view
        follower = IncrementalHasher(self.entry.size, lambda start, stop: view[start:stop])

        def take(i: int, data: Bytes) -> None:
            view[self._chunks.start(i) : self._chunks.start(i + 1)] = data
            follower.add(self._chunks.start(i), self._chunks.start(i + 1))

        self._deliver((i, partial(take, i)) for i in range(len(self._chunks)))
        if follower.digest() != self.entry.sha256:
            raise IntegrityError("its chunks", "they make a file with another SHA-256 than was logged", self.entry.path)
        return found.done()

    def _deliver(self, wanted: Iterable[tuple[int, OnChunk]]) -> None:
        """Give chunks to functions: those in memory at once, the others as they come."""
        self._blobs.packs.deliver(self._missing(wanted), path=self.entry.path)

    def _missing(self, wanted: Iterable[tuple[int, OnChunk]]) -> Iterator[tuple[Ref, OnChunk]]:
        for i, function in wanted:
            held = self._kept[i] if i in self._kept else self._blobs.at_hand(self._chunks[i])
            if held is not None or not isinstance(self._chunks[i].location, PackName):
                function(self._blobs.read([self._chunks[i]])[0] if held is None else held)
            else:
                yield self._chunks[i], function

    def _fetch(self, start: int, stop: int) -> None:
        """Fetch the chunks of these bytes, and some beyond them if this goes on from the last read."""
        goes_on = 0 < start == self._next
        self._ahead = self._ahead if goes_on else 0
        if all(i in self._kept for i in self._touched(start, stop)):
            return
        if goes_on:
            self._ahead = min(max(2 * self._ahead, _FIRST), _FURTHEST)
        missing = [i for i in self._touched(start, min(stop + self._ahead, self.entry.size)) if i not in self._kept]
        found = self._blobs.read([self._chunks[i] for i in missing], path=self.entry.path)
        for i, data in zip(missing, found, strict=True):
            self._kept.add(i, data)


class ArtifactReader(io.BufferedReader):
    """A file of a run, opened: seekable, in binary, by lines too."""

    raw: ArtifactFile

    def read_ranges(self, ranges: Ranges) -> list[bytes]:
        """Read many ranges at once; as `ArtifactFile.read_ranges`."""
        return self.raw.read_ranges(ranges)


class _Bytes:
    """So many bytes, filled in through a view and then given away without a copy."""

    def __init__(self, size: int) -> None:
        self._stream = io.BytesIO(bytes(size))
        self.view = self._stream.getbuffer()

    def done(self) -> bytes:
        self.view.release()
        return self._stream.getvalue()


def _put(view: memoryview, at: int, data: Bytes) -> None:
    """Copy what fits of a chunk into a view; it begins `at` bytes behind the view's beginning, or before it."""
    part = memoryview(data)[max(-at, 0) : len(view) - at]
    view[max(at, 0) : max(at, 0) + len(part)] = part
