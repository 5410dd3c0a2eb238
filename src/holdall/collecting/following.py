"""One run as a collector must know it: exactly, or not at all.

Readers go around what is damaged. A collector that did would delete what the
damaged part names, so whatever it cannot read or does not know stops it
(SPEC.md, G0), and it says of which run that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from holdall.chunks.reader import ChunkReader
from holdall.errors import HoldallError, LogGapError, UnsupportedFeatureError
from holdall.format.entry import LogEntry
from holdall.format.layout import RUNS, PackName
from holdall.storage.bucket import Bucket
from holdall.trees.blobs import RunBlobReader
from holdall.trees.heads import Head, Heads
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.public_journal import journal_of
from holdall.trees.public_run import PublicRun
from holdall.trees.references import fetch_roots, packs_needed
from holdall.trees.salvage import UNREADABLE
from holdall.trees.view import View

_TRIES: Final = 4  # of a run that changes while it is read
_OF_COLLECTORS: Final = {"fence", "close", "unpart"}  # what says nothing of a writer


class ExactView(View):
    """A run's view that knows every operation in it.

    Attributes: active (the number of the newest entry that a collector did not write, of those that were read; -1).
    """

    active = -1

    @property
    def journal(self) -> Journal:
        """Return the run's log."""
        return self.paths.blobs.journal

    def absorb(self, entry: LogEntry) -> None:
        """Take in the next entry. Raises: UnsupportedFeatureError, also for an operation that readers may ignore."""
        for op in entry.ops:
            if op["op"].startswith("x-"):
                raise UnsupportedFeatureError(f"{entry.log} entry {entry.n}", f"operation {op['op']}")
        super().absorb(entry)
        if entry.state is not None or not {op["op"] for op in entry.ops} <= _OF_COLLECTORS:
            self.active = entry.n


@dataclass(frozen=True, slots=True)
class RunHead:
    """A run as a listing shows it. Attributes: log, head."""

    log: str
    head: Head


@dataclass(frozen=True, slots=True)
class Look:
    """What a collector needs to know of a run.

    Attributes:
        log, n: Which run, as of which entry.
        packs: What it refers to.
        sessions: Those that are open, in hex.
        active: The number of the newest entry that a writer may have written; -1 if none was read.
        groups: Those of which it keeps parts, each with the numbers of the entries that had them first.
        purged: Whether it is; then it refers to nothing.
        stale: Whether it is, and has entries before the one that purged it.
        problem: Why that is not known; empty where it is.
    """

    log: str
    n: int
    packs: frozenset[PackName] = frozenset()
    sessions: tuple[str, ...] = ()
    active: int = -1
    groups: tuple[tuple[str, tuple[int, ...]], ...] = ()
    purged: bool = False
    stale: bool = False
    problem: str = ""


def kept_groups(view: View) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return the groups of which a run keeps parts, each with the numbers of the entries that had them first."""
    groups = view.state.groups
    return tuple((name, tuple(sorted({part.since for part in groups[name].parts.values()}))) for name in sorted(groups))


def list_runs(bucket: Bucket) -> Iterator[RunHead]:
    """Yield the runs that there are, in the order of their ids, each when the listing has passed it."""
    heads = Heads()
    for info in bucket.list(RUNS):
        heads.add(info)
        if len(heads.found) > 1:
            log = next(iter(heads.found))
            yield RunHead(log, heads.found.pop(log))
    for log, head in heads.found.items():
        yield RunHead(log, head)


def look_at(location: Location, runs: Sequence[RunHead]) -> list[Look]:
    """Return what some runs refer to now; what cannot be told is said in its place.

    Cost: a GET for each run that has ended, its trees and recipes; many side by side.
    """
    if location.keyless:
        return [_look_without_key(location, run) for run in runs]
    reader = ChunkReader(location.bucket, location.pool)
    views = views_of(location, reader, runs)
    return [_look(location, reader, *pair) for pair in zip(runs, views, strict=True)]


def views_of(location: Location, reader: ChunkReader, runs: Sequence[RunHead]) -> list[ExactView | HoldallError]:
    """Return some runs as a listing showed them, with the roots of their trees, or why one cannot be told."""
    newest = location.pool.map(lambda run: _journal(location, run.log).read_or_damage(run.head.n), runs)
    views = [_view_or_error(location, reader, *pair) for pair in zip(runs, newest, strict=True)]
    fetch_roots([view for view in views if isinstance(view, View)], reader)
    return views


def follow_log(location: Location, log: str) -> ExactView | PublicRun:
    """Return a run as of its newest entry, as far as it can be told here. Raises: as `follow`."""
    return PublicRun.read(location, log) if location.keyless else follow(location, log)


def follow(location: Location, log: str, reader: ChunkReader | None = None) -> ExactView:
    """Return a run as of its newest entry.

    Raises:
        DamageError, UnsupportedFeatureError: It cannot be told.
    """
    journal = _journal(location, log)
    head = journal.head()
    if head is None:
        raise LogGapError(log, 0)
    return _up_to(head, RunBlobReader(location.bucket, location.pool, journal, packs=reader))


def _view_or_error(
    location: Location, reader: ChunkReader, run: RunHead, newest: LogEntry | HoldallError
) -> ExactView | HoldallError:
    try:
        if isinstance(newest, HoldallError):
            raise newest
        return _up_to(
            newest, RunBlobReader(location.bucket, location.pool, _journal(location, run.log), packs=reader), run.head
        )
    except UNREADABLE as error:
        return error


def _look(location: Location, reader: ChunkReader, run: RunHead, view: ExactView | HoldallError) -> Look:
    """Return what a run refers to. A run that changed while it was read is read again: its packs may have moved."""
    n = run.head.n
    for _ in range(_TRIES):
        try:
            if isinstance(view, HoldallError):
                raise view
            assert view.head is not None
            n = view.head.n
            packs = frozenset(packs_needed(view))
            sessions = () if view.state.purged else tuple(sorted(view.state.sessions))
            purged = view.state.purged
            stale = purged and run.head.first < n
            return Look(run.log, n, packs, sessions, view.active, kept_groups(view), purged, stale)
        except UNREADABLE as error:
            if _journal(location, run.log).newest() == n:
                return Look(run.log, n, problem=str(error))
        view = _followed_again(location, run.log, reader)
    return Look(run.log, n, problem="it changes faster than it can be read")


def _look_without_key(location: Location, run: RunHead) -> Look:
    """Return what a run may refer to. That it is purged is believed where nothing else of it is left."""
    n = run.head.n
    for _ in range(_TRIES):
        try:
            found = PublicRun.read(location, run.log)
            n = found.next - 1
            packs = found.packs(location)
            sessions = () if found.state.purged else tuple(sorted(found.state.sessions))
            purged = found.state.purged and len(found.roots) == 1
            return Look(run.log, n, packs, sessions, found.active, purged=purged)
        except UNREADABLE as error:
            if _journal(location, run.log).newest() == n:
                return Look(run.log, n, problem=str(error))
    return Look(run.log, n, problem="it changes faster than it can be read")


def _followed_again(location: Location, log: str, reader: ChunkReader) -> ExactView | HoldallError:
    try:
        return follow(location, log, reader)
    except UNREADABLE as error:
        return error


def _up_to(head: LogEntry, blobs: RunBlobReader, listed: Head | None = None) -> ExactView:
    view = ExactView.up_to(head, blobs, listed)
    assert isinstance(view, ExactView)
    return view


def _journal(location: Location, log: str) -> Journal:
    return journal_of(location, log)


def entry_time(bucket: Bucket, key: str) -> int | None:
    """Return when an object was created, by the server's clock. Cost: one listing of one key."""
    return next((info.modified for info in bucket.list(key, limit=1) if info.key == key), None)
