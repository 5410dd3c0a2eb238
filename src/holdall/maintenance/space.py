"""How much room a store takes, and what of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from holdall.format.layout import PackName
from holdall.format.state import State
from holdall.measuring.census import FOREIGN, Census
from holdall.measuring.freed import Freed, freed_by
from holdall.measuring.holdings import Collectable
from holdall.measuring.survey import Survey
from holdall.measuring.usage import Usage, usage
from holdall.runs.record import RUN_NAME
from holdall.trees.location import Location
from holdall.trees.view import read_states

_YOUNG: Final = 24 * 3600 * 1000  # ms


@dataclass(frozen=True, slots=True)
class Stats:
    """How much a store holds. The bytes of packs, logs, hints, foreign and other objects are all there are.

    Attributes:
        store: Its id.
        runs: How many, deleted ones too; purged ones are not counted.
        deleted: How many of them are deleted.
        files, bytes: What the runs hold, each counted for itself.
        packs, pack_bytes: What that takes in packs.
        log_bytes: What it takes in logs.
        hint_bytes: What tells writers which packs have a chunk.
        other_bytes: What says what the store is, and what its collections did.
        foreign_bytes: Objects that are not holdall's.
        quarantine_bytes: Of `pack_bytes`, what a collection has condemned and not deleted yet.
        objects, object_bytes: All keys, and all bytes behind them.
    """

    store: str
    runs: int
    deleted: int
    files: int
    bytes: int
    packs: int
    pack_bytes: int
    log_bytes: int
    hint_bytes: int
    other_bytes: int
    foreign_bytes: int
    quarantine_bytes: int
    objects: int
    object_bytes: int


class SpaceVerbs:
    """Measuring: a part of `Maintenance`."""

    _location: Location

    def stats(self) -> Stats:
        """How much the store holds. What is damaged is named and left out.

        Cost: one listing of everything, and a GET for each run that has ended and each collection that goes on.

        Example:
            >>> store.maintenance.stats().runs
            1
        """
        store = self._location.descriptor.store
        found = Census(self._location.bucket, keep_packs=False)
        told = read_states(self._location, found.heads.found)
        states = [state for state in told if not state.purged]
        sizes, every = found.sizes, found.sizes.total()
        return Stats(
            store=store,
            runs=len(found.heads.found) - len(told) + len(states),
            deleted=sum(state.deleted for state in states),
            files=sum(state.files for state in states),
            bytes=sum(state.bytes for state in states),
            packs=found.counts["pack"],
            pack_bytes=sizes["pack"],
            log_bytes=sizes["log"],
            hint_bytes=sizes["hint"],
            other_bytes=every - sizes["pack"] - sizes["log"] - sizes["hint"] - sizes[FOREIGN],
            foreign_bytes=sizes[FOREIGN],
            quarantine_bytes=found.quarantine,
            objects=found.counts.total(),
            object_bytes=every,
        )

    def du(self) -> Usage:
        """What each run and experiment takes, how much of it is shared, and what the bucket's other bytes are for.

        No content is read.

        Cost: as reading every run's listing, many side by side, and the recipes of its large files.

        Example:
            >>> store.maintenance.du().runs[0].run_id == run.id
            True
        """
        return usage(self._location, _run_name, _collectable)

    def freed_by(self, run_ids: Collection[str] = (), *, experiment_ids: Collection[str] = ()) -> Freed:
        """What deleting some runs would free, once they are purged and collected. Deletes nothing.

        Args:
            run_ids: The runs; deleted ones may be among them.
            experiment_ids: Experiments all of whose runs would be deleted.

        Raises:
            RunNotFoundError: There is no such run.

        Cost: as `du`.

        Example:
            >>> store.maintenance.freed_by([run.id]).sharing
            ()
        """
        return freed_by(self._location, _run_name, run_ids, experiment_ids)


def _run_name(state: State) -> str:
    return state.tags.get(RUN_NAME, "")


def _collectable(census: Census, survey: Survey) -> Collectable:
    """Return which packs, of those that nothing refers to, the next collection condemns."""
    writing = {session for run in survey.runs for session in run.sessions}

    def collectable(pack: PackName, modified: int | None) -> bool:
        aged = modified is not None and census.newest is not None and modified + _YOUNG < census.newest
        return aged and pack.session.hex() not in writing

    return collectable
