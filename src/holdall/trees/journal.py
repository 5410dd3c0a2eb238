"""Numbered records, each created once.

A journal is the only thing in a store that changes, and it only grows: entry n
is created if there is none, so of any number of writers exactly one gets each
number. Keys count down, so the first key of a listing is the newest entry.

| answer to the PUT of entry n            | what it means here                                  |
|-----------------------------------------|-----------------------------------------------------|
| created                                 | ours                                                |
| exists                                  | read it: our `write_id` means ours, else a rival's  |
| unclear (timeout, reset, 409, 5xx)      | the bucket's retry sends the same bytes again, which |
|                                         | answers the question; see `exists`                  |
| unclear until the deadline              | read it once; else `CommitStateUnknownError`         |
| refused at the first attempt            | raised as it is                                     |
| refused after an attempt without answer | read it once; else `CommitStateUnknownError`         |
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from holdall.chunks.pool import Pool
from holdall.errors import (
    CommitStateUnknownError,
    FormatError,
    HoldallError,
    IntegrityError,
    LogGapError,
    ObjectExistsError,
    ObjectNotFoundError,
    StorageError,
    TransientStorageError,
    UnsafeBucketError,
)
from holdall.format.document import parse_document
from holdall.format.entry import MAX_ENTRY, UNKNOWN, LogEntry, encode_entry, parse_entry
from holdall.format.layout import log_key
from holdall.storage.bucket import Bucket
from holdall.trees.heads import entry_keys
from holdall.trees.salvage import UNREADABLE

_MOST_LOST: Final = 1_000  # entries of a log that may be missing in what is read around them
_AT_ONCE: Final = 128  # entries fetched side by side
_PURGED: Final = "runs/"  # the logs that may be purged
_LOOKED: Final = 30.0  # seconds for which a writer may rely on its last look at a log


class Journal:
    """One log of a store, such as `runs/<id>`."""

    def __init__(self, bucket: Bucket, pool: Pool, log: str) -> None:
        self.log = log
        self._bucket, self._pool = bucket, pool
        self.clocks = _clocks
        self._looked: tuple[float, float] | None = None  # before the request that last told the newest entry

    def head(self) -> LogEntry | None:
        """Return the newest entry; None if there is no log. Cost: one listing and one GET."""
        n = self.newest()
        return None if n is None else self.read(n)

    def newest(self) -> int | None:
        """Return the number of the newest entry; None if there is no log. Cost: one listing.

        If a foreign key is listed first (a file manager's, say), all are listed.
        """
        prefix, asked = f"{self.log}/log/", self.clocks()
        first = [*self._bucket.list(prefix, limit=1)]
        self._looked = asked
        for info in first:
            key = next(entry_keys([info]), None) or next(entry_keys(self._bucket.list(prefix)), None)
            return key.number if key else None
        return None

    def read(self, n: int) -> LogEntry:
        """Return entry n.

        Raises:
            LogGapError: There is none.
            FormatError: It is damaged.
        """
        try:
            return parse_entry(self._bucket.get(log_key(self.log, n), limit=MAX_ENTRY), self.log, n)
        except ObjectNotFoundError as error:
            raise LogGapError(self.log, n) from error

    def read_around(self, start: int, stop: int) -> list[LogEntry | IntegrityError] | None:
        """Return entries from `start` to `stop`, exclusive, or what is wrong with each; None if most are missing.

        Numbers are claims: what is not listed is not asked for. Cost: a listing, and a GET for each that there is.
        """
        keys = entry_keys(self._bucket.list(f"{self.log}/log/"))
        there = sorted(key.number for key in keys if start <= key.number < stop)
        if stop - start - len(there) > _MOST_LOST:
            return None
        found = dict(zip(there, self._pool.map(self.read_if_whole, there), strict=True))
        return [found.get(n) or IntegrityError(f"{self.log} entry {n}", "it is missing") for n in range(start, stop)]

    def read_if_whole(self, n: int) -> LogEntry | IntegrityError:
        """Return entry n; or why it cannot be read, if it was lost or damaged rather than written by another rule.

        Raises:
            FormatError: It is whole, and no writer makes such a one.
        """
        what = f"{self.log} entry {n}"
        try:
            return self.read(n)
        except LogGapError:
            return IntegrityError(what, "it is missing")
        except FormatError as error:
            try:
                parse_document(self._bucket.get(log_key(self.log, n), limit=MAX_ENTRY), what)
            except FormatError:
                return IntegrityError(what, error.detail)
            raise

    def read_many(self, numbers: Iterable[int]) -> list[LogEntry]:
        """Return several entries, fetched side by side, in the order asked for."""
        return list(self.each(numbers))

    def read_after(self, n: int, newest: int | None = None) -> list[LogEntry]:
        """Return all entries from `n` on, the oldest first.

        Args:
            n: The number of the first of them.
            newest: The number of the last, if it is known.

        Of a log that was purged meanwhile, the entry that did so alone.

        Cost: one listing unless `newest` is given, and a GET for each entry, side by side.
        """
        newest = self.newest() if newest is None else newest
        try:
            return self.read_many(range(n, -1 if newest is None else newest + 1))
        except LogGapError:
            if purge := self.purge():
                return [purge]
            raise

    def purge(self) -> LogEntry | None:
        """Return the newest entry if it purges the run, whose other entries may be gone; else None. Cost: as `head`."""
        head = self.head()
        return head if head and head.purges else None

    def read_or_damage(self, n: int) -> LogEntry | HoldallError:
        """Return entry n, or the error that says what is wrong with it where it is missing or damaged."""
        try:
            return self.read(n)
        except UNREADABLE as error:
            return error

    def try_many(self, numbers: Iterable[int]) -> list[LogEntry | HoldallError]:
        """Return several entries, fetched side by side, or what is wrong with each."""
        return self._pool.map(self.read_or_error, numbers)

    def read_or_error(self, n: int) -> LogEntry | HoldallError:
        """Return entry n, or why it cannot be read, also where that is not its own fault."""
        try:
            return self.read(n)
        except HoldallError as error:
            return error

    def each(self, numbers: Iterable[int]) -> Iterator[LogEntry]:
        """Yield several entries, some at a time: behind a missing one, few are asked for."""
        left = iter(numbers)
        while some := list(islice(left, _AT_ONCE)):
            yield from self._pool.map(self.read, some)

    def walk(self, stop: int) -> Iterator[LogEntry]:
        """Yield entries 0 to `stop`, exclusive, some at a time."""
        return self.each(range(stop))

    def create(self, draft: LogEntry) -> LogEntry:
        """Try to create the entry of this number.

        Returns:
            The entry that has this number now; its `write_id` tells whose it is. Where that is gone, as the run was
            purged, or was created at a number that a purge had made free, the entry that purged it.

        Raises:
            CommitStateUnknownError: Neither the request nor a look at the log was answered.

        Cost: one PUT; a GET more where something is there; a listing more where the last look at the log is old.
        """
        asked = self.clocks()
        standing = self.try_create(draft)
        if standing.write_id != draft.write_id:
            return standing
        if self._is_old_news(draft.n):
            return self._purge_above(draft) or standing
        self._looked = asked
        return standing

    def _is_old_news(self, n: int) -> bool:
        """Return whether entry n of a run, which was just created, may lie below a purge: its writer looked long ago.

        Asked afterwards, so that a process that sleeps at any moment is noticed; by two clocks, as one may sleep too.
        """
        if not self.log.startswith(_PURGED):
            return False
        if self._looked is None:
            return n > 0  # a new run's id was never another's
        return any(abs(now - then) > _LOOKED for now, then in zip(self.clocks(), self._looked, strict=True))

    def _purge_above(self, draft: LogEntry) -> LogEntry | None:
        """Return the entry that purged the run if the draft was created below it; else None. Cost: a listing."""
        try:
            newest = self.newest()
            head = self.read(newest) if newest is not None and newest > draft.n else None
        except StorageError as error:
            raise CommitStateUnknownError(draft.write_id, log_key(self.log, draft.n)) from error
        return head if head and head.purges else None

    def try_create(self, draft: LogEntry) -> LogEntry:
        """Do as `create`, where nobody relies on it that the entry is not below a purge. Cost: without its listing."""
        data = encode_entry(draft)
        key = log_key(self.log, draft.n)
        try:
            self._bucket.put(key, data)
        except ObjectExistsError:
            return self._standing(draft, key)
        except UnsafeBucketError:
            raise
        except StorageError as error:
            if not isinstance(error, TransientStorageError) and not error.doubtful:
                raise
            try:
                return self.read(draft.n)
            except (LogGapError, StorageError):
                raise CommitStateUnknownError(draft.write_id, key) from error
        return parse_entry(data, draft.log, draft.n)

    def _standing(self, draft: LogEntry, key: str) -> LogEntry:
        try:
            return self.read(draft.n)
        except LogGapError:  # it was there a moment ago
            if purge := self.purge():
                return purge
            raise
        except StorageError as error:
            raise CommitStateUnknownError(draft.write_id, key) from error


def _clocks() -> tuple[float, float]:
    """Return seconds of a clock that is never set, and of one that goes on while the machine sleeps."""
    return time.monotonic(), time.time()


def check_chain(before: LogEntry | None, entry: LogEntry) -> None:
    """Refuse an entry that does not continue the one before it.

    Raises:
        FormatError: Its `prev` is not that entry's digest, nor says that it was damaged.
    """
    if before is None or before.n != entry.n - 1:  # what is between them cannot be read
        return
    if entry.prev not in (before.sha256, UNKNOWN):
        raise FormatError(f"{entry.log} entry {entry.n}", "it does not continue the entry before it")
