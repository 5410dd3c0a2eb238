"""Logs that many processes add to: add to one, follow one, follow many.

Each entry is created once, so of all who try to create entry n exactly one
does. The others read what it wrote, and build their entry anew behind it:

    build -> create n --- ours: done
      ^          |
      |          +------- a rival's: take it in, wait a little, take in what else is new
      +--------------------------+

`append_entry` is this loop, the only one; a run's `Session` and a `Log` are its
users. SPEC.md, "Logs".
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

from holdall.chunks.beside import beside
from holdall.errors import HoldallError
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.trees.heads import Head
from holdall.trees.journal import Journal, check_chain
from holdall.trees.location import Location
from holdall.trees.salvage import left_out

_PAUSE: Final = 0.005  # seconds after a lost race; doubled for each, up to
_LONGEST_PAUSE: Final = 1.0
_AT_ONCE: Final = 512  # entries of many logs, fetched side by side


def append_entry(
    location: Location,
    create: Callable[[LogEntry], LogEntry],
    build: Callable[[], LogEntry | None],
    absorb: Callable[[LogEntry], None],
    follow: Callable[[], object],
) -> LogEntry | None:
    """Create the next entry of a log, however many others do the same.

    Args:
        location: The store.
        create: Tries to create an entry and returns the one that has its number now, as `Journal.create`.
        build: Returns the entry to create, given the log as it was last taken in. Called again
            after each lost race; it may raise, or return None when nothing is left to do.
        absorb: Takes in an entry that `create` returned.
        follow: Takes in all entries that are new.

    Returns:
        The entry as it was written; None if `build` returned None.

    Raises:
        CommitStateUnknownError: The bucket stopped answering while the entry was created.

    Cost: one PUT; for each lost race a GET, a listing, and a GET for each other entry that is new.
    """
    for attempt in itertools.count():
        entry = build()
        if entry is None:
            return None
        standing = create(entry)
        absorb(standing)
        if standing.write_id == entry.write_id:
            return standing
        chance = int.from_bytes(location.entropy(4)) / 2**32
        location.sleep(chance * min(_PAUSE * 2**attempt, _LONGEST_PAUSE))
        follow()
    raise AssertionError("count() does not end")


class Known(Protocol):
    """A log as far as it was taken in: a `Log`, or the `View` of a run's."""

    @property
    def head(self) -> LogEntry | None:
        """Return the newest entry that was taken in."""
        ...

    @property
    def next(self) -> int:
        """Return the number of the next entry."""
        ...

    @property
    def prev(self) -> str | None:
        """Return what the next entry says of the one before it."""
        ...


def next_entry(location: Location, log: str, known: Known, ops: Sequence[Json]) -> LogEntry:
    """Return the entry, not created yet, that would follow what is known of a log."""
    return LogEntry(
        log=log,
        n=known.next,
        write_id=location.entropy(16).hex(),
        prev=known.prev,
        time=location.clock(),
        writer=location.writer,
        state_at=known.head.state_at if known.head else None,
        ops=tuple(ops),
    )


class Fold(Protocol):
    """What the entries of a log add up to."""

    def apply(self, entry: LogEntry) -> None:
        """Add the next entry."""


F = TypeVar("F", bound=Fold)


class Log(Generic[F]):
    """A log without packs, such as an experiment's or a registered model's, and what its entries add up to.

    Nothing in it refers to a pack, so writing to it opens no session. Threads may share it, and hold `lock` while
    they read `state`. What it knows may be old, never wrong: entries do not change.

    Attributes:
        log: Its name, such as `models/<id>`.
        state: What the entries up to `head` add up to.
        head: The newest entry that was taken in.
    """

    def __init__(self, location: Location, log: str, fold: Callable[[], F]) -> None:
        self.log, self.state = log, fold()
        self.head: LogEntry | None = None
        self._location, self._fold = location, fold
        self.journal = Journal(location.bucket, location.pool, log)
        self.lock = threading.RLock()

    def follow(self, newest: int | None = None) -> F | None:
        """Take in all new entries and return what the log adds up to, or None where there is no such log.

        Args:
            newest: The number of its newest entry, if it is known.

        Cost: one listing unless `newest` is given, and a GET for each entry since the last call.
        """
        with self.lock:
            for entry in self.journal.read_after(self.next, newest):
                self.absorb(entry)
            return self.state if self.head else None

    def find(self) -> F | None:
        """Do as `follow`, at a log that mostly has one entry: that is asked for beside the listing, and the descriptor.

        Cost: as `follow`; where there is no such log a GET more.
        """
        if self.head:
            return self.follow()
        with beside(lambda: self.journal.read_or_damage(0)) as first:
            newest = self._location.beside_descriptor(self.journal.newest)
            if newest is not None and isinstance(entry := first(), LogEntry):
                self.absorb(entry)
        return None if newest is None else self.follow(newest)

    def append(self, build: Callable[[], Sequence[Json]]) -> LogEntry | None:
        """Add one entry, however many others do the same.

        Args:
            build: Returns its operations, given `state` as it is now. Called again after each
                lost race; it may raise, or return none when nothing is left to do.

        Returns, raises and cost: as `append_entry`.
        """

        def entry() -> LogEntry | None:
            ops = build()
            return self.draft(ops) if ops else None

        self._location.ready_to_write()
        with self.lock:
            return append_entry(self._location, self.journal.create, entry, self.absorb, self.follow)

    def draft(self, ops: Sequence[Json], time: int | None = None) -> LogEntry:
        """Return the entry, not created yet, that would follow what is known; `time`: as a copy says it, else now."""
        entry = next_entry(self._location, self.log, self, ops)
        return entry if time is None else replace(entry, time=time)

    @property
    def next(self) -> int:
        """Return the number of the entry after the head."""
        return self.head.n + 1 if self.head else 0

    @property
    def prev(self) -> str | None:
        """Return the digest of the head, which the next entry repeats."""
        return self.head.sha256 if self.head else None

    def absorb(self, entry: LogEntry) -> None:
        """Take in the next entry; one that is known already changes nothing."""
        with self.lock:
            if entry.n < self.next:
                return
            try:
                check_chain(self.head, entry)
                self.state.apply(entry)
            except BaseException:  # it may be half taken in: begin anew at the next look
                self.forget()
                raise
            self.head = entry

    def forget(self) -> None:
        """Forget every entry, so that the next look reads the log from its beginning."""
        with self.lock:
            self.state, self.head = self._fold(), None


def follow_many(location: Location, newest: Mapping[Log[F], Head], name: Callable[[str], str] = str) -> None:
    """Take in the new entries of many logs; a warning names a damaged one, which is forgotten.

    Args:
        location: The store.
        newest: The logs, each with its head as a listing showed it.
        name: Returns what people call a log, for the warning.

    Cost: a GET for each new entry, side by side.
    """
    damaged: set[Log[F]] = set()
    ranges = {log: range(log.next, head.n + 1) for log, head in newest.items()}
    for log, numbers in ranges.items():
        with _forgotten_if_damaged(log, damaged, name):
            if numbers:
                newest[log].check_reaches(log.log, numbers.start)
    left = ((log, n) for log, numbers in ranges.items() if log not in damaged for n in numbers if log not in damaged)
    while wanted := list(islice(left, _AT_ONCE)):
        entries = location.pool.map(lambda pair: pair[0].journal.read_or_damage(pair[1]), wanted)
        for (log, _), entry in zip(wanted, entries, strict=True):
            if log not in damaged:
                with _forgotten_if_damaged(log, damaged, name):
                    if isinstance(entry, HoldallError):
                        raise entry
                    log.absorb(entry)


@contextmanager
def _forgotten_if_damaged(log: Log[F], damaged: set[Log[F]], name: Callable[[str], str]) -> Iterator[None]:
    damaged.add(log)
    with left_out(name(log.log)):
        yield
        damaged.discard(log)
    if log in damaged:
        log.forget()
