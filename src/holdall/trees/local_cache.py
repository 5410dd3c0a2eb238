"""A SQLite file of one user, in which something is remembered that can be found out again.

    (store, key, stamp) -> body        what the stat cache and searching remember

What others could have written would be believed: so the folder is made for the
user alone, the file too, and where either belongs to somebody else, or others
may write to it, nothing is remembered there. Each row carries its own digest,
so that a flipped bit makes a row that is not there: SQLite alone would take a
damaged byte for granted. A file that is corrupt is replaced; whatever is wrong,
callers do without, and it is said once. The oldest rows go when it is full.

SQLite would take a lock held by a forked process for its own: hence no fork
while it works.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from holdall.format.digest import blob_id

T = TypeVar("T")
MOST: Final = 64 << 20
_PAGE: Final = 4096
_OTHERS: Final = 0o022  # who may write, beside the owner
_BROKEN: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)  # the last: other columns
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entry (store TEXT, key BLOB, stamp BLOB, body BLOB, digest BLOB, PRIMARY KEY (store, key))
"""
_MANY: Final = 256  # keys that are sooner found by reading all rows between the first and the last
_TOGETHER: Final = 1000  # rows that are read at a time by who wants all
_ROW: Final = 200  # bytes of a row beside its key, which is there twice, and its body
_ROOM: Final = 16 << 10  # bytes that room is made for at once
_Row: TypeAlias = tuple[bytes, bytes, object, bytes]
_log = logging.getLogger("holdall")
_turn = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_turn.release)


class LocalCache:
    """One such file. Safe between threads and processes, picklable.

    Args:
        folder: Where it is; made when it is first needed.
        name: What its name begins with; a user's id follows, since root and a user may share a folder.
        without: What happens where it cannot be used, as the warning begins.
        most: Bytes that it may take.
        patience: Seconds to wait for another process.
    """

    def __init__(self, folder: Path, name: str, without: str, *, most: int = MOST, patience: float = 1.0) -> None:
        self._folder, self._without, self._most, self._patience = folder, without, most, patience
        self.file = folder / f"{name}-{os.geteuid()}.sqlite"
        self._told = False

    def get(self, store: str, stamps: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """Return the bodies of those keys that are remembered with just these stamps.

        Args:
            store: The store's id.
            stamps: For each key the stamp that it has now.
        """

        def read(database: sqlite3.Connection) -> dict[bytes, bytes]:
            rows = _rows_between(database, store, stamps) if len(stamps) >= _MANY else _rows(database, store, stamps)
            return {
                key: body
                for key, stamp, body, digest in rows
                if stamps.get(key) == stamp and isinstance(body, bytes) and digest == _seal(store, key, stamp, body)
            }

        return (self._use(read) if stamps else None) or {}

    def each(self, store: str, first: bytes, last: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Yield keys, stamps and bodies of all that is remembered between two keys, in order; some at a time."""
        while some := self._use(lambda database, at=first: _some(database, store, at, last)) or []:  # type: ignore[misc]
            for key, stamp, body, digest in some:
                if isinstance(body, bytes) and digest == _seal(store, key, stamp, body):
                    yield key, stamp, body
            first = some[-1][0] + b"\0"

    def put(self, store: str, rows: Iterable[tuple[bytes, bytes, bytes]]) -> None:
        """Remember keys, stamps and bodies, and forget the oldest where there is no room.

        One that would take more than half of the room is not remembered.
        """
        fitting = [row for row in rows if len(row[2]) <= self._most // 2]

        def write(database: sqlite3.Connection) -> None:
            with database:
                database.execute("BEGIN IMMEDIATE")
                room = 0
                for key, stamp, body in fitting:
                    length = 2 * len(key) + len(body) + _ROW
                    if room < length:
                        room = max(_ROOM, length)
                        self._make_room(database, room)
                    room -= length
                    row = (store, key, stamp, body)
                    database.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?)", (*row, _seal(*row)))

        if fitting:
            self._use(write)

    def _make_room(self, database: sqlite3.Connection, length: int) -> None:
        pages = length // (_PAGE - 100) + 8  # with those of the index, and for a split or two
        oldest = "SELECT rowid FROM entry ORDER BY rowid LIMIT 1 + (SELECT count(*) FROM entry) / 8"
        while (_number(database, "page_count") - _number(database, "freelist_count") + pages) * _PAGE > self._most:
            if not database.execute(f"DELETE FROM entry WHERE rowid IN ({oldest})").rowcount:
                return

    def _use(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do something with the database; None where that fails."""
        try:
            with _turn:
                self._claim()
                with closing(sqlite3.connect(self.file, timeout=self._patience, isolation_level=None)) as database:
                    sizes = (f"page_size = {_PAGE}", f"max_page_count = {self._most // _PAGE}")
                    for setting in ("synchronous = OFF", *sizes):
                        database.execute(f"PRAGMA {setting}")
                    database.execute(_SCHEMA)
                    return work(database)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN:
                self._remove()
            self._tell(error)
        except (OSError, ValueError, TypeError) as error:
            self._tell(error)
        return None

    def _claim(self) -> None:
        """Make the file if there is none; refuse one that others may have written, or may replace."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_others(self._folder, self._folder.stat())
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.file, flags, 0o600)
        try:
            status = os.fstat(descriptor)
            _refuse_others(self.file, status)
            if status.st_mode & 0o077:
                os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)

    def _remove(self) -> None:
        for end in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                Path(f"{self.file}{end}").unlink()

    def _tell(self, error: Exception) -> None:
        if not self._told:
            _log.warning("%s %s: %s", self._without, self.file, error)
        self._told = True


def _rows(database: sqlite3.Connection, store: str, keys: Iterable[bytes]) -> Iterator[_Row]:
    for key in keys:
        yield from database.execute(
            "SELECT key, stamp, body, digest FROM entry WHERE store = ? AND key = ?", (store, key)
        )


def _rows_between(database: sqlite3.Connection, store: str, keys: Iterable[bytes]) -> Iterator[_Row]:
    """Yield all rows from the first of these keys to the last, for who asks for most of them."""
    wanted = sorted(keys)
    between = "SELECT key, stamp, body, digest FROM entry WHERE store = ? AND key BETWEEN ? AND ?"
    yield from database.execute(between, (store, wanted[0], wanted[-1]))


def _some(database: sqlite3.Connection, store: str, first: bytes, last: bytes) -> list[_Row]:
    between = "SELECT key, stamp, body, digest FROM entry WHERE store = ? AND key BETWEEN ? AND ? ORDER BY key LIMIT ?"
    return list(database.execute(between, (store, first, last, _TOGETHER)))


def _seal(store: str, key: bytes, stamp: bytes, body: bytes) -> bytes:
    """Return the digest of a row, each column with its length before it."""
    columns = (store.encode(), key, stamp, body)
    lengths = b"".join([len(column).to_bytes(8) for column in columns])
    return blob_id(b"".join((lengths, *columns)))


def _number(database: sqlite3.Connection, pragma: str) -> int:
    return int(database.execute(f"PRAGMA {pragma}").fetchone()[0])


def _refuse_others(place: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid() or status.st_mode & _OTHERS:
        reason = "belongs to another user, or others may write to it"
        raise PermissionError(f"{place} {reason}; set HOLDALL_CACHE to a folder of your own")
