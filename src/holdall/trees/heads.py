"""The newest entries of logs, as a listing shows them.

Keys of a log count down, so the first key of a log in a listing is its newest
entry: one listing tells which logs there are and how far each has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdall.errors import LogGapError
from holdall.format.layout import Key, entry_number, parse_key
from holdall.format.state import State
from holdall.storage.bucket import Bucket, ObjectInfo


@dataclass(slots=True)
class KnownState:
    """What a run's log amounts to up to an entry, as it was remembered: the next entry proves it, or nothing does.

    Attributes:
        n, sha256: Number and digest of that entry.
        state: What it and all before it amount to, without paths.
    """

    n: int
    sha256: str
    state: State


@dataclass(slots=True)
class Head:
    """The newest entry of a log, as a listing shows it.

    Attributes:
        n: Its number.
        size, modified: Of its object, as `ObjectInfo`: with them, an entry that replaced another can be told from it.
        oldest: From this number to `n` no entry is missing. Numbers are claims: what is not listed is not asked for.
        first: The smallest number listed.
    """

    n: int
    size: int
    modified: int | None
    oldest: int
    first: int = 0

    def extend(self, number: int) -> None:
        """Take in an older entry of the same log."""
        self.first = number
        if number == self.oldest - 1:
            self.oldest = number

    def check_reaches(self, log: str, start: int) -> None:
        """Refuse to read on from an entry where one after it is missing.

        Raises:
            LogGapError: One is.
        """
        if start < self.oldest:
            raise LogGapError(log, self.oldest - 1)


class Heads:
    """The heads of logs, from the lines of a listing in its order. Attributes: found (by log)."""

    def __init__(self) -> None:
        self.found: dict[str, Head] = {}

    def add(self, info: ObjectInfo) -> None:
        """Add a line of the listing; a line that is no log entry is skipped."""
        for key in entry_keys([info]):
            newest = self.found.get(key.log)  # the newest comes first
            if newest is None:
                self.found[key.log] = Head(key.number, info.size, info.modified, key.number, key.number)
                continue
            newest.extend(key.number)


def each_head(listing: Iterable[ObjectInfo]) -> Iterator[tuple[str, Head]]:
    """Yield each log of a listing in the order of keys, and its head, as soon as all of its entries were seen."""
    log, head = "", None
    for info in listing:
        number = entry_number(log, info.key) if head else None
        if head and number is not None:
            head.extend(number)
            continue
        for key in entry_keys([info]):
            if head and key.log != log:
                yield log, head
            if head is None or key.log != log:
                log, head = key.log, Head(key.number, info.size, info.modified, key.number, key.number)
    if head:
        yield log, head


def first_heads(bucket: Bucket, prefix: str, lines: int) -> list[tuple[str, Head]]:
    """Return the first logs below a prefix, and their heads. Cost: a listing of so many lines.

    Of the last one perhaps not all was listed: as far as that shows no gap, none is taken to be in what was not.
    """
    listed = list(bucket.list(prefix, limit=lines))
    heads = list(each_head(listed))
    if len(listed) >= lines and heads:
        last = heads[-1][1]
        if last.oldest > last.first:
            return heads[:-1]
        last.oldest = last.first = 0
    return heads


def list_heads(bucket: Bucket, prefix: str) -> dict[str, Head]:
    """Return the head of each log below a prefix. Cost: one listing."""
    heads = Heads()
    for info in bucket.list(prefix):
        heads.add(info)
    return heads.found


def entry_keys(listing: Iterable[ObjectInfo]) -> Iterator[Key]:
    """Yield the keys of a listing that are log entries, in its order."""
    for info in listing:
        key = parse_key(info.key)
        if key and key.kind == "log":
            yield key
