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
| refused                                 | raised as it is                                     |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from holdall.chunks.pool import Pool
from holdall.errors import (
    CommitStateUnknownError,
    FormatError,
    LogGapError,
    ObjectExistsError,
    ObjectNotFoundError,
    StorageError,
    TransientStorageError,
)
from holdall.format.entry import LogEntry, encode_entry, parse_entry
from holdall.format.layout import log_key, parse_key
from holdall.storage.bucket import Bucket

_AT_ONCE: Final = 128  # entries fetched side by side


class Journal:
    """One log of a store, such as `runs/<id>`."""

    def __init__(self, bucket: Bucket, pool: Pool, log: str) -> None:
        self.log = log
        self._bucket, self._pool = bucket, pool

    def head(self) -> LogEntry | None:
        """The newest entry; None where there is no log. Cost: one listing and one GET."""
        n = self.newest()
        return None if n is None else self.read(n)

    def newest(self) -> int | None:
        """The number of the newest entry; None where there is no log. Cost: one listing.

        A foreign key may stand among the entries (a file manager's, say): then all are listed.
        """
        prefix = f"{self.log}/log/"
        for info in [*self._bucket.list(prefix, limit=1)]:
            key = parse_key(info.key)
            if key is None or key.kind != "log":
                keys = (parse_key(other.key) for other in self._bucket.list(prefix))
                key = next((other for other in keys if other and other.kind == "log"), None)
            return key.number if key else None
        return None

    def read(self, n: int) -> LogEntry:
        """Entry n.

        Raises:
            LogGapError: There is none.
            FormatError: It is damaged.
        """
        try:
            return parse_entry(self._bucket.get(log_key(self.log, n)), self.log, n)
        except ObjectNotFoundError as error:
            raise LogGapError(self.log, n) from error

    def read_many(self, numbers: Iterable[int]) -> list[LogEntry]:
        """Several entries, fetched side by side, in the order asked for."""
        wanted = list(numbers)
        return [self.read(wanted[0])] if len(wanted) == 1 else self._pool.map(self.read, wanted)

    def walk(self, stop: int) -> Iterator[LogEntry]:
        """Entries 0 to `stop`, exclusive, some at a time."""
        for start in range(0, stop, _AT_ONCE):
            yield from self.read_many(range(start, min(start + _AT_ONCE, stop)))

    def create(self, draft: LogEntry) -> LogEntry:
        """Try to make this the entry of its number.

        Returns:
            The entry that stands there now. Its `write_id` tells whose it is.

        Raises:
            CommitStateUnknownError: Neither the request nor a look at the log was answered.

        Cost: one PUT; a GET more where something is there.
        """
        data = encode_entry(draft)
        key = log_key(self.log, draft.n)
        try:
            self._bucket.put(key, data)
        except ObjectExistsError:
            return self._standing(draft, key)
        except TransientStorageError as error:
            try:
                return self.read(draft.n)
            except (LogGapError, StorageError):
                raise CommitStateUnknownError(draft.write_id, key) from error
        return parse_entry(data, draft.log, draft.n)

    def _standing(self, draft: LogEntry, key: str) -> LogEntry:
        try:
            return self.read(draft.n)
        except StorageError as error:
            raise CommitStateUnknownError(draft.write_id, key) from error


def check_chain(before: LogEntry | None, entry: LogEntry) -> None:
    """Refuse an entry that does not continue the one before it.

    Raises:
        FormatError: Its `prev` is not that entry's digest.
    """
    if before is not None and entry.prev != before.sha256:
        raise FormatError(f"{entry.log} entry {entry.n}", "it does not continue the entry before it")
