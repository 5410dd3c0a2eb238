"""The chunks of a recipe, read from its rows as they are asked for.

A file of 64 GB has a million chunks: 41 MB of rows, and ten times that as
references. So the rows stay as they came, all of their numbers checked once, and
of every 1,024th one it is kept where its bytes are: in the file, in its extent
and in its pack. From there a stretch of references is made when it is read.

    rows        | 0 ... 1023 | 1024 ... 2047 | ...
    marks       ^            ^               ^        file offset, extent, rows left of it, pack offset

SPEC.md, "Recipes".
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import eq, le
from typing import Final, overload

from holdall.errors import FormatError
from holdall.format.codec import SLACK
from holdall.format.digest import Bytes
from holdall.format.layout import PackName
from holdall.format.reference import CHUNK, Ref, check_end, check_lengths

EXTENT: Final = struct.Struct("<III")
ROW: Final = struct.Struct("<32sIIB")
BLOCK: Final = 1024
_STORED: Final = struct.Struct("<" + "32xI5x" * BLOCK)
_RAW: Final = struct.Struct("<" + "36xIx" * BLOCK)


class Chunks(Sequence[Ref]):
    """References to the chunks of a file, in order, and where each begins in the file."""

    def start(self, i: int) -> int:
        """Return the offset in the file of the first byte of chunk i; the file's size for the one behind the last."""
        raise NotImplementedError

    def at(self, offset: int) -> int:
        """Return which chunk holds the byte of the file at an offset."""
        raise NotImplementedError


class OneChunk(tuple[Ref, ...], Chunks):
    """The one chunk of a file that is not cut; none of an empty one."""

    __slots__ = ()

    def start(self, i: int) -> int:
        return self[0].raw if i else 0

    def at(self, offset: int) -> int:
        return int(offset >= self[0].raw)


class ChunkTable(Chunks):
    """The chunks of a recipe, checked, and made into references a block at a time.

    Args:
        locations: The packs that its extents name.
        extents, rows: Its tables, as they are stored.

    Raises:
        FormatError: They do not agree, or a length cannot be.
    """

    def __init__(self, locations: Sequence[PackName], extents: Bytes, rows: Bytes) -> None:
        self._locations = locations
        self._extents, self._rows = memoryview(extents), memoryview(rows)
        self._count = len(self._rows) // ROW.size
        self._marks = tuple(array("Q") for _ in range(4))
        self._block: tuple[int, list[Ref]] = (-1, [])
        self._starts: tuple[int, list[int]] = (-1, [])
        self.size = self._check()

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, i: int) -> Ref: ...
    @overload
    def __getitem__(self, i: slice) -> list[Ref]: ...
    def __getitem__(self, i: int | slice) -> Ref | list[Ref]:
        if isinstance(i, slice):
            return [self[at] for at in range(*i.indices(self._count))]
        if not -self._count <= i < self._count:
            raise IndexError(i)
        block, at = divmod(i % self._count, BLOCK)
        number, refs = self._block
        if number != block:
            refs = self._refs(block)
            self._block = block, refs
        return refs[at]

    def __iter__(self) -> Iterator[Ref]:
        for block in range(len(self._marks[0])):
            yield from self._refs(block)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chunks | tuple) and len(other) == len(self) and all(map(eq, self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))  # a tuple of the same references is equal to it

    def start(self, i: int) -> int:
        if i == self._count:
            return self.size
        block, at = divmod(i, BLOCK)
        return self._starts_of(block)[at]

    def at(self, offset: int) -> int:
        block = max(bisect_right(self._marks[0], offset) - 1, 0)
        return block * BLOCK + bisect_right(self._starts_of(block), offset) - 1 if offset < self.size else self._count

    # --- inside ---

    def _check(self) -> int:
        """Check every row, set the marks, and return the sum of the chunks' lengths."""
        size = extent = left = offset = 0
        n_extents = len(self._extents) // EXTENT.size
        for first in range(0, self._count, BLOCK):
            stored, raw = self._lengths(first)
            at = 0
            while at < len(stored):
                if not left:
                    if extent == n_extents:
                        raise FormatError("recipe", "its extents do not add up to its chunks")
                    location, offset, left = EXTENT.unpack_from(self._extents, EXTENT.size * extent)
                    if not left:
                        raise FormatError("recipe", "its extents do not add up to its chunks")
                    if location >= len(self._locations):
                        raise FormatError("recipe", f"it has no location {location}")
                    extent += 1
                if not at:
                    for mark, value in zip(self._marks, (size, extent - 1, left, offset), strict=True):
                        mark.append(value)
                step = min(left, len(stored) - at)
                offset += sum(stored[at : at + step])
                at, left = at + step, left - step
                check_end(offset, "recipe")
            size += sum(raw)
        if left or extent != n_extents:
            raise FormatError("recipe", "its extents do not add up to its chunks")
        return size

    def _lengths(self, first: int) -> tuple[Sequence[int], Sequence[int]]:
        """Return what the chunks of a block have, stored and decoded, once each was found possible."""
        at = first * ROW.size
        if first + BLOCK <= self._count:
            stored, raw = _STORED.unpack_from(self._rows, at), _RAW.unpack_from(self._rows, at)
        else:
            rows = list(ROW.iter_unpack(self._rows[at:]))
            stored, raw = tuple(row[1] for row in rows), tuple(row[2] for row in rows)
        check_lengths(1, max(raw), "recipe", CHUNK)
        if not (min(raw) and min(stored) and all(map(le, stored, map(SLACK.__add__, raw)))):
            for of_one in zip(stored, raw, strict=True):
                check_lengths(*of_one, "recipe", CHUNK)
        return stored, raw

    def _starts_of(self, block: int) -> list[int]:
        number, starts = self._starts
        if number != block:
            begin = self._marks[0][block]
            starts = list(accumulate(self._lengths(block * BLOCK)[1], initial=begin))[:-1]
            self._starts = block, starts
        return starts

    def _refs(self, block: int) -> list[Ref]:
        """Return the references of a block."""
        _, extent, left, offset = (mark[block] for mark in self._marks)
        location = self._locations[EXTENT.unpack_from(self._extents, EXTENT.size * extent)[0]]
        begin = block * BLOCK * ROW.size
        refs: list[Ref] = []
        for blob, stored, raw, codec in ROW.iter_unpack(self._rows[begin : begin + BLOCK * ROW.size]):
            if not left:
                extent += 1
                number, offset, left = EXTENT.unpack_from(self._extents, EXTENT.size * extent)
                location = self._locations[number]
            refs.append(Ref(blob, location, offset, stored, raw, codec))
            offset += stored
            left -= 1
        return refs
