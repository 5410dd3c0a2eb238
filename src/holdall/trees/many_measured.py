"""Measurements of many runs, read in as few waves as can be; of runs that were read before, only what is new.

    a listing each --> newest entries --> entries since their last states --> blocks, and entries in none
    (the number of     32 under way       32 under way                        32 under way, each once for all keys
    the newest)

Who read a run before says how far: then the listing tells whether there is more, and just that is read. An entry
that does not continue what was read, as in a store that was restored from a copy, has the run read from its beginning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, TypeAlias

from holdall.errors import FormatError, HoldallError, LogGapError, RunNotFoundError
from holdall.format.entry import UNKNOWN, LogEntry
from holdall.format.layout import run_log
from holdall.format.series import Columns
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.measured import columns_of_entry, stream_columns
from holdall.trees.salvage import UNREADABLE
from holdall.trees.view import View

_AHEAD: Final = 128  # entries that are held at once, and runs
_MOST: Final = 512  # entries of one log that are fetched beside those of others; longer ones are read alone


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a run's log was read. Attributes: next (number of the first entry that was not), sha256 (of the last)."""

    next: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class News:
    """What a log has behind what was read of it. Attributes: entries, reached (with them)."""

    entries: Sequence[LogEntry]
    reached: Reached


Wanted: TypeAlias = tuple[str, Reached | None]  # a run, and how far it was read
Look: TypeAlias = View | News | HoldallError  # the error: it was purged, or nothing of it can be read
_Read: TypeAlias = LogEntry | HoldallError


def reached_by(view: View) -> Reached:
    """Return how far a view goes."""
    return Reached(view.next, view.head.sha256 if view.head and view.head.n >= view.lost else None)


def look_at(location: Location, wanted: Iterable[Wanted]) -> Iterator[tuple[str, Look]]:
    """Yield runs as they are now, in order; of those that were read before what is new, if that continues it.

    Cost: for each a listing of one key; for one that was not read before as `View.load`, for others a GET for each
    entry more. All of them side by side.
    """
    bucket, pool = location.bucket, location.pool

    def newest(run: str) -> int | None:
        return Journal(bucket, pool, run_log(run)).newest()

    def read(wanted: tuple[str, int]) -> _Read:
        return Journal(bucket, pool, run_log(wanted[0])).read_or_damage(wanted[1])

    heads = pool.stream(newest, ((one, [one[0]]) for one in wanted), ahead=_AHEAD)
    begun = location.beside_descriptor(lambda: list(islice(heads, 1)))
    groups = (((one, n), _first(one, n)) for one, [n] in chain(begun, heads))
    more = (((*key, found), _older(*key, found)) for key, found in pool.stream(read, groups, ahead=_AHEAD))
    for (one, n, found), before in pool.stream(read, more, ahead=_AHEAD):
        yield one[0], _look(location, one, n, found, before)


def stream_looks(
    location: Location, looks: Iterable[tuple[str, Look]], keys: Collection[str] | None
) -> Iterator[tuple[str, Look, dict[str, Columns] | HoldallError]]:
    """Yield for each run, in order and at least once, measurements of some keys, or of all, in the order of logging.

    An error says that some cannot be read.

    Cost: as `stream_columns`, of all runs side by side.
    """

    def views() -> Iterator[tuple[tuple[str, Look], View | None]]:
        for run, look in looks:
            yield (run, look), look if isinstance(look, View) else None

    for (run, look), columns in stream_columns(location.pool, views(), keys):
        if isinstance(look, News):
            columns = dict[str, Columns]()
            for entry in look.entries:
                columns_of_entry(entry, keys, columns)
        yield run, look, look if isinstance(look, HoldallError) else columns


def _goes_on(one: Wanted, newest: int | None) -> bool:
    """Return whether a run was read before, and its log is at least as long as then."""
    return one[1] is not None and one[1].sha256 is not None and newest is not None and one[1].next <= newest + 1


def _first(one: Wanted, newest: int | None) -> list[tuple[str, int]]:
    """Return the entries to read when the number of the newest is known."""
    run, reached = one
    if newest is None:
        return []
    if reached and _goes_on(one, newest):
        return [(run, n) for n in range(reached.next, newest + 1)]
    return [(run, newest)]


def _older(one: Wanted, newest: int | None, found: Sequence[_Read]) -> list[tuple[str, int]]:
    """Return the entries that are needed beside the newest one."""
    if newest is None or _goes_on(one, newest) or not isinstance(found[0], LogEntry) or found[0].purges:
        return []
    start = found[0].state_at or 0
    return [(one[0], n) for n in range(start, newest)] if newest - start <= _MOST else []


def _look(location: Location, one: Wanted, newest: int | None, found: Sequence[_Read], before: Sequence[_Read]) -> Look:
    run, reached = one
    journal = Journal(location.bucket, location.pool, run_log(run))
    blobs = RunBlobReader(location.bucket, location.pool, journal, location.damage)
    if reached and _goes_on(one, newest):
        if (news := _news(reached, found)) is not None:
            return news
        found, before = (), ()  # it is another log than it was: all of it is read
    try:
        view = _view(newest, found, before, blobs)
    except UNREADABLE as error:
        return error
    if view is None or view.state.purged:
        return RunNotFoundError(run, location.bucket.url, view is not None)
    return view


def _news(reached: Reached, found: Sequence[_Read]) -> News | None:
    """Return what is new, or None where the log was purged, cannot be read or does not go on from what was read."""
    entries = [each for each in found if isinstance(each, LogEntry) and not each.purges]
    if len(entries) < len(found):
        return None
    sha256 = reached.sha256
    for entry in entries:
        if entry.prev not in (sha256, UNKNOWN):
            return None
        sha256 = entry.sha256
    return News(entries, Reached(reached.next + len(entries), sha256))


def _view(newest: int | None, found: Sequence[_Read], before: Sequence[_Read], blobs: RunBlobReader) -> View | None:
    if found and isinstance(found[0], LogEntry):
        try:
            return View.up_to(found[0], blobs, before=before or None)
        except (LogGapError, FormatError):
            pass  # what can be read of it is looked for one by one
    return View.as_of(newest, blobs)
