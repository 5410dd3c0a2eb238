"""Encoded blobs into packs, and packs into the bucket.

A pack is built in a reused buffer and uploaded by the pool while the next one
is filled; how many are on their way at once is what the budget has room for.
Its hints follow when it was acknowledged, each a task of its own. An entry that
refers to the packs need not wait for them: they are advice. A session closes
when they were put, since its packs are looked for without them only until then.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Final, Protocol

from holdall.chunks.buffers import BufferPool
from holdall.chunks.chunk_index import ChunkIndex
from holdall.chunks.observer import SILENT, Transfer
from holdall.chunks.pool import Batch, Pool
from holdall.errors import ObjectExistsError
from holdall.format.encoder import Encoded
from holdall.format.layout import PackName
from holdall.format.pack import TRAILER, Footer, PackBuilder
from holdall.format.reference import CHUNK, Ref
from holdall.keys.sealed_bucket import sealing_of
from holdall.storage.bucket import Bucket

_FOOTER: Final = 64 << 10  # room behind a pack's body for the footer of usual chunks


@dataclass(slots=True)
class WriteStats:
    """What a writer stored.

    Attributes:
        new: Bytes of chunks, decoded, whether the bucket had them or not.
        stored: Bytes of all blobs, as encoded.
        rewritten: Those of `new` that the bucket had, where reading them would have cost too many requests.
    """

    new: int = 0
    stored: int = 0
    rewritten: int = 0

    def __add__(self, other: WriteStats) -> WriteStats:
        return WriteStats(self.new + other.new, self.stored + other.stored, self.rewritten + other.rewritten)


class Names(Protocol):
    """Gives names to packs, each once."""

    @property
    def session(self) -> bytes:
        """Return the session that gives its name."""
        ...

    def __next__(self) -> PackName: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Upload:
    """A pack on its way."""

    name: PackName
    builder: PackBuilder
    buffer: memoryview
    sent: int  # bytes of users' files in it
    done: Future[None]


class Packer:
    """Puts blobs into packs, in the order in which they come. For one thread at a time."""

    def __init__(
        self,
        bucket: Bucket,
        pool: Pool,
        index: ChunkIndex,
        names: Names,
        pack_size: int,
        transfer: Transfer = SILENT,
    ) -> None:
        self._bucket, self._index, self._names, self._sealing = bucket, index, names, sealing_of(bucket)
        self._pack_size, self._transfer = pack_size, transfer
        most = max(2, pool.memory // 2 // pack_size)
        self._buffers = BufferPool(pool, pack_size + _FOOTER, limit=most)
        index.add_own_session(names.session)
        self._pool, self._hints = pool, Batch(pool)
        self._builder: PackBuilder | None = None
        self._uploads: list[_Upload] = []
        self._sent = 0
        self.placed: dict[bytes, Ref] = {}  # what was packed, acknowledged or not
        self._era = index.era  # in which that was
        self.stats = WriteStats()

    @property
    def unsent(self) -> bool:
        """Return whether a pack is in the making."""
        return self._builder is not None

    def add(
        self, blob: bytes, kind: int, encoded: Encoded, raw: int, *, file_bytes: int = 0, sealed: bool = False
    ) -> Ref:
        """Put a blob into a pack, sealed where the store is, and return where it then is.

        Args:
            blob: Its id.
            kind: What it is.
            encoded: How it is stored.
            raw: Its decoded length.
            file_bytes: Bytes of users' files that are safe once it is.
            sealed: Whether it is as it lay in a pack of the same store or `Encoders` made it: sealed if that is.
        """
        if not sealed:
            encoded = self._sealing.seal(kind, blob, encoded, raw)
        if self._builder and not self._fits(self._builder, encoded.stored):
            self.close()
        if self._builder is None:
            self._start_pack()
        assert self._builder is not None, "it was just made"
        if kind == CHUNK:
            self.stats.new += raw
        self.stats.stored += encoded.stored
        self._sent += file_bytes
        row = self._builder.add(blob, kind, encoded.codec, encoded.parts, raw)
        ref = self.placed[blob] = row.ref(self._name)
        return ref

    def keep_up(self) -> None:
        """Where the session began again meanwhile, send what was packed before, and forget where it is."""
        while self._era != (era := self._index.era):
            self.flush()
            self.placed.clear()
            self._era = era

    def close(self) -> None:
        """Send the pack in the making on its way."""
        builder, sent = self._builder, self._sent
        if builder is None:
            return
        self._collect_finished()
        self._index.condemned()  # W2 comes before any pack
        done = self._pool.submit(self._upload, self._name, builder, sent)
        self._uploads.append(_Upload(self._name, builder, self._buffer, sent, done))
        self._builder, self._sent = None, 0  # not before: what is not on its way is still to be sent

    def flush_packs(self) -> None:
        """Return when the bucket has acknowledged every pack; their hints are on their way then.

        Raises:
            StorageError: It did not; nothing may refer to what was packed.
        """
        self.close()
        while self._uploads:
            self._wait_for_upload()
        self._buffers.clear()

    def flush(self) -> None:
        """Return when the bucket has acknowledged every pack, and hints lead there. Raises: as `flush_packs`."""
        self.flush_packs()
        self.finish_hints()

    def finish_hints(self) -> None:
        """Return when the hints of all packs that were acknowledged were put."""
        self._hints.finish()

    def settle(self) -> None:
        """Return when nothing of this is under way any more, whether it failed or not: its commit has.

        The caller gets the bucket's failure, and may delete the bucket then; a pack that arrived later would be in it.
        """
        wait([upload.done for upload in self._uploads])
        self._hints.settle()

    def _fits(self, builder: PackBuilder, stored: int) -> bool:
        """Return whether a blob fits: many small ones have a footer so long that it fills a pack before they do."""
        return builder.size + stored <= self._pack_size and builder.fits(stored)

    def _start_pack(self) -> None:
        self._collect_finished()
        while (buffer := self._buffers.acquire(force=not self._uploads)) is None:
            self._wait_for_upload()
        self._buffer, self._builder, self._name = buffer, PackBuilder(buffer), next(self._names)

    def _wait_for_upload(self) -> None:
        wait([upload.done for upload in self._uploads], return_when=FIRST_COMPLETED)
        self._collect_finished()

    def _collect_finished(self) -> None:
        """Free the buffers of packs that were acknowledged, and put their hints.

        One that failed stays in the list, so that another try meets the same failure.
        """
        done = [upload for upload in self._uploads if upload.done.done()]
        for upload in done:
            upload.done.result()
        self._uploads = [upload for upload in self._uploads if upload not in done]
        for upload in done:
            self._buffers.release(upload.buffer)
            chunks = [row.id for row in upload.builder.rows if row.kind == CHUNK]
            for chunk in self._index.hints.select(chunks, upload.builder.size):
                self._hints.submit(self._index.hints.put, chunk, upload.name)

    def _upload(self, name: PackName, builder: PackBuilder, sent: int) -> None:
        body = builder.size
        data = builder.finish()
        era = self._index.begin_reading()
        try:
            self._bucket.put(name.key, data)
        except ObjectExistsError:
            if self._bucket.get_range(name.key, -TRAILER) != data[-TRAILER:]:
                raise
        self._transfer.add(sent)
        self._index.add_footer(name, Footer(body, b"", tuple(builder.rows)), era)
