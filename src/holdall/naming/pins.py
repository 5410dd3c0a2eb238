"""Pins: what a version needs stays.

A pin is in the log of the run whose files a version is, and is written
before the version: a run that has any pin is not purged. It refers to no pack,
so setting one needs no session, and the run may have ended long ago. SPEC.md,
"Registered models".

A process that is killed between the two leaves a pin without a version, which
no other can tell from one whose version is about to be written: only people
know whether that process lives. One whose version was dropped, or whose model
has ended, needs nobody's word: nothing can be written under it any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final

from holdall.errors import RunNotFoundError
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.layout import model_log, run_log
from holdall.format.registered import Registered
from holdall.format.state import State
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.log import Log, append_entry, next_entry
from holdall.trees.view import View

_OF_MODEL: Final = re.compile(r"models/([0-9a-f]{32})/[0-9a-f]{16}")


def pin(location: Location, run_id: str, name: str, by: str, path: str, view: View | None = None) -> View:
    """Keep what a run holds, under this pin's name, with nothing added at or below a path.

    `view` is the run as it was read a moment ago; if it is old by now, the race for the next entry tells.

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

    return _append(location, run_id, ops, view)


def unpin(location: Location, run_id: str, name: str) -> None:
    """Take a pin back; do nothing if it is not there. Raises and cost: as `pin`."""
    gone: list[Json] = [{"op": "unpin", "pin": name}]
    _append(location, run_id, lambda state: gone if name in state.pins and not state.purged else [])


class Standing(Enum):
    """What stands behind a pin."""

    VERSION = "a version that is there"
    NOTHING = "no version, and none can come"
    PROMISE = "no version yet: its writer was killed, or is about to write it"


def standing(location: Location, pin: str) -> Standing:
    """Return what stands behind a pin of a run, as the model's log says now; a version for one of another kind.

    Cost: as reading the model; where it has no such version a GET for each entry of its log.
    """
    found = _OF_MODEL.fullmatch(pin)
    if not found:
        return Standing.VERSION
    model = Log(location, model_log(found[1]), Registered)
    state = model.follow()
    if state is None:
        return Standing.PROMISE
    if state.ended is None and any(version.pin == pin for version in state.versions.values()):
        return Standing.VERSION
    written = (op.get("pin") == pin for entry in model.journal.walk(model.next) for op in entry.ops)
    return Standing.NOTHING if state.ended is not None or any(written) else Standing.PROMISE


def lift(location: Location, run_id: str, name: str) -> bool:
    """Take back a pin that no version needs, and return whether it stays so.

    The model is looked at again behind that: a version that was written meanwhile gets its pin anew.

    Raises: as `pin`. Cost: as `unpin`, and as `standing`.
    """
    said: dict[str, str] = {}

    def ops(state: State) -> list[Json]:
        if state.purged or name not in state.pins:
            return []
        said.update(by=state.pins[name], path=state.pinned.get(name, ""))
        return [{"op": "unpin", "pin": name}]

    _append(location, run_id, ops)
    if standing(location, name) is not Standing.VERSION:
        return True
    if said:
        pin(location, run_id, name, said["by"], said["path"])
    return False


def _append(location: Location, run_id: str, ops: Callable[[State], Sequence[Json]], view: View | None = None) -> View:
    """Add an entry to a run's log, which is read from its last state on if need be; return the run as of then."""
    if view is None:
        journal = Journal(location.bucket, location.pool, run_log(run_id))
        view = View.load(RunBlobReader(location.bucket, location.pool, journal, location.damage))
    if view is None:
        raise RunNotFoundError(run_id, location.bucket.url)
    journal = view.paths.blobs.journal  # it knows when the log was looked at

    def build() -> LogEntry | None:
        wanted = ops(view.state)
        return next_entry(location, journal.log, view, wanted) if wanted else None

    location.ready_to_write()
    append_entry(location, journal.create, build, view.absorb, view.follow)
    return view
