"""Pins: what a version needs stays.

A pin is in the log of the run whose files a version is, and is written
before the version: a run that has any pin is not purged. It refers to no pack,
so setting one needs no session, and the run may have ended long ago. SPEC.md,
"Registered models".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from holdall.errors import RunNotFoundError
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.layout import run_log
from holdall.format.state import State
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.log import append_entry, next_entry
from holdall.trees.view import View


def pin(location: Location, run_id: str, name: str, by: str, path: str) -> View:
    """Keep what a run holds, under this pin's name, with nothing added at or below a path.

    Returns:
        The run, whose newest entry is the pin.

    Raises:
        RunNotFoundError: There is no such run, or no longer.

    Cost: reading the run's end, and one PUT.
    """

    def ops(state: State) -> list[Json]:
        if state.purged:
            raise RunNotFoundError(run_id, location.bucket.url)
        return [{"op": "pin", "pin": name, "by": by, "path": path}]

    return _append(location, run_id, ops)


def unpin(location: Location, run_id: str, name: str) -> None:
    """Take a pin back; do nothing if it is not there. Raises and cost: as `pin`."""
    gone: list[Json] = [{"op": "unpin", "pin": name}]
    _append(location, run_id, lambda state: gone if name in state.pins and not state.purged else [])


def _append(location: Location, run_id: str, ops: Callable[[State], Sequence[Json]]) -> View:
    """Add an entry to a run's log, which is read from its last state on, and return the run as of then."""
    journal = Journal(location.bucket, location.pool, run_log(run_id))
    view = View.load(RunBlobReader(location.bucket, location.pool, journal, location.damage))
    if view is None:
        raise RunNotFoundError(run_id, location.bucket.url)

    def build() -> LogEntry | None:
        wanted = ops(view.state)
        return next_entry(location, journal.log, view, wanted) if wanted else None

    location.ready_to_write()
    append_entry(location, journal.create, build, view.absorb, view.follow)
    return view
