"""What a worker process does for a commit: it writes files, or parts of them, with a writer of its own.

The calls of one claim come in this order; each returns little, since content
does not travel between processes.

    begin(task)             opens the bucket, and begins a writer
    write(pieces)           reads, cuts, names, looks up, encodes, packs, uploads; may come often
    left()                  tells which chunks were left to other workers, who met them before
    places(chunks)          tells where chunks are that others have left to it
    settle(places)          gives each piece its recipe: 41 bytes a chunk
    find_blobs(ids)         tells which recipes the bucket has already, as far as this worker has seen it
    put_recipes(recipes)    puts the others behind the chunks of their files, where a pack is in the making
    flush()                 returns when the bucket has acknowledged every pack, and says what was stored

The worker is the session's as much as its parent is: why the rules W1 to W7
hold for what it does is told in `shared_writing.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from holdall.chunks.chunk_index import ChunkIndex, GarbageState
from holdall.chunks.claims import Claims
from holdall.chunks.cutter import Part, Readable
from holdall.chunks.damage import Damage
from holdall.chunks.dedup import Previous
from holdall.chunks.observer import Silent
from holdall.chunks.pack_names import LentPackNames, Numbers
from holdall.chunks.packer import WriteStats
from holdall.chunks.pending import WrittenStream
from holdall.chunks.pool import Pool
from holdall.chunks.verification import PackVerifier
from holdall.chunks.writer import ChunkWriter
from holdall.errors import IntegrityError
from holdall.format.chunking import Chunker
from holdall.format.layout import PackName
from holdall.format.recipe import Recipe, encode_recipe
from holdall.format.reference import RECIPE, Ref
from holdall.storage.bucket import Bucket
from holdall.storage.travelling import unpack_bucket
from holdall.workers import process

_WRITER: Final = "holdall.chunks.worker_writing"
_UNKNOWN: Final = bytes(32)


class ReadablePart(Readable, Protocol):
    """A part of a file that is open: it reads that part, and any bytes of the file when asked."""

    def read_at(self, offset: int, count: int, /) -> bytes:
        """Return so many bytes from an offset in the file, fewer at its end."""
        ...

    def digest(self) -> bytes:
        """Return the BLAKE3 of the part that it was opened for, of which it reads what was not asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker must know to write for a session.

    Attributes:
        bucket: The bucket, packed for the journey.
        chunker: The store's; and `pack_size` likewise.
        numbers: Those that its packs have.
        garbage: What its parent has seen of the garbage, before any footer is read here (W2).
        tried: Packs of others of which its parent has tried a blob (W3a).
        verify_all: Whether each borrowed blob is tried.
        claims: Where the table of claims is.
        worker: The worker's number, from 1.
        previous: Makes what knows of earlier versions, of the bucket and the pool; None: nothing does.
    """

    bucket: bytes
    chunker: Chunker
    pack_size: int
    numbers: Numbers
    garbage: GarbageState
    tried: tuple[PackName, ...]
    verify_all: bool
    claims: str | None
    worker: int
    previous: Callable[[Bucket, Pool], Previous] | None = None


@dataclass(frozen=True, slots=True)
class WholeFile:
    """A file that one worker writes. `open` opens it; it is pickled. `path` is where it is to be, if that is told."""

    file: int
    open: Callable[[], AbstractContextManager[Readable]]
    path: str = ""


@dataclass(frozen=True, slots=True)
class FilePart:
    """Some of a file: the chunks that begin between `start` and `stop`.

    Attributes:
        file: The file's number.
        part: The number of the part whose digest the reader makes.
        open: Opens it; it is pickled.
        offset: Where the reader begins.
        path: Where the file is to be, if that is told.
    """

    file: int
    part: int
    open: Callable[[], AbstractContextManager[ReadablePart]]
    offset: int
    start: int
    stop: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """A piece that has its place.

    Attributes:
        file: The file's number.
        part: The number of the part whose digest was made.
        begin: Where in it the first chunk begins.
        size: Bytes of its chunks.
        recipe: Its recipe; None where it has no chunk.
        sha256: Of the file, if it is a whole one.
        digest: BLAKE3 of the part, if it is one.
    """

    file: int
    part: int
    begin: int
    size: int
    recipe: bytes | None
    sha256: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """Bytes of users' files that are done, and those of them that did not have to travel."""

    done: int
    saved: int


@dataclass(frozen=True, slots=True)
class FoundDamage:
    """A pack with wrong bytes, which the parent records."""

    pack: PackName
    detail: str
    blobs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a worker has done in all.

    Attributes:
        stats: What it stored.
        left: The numbers that it did not use.
        tried: The packs of others of which it has tried a blob.
    """

    stats: WriteStats
    left: Numbers
    tried: tuple[PackName, ...]


class _Telling(Silent):
    """Keeps what the parent is to be told until a call tells it: what is said between two calls, nobody hears."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = self._saved = 0
        self._damage: list[FoundDamage] = []

    def add(self, done: int, saved: int = 0, /) -> None:
        with self._lock:
            self._done += done
            self._saved += saved

    def note_damage(self, pack: PackName, detail: str, blobs: Sequence[bytes]) -> None:
        """Note that a pack is damaged."""
        self._damage.append(FoundDamage(pack, detail, tuple(blobs)))

    def tell(self) -> None:
        """Tell what there is to tell. By the thread that does the call."""
        with self._lock:
            done, saved, self._done, self._saved = self._done, self._saved, 0, 0
            damage, self._damage = self._damage, []
        if done or saved:
            process.notify(Told(done, saved))
        for found in damage:
            process.notify(found)


class _Telltale:
    """A stream whose every reading tells the parent how far its worker is."""

    def __init__(self, stream: Readable, telling: _Telling) -> None:
        self._stream, self._telling = stream, telling

    def readinto(self, buffer: memoryview, /) -> int | None:
        self._telling.tell()
        return self._stream.readinto(buffer)


class _PieceWriter:
    """A worker's writer and what it has written since it was last settled."""

    def __init__(self, task: Task) -> None:
        bucket, pool = unpack_bucket(task.bucket), _pool(process.memory())
        self.telling = _Telling()
        damage = Damage(self.telling.note_damage)
        self.verifier = PackVerifier(bucket, pool, damage, verify_all=task.verify_all)
        self.verifier.take_over(task.tried)
        self.index = ChunkIndex(bucket, pool, self.verifier)
        self.index.take_state(task.garbage)
        self.names = LentPackNames(task.numbers)
        self.claims = Claims(task.claims, task.worker)
        self.writer = ChunkWriter(
            bucket,
            pool,
            self.index,
            self.names,
            task.chunker,
            task.pack_size,
            self.telling,
            self.claims.claim,
            task.previous(bucket, pool) if task.previous else None,
        )
        self._written: list[tuple[WholeFile | FilePart, Part | None, WrittenStream, bytes]] = []
        self._last: dict[int, WrittenStream] = {}  # of each file that is written in parts

    def write(self, piece: WholeFile | FilePart) -> None:
        if isinstance(piece, WholeFile):
            with piece.open() as stream:
                written = self.writer.write(_Telltale(stream, self.telling), path=piece.path)
                self._written.append((piece, None, written, b""))
            return
        with piece.open() as opened:
            part = Part(piece.offset, piece.start, piece.stop, opened.read_at)
            telling, after = _Telltale(opened, self.telling), self._last.get(piece.file)
            written = self.writer.write(telling, part, after=after, path=piece.path)
            self._written.append((piece, part, written, opened.digest()))
        self._last[piece.file] = written

    def left(self) -> dict[bytes, int]:
        self.writer.resolve_pending()
        left, self.claims.left = self.claims.left, {}
        return left

    def settle(self, places: Mapping[bytes, Ref]) -> list[Settled]:
        written, self._written = self._written, []
        for _, _, stream, _ in written:
            for slot in stream.chunks:
                slot.resolved = slot.resolved or places[slot.id]
        return [self._settled(*one) for one in written]

    def _settled(
        self, piece: WholeFile | FilePart, part: Part | None, written: WrittenStream, digest: bytes
    ) -> Settled:
        refs = tuple(slot.ref for slot in written.chunks)
        size, sha256 = sum(ref.raw for ref in refs), written.sha256
        recipe = encode_recipe(Recipe(size, sha256 or _UNKNOWN, refs)) if refs else None
        if part is None and size != written.size:
            raise IntegrityError(f"file {piece.file}", "its chunks are not all of it: log it again")
        begin = part.begin if part and part.begin is not None else 0
        number = piece.part if isinstance(piece, FilePart) else 0
        return Settled(piece.file, number, begin, size, recipe, sha256, digest)

    def flush(self) -> Flushed:
        self.writer.flush()
        return Flushed(self.writer.stats, self.names.left, tuple(self.verifier.tried_packs()))


def begin(task: Task) -> None:
    """Begin to write for a session."""
    process.kept()[_WRITER] = _PieceWriter(task)


def write(pieces: Sequence[WholeFile | FilePart]) -> None:
    """Write files and parts of files."""
    with _here() as here:
        for piece in pieces:
            here.write(piece)


def left() -> dict[bytes, int]:
    """Return the chunks that were left to other workers since this was last asked, and to which."""
    with _here() as here:
        return here.left()


def places(chunks: Sequence[bytes]) -> list[Ref | None]:
    """Return where this worker has put chunks; None where it has not."""
    with _here() as here:
        return [here.writer.placed(chunk) for chunk in chunks]


def settle(places: Mapping[bytes, Ref]) -> list[Settled]:
    """Give each piece that was written its place, and return these in order; `places` are those of what was left."""
    with _here() as here:
        return here.settle(places)


def find_blobs(ids: Sequence[bytes]) -> list[Ref | None]:
    """Return where the bucket has blobs, as far as that is known here."""
    with _here() as here:
        return [here.writer.find(blob) for blob in ids]


def put_recipes(recipes: Sequence[bytes]) -> list[Ref | None]:
    """Put recipes into the pack in the making, and return where they are; None where there is no such pack.

    Then they may rather travel with the commit.
    """
    with _here() as here:
        writer = here.writer
        return [writer.put_blob(recipe, RECIPE) if writer.unsent else None for recipe in recipes]


def flush() -> Flushed:
    """Return when the bucket has acknowledged every pack."""
    with _here() as here:
        return here.flush()


@contextmanager
def _here() -> Iterator[_PieceWriter]:
    """Give a call its writer; whatever comes of the call, the parent hears what there is to tell."""
    found: _PieceWriter = process.kept()[_WRITER]
    try:
        yield found
    finally:
        found.telling.tell()


_pools: Final[dict[int, Pool]] = {}  # this worker's one, whose threads are worth keeping


def _pool(memory: int) -> Pool:
    if memory not in _pools:
        _pools.clear()
        _pools[memory] = Pool(memory=memory)
    return _pools[memory]
