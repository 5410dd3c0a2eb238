"""One file's blocks in, spans out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holdall.format.numbers import archive, npy, safetensors
from holdall.format.numbers.cursor import Cursor, Span, Steps

_MAGIC: Final = 9  # bytes that tell a format: those of safetensors' length, and the brace behind it
_PIECE: Final = 64 << 10  # a parser is given this much at a time, so that only headers are copied


class Sniffer:
    """Finds the numbers in one file, whose blocks it is given in order."""

    def __init__(self) -> None:
        self._fed = 0
        self._foreign = False  # it is told by its first bytes that it is of no known format
        self._cursor = Cursor()
        self._steps: Steps[None] | None = None

    def begin_at(self, offset: int, read: Callable[[int, int], bytes]) -> None:
        """Begin in the middle of a file: follow its headers up to there, with the rest of it unread.

        Args:
            offset: Where the first block will be.
            read: Returns so many bytes of the file from an offset, fewer at its end.

        Cost: a read of 64 KiB for each header before `offset`, and time of these.
        """
        self._begin(memoryview(read(0, _PIECE)))
        self._fed = offset
        while not self._foreign and self._steps and (at := self._cursor.wants) < offset:
            if piece := read(at, min(_PIECE, offset - at)):
                self._step(memoryview(piece))
            else:
                self._steps = None

    def feed(self, offset: int, data: memoryview) -> list[Span]:
        """Return the spans that cover a block.

        Args:
            offset: The block's offset in the file, which is the end of the one before.
            data: Its bytes; they are not kept, beyond a header that goes on in the next block.

        Returns:
            Spans in order without gaps, the last of which ends with the block.
            The first begins at `offset` or earlier, where its numbers begin.
            Bytes of a header that is not complete yet are unknown.

        Raises:
            ValueError: The block does not follow the one before.

        Cost: time of the headers in the block, and of the spans returned.
        """
        if offset != self._fed:
            raise ValueError(f"the next block is at {self._fed}, not at {offset}")
        self._fed = offset + len(data)
        if offset == 0:
            self._begin(data)
        if self._foreign:
            return [Span(0, self._fed, None)]
        self._follow(offset, data)
        return self._cover(offset, self._fed) if len(data) else []

    def _begin(self, data: memoryview) -> None:
        """Look at the first bytes: most small files are of no known format, and cost no more than that."""
        self._foreign = len(data) >= _MAGIC and _parser(bytes(data[:_MAGIC])) is None
        if not self._foreign:
            self._steps = _files(self._cursor)

    def _follow(self, offset: int, data: memoryview) -> None:
        cursor = self._cursor
        while self._steps and cursor.wants < self._fed:
            begin = cursor.wants - offset
            self._step(data[begin : begin + _PIECE])

    def _step(self, data: memoryview) -> None:
        """Give the parser the bytes that it wants next."""
        assert self._steps is not None, "it is not asked when it has ended"
        self._cursor.supply(data)
        try:
            next(self._steps)
        except StopIteration:
            self._steps = None

    def _cover(self, start: int, stop: int) -> list[Span]:
        marked, spans = self._cursor.marked, []
        while marked and marked[0].stop <= start:
            marked.popleft()
        for span in marked:
            if span.start >= stop:
                break
            spans.append(Span(span.start, min(span.stop, stop), span.item_size))
        if self._cursor.at < stop:
            spans.append(Span(self._cursor.at, stop, None))
        return spans


def _files(cursor: Cursor) -> Steps[None]:
    """Parse one file after the other: arrays and archives are often written into one file in a row."""
    known = True
    while known and cursor.afford():
        parser = _parser(bytes((yield from cursor.need(_MAGIC))[:_MAGIC]))
        known = parser is not None and (yield from parser(cursor))


_PARSERS: Final[dict[bytes, Callable[[Cursor], Steps[bool]]]] = {
    npy.MAGIC: npy.follow,
    archive.MAGIC: archive.follow,
}


def _parser(head: bytes) -> Callable[[Cursor], Steps[bool]] | None:
    for magic, parser in _PARSERS.items():
        if head.startswith(magic):
            return parser
    return safetensors.follow if head[8:] == b"{" else None
