"""Carrying out what is due: runs are deleted behind the entry that was judged, and purged behind it.

One entry each, created only if it is the next: whatever was written meanwhile, a restoration, a pin or a commit, has
taken its number, and the run is left to the next plan. Killed anywhere, the next plan has what is left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from holdall.collecting.sweeping import older_entries
from holdall.errors import NotDeletedError
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.layout import run_log
from holdall.format.state import State
from holdall.retention.due import Due, RetentionPlan
from holdall.runs.metrics import tag_op
from holdall.runs.policy import EXPIRED, KEEP
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.log import append_entry, next_entry
from holdall.trees.view import View

_TOGETHER: Final = 16  # runs changed side by side


@dataclass(frozen=True, slots=True)
class Retained:
    """What was done. Attributes: expired, purged, swept (ids of runs), left (ids of runs that had changed)."""

    expired: tuple[str, ...] = ()
    purged: tuple[str, ...] = ()
    swept: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def perform(location: Location, plan: RetentionPlan) -> Retained:
    """Carry out a plan.

    Cost: for each run that is deleted the end of its log and a PUT; for each that is purged the same, a listing of its
        log and the DELETEs of its entries.
    """
    if plan.empty:
        return Retained()
    location.ready_to_write()
    expired = _side_by_side(partial(_expire, location), plan.expire)
    purged = _side_by_side(partial(_purge, location), plan.purge)
    _side_by_side(partial(_sweep, location), plan.sweep)
    done = {*expired, *purged}
    return Retained(
        tuple(expired),
        tuple(purged),
        tuple(one.run_id for one in plan.sweep),
        tuple(one.run_id for one in (*plan.expire, *plan.purge) if one.run_id not in done),
    )


def append_purge(location: Location, run_id: str, may: Callable[[View], bool]) -> bool:
    """Purge a run, if it may be by then: from now on it reads as not there. Its other entries stay.

    Args:
        location: The store.
        run_id: Which.
        may: Is asked of the run as it is; again after each lost race. That no pin stands and it is deleted is seen to.

    Returns:
        Whether it was purged by this call.
    """
    purge: list[Json] = [{"op": "purge"}]
    return _append(location, run_id, lambda view: purge if may_be_purged(view.state) and may(view) else []) is not None


def append_tombstone(location: Location, run_id: str, *, tag: str | None = None) -> bool:
    """Delete a run that is there, and tag it; return whether this call did so. Cost: the end of its log, and a PUT."""

    def ops(view: View) -> list[Json]:
        said = [tag_op(tag, "1")] if tag else []
        return [] if view.state.deleted or view.state.purged else [*said, {"op": "tombstone"}]

    return _append(location, run_id, ops) is not None


def may_be_purged(state: State) -> bool:
    """Return whether a run's log allows that it is purged: it is deleted, and no pin and no tag keeps it."""
    return state.deleted and not state.purged and not state.pins and KEEP not in state.tags


def remove_older(location: Location, run_id: str) -> int:
    """Remove all entries of a purged run but that which purges it, and return how many there were.

    Raises:
        NotDeletedError: The bucket keeps some, by a lock or a rule of its own.

    Cost: a listing of its log, a GET, and a DELETE for each entry, or for a thousand of them.
    """
    keys = older_entries(location, run_log(run_id))
    location.bucket.delete_many(keys)
    return len(keys)


def _expire(location: Location, one: Due) -> bool:
    said = json.dumps({"time": location.clock(), "policy": one.why})
    ops: list[Json] = [tag_op(EXPIRED, said), {"op": "tombstone"}]
    return _append(location, one.run_id, lambda view: ops if _is_at(view, one.n) else []) is not None


def _purge(location: Location, one: Due) -> bool:
    if not append_purge(location, one.run_id, lambda view: _is_at(view, one.n)):
        return False
    return _sweep(location, one)


def _sweep(location: Location, one: Due) -> bool:
    """Remove what is before a purge; what the bucket keeps, by a lock, the garbage collection tries again and names."""
    with suppress(NotDeletedError):
        remove_older(location, one.run_id)
    return True


def _is_at(view: View, n: int) -> bool:
    return view.head is not None and view.head.n == n and view.lost < 0 and not view.state.purged


def _append(location: Location, run_id: str, ops: Callable[[View], Sequence[Json]]) -> LogEntry | None:
    """Add an entry with what `ops` makes of the run as it is, if that is anything; nothing in it refers to a pack."""
    journal = Journal(location.bucket, location.pool, run_log(run_id))
    view = View.load(RunBlobReader(location.bucket, location.pool, journal, location.damage))
    if view is None:
        return None

    def build() -> LogEntry | None:
        wanted = ops(view)
        return next_entry(location, journal.log, view, wanted) if wanted else None

    return append_entry(location, journal.create, build, view.absorb, view.follow)


def _side_by_side(work: Callable[[Due], bool], some: Sequence[Due]) -> list[str]:
    """Do something to many runs at once, and return the ids of those where it was done."""
    with ThreadPoolExecutor(_TOGETHER) as threads:  # not those of the pool, as each gives work to it
        done = list(threads.map(work, some))
    return [one.run_id for one, yes in zip(some, done, strict=True) if yes]
