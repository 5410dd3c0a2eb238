"""One file of a run, opened for reading at any place.

Each chunk that is touched is verified; the rest of the file is not fetched.
Reading on from where the last read ended fetches further and further ahead.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate
from typing import Final

from holdfast.errors import IntegrityError
from holdfast.format import digest
from holdfast.format.reference import Ref
from holdfast.format.tree import Entry
from holdfast.trees.checkout import recipes
from holdfast.trees.tree import Blobs

_FIRST: Final = 256 << 10  # bytes read ahead when reading begins to be sequential
_FURTHEST: Final = 16 << 20
_KEPT: Final = 32 << 20


class ArtifactFile(io.RawIOBase):
    """A seekable, read-only binary file. Wrap it in `io.BufferedReader` for lines.

    Holds at most about 32 MiB of chunks. Not for several threads at once.
    """

    def __init__(self, blobs: Blobs, entry: Entry) -> None:
        self._blobs, self.entry = blobs, entry
        self._at = 0
        self._chunks: list[Ref] = []
        if entry.content:
            self._chunks = [entry.content] if entry.whole else list(recipes(blobs, [entry])[0].chunks)
        self._starts = [0, *accumulate(ref.raw for ref in self._chunks)]
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._held = 0
        self._next, self._ahead = 0, 0

    @property
    def name(self) -> str:
        """The path within the run."""
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
        first, last = self._chunk_at(self._at), self._chunk_at(stop - 1)
        self._fetch(first, last, stop)
        start = self._at
        for i in range(first, last + 1):
            begin = self._starts[i]
            part = self._kept[i][max(start - begin, 0) : stop - begin]
            view[self._at - start : self._at - start + len(part)] = part
            self._at += len(part)
        self._next = stop
        self._shrink()
        return stop - start

    def readall(self) -> bytes:
        """The rest of the file; where that is all of it, checked against its SHA-256 too."""
        whole, rest = self._at == 0, bytearray(max(self.entry.size - self._at, 0))
        self.readinto(memoryview(rest))
        if whole and digest.sha256(rest) != self.entry.sha256:
            raise IntegrityError("its chunks", "they make a file with another SHA-256 than was logged", self.entry.path)
        return bytes(rest)

    def _chunk_at(self, offset: int) -> int:
        return bisect_right(self._starts, offset) - 1

    def _fetch(self, first: int, last: int, stop: int) -> None:
        """Have these chunks at hand, and some behind them if this goes on from the last read."""
        self._ahead = min(max(2 * self._ahead, _FIRST), _FURTHEST) if self._at == self._next and self._at else 0
        if all(i in self._kept for i in range(first, last + 1)):
            return
        until = self._chunk_at(min(stop + self._ahead, self.entry.size) - 1)
        missing = [i for i in range(first, until + 1) if i not in self._kept]
        found = self._blobs.read([self._chunks[i] for i in missing], path=self.entry.path)
        for i, data in zip(missing, found, strict=True):
            self._kept[i] = data
            self._held += len(data)

    def _shrink(self) -> None:
        while self._held > _KEPT + self._ahead and len(self._kept) > 1:
            _, data = self._kept.popitem(last=False)
            self._held -= len(data)
