"""Versions of one file, each written by what recognises chunks, without the bytes: ids and lengths are enough."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from tests.support.stores import Serial, TrustingVerifier

from holdall.chunks.chunk_index import ChunkIndex
from holdall.chunks.dedup import ChunkQuery, Deduplicator
from holdall.chunks.plan import plan_ranges
from holdall.errors import ObjectExistsError
from holdall.format.codec import UNCOMPRESSED
from holdall.format.layout import PackName, hint_key
from holdall.format.pack import Footer, PackBuilder, Row, parse_footer
from holdall.format.records import encode_hint
from holdall.format.reference import CHUNK, Ref
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket

T = TypeVar("T")
Edit = Callable[[list[bytes], random.Random], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What writing one version did: requests that reading it takes, bytes stored, and stored again."""

    requests: int
    stored: int
    rewritten: int


class Versions:
    """Writes versions of a file of equal chunks, one session each.

    Args:
        chunk: Bytes of a chunk.
        pack: Bytes of a pack.
        bucket: Where sessions that know nothing of each other look for packs and hints;
            None: all share what they know, and there are only footers.
    """

    def __init__(self, *, chunk: int = 64 << 10, pack: int = 32 << 20, bucket: Bucket | None = None) -> None:
        self._chunk, self._pack, self._bucket = chunk, pack, bucket
        self._pool = Serial()
        self._shared = ChunkIndex(MemoryBucket(), self._pool, TrustingVerifier())
        self._sessions = 0

    def log(self, ids: list[bytes]) -> Outcome:
        """Write a version whose chunks have these ids, in a session of its own."""
        self._sessions += 1
        known = ChunkIndex(self._bucket, self._pool, TrustingVerifier()) if self._bucket else self._shared
        deduplicator = Deduplicator(known, pack_size=self._pack)
        packs = _Packs(self._sessions.to_bytes(16), self._chunk, self._pack)
        placed: list[Ref] = []
        for window in _parts(ids, self._pack // self._chunk):
            found = deduplicator.lookup([ChunkQuery(id, self._chunk, 0) for id in window])
            placed += [ref or packs.add(id) for id, ref in zip(window, found, strict=True)]
        for name, rows in packs.finished():
            self._keep(known, name, rows)
        return Outcome(len(plan_ranges(placed)), packs.stored, deduplicator.rewritten)

    def _keep(self, known: ChunkIndex, name: PackName, rows: list[Row]) -> None:
        if self._bucket is None:
            known.add_footer(name, Footer(rows[-1].offset + self._chunk, b"", tuple(rows)))
            return
        builder = PackBuilder()
        for row in rows:
            builder.add(row.id, CHUNK, UNCOMPRESSED, b"?" * self._chunk, self._chunk)
        data = bytes(builder.finish())
        self._bucket.put(name.key, data)
        known.add_footer(name, parse_footer(data, str(name)))
        for chunk in known.hints.select([row.id for row in rows], builder.size):
            try:
                self._bucket.put(hint_key(chunk), encode_hint(chunk, name))
            except ObjectExistsError:
                continue


class _Packs:
    """Where one session's chunks go."""

    def __init__(self, session: bytes, chunk: int, pack: int) -> None:
        self._session, self._chunk, self._most = session, chunk, (pack - 8) // chunk
        self._rows: list[Row] = []
        self._placed: dict[bytes, Ref] = {}

    @property
    def stored(self) -> int:
        return self._chunk * len(self._rows)

    def add(self, id: bytes) -> Ref:
        number, at = divmod(len(self._rows), self._most)
        self._rows.append(Row(id, 8 + at * self._chunk, self._chunk, self._chunk, UNCOMPRESSED, CHUNK))
        return self._rows[-1].ref(PackName(self._session, number))

    def finished(self) -> Iterator[tuple[PackName, list[Row]]]:
        for number, rows in enumerate(_parts(self._rows, self._most)):
            yield PackName(self._session, number), rows


def _parts(items: list[T], length: int) -> Iterator[list[T]]:
    return (items[at : at + length] for at in range(0, len(items), length))


def history(chunks: int, edit: Edit, *, versions: int = 30, seed: int = 1) -> Iterator[list[bytes]]:
    """The chunk ids of a file's versions, each an edit of the one before."""
    source = random.Random(seed)
    ids = [source.randbytes(32) for _ in range(chunks)]
    for _ in range(versions):
        yield list(ids)
        edit(ids, source)


def scattered(count: int) -> Edit:
    """So many chunks change, anywhere."""

    def edit(ids: list[bytes], source: random.Random) -> None:
        for place in source.sample(range(len(ids)), count):
            ids[place] = source.randbytes(32)

    return edit


def region(count: int) -> Edit:
    """So many neighbours change, somewhere."""

    def edit(ids: list[bytes], source: random.Random) -> None:
        start = source.randrange(len(ids) - count)
        ids[start : start + count] = [source.randbytes(32) for _ in range(count)]

    return edit


def appended(count: int) -> Edit:
    """So many chunks more."""

    def edit(ids: list[bytes], source: random.Random) -> None:
        ids += [source.randbytes(32) for _ in range(count)]

    return edit


def same_places(every: int) -> Edit:
    """Each time the same chunks change, such as the biases of a network whose rest is frozen."""

    def edit(ids: list[bytes], source: random.Random) -> None:
        ids[::every] = [source.randbytes(32) for _ in ids[::every]]

    return edit
