"""Walks a store's logs, and what else in it tells that something was done.

A listing tells each entry's number and when the server got it, so what is older
than was asked for is never fetched. Of each entry only words are kept, and a few
dozen of them at a time: a store of any size is read in the same memory, but for
the numbers of the longest log, 40 bytes each.

    logs      entries in their order, which is that in which the server created them
    gc/       what a generation condemned, decided and deleted
    keys/     slots that were added and revoked
    shares/   what there are links to
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Final, NamedTuple

from holdall.auditing.others import others
from holdall.auditing.record import AuditRecord
from holdall.auditing.signed import signature_in
from holdall.auditing.words import sessions_of, user_of, words_of
from holdall.errors import HoldallError
from holdall.format.entry import LogEntry
from holdall.format.layout import EXPERIMENTS, MODELS, NAMES, RUNS, Key, parse_key
from holdall.storage.bucket import ObjectInfo
from holdall.trees.journal import Journal
from holdall.trees.location import Location

_AT_ONCE: Final = 64  # entries that are fetched side by side, each for its words alone


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked for.

    Attributes:
        run: The id of the one run; None for all.
        experiment: The id of the one experiment, with its runs; None for all.
        since: Ms since 1970 UTC, by the server's clock: what is older is left out; None for all.
    """

    run: str | None = None
    experiment: str | None = None
    since: int | None = None

    @property
    def prefixes(self) -> list[str]:
        """Return the beginnings of the keys of the logs that may tell something."""
        if self.run:
            return [f"{RUNS}{self.run}/log/"]
        if self.experiment:
            return [f"{EXPERIMENTS}{self.experiment}/log/", f"{RUNS}{self.experiment[:8]}"]
        return [EXPERIMENTS, RUNS, MODELS, NAMES]

    def is_recent(self, stored: int | None) -> bool:
        """Return whether something is new enough; what has no time is."""
        return self.since is None or stored is None or stored >= self.since


class _Line(NamedTuple):
    """An entry that a listing shows. Attributes: log, n, stored, told (whether it is asked for, or only its user)."""

    log: str
    n: int
    stored: int | None
    told: bool


class _Read(NamedTuple):
    """What is kept of an entry. Attributes: record, user, experiment (of which it creates a run)."""

    record: AuditRecord
    user: str | None
    experiment: str | None


def audit(location: Location, scope: Scope) -> Iterator[AuditRecord]:
    """Yield what was done, log by log; what is in no log comes last, if all of the store is asked for.

    Cost: a listing of the logs, and a GET for each entry that is new enough, and for the first one of its log; a GET
    for each object of a garbage generation. What cannot be read is a record that says why.
    """
    location.require_store()
    for _, some in groupby(_reads(location, scope), key=lambda each: each[0].log):
        yield from _of_log(some, scope)
    if not scope.run and not scope.experiment:
        yield from others(location, scope.is_recent)


def _of_log(reads: Iterator[tuple[_Line, _Read]], scope: Scope) -> Iterator[AuditRecord]:
    """Yield the records of one log, each with the user that was claimed by then."""
    user = None
    for line, found in reads:
        user = found.user or user
        if scope.experiment and found.experiment not in (None, scope.experiment):
            return  # the beginnings of two experiments' ids are the same
        if line.told:
            yield replace(found.record, user=user) if user else found.record


def _reads(location: Location, scope: Scope) -> Iterator[tuple[_Line, _Read]]:
    lines = _lines(location, scope)
    while some := list(islice(lines, _AT_ONCE)):
        yield from zip(some, location.pool.map(_reader(location), some), strict=True)


def _lines(location: Location, scope: Scope) -> Iterator[_Line]:
    """Yield the entries that are to be read, the oldest of each log first."""
    for prefix in scope.prefixes:
        for log, listed in groupby(_keys(location.bucket.list(prefix)), key=lambda each: each[0].log):
            newest_first = [(key.number, stored) for key, stored in listed]
            wanted = [(n, stored) for n, stored in newest_first if scope.is_recent(stored)]
            oldest, stored = newest_first[-1]
            if wanted and wanted[-1][0] != oldest:
                yield _Line(log, oldest, stored, told=False)
            yield from (_Line(log, n, when, told=True) for n, when in reversed(wanted))


def _keys(listing: Iterator[ObjectInfo]) -> Iterator[tuple[Key, int | None]]:
    for info in listing:
        key = parse_key(info.key)
        if key and key.kind == "log":
            yield key, info.modified


def _reader(location: Location) -> Callable[[_Line], _Read]:
    store = location.descriptor.store

    def read(line: _Line) -> _Read:
        blank = AuditRecord(line.log, line.n, line.stored)
        try:
            entry = Journal(location.bucket, location.pool, line.log).read(line.n)
        except HoldallError as error:
            return _Read(replace(blank, problem=str(error)), None, None)
        return _told(blank, entry, store)

    return read


def _told(blank: AuditRecord, entry: LogEntry, store: str) -> _Read:
    key, verified = signature_in(entry.ops, store, entry.log.removeprefix(RUNS))
    record = replace(
        blank,
        claimed=entry.time,
        writer=entry.writer[:200],
        sessions=tuple(sessions_of(entry.ops)),
        did=tuple(words_of(entry.ops)),
        signed_by=key,
        verified=verified,
    )
    first = entry.ops[0] if entry.ops else {}
    return _Read(record, user_of(entry.ops), first.get("experiment") if first.get("op") == "create" else None)
