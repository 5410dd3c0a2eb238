"""A SQLite file of one user, in which something is remembered that can be found out again.

What others could have written would be believed: so the folder is made for the
user alone, the file too, and where either belongs to another user, or others
may write to it, nothing is remembered there. A file that is corrupt is
replaced; after any other failure one does without, and one warning says so.

SQLite alone would take a lock held by a forked process for granted: hence no
fork while it works.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")
_OTHERS: Final = 0o022  # who may write, beside the owner
_BROKEN: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)  # the last: other columns
_log = logging.getLogger("holdall")
_turn = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_turn.release)


class CacheFile:
    """One such file. Safe between threads and processes, picklable.

    Args:
        folder: Where it is; made when it is first needed.
        name: What its name begins with; a user's id follows, since root and a user may share a folder.
        schema: SQL that makes its tables if they are not there.
        without: What happens where it cannot be used, as the warning begins.
        settings: Pragmas.
        patience: Seconds to wait for another process.
    """

    def __init__(
        self, folder: Path, name: str, schema: str, without: str, *, settings: Sequence[str] = (), patience: float = 1.0
    ) -> None:
        self._folder, self._schema, self._without = folder, schema, without
        self._settings, self._patience = settings, patience
        self.file = folder / f"{name}-{os.geteuid()}.sqlite"
        self._told = False

    def use(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return what a function returns of the database, or None if the database fails."""
        try:
            with _turn:
                self._claim()
                with closing(sqlite3.connect(self.file, timeout=self._patience, isolation_level=None)) as database:
                    for setting in ("synchronous = OFF", *self._settings):
                        database.execute(f"PRAGMA {setting}")
                    database.execute(self._schema)
                    return work(database)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN:
                self._remove()
            self._tell(error)
        except (OSError, ValueError, TypeError) as error:
            self._tell(error)
        return None

    def _claim(self) -> None:
        """Create the file if there is none; refuse one that other users may have written, or may replace."""
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


def _refuse_others(place: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid() or status.st_mode & _OTHERS:
        reason = "belongs to another user, or others may write to it"
        raise PermissionError(f"{place} {reason}; set HOLDALL_CACHE to a folder of your own")
