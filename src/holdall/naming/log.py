"""One log, followed and added to.

Logs of models and names are small, and nothing in them references a pack, so
writing to one opens no session: an entry is built from what the log says now,
and if a rival took its number, from what the log says then.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

from holdall.errors import DamageError
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.trees.journal import Journal, check_chain
from holdall.trees.location import Location

_PAUSE: Final = 0.005  # seconds after a lost race; doubled for each, up to
_LONGEST: Final = 0.5
_log = logging.getLogger("holdall")


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
                self.state, self.head = self._fold(), None
                raise
            self.head = entry

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


def follow_many(location: Location, newest: Mapping[Log[F], int]) -> None:
    """Bring many logs up to their newest entries, all GETs side by side. A damaged one is named and left behind."""
    wanted = [(log, n) for log, last in newest.items() for n in range(log.next, last + 1)]
    for (log, _), entry in zip(wanted, location.pool.map(_read, wanted), strict=True):
        try:
            if isinstance(entry, DamageError):
                raise entry
            log.take_in(entry)
        except DamageError as error:
            _log.warning("%s is damaged and left out: %s", log.log, error)


def _read(wanted: tuple[Log[F], int]) -> LogEntry | DamageError:
    try:
        return wanted[0].journal.read(wanted[1])
    except DamageError as error:
        return error
