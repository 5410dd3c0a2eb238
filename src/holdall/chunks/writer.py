"""Bytes in, packs out: a pipeline that one thread drives and the pool works.

    read               the caller's thread, into reused blocks of 4 MiB
    SHA-256            a thread of the file's own
    cut, BLAKE3        a thread of the cutter's own, block by block
    recognise          the caller's thread, a window of a pack's size at a time
    encode, verify     the pool, what a block has new, in as many threads as there are processors
    pack               the caller's thread, in order
    digest, upload     the pool, several packs at once

Threads that ask for the GIL often cost one another more than they share, so
there is one that cuts and names, and what is compressed, decoded or written is
done by the megabyte rather than by the chunk.

The caller's thread never waits for what it has just begun: while a window is
being encoded it reads the next, and it comes back to the first when it needs
the buffers. Nothing may refer to a pack before `flush` has returned.

Resume needs no code of its own: packs that a killed writer had acknowledged
have hints, so the same bytes again find them.
"""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from holdall.chunks.buffers import BufferPool
from holdall.chunks.chunk_index import ChunkIndex
from holdall.chunks.cutter import BLOCK, Block, Cutter, Part, Readable, headroom
from holdall.chunks.dedup import ChunkQuery, Deduplicator, Previous
from holdall.chunks.encoding import Encoders
from holdall.chunks.observer import SILENT, Transfer
from holdall.chunks.packer import Names, Packer, WriteStats
from holdall.chunks.pending import EncodingBlock, NamedBlock, NewChunk, PendingChunk, WrittenStream
from holdall.chunks.pool import Pool
from holdall.format.chunking import Chunker
from holdall.format.encoder import Encoded
from holdall.format.reference import CHUNK, Ref, encode_as
from holdall.keys.sealed_bucket import sealing_of
from holdall.storage.bucket import Bucket

F = TypeVar("F", bound=Callable[..., Any])

_AHEAD: Final = 2  # blocks beyond a window: one is read while the other is cut


class ChunkWriter:
    """Writes streams and blobs for one commit. Not for several threads at once.

    `claim` says of a chunk that the bucket lacks whether this writer stores it. What is left to another has no place
    until the caller gives it one.
    """

    def __init__(
        self,
        bucket: Bucket,
        pool: Pool,
        index: ChunkIndex,
        names: Names,
        chunker: Chunker,
        pack_size: int,
        transfer: Transfer = SILENT,
        claim: Callable[[bytes], bool] = lambda _: True,
        previous: Previous | None = None,
    ) -> None:
        self._pool, self._index, self._transfer, self._claim = pool, index, transfer, claim
        self.sealing = sealing_of(bucket)
        self._previous = previous
        self._deduplicator = Deduplicator(index, pack_size=pack_size, previous=previous)
        self._packer = Packer(bucket, pool, index, names, pack_size, transfer)
        block = max(min(BLOCK - headroom(chunker), pack_size), 2 * chunker.max)
        self._window_size = max(min(pack_size, pool.memory // 8), 2 * chunker.max)
        window = -(-self._window_size // block) + 1  # in blocks, the last of them in part
        self._buffers = BufferPool(pool, block + headroom(chunker), limit=window + _AHEAD)
        self._scratch = BufferPool(pool, block, limit=window)
        self._encoders = Encoders(self._scratch, self.sealing)
        fresh, gather = weakref.WeakMethod(self._acquire_buffer), weakref.WeakMethod(self._take_block)
        # Held weakly: a writer that is dropped, such as after a failure, gives its memory back at once.
        self._cutter = Cutter(
            pool,
            chunker,
            lambda: _dereference(fresh)(),
            lambda block: _dereference(gather)(block),
            self.sealing.blob_id,
        )
        self._full: deque[Block] = deque()
        self._waiting = 0  # bytes of the chunks that are not decided
        self._named: deque[NamedBlock] = deque()
        self._undecided: deque[NewChunk] = deque()  # chunks in order; how many came, and how many were decided
        self._queued = self._decided = 0
        self._encoding: deque[EncodingBlock] = deque()
        self._chunks: dict[bytes, PendingChunk] = {}  # chunks of this commit
        self._numbers = itertools.count()  # of the streams

    @property
    def stats(self) -> WriteStats:
        """Return what was stored so far."""
        return replace(self._packer.stats, rewritten=self._deduplicator.rewritten)

    @property
    def unsent(self) -> bool:
        """Return whether a pack is in the making."""
        return self._packer.unsent

    def write(
        self, stream: Readable, part: Part | None = None, *, after: WrittenStream | None = None, path: str = ""
    ) -> WrittenStream:
        """Cut, hash and keep a stream. Its chunks have no place until `resolve_pending`.

        Args:
            stream: What is read to its end.
            part: Which part of a file it is, if it is one: then it has no hash.
            after: The part before it, where that was written too: as one stream they are kept from being scattered.
            path: Where in the run it is to be: what was there in the run before is looked at.
        """
        written = WrittenStream(next(self._numbers) if after is None else after.number)
        if self._previous and path:
            self._previous.begin(written.number, path)
        written.size, written.hashing = self._cutter.cut(stream, written, part)
        return written

    def resolve_pending(self) -> None:
        """Give every chunk so far its location: where the bucket has it, or in a pack in the making."""
        self._cutter.finish()
        while self._full:
            self._queue_new_chunks(self._full[0])
        self._deduplicate(force=True)
        while self._encoding:
            self._pack_oldest()
        self._buffers.clear()
        self._scratch.clear()

    def put_blob(self, data: bytes, kind: int) -> Ref:
        """Put a recipe, node or other blob into a pack, unless the bucket is known to have it."""
        return self.find_blob(data) or self._pack(self.sealing.blob_id(data), kind, data)

    def find_blob(self, data: bytes) -> Ref | None:
        """Return where the bucket has a blob already, if it does.

        A recipe lies behind its file's chunks: where these ended a pack, it began the next.
        """
        return self.find(self.sealing.blob_id(data))

    def find(self, blob: bytes) -> Ref | None:
        """Return where the bucket has the blob of an id already, if that is known."""
        self._packer.keep_up()
        return self.placed(blob) or self._deduplicator.find_blob(blob)

    def locate(self, chunks: Sequence[ChunkQuery]) -> list[Ref | None]:
        """Return where chunks that need not be cut are to be referred to; None: they are to be put.

        Cost: as `Deduplicator.lookup`, and a request for each pack that is borrowed from for the first time.
        """
        found = [self.placed(chunk.id) for chunk in chunks]
        asked = [chunk for chunk, place in zip(chunks, found, strict=True) if place is None]
        there = iter(self._deduplicator.lookup(asked) if asked else ())
        places = [place or next(there) for place in found]
        return [place if place and self._index.verify(place) else None for place in places]

    def placed(self, blob: bytes) -> Ref | None:
        """Return where this writer put a blob, if it did and that may be referred to."""
        there = self._packer.placed.get(blob)
        return there if there and self._index.is_allowed(there) else None

    def put_encoded(self, chunk: bytes, encoded: Encoded, raw: int, *, sealed: bool = False) -> Ref:
        """Put a chunk into a pack that is encoded already, and whose decoded bytes the caller has verified.

        `sealed`: as for `Packer.add`.
        """
        return self._packer.add(chunk, CHUNK, encoded, raw, file_bytes=raw, sealed=sealed)

    def keep_up(self) -> None:
        """Send what was packed before the session began again (W6, W7), so that it can be found as another's is."""
        self._packer.keep_up()

    def forget(self, chunks: Iterable[PendingChunk]) -> None:
        """Look these chunks up anew when they come again: where they are is no use."""
        for pending in chunks:
            self._chunks.pop(pending.id, None)

    def repack(self, chunks: Iterable[PendingChunk], contents: Iterable[bytes]) -> None:
        """Pack chunks anew whose pack is condemned."""
        for pending, data in zip(chunks, contents, strict=True):
            pending.resolved = self._pack(pending.id, CHUNK, data)

    def flush(self) -> None:
        """Return when the bucket has acknowledged every pack, and hints lead there. Raises: as `flush_packs`."""
        self.flush_packs()
        self.finish_hints()

    def flush_packs(self) -> None:
        """Return when the bucket has acknowledged every pack; hints are on their way then.

        Raises:
            StorageError: It did not; nothing may refer to what was written.
        """
        self.resolve_pending()
        self._packer.flush_packs()

    def finish_hints(self) -> None:
        """Return when the hints of what was flushed were put, as they must be before the session closes."""
        self._packer.finish_hints()

    def settle(self) -> None:
        """Return when no pack and no hint is on its way any more, whether it failed or not."""
        self._packer.settle()

    def _pack(self, blob: bytes, kind: int, data: bytes) -> Ref:
        codec, stored = encode_as(kind, data)
        return self._packer.add(blob, kind, Encoded(codec, (stored,), len(stored)), len(data))

    # --- blocks, from the cutter and back to it ---

    def _acquire_buffer(self) -> memoryview:
        """Return a buffer for the next block; if there is none, the oldest block is packed first."""
        while (buffer := self._buffers.acquire(force=not (self._encoding or self._named or self._full))) is None:
            if not self._encoding:
                if self._full:
                    self._queue_new_chunks(self._full[0])
                self._deduplicate(force=not self._full)
            if self._encoding:
                self._pack_oldest()
        return buffer

    def _take_block(self, block: Block) -> None:
        """Take a full block; with a window of named chunks, look up which are new."""
        self._full.append(block)
        while self._full and self._full[0].chunks.done():
            self._queue_new_chunks(self._full[0])
        self._deduplicate()
        while self._encoding and self._ready(self._encoding[0]):
            self._pack_oldest()

    def _queue_new_chunks(self, block: Block) -> None:
        """Queue the chunks of a full block that this commit has not met, waiting for their names."""
        new = self._find_new_chunks(block)
        self._full.popleft()  # not before: what failed fails again
        self._undecided += new
        self._waiting += sum(pending.raw for pending, _ in new)
        self._queued += len(new)
        size = sum(len(chunk.data) for chunk in block.chunks.result())
        self._named.append(NamedBlock(block, size, new, self._queued))

    def _deduplicate(self, *, force: bool = False) -> None:
        """Find out which chunks the bucket has, a window at a time, and have the others encoded.

        What does not fill a window waits for more, unless forced.
        """
        while window := self._next_window(force=force):
            wanted = [ChunkQuery(pending.id, pending.raw, chunk.owner.number) for pending, chunk in window]
            for (pending, _), place in zip(window, self._deduplicator.lookup(wanted), strict=True):
                pending.resolved = place
            for _ in window:  # not before: what could not be looked up is looked up again
                self._undecided.popleft()
            self._waiting -= sum(pending.raw for pending, _ in window)
            self._decided += len(window)
        while self._named and self._named[0].last <= self._decided:
            self._start_encoding(self._named.popleft())

    def _next_window(self, *, force: bool) -> list[NewChunk]:
        """Return the next chunks up to the one that makes them a pack's size."""
        size = 0
        if self._waiting < self._window_size and not force:
            return []
        for count, (pending, _) in enumerate(self._undecided, 1):
            size += pending.raw
            if size >= self._window_size:
                return list(itertools.islice(self._undecided, count))
        return list(self._undecided) if force else []

    def _start_encoding(self, named: NamedBlock) -> None:
        unknown = [one for one in named.new if one.pending.resolved is None and self._claim(one.pending.id)]
        borrowed = [one for one in named.new if one.pending.resolved is not None]
        saved = named.size - sum(pending.raw for pending, _ in unknown)
        chunks = [chunk for _, chunk in unknown]
        encoded = self._pool.submit_cpu(self._encoders.encode, named.block.view, chunks) if unknown else None
        self._encoding.append(EncodingBlock(named.block, unknown, borrowed, encoded))
        if saved:
            self._transfer.add(saved, saved)

    def _find_new_chunks(self, block: Block) -> list[NewChunk]:
        """Return the chunks of a block that came for the first time; each file is told of all of its own."""
        new = []
        for chunk in block.chunks.result():
            pending = self._chunks.get(chunk.id)
            if pending is None:
                pending = self._chunks[chunk.id] = PendingChunk(chunk.id, len(chunk.data))
                new.append(NewChunk(pending, chunk))
            chunk.owner.chunks.append(pending)
        return new

    def _ready(self, block: EncodingBlock) -> bool:
        """Return whether a block has something to pack, and packing it would not wait."""
        if block.encoded is None or not block.encoded.done():
            return False
        return all(self._index.is_verified(pending.ref) for pending, _ in block.borrowed)

    def _pack_oldest(self) -> None:
        """Pack what a block had new, or borrowed in vain, and free its buffer."""
        oldest, scratch = self._encoding[0], None
        for pending, chunk in oldest.borrowed:
            if not self._index.verify(pending.ref):
                pending.resolved = self._pack(pending.id, CHUNK, bytes(chunk.data))
        if oldest.encoded is not None:
            found, scratch = oldest.encoded.result()
            for (pending, _), encoded in zip(oldest.new, found, strict=True):
                pending.resolved = self.put_encoded(pending.id, encoded, pending.raw, sealed=True)
        for reader in oldest.block.readers:
            reader.result()
        self._encoding.popleft()  # not before: what failed fails again
        self._buffers.release(oldest.block.view)
        if scratch is not None:
            self._scratch.release(scratch)


def _dereference(method: weakref.WeakMethod[F]) -> F:
    found = method()
    assert found is not None, "the cutter is the writer's own"
    return found
