"""Deleting a run for good at once, without the days in which it could be restored; its space is the collector's.

Two entries, as the format wants it: one deletes the run, the next purges it. Both are created only behind a log that
allows them, so that whoever pins or restores the run in between takes the number, and it is looked at anew. The older
entries stay for the next collection: a session that is still open meets the two, and not a number that is free again.
"""

from __future__ import annotations

from typing import Final

from holdall.errors import RunHeldError, RunNotFoundError
from holdall.format.layout import is_run_id
from holdall.retention.performing import append_purge, append_tombstone
from holdall.runs.policy import KEEP
from holdall.runs.run import Run
from holdall.trees.location import Location

DISCARDED: Final = "holdall.discarded"  # a tag: who is killed before the purge leaves it for the next to finish


def discard(location: Location, run_id: str) -> bool:
    """Delete a run, and purge it; return whether it was there. Raises, cost: as `RetentionVerbs.discard`."""
    location.ready_to_write()
    if not is_run_id(run_id) or not _is_free(location, run_id):
        return False
    append_tombstone(location, run_id, tag=DISCARDED)
    if not append_purge(location, run_id, lambda _: True) and _is_free(location, run_id):
        raise RunHeldError(run_id, "somebody who restored it just now")
    return True


def _is_free(location: Location, run_id: str) -> bool:
    """Return whether a run is there, and nothing holds it. Raises: RunHeldError: Something does."""
    try:
        state = Run(location, run_id).state
    except RunNotFoundError:
        return False
    if state.pins:
        raise RunHeldError(run_id, "; ".join(sorted(state.pins)))
    if KEEP in state.tags:
        raise RunHeldError(run_id, f"the tag {KEEP}")
    return True
