"""One log, followed and added to.

Logs of models and names are small, and nothing in them references a pack, so
writing to one opens no session: an entry is built from what the log says now,
and if a rival took its number, from what the log says then.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

from holdall.errors import HoldallError
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.trees.journal import Head, Journal, check_chain
from holdall.trees.location import Location
from holdall.trees.salvage import UNREADABLE, left_out

_PAUSE: Final = 0.005  # seconds after a lost race; doubled for each, up to
_LONGEST: Final = 0.5
_AT_ONCE: Final = 512  # entries of many logs, fetched side by side


class Fold(Protocol):
    """What a log amounts to."""

    def apply(self, entry: LogEntry) -> None:
        """Take in the next entry."""


F = TypeVar("F", bound=Fold)


class Log(Generic[F]):
    """A log of a store, and what its entries to `head` amount to.

    Threads may share it; whoever reads `state` holds `lock`. What it knows is only ever behind the bucket, never wrong:
    entries do not change.
    """

    def __init__(self, location: Location, log: str, fold: Callable[[], F]) -> None:
        self.log, self.state = log, fold()
        self.head: LogEntry | None = None
        self._location, self._fold = location, fold
        self.journal = Journal(location.bucket, location.pool, log)
        self.lock = threading.RLock()

    def follow(self, newest: int | None = None) -> F | None:
        """What the log amounts to now; None where there is none.

        Args:
            newest: The number of its newest entry, where that is known.

        Cost: one listing unless it is known, and a GET for each entry since the last look.
        """
        with self.lock:
            newest = self.journal.newest() if newest is None else newest
            if newest is not None and newest >= self.next:
                for entry in self.journal.read_many(range(self.next, newest + 1)):
                    self.take_in(entry)
            return self.state if self.head else None

    def append(self, build: Callable[[], Sequence[Json]]) -> LogEntry | None:
        """Add one entry, whoever else is writing.

        Args:
            build: Makes its operations from `state` as it is now. Called again after each
                lost race; it may raise, or return none when nothing is left to do.

        Returns:
            The entry as it was written; None if there was nothing to do.

        Raises:
            CommitStateUnknownError: The bucket stopped answering at the decisive moment.

        Cost: one PUT; for each lost race a GET, a listing and what else was missed.
        """
        self._location.ready_to_write()
        with self.lock:
            for attempt in itertools.count():
                ops = build()
                if not ops:
                    return None
                draft = self._draft(ops)
                standing = self.journal.create(draft)
                self.take_in(standing)
                if standing.write_id == draft.write_id:
                    return standing
                chance = int.from_bytes(self._location.entropy(4)) / 2**32
                self._location.sleep(chance * min(_PAUSE * 2**attempt, _LONGEST))
                self.follow()
        raise AssertionError("count() does not end")

    @property
    def next(self) -> int:
        """The number of the entry after the head."""
        return self.head.n + 1 if self.head else 0

    def take_in(self, entry: LogEntry) -> None:
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
        """Know nothing of the log any more."""
        with self.lock:
            self.state, self.head = self._fold(), None

    def _draft(self, ops: Sequence[Json]) -> LogEntry:
        location, head = self._location, self.head
        return LogEntry(
            log=self.log,
            n=self.next,
            write_id=location.entropy(16).hex(),
            prev=head.sha256 if head else None,
            time=location.clock(),
            writer=location.writer,
            state_at=head.state_at if head else None,
            ops=tuple(ops),
        )


def follow_many(location: Location, newest: Mapping[Log[F], Head]) -> None:
    """Bring many logs up to their newest entries, GETs side by side; a damaged one is named and forgotten."""
    damaged: set[Log[F]] = set()
    ranges = {log: range(log.next, head.n + 1) for log, head in newest.items()}
    for log, numbers in ranges.items():
        with _forgotten_if_damaged(log, damaged):
            if numbers:
                newest[log].check_reaches(log.log, numbers.start)
    left = ((log, n) for log, numbers in ranges.items() if log not in damaged for n in numbers if log not in damaged)
    while wanted := list(islice(left, _AT_ONCE)):
        entries = location.pool.map(_read, wanted)
        for (log, _), entry in zip(wanted, entries, strict=True):
            if log not in damaged:
                with _forgotten_if_damaged(log, damaged):
                    if isinstance(entry, HoldallError):
                        raise entry
                    log.take_in(entry)


@contextmanager
def _forgotten_if_damaged(log: Log[F], damaged: set[Log[F]]) -> Iterator[None]:
    damaged.add(log)
    with left_out(log.log):
        yield
        damaged.discard(log)
    if log in damaged:
        log.forget()


def _read(wanted: tuple[Log[F], int]) -> LogEntry | HoldallError:
    try:
        return wanted[0].journal.read(wanted[1])
    except UNREADABLE as error:
        return error
