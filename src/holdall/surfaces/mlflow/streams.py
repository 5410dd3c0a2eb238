"""What a server receives, on its way into a run without a file between.

What is small is read whole, as it then travels inside one entry of the log. All else is read once, while it arrives: at
most a few pieces wait. A request that ends early ends the reading with its error, so that half a file is never logged.
"""

from __future__ import annotations

import asyncio
import io
import queue
from collections.abc import AsyncIterable, AsyncIterator
from typing import BinaryIO, Final

SMALL: Final = 64 << 10  # bytes that an entry of a log has room for
_WAITING: Final = 8  # pieces that were received and are not read yet


def begin(stream: BinaryIO) -> tuple[bytes, bool]:
    """Return the first bytes of a stream, and whether they are all of it."""
    data = bytearray()
    while len(data) <= SMALL:
        piece = stream.read(SMALL + 1 - len(data))
        if not piece:
            return bytes(data), True
        data += piece
    return bytes(data), False


class Once:
    """A stream that can be read once. Attributes: begun (whether some of it was read)."""

    begun = False


class Rejoined(Once):
    """Some bytes, and the stream that goes on behind them."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self._first, self._rest = io.BytesIO(first), rest

    def read(self, size: int = -1, /) -> bytes:
        """Return up to so many bytes."""
        self.begun = True
        return self._first.read(size) or self._rest.read(size)


class Received(Once):
    """A stream of what another thread receives. Its reader waits for the next piece; its writer for the reader."""

    def __init__(self) -> None:
        self._pieces: queue.Queue[bytes | BaseException | None] = queue.Queue(_WAITING)
        self._left = memoryview(b"")
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        """Return up to so many bytes, b"" at the end. Raises: ConnectionError, of what ended the receiving."""
        self.begun = True
        while not self._left and not self._ended:
            piece = self._pieces.get()
            if isinstance(piece, BaseException):
                raise ConnectionError("the request ended before all was received") from piece
            self._ended, self._left = piece is None, memoryview(piece or b"")
        count = len(self._left) if size < 0 else size
        found, self._left = bytes(self._left[:count]), self._left[count:]
        return found

    def put(self, piece: bytes | BaseException | None) -> bool:
        """Add a piece, None at the end, or what ended it. Returns whether there was room for it."""
        try:
            self._pieces.put_nowait(piece)
        except queue.Full:
            return False
        return True


async def first_of(chunks: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """Return the first pieces that arrive, until they are too many for an entry, and whether they are all."""
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > SMALL:
            return bytes(data), False
    return bytes(data), True


async def receive(first: bytes, chunks: AsyncIterable[bytes], into: Received, reader: asyncio.Future[None]) -> None:
    """Hand over what arrives to a reader in another thread, until it has read all of it or failed.

    Raises: what the reader raises; or what ended the receiving, and then the reader has ended before.
    """
    try:
        await _hand_over(first, into, reader)
        async for chunk in chunks:
            await _hand_over(chunk, into, reader)
        await _hand_over(None, into, reader)
    except BaseException as error:
        await asyncio.shield(_end(into, reader, error))
        raise
    await reader


async def _hand_over(piece: bytes | BaseException | None, into: Received, reader: asyncio.Future[None]) -> None:
    while not reader.done() and not into.put(piece):
        await asyncio.wait([reader], timeout=0.01)


async def _end(into: Received, reader: asyncio.Future[None], error: BaseException) -> None:
    """Tell the reader that no more comes, and wait until it has given up."""
    await _hand_over(error, into, reader)
    await asyncio.wait([reader])
    reader.exception()  # it is what it was told
