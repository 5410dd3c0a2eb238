"""Why something takes space, and taking a collection back."""

from __future__ import annotations

import re
from typing import Final

from holdall.collecting.collector import DELAY
from holdall.collecting.explaining import Explanation, explain_content, explain_pack, pack_of
from holdall.collecting.following import follow
from holdall.collecting.generations import undo
from holdall.errors import InvalidArgumentError, LogGapError, RunNotFoundError
from holdall.format.layout import run_log
from holdall.format.state import State
from holdall.maintenance.workers import open_workers
from holdall.retention.due import RetentionPlan, due
from holdall.trees.location import Location

_DIGEST: Final = re.compile(r"(sha256|blake3):([0-9a-f]{64})")
_RUN: Final = re.compile(r"(?:runs:/|runs/)?([0-9a-f]{32})/?")


class ExplainVerbs:
    """Explaining what takes space: a part of `Maintenance`."""

    _location: Location

    def explain(self, what: str, *, engine: str = "threads") -> Explanation:
        """Say who holds a run, a pack or some content, and by which rule. Nothing is written.

        Args:
            what: A run's id; a pack's name or key; or `sha256:` or `blake3:` and the digest of a file or chunk.
            engine: What reads the runs: "threads", "ray" or "dask".

        Raises:
            RunNotFoundError: There is no such run.
            GarbageNotFoundError: There is no such pack, or no run refers to such content.
            LiveContentError: What some run needs cannot be told.
            InvalidArgumentError: It is none of these.

        Cost: of a run as `due`; else reading every run's trees and recipes.

        Example:
            >>> store.maintenance.explain(run.id).why
            ['1 session is open', ...]
        """
        self._location.require_store()
        if found := _RUN.fullmatch(what):
            return self._explain_run(found[1])
        with open_workers(engine, None, self._location) as workers:
            if pack := pack_of(what):
                return explain_pack(self._location, workers, pack, self._location.clock(), DELAY)
            if found := _DIGEST.fullmatch(what):
                return explain_content(self._location, workers, found[1], bytes.fromhex(found[2]))
        raise InvalidArgumentError(f"{what!r} is no run's id, no pack's name and no digest such as sha256:...")

    def undo_gc(self, generation: int) -> int:
        """Take back what a garbage generation condemned, as long as it waits; return how many packs that were.

        Raises:
            GenerationDecidedError: It deletes packs already.
            GarbageNotFoundError: There is no such generation.

        Cost: two GETs and two PUTs.

        Example:
            >>> store.maintenance.undo_gc(7)
            Traceback (most recent call last):
            holdall.errors.GarbageNotFoundError: there is no garbage generation 7 in ...
        """
        location = self._location.or_without_keys()  # generations are in the open
        location.require_store()
        if generation < 0:
            raise InvalidArgumentError(f"generation={generation} is no number of a garbage generation")
        location.ready_to_write()
        return len(undo(location.bucket, generation))

    def _explain_run(self, id: str) -> Explanation:
        try:
            state = follow(self._location, run_log(id)).state
        except LogGapError as error:
            if error.n:
                raise
            raise RunNotFoundError(id, self._location.bucket.url) from error
        if state.purged:
            return Explanation(id, why=["it is purged: it holds nothing"])
        plan = due(self._location, self._location.clock())
        return Explanation(id, why=[*_held_by(state), *_judged(plan, id)])


def _held_by(state: State) -> list[str]:
    """Return what of its own log keeps a run, a sentence each."""
    open_ones = len(state.sessions)
    told = [f"{open_ones} session{'s are' if open_ones > 1 else ' is'} open"] if open_ones else []
    told += [f"{by} has pinned {state.pinned.get(pin) or 'all of it'}" for pin, by in sorted(state.pins.items())]
    return told


def _judged(plan: RetentionPlan, id: str) -> list[str]:
    """Return what retention says of a run."""
    told = [f"it stays: {plan.kept[id]}"] if id in plan.kept else []
    for word, some in (("the next collection deletes it", plan.expire), ("the next collection purges it", plan.purge)):
        told += [f"{word}: {one.why}" for one in some if one.run_id == id]
    return told + [f"it is deleted, and holds its content: {one.why}" for one in plan.waiting if one.run_id == id]
