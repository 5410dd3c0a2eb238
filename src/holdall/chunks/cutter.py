"""Streams into blocks, and blocks into chunks.

A block is a reused buffer with bytes of one long file or of many short ones.
The caller's thread reads; a thread of the cutter's own cuts what was read and
names the chunks. That is one thread for both, since both ask for the GIL at
every chunk: a second thread that does the same waits for its turn longer than
it works. A chunk that would cross the end of its block is moved in front of
the next one, so every chunk is one stretch of memory and only it is copied.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from holdall.chunks.hashing import FileHash, Unhashed
from holdall.chunks.pool import Pool
from holdall.format.chunking import Chunker
from holdall.format.digest import blob_id
from holdall.format.numbers import Sniffer, Span

BLOCK: Final = 4 << 20
_AT_ONCE: Final = 256 << 10  # bytes that are cut before a thread would have begun
ALIGNMENT: Final = 8  # numbers that are aligned in their file are so in memory: arithmetic need not copy them first


def headroom(chunker: Chunker) -> int:
    """Return how many bytes of a buffer stay free: for what a block leaves uncut, and to begin aligned."""
    return chunker.max + -chunker.max % ALIGNMENT + ALIGNMENT


@dataclass(slots=True)
class Part:
    """A part of a file: the chunks that begin in it, cut as those of the whole file are.

    Where the chunks of a file begin depends on the one before alone, and a cut that was found from any other place
    soon falls together with one of the file's. So a part is read from some way before `start`, which is cut and left
    out, up to where the last chunk that begins before `stop` may end.

    Attributes:
        offset: Where the stream begins in the file: a multiple of `ALIGNMENT`.
        start: Chunks that begin before it are left out, and those that begin at `stop` or behind it.
        read: Returns so many bytes of the file from an offset, for a look at its headers.
        begin: Where its first chunk begins, once that was found; None where there is none.
    """

    offset: int
    start: int
    stop: int
    read: Callable[[int, int], bytes]
    begin: int | None = None


class Readable(Protocol):
    """Anything that reads into a buffer, such as a file opened with `buffering=0`."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill some of the buffer; 0 at the end."""
        ...


class Chunk(NamedTuple):
    """A chunk in memory.

    Attributes:
        owner: The file that it belongs to, as the caller named it.
        id: Its BLAKE3-256.
        data: Its bytes, in the block.
        start: Where they are there.
        item_size: Bytes of the numbers in it, 1 for none; None where the file's format does not say.
        phase: Where in it a number begins that all of 2, 4 and 8 bytes are counted from; below 8.
    """

    owner: Any
    id: bytes
    data: memoryview
    start: int
    item_size: int | None
    phase: int


@dataclass(slots=True)
class Block:
    """A buffer with stretches of files.

    Attributes:
        filled: Where the next byte goes, and `stop` where none goes any more.
        chunks: The chunks, in order, once they were cut and named.
        readers: Who must be done before the buffer is used again.
    """

    view: memoryview
    filled: int
    stop: int
    stretches: list[_Stretch] = field(default_factory=list)
    chunks: Future[list[Chunk]] = field(default_factory=Future)
    readers: list[Future[Any]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Return the bytes that were read into it; its chunks may have some of the block before."""
        return sum(stretch.stop - stretch.start for stretch in self.stretches)


class _Stretch(NamedTuple):
    """Some of a file in a block."""

    file: _File
    start: int
    stop: int
    last: bool  # whether the file ends with it


class Cutter:
    """Reads streams into blocks. For one thread at a time.

    Args:
        pool: Hashes files.
        chunker: Says where to cut.
        fresh: Gives a buffer of `headroom` bytes and at least twice the largest chunk.
        full: Takes a block, and gives its buffer back to `fresh` when it likes.
        name: Gives a chunk its id.
    """

    def __init__(
        self,
        pool: Pool,
        chunker: Chunker,
        fresh: Callable[[], memoryview],
        full: Callable[[Block], None],
        name: Callable[[memoryview], bytes] = blob_id,
    ) -> None:
        self._pool, self._chunker, self._name = pool, chunker, name
        self._fresh, self._full = fresh, full
        self._headroom = headroom(chunker)
        self._block: Block | None = None
        self._thread: ThreadPoolExecutor | None = None

    def cut(self, stream: Readable, owner: object, part: Part | None = None) -> tuple[int, bytes | Future[bytes]]:
        """Read a stream to its end; return its length, and its SHA-256 or a future of it: of a part there is none."""
        file, size = _File.of(owner, self._chunker, part, self._name), 0
        hash = FileHash(self._pool) if part is None else Unhashed()
        block = self._block_with_room()
        start = block.filled
        try:
            while count := stream.readinto(block.view[block.filled : block.stop]):
                size += count
                block.filled += count
                if block.filled == block.stop:
                    block.readers.append(hash.feed(block.view[start : block.stop]))
                    block = self._next_block(block, _Stretch(file, start, block.filled, last=False), size)
                    start = block.filled
        except BaseException:
            hash.give_up()
            if self._block is not None:
                self._block.filled = start  # the files before this one stay
            raise
        sha256 = hash.end(block.view[start : block.filled])
        if not isinstance(sha256, bytes):
            block.readers.append(sha256)
        block.stretches.append(_Stretch(file, start, block.filled, last=True))
        return size, sha256

    def finish(self) -> None:
        """Hand over the block that is being filled."""
        block, self._block = self._block, None
        if block is not None:
            self._submit(block)
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    def _block_with_room(self) -> Block:
        """Return the block that is being filled, or a new one where it is nearly full."""
        block, self._block = self._block, None
        if block is not None and block.stop - block.filled < (len(block.view) - self._headroom) // 4:
            self._submit(block)
            block = None
        self._block = block = block or self._new_block(0)
        block.filled += -block.filled % ALIGNMENT
        return block

    def _next_block(self, block: Block, stretch: _Stretch, size: int) -> Block:
        """Hand over a full block, and return another one with room in front for what is not cut yet."""
        block.stretches.append(stretch)
        self._block = None
        self._submit(block)
        self._block = self._new_block(size % ALIGNMENT)
        return self._block

    def _new_block(self, beyond: int) -> Block:
        """Return a block with room in front, which is filled from so many bytes beyond an aligned address."""
        view = self._fresh()
        return Block(view, self._headroom - ALIGNMENT + beyond, len(view) - ALIGNMENT + beyond)

    def _submit(self, block: Block) -> None:
        if self._thread is None and block.size <= _AT_ONCE:
            try:
                block.chunks.set_result(_cut_block(block))  # sooner than a thread would begin
            except BaseException as error:  # it fails where the block is asked for its chunks, and each time
                block.chunks.set_exception(error)
        else:
            self._thread = self._thread or ThreadPoolExecutor(1, "holdall-cut")
            block.chunks = self._thread.submit(_cut_block, block)
        self._full(block)


@dataclass(slots=True)
class _File:
    """How far a file was cut."""

    owner: object
    chunker: Chunker
    offset: int = 0  # of what is not cut yet
    rest: bytes = b""  # that, as far as it was read
    spans: list[Span] = field(default_factory=list)
    sniffer: Sniffer = field(default_factory=Sniffer)
    part: Part | None = None  # which alone is wanted of it
    name: Callable[[memoryview], bytes] = blob_id

    @classmethod
    def of(cls, owner: object, chunker: Chunker, part: Part | None, name: Callable[[memoryview], bytes]) -> _File:
        """Return a file that nothing was cut of yet."""
        file = cls(owner, chunker, part=part, name=name)
        if part is not None and part.offset:
            file.offset = part.offset
            file.sniffer.begin_at(part.offset, part.read)
        return file

    def cut(self, view: memoryview, start: int, stop: int, *, last: bool) -> Iterator[Chunk]:
        """Yield the chunks that end in a stretch; before it is room for the rest of the stretch before."""
        if start < stop:
            self.spans += self.sniffer.feed(self.offset + len(self.rest), view[start:stop])
        begin = start - len(self.rest)
        view[begin:start] = self.rest
        ends = self.chunker.cut_points(view[begin:stop], final=last)
        yield from self._name_chunks(view, begin, ends)
        done = ends[-1] if ends else 0
        self.offset += done
        self.rest = b"" if last else bytes(view[begin + done : stop])
        self.spans = [span for span in self.spans if span.stop > self.offset]

    def _name_chunks(self, view: memoryview, begin: int, ends: list[int]) -> Iterator[Chunk]:
        """Yield chunks, each with the kind of number that most of it holds."""
        spans, at = self.spans, 0
        for start, stop in itertools.pairwise([0, *ends]):
            low, high = self.offset + start, self.offset + stop
            if self.part is not None and not self._is_wanted(self.part, low):
                continue
            while spans[at].stop <= low:
                at += 1
            span = spans[at]
            if span.stop < high:
                span = max(_within(spans[at:], high), key=lambda span: min(span.stop, high) - max(span.start, low))
            data = view[begin + start : begin + stop]
            yield Chunk(self.owner, self.name(data), data, begin + start, span.item_size, (span.start - low) % 8)

    def _is_wanted(self, part: Part, low: int) -> bool:
        """Return whether a chunk that begins there is of the part, and note where the first of them does."""
        wanted = part.start <= low < part.stop
        if wanted and part.begin is None:
            part.begin = low
        return wanted


def _within(spans: list[Span], high: int) -> Iterator[Span]:
    """Yield spans up to the one that reaches a place in the file."""
    for span in spans:
        yield span
        if span.stop >= high:
            return


def _cut_block(block: Block) -> list[Chunk]:
    return [
        chunk for file, start, stop, last in block.stretches for chunk in file.cut(block.view, start, stop, last=last)
    ]
