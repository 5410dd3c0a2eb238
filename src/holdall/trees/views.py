"""The runs of many logs, as a listing showed these, read in as few waves as can be.

    heads --> newest entries --> the entries since their last states --> views
              32 under way       32 under way

Of a run that was ended and not touched since, the newest entry says all. Others
need more entries: whose, and which, the newest ones tell. Both are fetched for many runs at
once, and while the caller looks at one run, entries of those behind it are on their way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, TypeAlias, TypeVar

from holdall.errors import FormatError, HoldallError, LogGapError
from holdall.format.entry import LogEntry
from holdall.format.layout import RUNS
from holdall.format.state import State
from holdall.trees.blobs import RunBlobReader
from holdall.trees.heads import Head, KnownState
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.salvage import left_out
from holdall.trees.view import View

T = TypeVar("T")
Listed: TypeAlias = tuple[str, Head, KnownState | None]  # a log, its head, what was remembered of it
_Read: TypeAlias = LogEntry | HoldallError
_AHEAD: Final = 128  # entries that are held at once, and runs
_MOST: Final = 512  # entries of one log that are fetched beside those of others; longer ones are read alone


def read_views(location: Location, heads: Mapping[str, Head], name: Callable[[str], str]) -> Iterator[View]:
    """Yield runs as of the heads that a listing showed, in order; a damaged one is left out, with a warning.

    A run of which some entries can be read is told by these, and its `lost` says so.

    Args:
        location: The store.
        heads: The head of each log.
        name: What people call a log, for the warning.

    Cost: a GET each if they have ended; else one for each entry since the last state; always 32 side by side.
    """
    for _, view in stream_views(location, ((None, (log, head, None)) for log, head in heads.items()), name):
        if view:
            yield view


def stream_views(
    location: Location, wanted: Iterable[tuple[T, Listed | None]], name: Callable[[str], str]
) -> Iterator[tuple[T, View | None]]:
    """Yield as `read_views`, with what the caller says of each, which is taken as it is needed.

    What is None is passed on in its turn, and costs no request; a damaged run comes as None.
    Where something was remembered of a run, and the entries behind that prove it, only these are read, and
    the view has no paths.
    """
    bucket, pool = location.bucket, location.pool
    logs = (((key, listed), [(listed[0], listed[1].n)] if listed else []) for key, listed in wanted)

    def read(wanted: tuple[str, int]) -> _Read:
        return Journal(bucket, pool, wanted[0]).read_or_damage(wanted[1])

    newest = pool.stream(read, logs, ahead=_AHEAD)
    groups = (((key, listed, found), _missing(listed, found)) for (key, listed), found in newest)
    for (key, listed, found), before in pool.stream(read, groups, ahead=_AHEAD):
        view = None
        if listed:
            with left_out(name(listed[0])):
                blobs = RunBlobReader(bucket, pool, Journal(bucket, pool, listed[0]), location.damage)
                view = _view(listed, found[0], before, blobs)
        yield key, view


def _view(listed: Listed, newest: _Read, before: Sequence[_Read], blobs: RunBlobReader) -> View:
    _, head, known = listed
    if known and _begins_behind(known, head, newest):
        entries = [entry for entry in (*before, newest) if isinstance(entry, LogEntry)]
        with suppress(FormatError, LogGapError):
            if len(entries) == head.n - known.n:
                return View.resumed(known, entries, blobs)
        before = ()  # they do not begin where the others would
    return View.as_listed(head, newest, blobs, before or None)


def _missing(listed: Listed | None, found: Sequence[_Read]) -> list[tuple[str, int]]:
    """Return the entries that are needed beside the newest one."""
    if listed is None or not isinstance(found[0], LogEntry) or found[0].purges:
        return []
    log, head, known = listed
    start = known.n + 1 if known and _begins_behind(known, head, found[0]) else found[0].state_at or 0
    few = head.oldest <= start and head.n - start <= _MOST
    return [(log, n) for n in range(start, head.n)] if few else []


def _begins_behind(known: KnownState, head: Head, newest: _Read) -> bool:
    """Return whether a state that was remembered is newer than the last one in the log."""
    return isinstance(newest, LogEntry) and not newest.purges and (newest.state_at or 0) <= known.n < head.n


def run_name(log: str) -> str:
    """Return what people call the run of a log."""
    return f"run {log.removeprefix(RUNS)}"


def read_states(location: Location, heads: Mapping[str, Head]) -> Iterator[State]:
    """Yield the states of many runs; a damaged one is left out, with a warning. Cost: as `read_views`."""
    return (view.state for view in read_views(location, heads, run_name))
