"""A parser's position in a file that arrives in blocks.

A header may be cut by the end of any block. So a parser is a generator that
waits (`yield`) until as many bytes are held as it needs, and goes on where it
stopped; it never sees the blocks. It looks ahead with `need`, and moves on only
by marking what it has understood: what is not marked stays unknown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

LIMIT: Final = 4 << 20  # bytes of a header that are ever held: 35,000 tensors in safetensors

_BUDGET: Final = 4 * LIMIT  # bytes of headers that are ever followed in one file: a second or two, at the worst

T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]


@dataclass(frozen=True, slots=True)
class Span:
    """A range of a file that holds numbers of one size.

    Numbers begin at `start`, so a chunk at offset `o` is `(o - start) % item_size`
    bytes into one of them.

    Attributes:
        start: Offset in the file of the first byte.
        stop: Offset of the byte after the last one.
        item_size: Bytes of one number: 2, 4 or 8; 1 where there is nothing to
            split; None where it is unknown and a sample should decide.
    """

    start: int
    stop: int
    item_size: int | None


class Cursor:
    """A position in a file, the bytes buffered from there on, and the spans marked so far."""

    def __init__(self) -> None:
        self.at = 0
        self.marked: deque[Span] = deque()
        self._budget = _BUDGET
        self._held = bytearray()

    @property
    def wants(self) -> int:
        """Return the offset of the next byte to supply; those before it are buffered or passed."""
        return self.at + len(self._held)

    def supply(self, data: memoryview) -> None:
        """Buffer the bytes at `wants`."""
        self._held += data

    def need(self, count: int) -> Steps[bytearray]:
        """Wait until so many bytes are buffered, and return the buffer, which may be longer and must not be kept."""
        while len(self._held) < count:
            yield
        return self._held

    def afford(self, count: int = 64) -> bool:
        """Return whether so many bytes of header may still be read: a file of headers alone is not followed far."""
        self._budget -= count
        return self._budget >= 0

    def mark(self, count: int, item_size: int | None) -> None:
        """Mark the next bytes as numbers of `item_size` bytes, and advance past them."""
        if count <= 0:
            return
        start, stop = self.at, self.at + count
        if self.marked and self._continues(self.marked[-1], item_size):
            start = self.marked.pop().start
        self.marked.append(Span(start, stop, item_size))
        del self._held[:count]
        self.at = stop

    def mark_all(self, spans: Iterable[Span]) -> None:
        """Mark spans ahead, given in any order; bytes between them have item size 1, overlapping spans are left out."""
        for span in sorted(spans, key=lambda span: span.start):
            if span.start >= self.at:
                self.mark(span.start - self.at, 1)
                self.mark(span.stop - self.at, span.item_size)

    def _continues(self, last: Span, item_size: int | None) -> bool:
        return last.item_size == item_size and (self.at - last.start) % (item_size or 1) == 0
