"""A walk over the fields of a protobuf message in a file, of which only what is asked for is read.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from holdall.errors import ContentError
from holdall.tensors.stored import RangedFile

_WINDOW: Final = 256 << 10  # bytes read at a time: as many as a chunk has
_WIDE: Final = 16 << 20  # of a file that is small enough to be read
_SMALL: Final = 32 << 20
_MAX_FIELDS: Final = 1 << 18  # a second or two of work; the initialisers of 30,000 tensors have as many
_MAX_TEXT: Final = 64 << 10
_MAX_PACKED: Final = 64 << 20
_MAX_KEPT: Final = 160 << 20  # bytes of all that is taken out of one file: its texts, and numbers that are decoded


@dataclass(frozen=True, slots=True)
class Field:
    """A field. Attributes: wire (type), value (of a number), start and stop (of content in the file)."""

    number: int
    wire: int
    value: int = 0
    start: int = 0
    stop: int = 0


class Walk:
    """A walk through one file, whose bytes are read a window at a time."""

    def __init__(self, file: RangedFile, what: str) -> None:
        self.file, self._what = file, what
        self._window, self._at = b"", 0
        self._step = _WIDE if file.size <= _SMALL else _WINDOW
        self._left, self._room = _MAX_FIELDS, _MAX_KEPT

    def fields(self, start: int, stop: int) -> Iterator[Field]:
        """Yield the fields of a message. Raises: ContentError: It is none."""
        at = start
        while at < stop:
            self._left -= 1
            if self._left < 0:
                raise ContentError(self.file.path, self._what, f"it has more than {_MAX_FIELDS:,} fields")
            tag, at = self._varint(at, stop)
            number, wire = tag >> 3, tag & 7
            if wire == 0:
                value, at = self._varint(at, stop)
                yield Field(number, wire, value, at, at)
                continue
            length, at = self._varint(at, stop) if wire == 2 else ({1: 8, 5: 4}.get(wire, -1), at)
            if length < 0 or length > stop - at:
                raise ContentError(
                    self.file.path, self._what, f"a field at {at} is damaged, or longer than what it is in"
                )
            yield Field(number, wire, 0, at, at + length)
            at += length

    def content(self, part: Field, most: int = _MAX_PACKED) -> bytes:
        """Return the bytes of a field. Raises: ContentError: There are too many."""
        if part.stop - part.start > most:
            raise ContentError(self.file.path, self._what, f"a field at {part.start} has more than {most:,} bytes")
        self._room -= part.stop - part.start
        if self._room < 0:
            raise ContentError(self.file.path, self._what, f"it has more than {_MAX_KEPT:,} bytes of texts and numbers")
        return self._bytes(part.start, part.stop)

    def text(self, part: Field) -> str:
        """Return the text of a field. Raises: ContentError: It is too long."""
        return self.content(part, _MAX_TEXT).decode("utf-8", "replace")

    def pair(self, part: Field) -> tuple[str, str]:
        """Return the key and the value of a message that has these. Raises: ContentError."""
        found = {each.number: self.text(each) for each in self.fields(part.start, part.stop) if each.wire == 2}
        return found.get(1, ""), found.get(2, "")

    def _varint(self, at: int, stop: int) -> tuple[int, int]:
        """Return a number of up to 64 bits, and where it ends."""
        value = 0
        head = self._bytes(at, min(at + 10, stop))
        for n, byte in enumerate(head):
            value |= (byte & 0x7F) << 7 * n
            if byte < 0x80:
                return value & (1 << 64) - 1, at + n + 1
        raise ContentError(self.file.path, self._what, f"a number at {at} does not end")

    def _bytes(self, start: int, stop: int) -> bytes:
        if not self._at <= start <= stop <= self._at + len(self._window):
            self._at = start
            (self._window,) = self.file.read_ranges([(start, min(max(start + self._step, stop), self.file.size))])
        return self._window[start - self._at : stop - self._at]


def packed_numbers(data: bytes) -> Iterator[int]:
    """Yield numbers that stand one behind the other; one that does not end is left out."""
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 or shift > 63:
            yield value & (1 << 64) - 1
            value = shift = 0
