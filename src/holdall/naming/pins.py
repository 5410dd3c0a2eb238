"""Pins: what a version needs stays.

A pin stands in the log of the run whose files a version is, and is written
before the version: a run that any pin stands in is not purged. It references
no pack, so setting one needs no session, and a run may have ended long ago.
SPEC.md, 17.
"""

from __future__ import annotations

from holdall.errors import RunNotFoundError
from holdall.format.document import Json
from holdall.format.layout import run_log
from holdall.format.state import State
from holdall.naming.log import Log
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.view import View


def pin(location: Location, run_id: str, name: str, by: str, path: str) -> Log[State]:
    """Keep what a run holds, under this pin's name, with nothing added at or below a path.

    Returns:
        The run's log, whose newest entry is the pin.

    Raises:
        RunNotFoundError: There is no such run, or no longer.

    Cost: reading the run's end, and one PUT.
    """
    log = _log_of(location, run_id)

    def build() -> list[Json]:
        if log.state.purged:
            raise RunNotFoundError(run_id, location.bucket.url)
        return [{"op": "pin", "pin": name, "by": by, "path": path}]

    log.append(build)
    return log


def unpin(location: Location, run_id: str, name: str) -> None:
    """Take a pin back. That it is not there is as good. Cost: as `pin`."""
    log = _log_of(location, run_id)
    log.append(lambda: [{"op": "unpin", "pin": name}] if name in log.state.pins and not log.state.purged else [])


def _log_of(location: Location, run_id: str) -> Log[State]:
    """A run's log, read from its last state on, since it may be long."""
    journal = Journal(location.bucket, location.pool, run_log(run_id))
    view = View.load(RunBlobReader(location.bucket, location.pool, journal, location.damage))
    if view is None:
        raise RunNotFoundError(run_id, location.bucket.url)
    log = Log(location, run_log(run_id), State)
    log.state, log.head = view.state, view.head
    return log
