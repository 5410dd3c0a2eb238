"""Streams into blocks, and blocks into chunks.

A block is a reused buffer with bytes of one long file or of many short ones.
A chunk that would cross the end of its block is moved in front of the next, so
every chunk is one stretch of memory and nothing is copied but that. When a
block is full its chunks are hashed by the pool, while the next is being read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from holdfast.chunks.hashing import FileHash
from holdfast.chunks.pool import Pool
from holdfast.format.chunking import Chunker
from holdfast.format.digest import blob_id
from holdfast.format.numbers import Sniffer, Span

BLOCK: Final = 4 << 20


class Readable(Protocol):
    """Anything that reads into a buffer, such as a file opened with `buffering=0`."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill some of the buffer; 0 at the end."""
        ...


class Piece(NamedTuple):
    """A chunk in memory.

    Attributes:
        owner: The file that it belongs to, as the caller named it.
        id: Its BLAKE3-256.
        data: Its bytes, in the block.
        start: Where they are there.
        item: Bytes of the numbers in it, 1 for none; None where the file's format does not say.
        head: Where in it a number begins that all of 2, 4 and 8 bytes are counted from; below 8.
    """

    owner: Any
    id: bytes
    data: memoryview
    start: int
    item: int | None
    head: int


@dataclass(slots=True)
class Block:
    """A buffer with stretches of files, all of whose chunks are whole.

    Attributes:
        pieces: The chunks, in order; they are being hashed.
        readers: Who must be done before the buffer is used again.
    """

    view: memoryview
    filled: int = 0
    cuts: list[_Cut] = field(default_factory=list)
    pieces: Future[list[Piece]] = field(default_factory=Future)
    readers: list[Future[Any]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of whole chunks."""
        return sum(cut.ends[-1] for cut in self.cuts)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A stretch of one file in a block, and where its chunks end."""

    owner: Any
    start: int  # in the block
    offset: int  # in the file
    ends: list[int]  # in the stretch
    spans: list[Span]


class Cutter:
    """Reads streams into blocks. For one thread at a time.

    Args:
        pool: Hashes.
        chunker: Says where to cut.
        fresh: Gives a buffer of at least twice the largest chunk.
        full: Takes a block, and gives its buffer back to `fresh` when it likes.
    """

    def __init__(
        self, pool: Pool, chunker: Chunker, fresh: Callable[[], memoryview], full: Callable[[Block], None]
    ) -> None:
        self._pool, self._chunker = pool, chunker
        self._fresh, self._full = fresh, full
        self._block: Block | None = None

    def cut(self, stream: Readable, owner: object) -> tuple[int, bytes | Future[bytes]]:
        """Read a stream to its end; its length, and its SHA-256 or what will be it."""
        file = _File(owner, FileHash(self._pool))
        block = self._roomy()
        file.start = file.unseen = block.filled
        try:
            while count := stream.readinto(block.view[block.filled :]):
                block.filled += count
                if block.filled == len(block.view):
                    block = self._turn(block, file)
            return self._end(block, file)
        except BaseException:
            file.hash.give_up()
            if self._block is not None:
                self._block.filled = file.start  # the files before this one stay
            raise

    def finish(self) -> None:
        """Hand over the block that is being filled."""
        block, self._block = self._block, None
        if block is not None:
            self._hand_over(block)

    def _roomy(self) -> Block:
        """The block in hand, unless it is nearly full."""
        if self._block is not None and len(self._block.view) - self._block.filled < len(self._block.view) // 4:
            self.finish()
        if self._block is None:
            self._block = Block(self._fresh())
        return self._block

    def _turn(self, block: Block, file: _File) -> Block:
        """A block is full: go on in the next one, with what is not cut yet in front.

        Cutting stays in this thread: it asks for the GIL at every chunk, and
        two threads that do cost more than they share.
        """
        block.readers.append(file.hash.feed(file.see(block)))
        ends = self._chunker.cut_points(block.view[file.start :], final=False)
        file.take(block, ends)
        following = Block(self._fresh())
        rest = len(block.view) - file.start
        following.view[:rest] = block.view[file.start :]
        following.filled = file.unseen = rest
        file.start = 0
        self._block = following
        self._hand_over(block)
        return following

    def _end(self, block: Block, file: _File) -> tuple[int, bytes | Future[bytes]]:
        sha256 = file.hash.end(file.see(block))
        if not isinstance(sha256, bytes):
            block.readers.append(sha256)
        file.take(block, self._chunker.cut_points(block.view[file.start : block.filled], final=True))
        return file.offset, sha256

    def _hand_over(self, block: Block) -> None:
        block.pieces = self._pool.compute(_pieces, block)
        self._full(block)


@dataclass(slots=True)
class _File:
    """How far a file has come."""

    owner: object
    hash: FileHash
    start: int = 0  # in the block: what is not cut yet
    offset: int = 0  # of that in the file
    unseen: int = 0  # in the block: what was neither hashed nor looked at
    spans: list[Span] = field(default_factory=list)
    sniffer: Sniffer = field(default_factory=Sniffer)

    def see(self, block: Block) -> memoryview:
        """What has come since the last look."""
        data = block.view[self.unseen : block.filled]
        if data:
            self.spans += self.sniffer.feed(self.offset + self.unseen - self.start, data)
        return data

    def take(self, block: Block, ends: list[int]) -> None:
        """Chunks were cut."""
        if ends:
            block.cuts.append(_Cut(self.owner, self.start, self.offset, ends, self.spans))
            self.start += ends[-1]
            self.offset += ends[-1]
            self.spans = [span for span in self.spans if span.stop > self.offset]


def _pieces(block: Block) -> list[Piece]:
    return [piece for cut in block.cuts for piece in _named(cut, block.view)]


def _named(cut: _Cut, view: memoryview) -> Iterator[Piece]:
    """The chunks of a stretch, each with the kind of number that most of it holds."""
    at = 0
    for begin, end in itertools.pairwise([0, *cut.ends]):
        low, high = cut.offset + begin, cut.offset + end
        while cut.spans[at].stop <= low:
            at += 1
        last = at
        while cut.spans[last].stop < high:
            last += 1
        span = max(cut.spans[at : last + 1], key=lambda span: min(span.stop, high) - max(span.start, low))
        start = cut.start + begin
        data = view[start : cut.start + end]
        yield Piece(cut.owner, blob_id(data), data, start, span.item, (span.start - low) % 8)
