"""Chunks from the packs of one bucket into those of another, encoded as they are.

A copy neither cuts nor compresses: a chunk keeps its id and its stored bytes.
What the other bucket has is found as any writer finds it, a window at a time;
only the rest is fetched, decoded to see that it is what its id says, and
packed. The next windows are on their way while one is packed.

    locate      where the other bucket has a window's chunks, one lookup for all of them
    fetch       what it lacks (or everything, where files are to be hashed whole), by the pool
    pack        the caller's thread, in order

Where all of a file's chunks came through here, its SHA-256 is computed on the way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple, Protocol, TypeAlias

from holdall.chunks.damage import Damage
from holdall.chunks.dedup import ChunkQuery
from holdall.chunks.delivery import decode_verified
from holdall.chunks.observer import SILENT, Transfer
from holdall.chunks.plan import Range, plan_ranges
from holdall.chunks.pool import Pool
from holdall.chunks.writer import ChunkWriter
from holdall.errors import IntegrityError, ObjectNotFoundError, ObjectTooShortError
from holdall.format import digest
from holdall.format.digest import Bytes
from holdall.format.encoder import Encoded
from holdall.format.layout import PackName
from holdall.format.reference import CHUNK, Ref, encode_as
from holdall.keys.sealed_bucket import sealing_of
from holdall.storage.bucket import Bucket

_LIMIT: Final = 4 << 20  # bytes of one request: a window of them is on its way at once
_AHEAD: Final = 1  # windows that are fetched while one is packed: each is held encoded and decoded


class Hasher(Protocol):
    """A SHA-256 in the making."""

    def update(self, data: Bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class StoredBlob(NamedTuple):
    """A blob as it is stored under a codec, and its decoded bytes, which hash to its id."""

    codec: int
    stored: Bytes
    data: bytes


ReadInline: TypeAlias = Callable[[Sequence[Ref]], Sequence[bytes]]


@dataclass(slots=True)
class RelayedFile:
    """A file on its way.

    Attributes:
        path: Where it is in its run, for errors.
        size: Bytes.
        sha256: What they must hash to.
        chunks: Where they are at the source, in order.
        placed: Where they are to be referred to, once they were sent.
    """

    path: str
    size: int
    sha256: bytes
    chunks: Sequence[Ref]
    placed: list[Ref] = field(default_factory=list)


class _Piece(NamedTuple):
    """A chunk of a file, and the file's number."""

    file: RelayedFile
    number: int
    ref: Ref


class StoredReader:
    """Reads blobs as they are stored, each of them verified; the pool's threads work for it.

    Args:
        bucket: Where the packs are.
        pool: Whose threads ask.
        damage: Is told of what is wrong.
        inline: Reads blobs that log entries carry, decoded.
    """

    def __init__(self, bucket: Bucket, pool: Pool, damage: Damage, inline: ReadInline) -> None:
        self._bucket, self._pool, self._damage, self._inline = bucket, pool, damage, inline

    def start(self, wanted: Mapping[Ref, str]) -> list[Future[dict[Ref, StoredBlob]]]:
        """Begin to fetch blobs of packs, each with the path that it belongs to.

        Cost: a request per stretch of neighbours, of at most 4 MiB.
        """
        paths = {ref: path for ref, path in wanted.items() if isinstance(ref.location, PackName)}
        spans = plan_ranges(paths, limit=_LIMIT)
        return [self._pool.submit_with_budget(2 * (s.stop - s.start), partial(self._fetch, s, paths)) for s in spans]

    def read_inline(self, wanted: Iterable[Ref]) -> dict[Ref, StoredBlob]:
        """Return those of some blobs that log entries carry; they are small, and encoded anew."""
        refs = [ref for ref in wanted if not isinstance(ref.location, PackName)]
        found = self._inline(refs) if refs else ()
        return {ref: StoredBlob(*encode_as(CHUNK, data), data) for ref, data in zip(refs, found, strict=True)}

    def _fetch(self, span: Range, paths: Mapping[Ref, str]) -> dict[Ref, StoredBlob]:
        body = self._get(span, paths[span.refs[0]])
        found = {}
        for ref in span.refs:
            at = ref.offset - span.start
            found[ref] = self._verified(ref, body[at : at + ref.stored], paths[ref])
        return found

    def _verified(self, ref: Ref, stored: memoryview, path: str) -> StoredBlob:
        """Decode a blob; what is wrong is fetched once more, since networks err more often than disks."""
        where = f"pack {ref.location}, offset {ref.offset}"
        try:
            return self._decoded(ref, stored, where, path)
        except IntegrityError:
            again = Range.over([ref])
            stored = self._get(again, path)
        try:
            return self._decoded(ref, stored, where, path)
        except IntegrityError as error:
            self._damage.wrong(again.pack, error.detail, [ref.id])
            raise

    def _decoded(self, ref: Ref, stored: memoryview, where: str, path: str) -> StoredBlob:
        sealing = sealing_of(self._bucket)
        data = decode_verified(ref, stored, sealing, where, path)
        return StoredBlob(*sealing.opened(ref, stored), data)

    def _get(self, span: Range, path: str) -> memoryview:
        try:
            return memoryview(self._bucket.get_range(span.pack.key, span.start, span.stop))
        except ObjectNotFoundError as error:
            self._damage.gone(span.pack)
            raise IntegrityError(f"pack {span.pack}", "the pack is gone", path) from error
        except ObjectTooShortError as error:
            self._damage.wrong(span.pack, "the pack is cut off")
            raise IntegrityError(f"pack {span.pack}", "the pack is cut off", path) from error


class _Window:
    """Some chunks, their places where the other bucket has them, and the blobs of the others on their way."""

    def __init__(self, pieces: list[_Piece], known: list[Ref | None], reader: StoredReader, *, whole: bool) -> None:
        self.pieces, self.known = pieces, known
        both = zip(pieces, known, strict=True)
        wanted = {piece.ref: piece.file.path for piece, place in both if whole or place is None}
        self._coming = reader.start(wanted)
        self._inline = reader.read_inline(wanted)

    def blobs(self) -> dict[Ref, StoredBlob]:
        """Wait for what was fetched, and return it."""
        return self._inline | {ref: blob for future in self._coming for ref, blob in future.result().items()}


class Relay:
    """Sends files' chunks to a writer of another bucket. Not for several threads at once.

    Args:
        reader: Of the source.
        writer: Of the destination, which knows what is there.
        window: Bytes of chunks that are looked up together.
        whole: Whether chunks that the destination has are fetched and hashed as well.
        hashes: Whether what is sent are files, whose SHA-256 is known, and not parts of them.
        renamed: Whether the destination names chunks otherwise: then all are fetched, and looked up by their new ids.
        transfer: Is told of what need not be sent.

    Attributes:
        sent: Bytes of chunks that were sent, as encoded.
    """

    def __init__(
        self,
        reader: StoredReader,
        writer: ChunkWriter,
        *,
        window: int,
        whole: bool = False,
        hashes: bool = True,
        renamed: bool = False,
        transfer: Transfer = SILENT,
    ) -> None:
        self._renamed = renamed
        self._reader, self._writer, self._window, self._whole = reader, writer, window, whole
        self._transfer, self._hashes = transfer, hashes
        self._hashing: Hasher | None = None
        self.sent = 0

    def send(self, files: Iterable[RelayedFile]) -> None:
        """Give every chunk of these files a place; those that the destination lacks are packed.

        Nothing may refer to them before the writer was flushed.

        Raises:
            IntegrityError: A chunk, or a file all of whose chunks were fetched, is not what its digest says.
        """
        waiting: deque[_Window] = deque()
        for pieces in self._windows(files):
            waiting.append(self._begin(pieces))
            if len(waiting) > _AHEAD:
                self._pack(waiting.popleft())
        while waiting:
            self._pack(waiting.popleft())

    def _windows(self, files: Iterable[RelayedFile]) -> Iterator[list[_Piece]]:
        some: list[_Piece] = []
        size = 0
        for number, file in enumerate(files):
            for ref in file.chunks:
                some.append(_Piece(file, number, ref))
                size += ref.raw
                if size >= self._window:
                    yield some
                    some, size = [], 0
        if some:
            yield some

    def _begin(self, pieces: list[_Piece]) -> _Window:
        if self._renamed:
            return _Window(pieces, [None] * len(pieces), self._reader, whole=True)
        known = self._locate(pieces, [piece.ref.id for piece in pieces])
        return _Window(pieces, known, self._reader, whole=self._whole)

    def _pack(self, window: _Window) -> None:
        found, saved, known = window.blobs(), 0, window.known
        ids = [piece.ref.id for piece in window.pieces]
        if self._renamed:
            ids = [self._writer.sealing.blob_id(found[piece.ref].data) for piece in window.pieces]
            known = self._locate(window.pieces, ids)
        for piece, id, place in zip(window.pieces, ids, known, strict=True):
            ref, blob = piece.ref, found.get(piece.ref)
            place = place or self._writer.placed(id)
            if place:
                saved += ref.raw
            else:
                assert blob is not None, "what has no place was fetched"
                place = self._send(id, ref, blob)
            self._place(piece.file, place, blob)
        if saved:
            self._transfer.add(saved, saved)

    def _locate(self, pieces: Sequence[_Piece], ids: Sequence[bytes]) -> list[Ref | None]:
        """Return where the destination has chunks, by their ids there."""
        pairs = zip(pieces, ids, strict=True)
        return self._writer.locate([ChunkQuery(id, piece.ref.raw, piece.number) for piece, id in pairs])

    def _send(self, id: bytes, ref: Ref, blob: StoredBlob) -> Ref:
        stored = len(blob.stored)
        self.sent += stored
        return self._writer.put_encoded(id, Encoded(blob.codec, (blob.stored,), stored), ref.raw)

    def _place(self, file: RelayedFile, place: Ref, blob: StoredBlob | None) -> None:
        """Note where a file's next chunk is; hash it, and the file with its last one if none was missing."""
        if not file.placed:
            self._hashing = digest.file_hash() if self._hashes else None
        if blob is None:
            self._hashing = None
        elif self._hashing is not None:
            self._hashing.update(blob.data)
        file.placed.append(place)
        complete = len(file.placed) == len(file.chunks)
        if complete and self._hashing is not None and self._hashing.digest() != file.sha256:
            raise IntegrityError(file.path, "its chunks do not hash to the SHA-256 that its run says", file.path)
