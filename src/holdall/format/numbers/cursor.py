"""Where a parser stands in a file that arrives in blocks.

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
    """Bytes of a file that are numbers of one size.

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
    """A place in the file, the bytes from there on that are held, and what was marked so far."""

    def __init__(self) -> None:
        self.at = 0
        self.marked: deque[Span] = deque()
        self._budget = _BUDGET
        self._held = bytearray()

    @property
    def wants(self) -> int:
        """Offset of the next byte to supply; those before it are held or past."""
        return self.at + len(self._held)

    def supply(self, data: memoryview) -> None:
        """Hold the bytes at `wants`."""
        self._held += data

    def need(self, count: int) -> Steps[bytearray]:
        """Wait for so many bytes from here on; what is returned may be longer and is only lent."""
        while len(self._held) < count:
            yield
        return self._held

    def afford(self, count: int = 64) -> bool:
        """Whether so many bytes of header may still be looked at: a file of nothing but headers is not followed far."""
        self._budget -= count
        return self._budget >= 0

    def mark(self, count: int, item_size: int | None) -> None:
        """Call the next bytes numbers of `item_size` bytes, and move behind them."""
        if count <= 0:
            return
        start, stop = self.at, self.at + count
        if self.marked and self._continues(self.marked[-1], item_size):
            start = self.marked.pop().start
        self.marked.append(Span(start, stop, item_size))
        del self._held[:count]
        self.at = stop

    def mark_all(self, spans: Iterable[Span]) -> None:
        """Mark spans ahead, in any order; bytes between them are nothing to split, overlapping ones are left out."""
        for span in sorted(spans, key=lambda span: span.start):
            if span.start >= self.at:
                self.mark(span.start - self.at, 1)
                self.mark(span.stop - self.at, span.item_size)

    def _continues(self, last: Span, item_size: int | None) -> bool:
        return last.item_size == item_size and (self.at - last.start) % (item_size or 1) == 0
