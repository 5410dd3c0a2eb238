"""Reading from streams whose length is known only when they end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from holdall.chunks.cutter import Readable

_BLOCK: Final = 1 << 20


def blocks(stream: Readable) -> Iterator[bytes]:
    """Yield all of a stream, some at a time."""
    buffer = memoryview(bytearray(_BLOCK))
    while count := stream.readinto(buffer):
        yield bytes(buffer[:count])


def at_most(stream: Readable, size: int) -> bytes:
    """Read all of a stream, or its beginning, which is then longer than `size`."""
    buffer = memoryview(bytearray(size + 1))
    filled = 0
    while filled < len(buffer) and (count := stream.readinto(buffer[filled:])):
        filled += count
    return bytes(buffer[:filled])


class Rejoined:
    """A stream whose beginning was read already."""

    def __init__(self, begin: bytes, rest: Readable) -> None:
        self._begin, self._rest = memoryview(begin), rest

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill some of the buffer, and return how much; 0 at the end."""
        if not self._begin:
            return self._rest.readinto(buffer)
        some = self._begin[: len(buffer)]
        buffer[: len(some)] = some
        self._begin = self._begin[len(some) :]
        return len(some)
