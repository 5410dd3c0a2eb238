"""What files held when they were last read, so that one that is unchanged need not be read again.

    (store, absolute path, stamp) -> SHA-256 and, once logged, its chunks with their places

It is off by default: `stamps.py` says when a stamp is believed, and what can be
wrong then. Here is only the memory: a `CacheFile`, which may be deleted at any
time. Each row carries its own digest, so that a flipped bit makes a row that is
not there: SQLite alone would take a damaged byte for granted.

The oldest rows go when 64 MiB are full, which are the chunks of about 100 GB. A
file with more chunks than fit into half of that is not remembered.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdall.errors import FormatError
from holdall.format.digest import blob_id
from holdall.format.layout import PackName
from holdall.format.recipe import Recipe, encode_recipe, parse_recipe
from holdall.trees.cache_file import CacheFile
from holdall.trees.stamps import Stamp, settled_stamp, stamp_of

MOST: Final = 64 << 20
_PAGE: Final = 4096
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS file (
    store TEXT, path BLOB, stamp BLOB, sha256 BLOB, recipe BLOB, home TEXT, digest BLOB, PRIMARY KEY (store, path)
)"""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A file's bytes.

    Attributes:
        sha256: Their digest.
        recipe: Their chunks, all in packs; None if the file was only hashed.
        home: The pack that holds the recipe, if one does.
    """

    sha256: bytes
    recipe: Recipe | None = None
    home: PackName | None = None


class StatCache:
    """A memory of files, on the local disk. Safe between threads and processes, picklable.

    Args:
        folder: Where it is kept.
        now: The time in ns since 1970 UTC.
        most: Bytes that it may take there.
        patience: Seconds to wait for another process: not long, since the file can be read instead.
    """

    def __init__(
        self, folder: Path, *, now: Callable[[], int] = time.time_ns, most: int = MOST, patience: float = 1.0
    ) -> None:
        self._now, self._most = now, most
        sizes = (f"page_size = {_PAGE}", f"max_page_count = {most // _PAGE}")
        without = "files are read again, without the stat cache"
        # By version, so that a later one need not understand it.
        self._cache = CacheFile(folder, "files-1", _SCHEMA, without, settings=sizes, patience=patience)

    @property
    def file(self) -> Path:
        """Return the path of the database."""
        return self._cache.file

    def settled(self, place: Path) -> Stamp | None:
        """Return the stamp of a file that is about to be read, if it may be remembered. Cost: an fdatasync."""
        return settled_stamp(place, now=self._now())

    def find(self, store: str, places: Iterable[Path]) -> dict[Path, tuple[Stamp, Remembered]]:
        """Return those of these files that are unchanged since they were logged into this store.

        Only files that the caller may read. Cost: a `stat` and an `access` each; none is opened.
        """
        stamps = {place: stamp for place in places if (stamp := stamp_of(place)) and _readable(place)}

        def ask(database: sqlite3.Connection) -> dict[Path, tuple[Stamp, Remembered]]:
            rows = ((place, stamp, _row(database, store, place, stamp)) for place, stamp in stamps.items())
            return {place: (stamp, found) for place, stamp, found in rows if found}

        return (self._cache.use(ask) if stamps else None) or {}

    def keep(self, store: str, files: Iterable[tuple[Path, Stamp, Remembered]]) -> None:
        """Remember these, and forget the oldest where there is no room."""
        rows = [(store, _name(place), stamp.encode(), *_columns(known)) for place, stamp, known in files]

        def write(database: sqlite3.Connection) -> None:
            with database:
                database.execute("BEGIN IMMEDIATE")
                for row in rows:
                    if len(row[4]) <= self._most // 2:
                        self._make_room(database, len(row[1]) + len(row[4]))
                        database.execute("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, _seal(row)))

        if rows:
            self._cache.use(write)

    def _make_room(self, database: sqlite3.Connection, length: int) -> None:
        pages = length // (_PAGE - 100) + 8  # with those of the index, and for a split or two
        oldest = "SELECT rowid FROM file ORDER BY rowid LIMIT 1 + (SELECT count(*) FROM file) / 8"
        while (_number(database, "page_count") - _number(database, "freelist_count") + pages) * _PAGE > self._most:
            if not database.execute(f"DELETE FROM file WHERE rowid IN ({oldest})").rowcount:
                return


def _row(database: sqlite3.Connection, store: str, place: Path, stamp: Stamp) -> Remembered | None:
    """Return what is remembered of a file with this stamp, if the row is what was written."""
    asked = (store, _name(place), stamp.encode())
    query = "SELECT sha256, recipe, home, digest FROM file WHERE store = ? AND path = ? AND stamp = ?"
    found = database.execute(query, asked).fetchone()
    try:
        if found is None or found[3] != _seal((*asked, *found[:3])):
            return None
        sha256, recipe, home = found[:3]
        chunks = parse_recipe(recipe) if recipe else None
        return Remembered(sha256, chunks, PackName.parse(home, "stat cache") if home else None)
    except (FormatError, TypeError, ValueError):
        return None


def _columns(known: Remembered) -> tuple[bytes, bytes, str]:
    return known.sha256, encode_recipe(known.recipe) if known.recipe else b"", str(known.home or "")


def _seal(row: tuple[str, bytes, bytes, bytes, bytes, str]) -> bytes:
    """Return the digest of a row, each column with its length before it."""
    columns = [column.encode() if isinstance(column, str) else column for column in row]
    return blob_id(*(part for column in columns for part in (len(column).to_bytes(8), column)))


def _name(place: Path) -> bytes:
    return os.fsencode(place.absolute())


def _readable(place: Path) -> bool:
    return os.access(place, os.R_OK, effective_ids=os.access in os.supports_effective_ids)


def _number(database: sqlite3.Connection, pragma: str) -> int:
    return int(database.execute(f"PRAGMA {pragma}").fetchone()[0])
