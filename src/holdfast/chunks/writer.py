"""Bytes in, packs out.

A stream is read into a reused buffer, cut and hashed. Chunks gather in a window
of a pack's size; then the writer looks which of them the bucket has, and only
the others are encoded and packed. Packs are uploaded side by side while the
stream goes on. Nothing may refer to a pack before `flush` has returned.

Resume needs no code of its own: packs that a killed writer had acknowledged
have hints, so the same bytes again find them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from holdfast.chunks.hints import PER_PACK, Known, sample
from holdfast.chunks.observer import SILENT, Transfer
from holdfast.chunks.pool import Batch, Pool
from holdfast.errors import ObjectExistsError, StorageError
from holdfast.format import digest
from holdfast.format.chunking import Chunker
from holdfast.format.codec import encode
from holdfast.format.layout import PackName, hint_key
from holdfast.format.pack import TRAILER, PackBuilder, parse_footer
from holdfast.format.records import encode_hint
from holdfast.format.reference import CHUNK, Ref
from holdfast.storage.bucket import Bucket

BUFFER: Final = 4 << 20


class Readable(Protocol):
    """Anything that reads into a buffer, such as a file opened with `buffering=0`."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill some of the buffer; 0 at the end."""
        ...


class Slot:
    """A chunk on its way: `ref` says where it is once its window was settled."""

    __slots__ = ("id", "raw", "ref")

    def __init__(self, id: bytes, raw: int) -> None:
        self.id, self.raw = id, raw
        self.ref: Ref | None = None

    @property
    def settled(self) -> Ref:
        """Where the chunk is."""
        assert self.ref is not None, "settle() comes first"
        return self.ref


@dataclass(frozen=True, slots=True)
class Written:
    """A stream that was written: its bytes, its SHA-256 and its chunks in order."""

    size: int
    sha256: bytes
    slots: tuple[Slot, ...]


@dataclass(slots=True)
class Tally:
    """How many bytes a writer did not find in the bucket: decoded, and as stored."""

    new: int = 0
    stored: int = 0


class PackNames:
    """The names of one session's packs, each given once, to any thread."""

    def __init__(self, session: bytes) -> None:
        self.session = session
        self._numbers = itertools.count()  # next() is atomic

    def __next__(self) -> PackName:
        return PackName(self.session, next(self._numbers))


class ChunkWriter:
    """Writes streams and blobs for one commit. Not for several threads at once."""

    def __init__(
        self,
        bucket: Bucket,
        pool: Pool,
        known: Known,
        names: PackNames,
        chunker: Chunker,
        pack_size: int,
        transfer: Transfer = SILENT,
    ) -> None:
        self._bucket, self._pool, self._known, self._names = bucket, pool, known, names
        self._chunker, self._pack_size, self._transfer = chunker, pack_size, transfer
        self._buffer = bytearray(max(BUFFER, 2 * chunker.max))
        self._window: list[tuple[Slot, bytes]] = []
        self._waiting = 0  # bytes in the window
        self._slots: dict[bytes, Slot] = {}  # chunks of this commit that are not in `known` yet
        self._placed: dict[bytes, Ref] = {}  # what this writer packed, acknowledged or not
        self._before: Ref | None = None  # where the stream stands in a known pack
        self._builder = PackBuilder()
        self._uploads = Batch(pool)
        self._saved = 0  # bytes of the streams that need no journey, not yet told
        self._sent = 0  # bytes of the streams in the pack in the making
        self.tally = Tally()

    @property
    def unsent(self) -> bool:
        """Whether a pack is in the making."""
        return bool(self._builder.rows)

    def write(self, stream: Readable) -> Written:
        """Cut, hash and keep a stream. Its chunks have no place until `settle`."""
        hasher, size, slots = digest.file_hash(), 0, []
        for block, ends in self._blocks(stream, hasher):
            for start, end in itertools.pairwise([0, *ends]):
                slots.append(self._add(bytes(block[start:end])))
                size += end - start
            self._tell_saved(BUFFER)
        return Written(size, hasher.digest(), tuple(slots))

    def settle(self) -> None:
        """Give every chunk so far its place: where the bucket has it, or in a pack in the making."""
        self._recognise()
        new = [(slot, data) for slot, data in self._window if slot.ref is None]
        for (slot, data), (codec, stored) in zip(new, self._pool.map(encode, [d for _, d in new]), strict=True):
            slot.ref = self._pack(slot.id, CHUNK, codec, stored, len(data))
            self._sent += len(data)
        self._saved += self._waiting - sum(len(data) for _, data in new)
        self._tell_saved(1)
        self._window, self._waiting = [], 0

    def place(self, data: bytes, kind: int) -> Ref:
        """Put a recipe, node or other blob into a pack, unless the bucket is known to have it."""
        return self.known(data) or self._pack(digest.blob_id(data), kind, *encode(data), len(data))

    def known(self, data: bytes) -> Ref | None:
        """Where the bucket has a blob already, if it does.

        A recipe lies behind its file's chunks: where these ended a pack, it began the next.
        """
        blob = digest.blob_id(data)
        there = self._placed.get(blob)
        if there is None or not self._known.allows(there):
            there = self._known.get(blob)
        if there is None and self._before is not None and self._known.follow(self._before):
            there = self._known.get(blob)
        return there

    def move(self, slots: Iterable[Slot], contents: Iterable[bytes]) -> None:
        """Pack chunks anew whose pack is condemned."""
        for slot, data in zip(slots, contents, strict=True):
            slot.ref = self._pack(slot.id, CHUNK, *encode(data), len(data))

    def flush(self) -> None:
        """Return when the bucket has acknowledged every pack.

        Raises:
            StorageError: It did not; nothing may refer to what was written.
        """
        self.settle()
        self._close_pack()
        self._uploads.finish()

    def _blocks(self, stream: Readable, hasher: Any) -> Iterator[tuple[memoryview, list[int]]]:
        """The stream in blocks with the ends of their chunks. A block's rest is moved in front of the next."""
        view, filled, final = memoryview(self._buffer), 0, False
        while not final:
            count = stream.readinto(view[filled:]) or 0
            hashing = self._pool.submit(hasher.update, view[filled : filled + count])
            filled, final = filled + count, count == 0
            ends = self._chunker.cut_points(view[:filled], final=final) if final or filled > self._chunker.max else []
            yield view, ends
            hashing.result()
            done = ends[-1] if ends else 0
            view[: filled - done] = view[done:filled]
            filled -= done

    def _add(self, data: bytes) -> Slot:
        blob = digest.blob_id(data)
        if slot := self._slots.get(blob):
            self._saved += len(data)
            return slot
        slot = self._slots[blob] = Slot(blob, len(data))
        self._window.append((slot, data))
        self._waiting += len(data)
        if self._waiting >= self._pack_size:
            self.settle()
        return slot

    def _tell_saved(self, least: int) -> None:
        if self._saved >= least:
            saved, self._saved = self._saved, 0
            self._transfer.add(saved, saved)

    def _recognise(self) -> None:
        """Find out which chunks of the window the bucket has.

        The stream is followed along known packs first; only where that leaves
        much unknown is the bucket asked for hints.
        """
        missing = self._match()
        if 4 * sum(slot.raw for slot in missing) > self._waiting:
            smallest = sorted(slot.id for slot in missing)[:PER_PACK]
            if self._known.ask(smallest):
                self._match()

    def _match(self) -> list[Slot]:
        missing = []
        for slot, _ in self._window:
            slot.ref = slot.ref or self._known.get(slot.id)
            if slot.ref is None and self._before is not None and self._known.follow(self._before):
                slot.ref = self._known.get(slot.id)
            if slot.ref is None:
                missing.append(slot)
            self._before = slot.ref
        return missing

    def _pack(self, blob: bytes, kind: int, codec: int, stored: bytes, raw: int) -> Ref:
        if self._builder.rows and self._builder.size + len(stored) > self._pack_size:
            self._close_pack()
        if not self._builder.rows:
            self._name = next(self._names)
        if kind == CHUNK:
            self.tally.new += raw
        self.tally.stored += len(stored)
        ref = self._placed[blob] = self._builder.add(blob, kind, codec, stored, raw).ref(self._name)
        return ref

    def _close_pack(self) -> None:
        if self._builder.rows:
            self._known.condemned()  # W2 comes before any pack
            builder, self._builder, name = self._builder, PackBuilder(), self._name
            sent, self._sent = self._sent, 0
            self._uploads.submit_holding(builder.size, lambda: self._upload(name, builder, sent))

    def _upload(self, name: PackName, builder: PackBuilder, sent: int) -> None:
        """Create a pack, then the hints to it. Hints are advice: one that fails costs space later."""
        data = builder.finish()
        try:
            self._bucket.put(name.key, data)
        except ObjectExistsError:
            if self._bucket.get_range(name.key, -TRAILER) != data[-TRAILER:]:
                raise
        self._transfer.add(sent)
        self._known.learn(name, parse_footer(data, str(name)))
        chunks = [row.id for row in builder.rows if row.kind == CHUNK]
        for chunk in sample(chunks, builder.size):
            try:
                self._bucket.put(hint_key(chunk), encode_hint(chunk, name))
            except StorageError:
                continue
