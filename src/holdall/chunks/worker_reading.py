"""What a worker process does for a download: it fetches ranges of packs, and writes their blobs where they belong.

    begin(task)       opens the bucket and the files, and begins a delivery; says whether it could
    fetch(ranges)     begins to fetch more, and returns when the budget has had room for it; comes often
    finish()          returns when everything is written

Fetching, decoding, verifying, a second try of what came back wrong: all of that
is `delivery.py`, as in one process. What travels is where blobs are and where
they go, 49 and 16 bytes for each; their content does not. What was written is
told to the parent, which has the files open, hashes them and names them.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from holdall.chunks.damage import Damage
from holdall.chunks.delivery import FileOffset, Sink
from holdall.chunks.observer import Silent
from holdall.chunks.plan import Range
from holdall.chunks.pool import Pool
from holdall.chunks.reader import ChunkReader
from holdall.format.digest import Bytes
from holdall.format.layout import PackName
from holdall.format.reference import Ref
from holdall.storage.travelling import unpack_bucket
from holdall.workers import process

_READER: Final = "holdall.chunks.worker_reading"
_THREADS: Final = 4  # that ask and decode: there is one core for them
_BLOB: Final = struct.Struct("<32sQIIB")
_PLACE: Final = struct.Struct("<IIQ")
Place: TypeAlias = tuple[int, int]  # a file's number, and an offset in it


class OpenFile(Sink, Protocol):
    """A file that is open for writing."""

    def close(self) -> None: ...


class TravellingFile(Protocol):
    """A file of the parent's; pickled on its way here."""

    @property
    def path(self) -> str:
        """Return its path within the run, for errors."""
        ...

    def open(self) -> OpenFile:
        """Open it for writing. Raises: OSError, where a worker cannot."""
        ...


@dataclass(frozen=True, slots=True)
class ReadTask:
    """Files that are written together. Attributes: bucket (packed for the journey), files (by their numbers)."""

    bucket: bytes
    files: tuple[TravellingFile, ...]


@dataclass(frozen=True, slots=True)
class PackedRange:
    """A range of a pack: its blobs, and where each of them goes, in rows."""

    pack: PackName
    blobs: bytes
    places: bytes

    @classmethod
    def of(cls, span: Range, places: Mapping[Ref, Sequence[Place]]) -> PackedRange:
        """Return a range with the places of its blobs, packed for the journey."""
        blobs = b"".join(_BLOB.pack(ref.id, ref.offset, ref.stored, ref.raw, ref.codec) for ref in span.refs)
        rows = (_PLACE.pack(row, file, at) for row, ref in enumerate(span.refs) for file, at in places[ref])
        return cls(span.pack, blobs, b"".join(rows))

    def unpack(self) -> list[tuple[Ref, int, int]]:
        """Return each blob with a file's number and an offset in it."""
        rows = [Ref(blob, self.pack, *numbers) for blob, *numbers in _BLOB.iter_unpack(self.blobs)]
        return [(rows[row], file, at) for row, file, at in _PLACE.iter_unpack(self.places)]


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes of a file that are in their place."""

    file: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """Bytes of users' files that are done, and those of them that did not have to travel."""

    done: int
    saved: int


@dataclass(frozen=True, slots=True)
class DamagedPack:
    """A pack that is gone, or has wrong bytes if there is a detail."""

    pack: PackName
    detail: str | None = None
    blobs: tuple[bytes, ...] = ()


def begin(task: ReadTask) -> bool:
    """Begin to write some files; return whether this process can open them, and so many at once."""
    reading = _Reading(task)
    try:
        for file in reading.files:
            file.open()
    except OSError:
        reading.close()
        return False
    process.kept()[_READER] = reading
    process.at_release(reading.give_up)
    return True


def fetch(ranges: Sequence[PackedRange]) -> None:
    """Begin to fetch ranges, and return when the last of them has begun."""
    reading: _Reading = process.kept()[_READER]
    with reading.outbox.opened():
        for packed in ranges:
            reading.add(packed)


def finish() -> None:
    """Return when all that was asked for is written."""
    reading: _Reading = process.kept().pop(_READER)
    with reading.outbox.opened():
        reading.finish()


class _Outbox:
    """Sends word to the parent while a call is running, and keeps it in between."""

    def __init__(self) -> None:
        self._lock, self._open = threading.Lock(), False
        self._waiting: list[object] = []

    def put(self, value: object) -> None:
        with self._lock:
            self._waiting.append(value)
            self._send()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Return a context in which a call is running."""
        with self._lock:
            self._open = True
            self._send()
        try:
            yield
        finally:
            with self._lock:
                self._open = False

    def _send(self) -> None:
        if self._open and self._waiting:
            process.notify(tuple(self._waiting))
            self._waiting.clear()


class _File:
    """A file of the parent's; tells of each write."""

    def __init__(self, number: int, file: TravellingFile, outbox: _Outbox) -> None:
        self.path, self._number, self._file, self._outbox = file.path, number, file, outbox
        self._lock = threading.Lock()
        self._opened: OpenFile | None = None

    def open(self) -> OpenFile:
        with self._lock:
            self._opened = self._opened or self._file.open()
            return self._opened

    def write(self, at: int, *parts: Bytes) -> None:
        self.open().write(at, *parts)
        self._outbox.put(Written(self._number, at, at + sum(map(len, parts))))

    def close(self) -> None:
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()


class _ToldDamage(Damage):
    """Tells the parent, who records it."""

    def __init__(self, outbox: _Outbox) -> None:
        super().__init__()
        self._outbox = outbox

    def gone(self, pack: PackName) -> None:
        self._outbox.put(DamagedPack(pack))

    def wrong(self, pack: PackName, detail: str, blobs: Sequence[bytes] = ()) -> None:
        self._outbox.put(DamagedPack(pack, detail, tuple(blobs)))


class _ToldTransfer(Silent):
    """Tells the parent of progress."""

    def __init__(self, outbox: _Outbox) -> None:
        self._outbox = outbox

    def add(self, done: int, saved: int = 0, /) -> None:
        self._outbox.put(Delivered(done, saved))


class _Reading:
    """Some files on their way."""

    def __init__(self, task: ReadTask) -> None:
        self.outbox = _Outbox()
        self.files = [_File(number, file, self.outbox) for number, file in enumerate(task.files)]
        reader = ChunkReader(unpack_bucket(task.bucket), _pool(process.memory()), _ToldDamage(self.outbox))
        self._delivery = reader.delivery(_ToldTransfer(self.outbox))

    def add(self, packed: PackedRange) -> None:
        rows = packed.unpack()
        wanted = ((ref, FileOffset(self.files[file], at)) for ref, file, at in rows)
        self._delivery.add(wanted, path=self._whose(rows))

    def _whose(self, rows: Sequence[tuple[Ref, int, int]]) -> Callable[[Ref], str | None]:
        return lambda wanted: next((self.files[file].path for ref, file, _ in rows if ref == wanted), None)

    def finish(self) -> None:
        try:
            self._delivery.__exit__(None, None, None)
        finally:
            self.close()

    def give_up(self) -> None:
        """End what is on its way; nothing, where it was finished."""
        self._delivery.__exit__(KeyboardInterrupt, None, None)
        self.close()

    def close(self) -> None:
        """Close all files."""
        for file in self.files:
            file.close()


_pools: Final[dict[int, Pool]] = {}  # this worker's one, whose threads are worth keeping


def _pool(memory: int) -> Pool:
    if memory not in _pools:
        _pools.clear()
        _pools[memory] = Pool(workers=_THREADS, memory=memory)
    return _pools[memory]
