"""How much room a store takes, and what of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from holdall.collecting.collector import DELAY
from holdall.collecting.compaction import Compactor, Moved
from holdall.errors import InvalidArgumentError
from holdall.format.state import State
from holdall.measuring.census import FOREIGN, Census
from holdall.measuring.freed import Freed, freed_by
from holdall.measuring.holdings import Collectable
from holdall.measuring.sparse import Sparse, sparse_packs
from holdall.measuring.survey import Survey
from holdall.measuring.usage import Usage, usage
from holdall.runs.record import RUN_NAME
from holdall.trees.location import Location
from holdall.trees.views import read_states


@dataclass(frozen=True, slots=True)
class Stats:
    """How much a store holds. The bytes of packs, logs, hints, shares, foreign and other objects are all.

    Attributes:
        store: Its id.
        runs: How many, deleted ones too; purged ones are not counted.
        deleted: How many of them are deleted.
        files, bytes: What the runs hold, each counted for itself.
        packs, pack_bytes: What that takes in packs.
        log_bytes: What it takes in logs.
        hint_bytes: What tells writers which packs have a chunk.
        other_bytes: What says what the store is, what its collections did, and what all runs say (its catalog).
        share_bytes: Copies of artifacts for which there are links.
        foreign_bytes: Objects that are not holdall's.
        quarantine_bytes: Of `pack_bytes`, what a collection has condemned and not deleted yet.
        objects, object_bytes: All keys, and all bytes behind them.
        unseen: What was not counted, as no key of the encrypted store was given; empty where all was.
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
    share_bytes: int
    foreign_bytes: int
    quarantine_bytes: int
    objects: int
    object_bytes: int
    unseen: str = ""


_UNSEEN: Final = "no key was given: files, their bytes and deleted runs were not counted, and purged runs were"


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a compaction did; of a dry run, what it would do. Attributes in bytes, but for names.

    Attributes:
        packs: Those that are emptied.
        run_ids: The runs that need something of them.
        live: What these need of them: as much is written again.
        freed: What is dead in them: as much is won, once a collection has taken them.
        left: What is dead in other packs, and stays.
        copied: What was written.
        failed: Runs that were left as they are, and why, by id; their packs stay.
        unknown: Runs that cannot be read. Nothing is moved before they are mended, as it would free nothing.
    """

    packs: tuple[str, ...]
    run_ids: tuple[str, ...]
    live: int
    freed: int
    left: int
    copied: int
    failed: Mapping[str, str]
    unknown: tuple[str, ...]


class SpaceVerbs:
    """Measuring: a part of `Maintenance`."""

    _location: Location

    def stats(self) -> Stats:
        """How much the store holds. What is damaged is named and left out.

        Of an encrypted store for which no key was given, objects are counted; `unseen` says what was not.

        Cost: one listing of everything, and a GET for each run that has ended and each collection that goes on.

        Example:
            >>> store.maintenance.stats().runs
            1
        """
        location = self._location.or_without_keys()
        store = location.descriptor.store
        found = Census(location.bucket, keep_packs=False)
        told = Counter[str]()
        for state in () if location.keyless else read_states(location, found.heads.found):
            told["purged"] += state.purged
            if not state.purged:
                told.update(deleted=state.deleted, files=state.files, bytes=state.bytes)
        sizes, every = found.sizes, found.sizes.total()
        return Stats(
            store=store,
            runs=len(found.heads.found) - told["purged"],
            deleted=told["deleted"],
            files=told["files"],
            bytes=told["bytes"],
            packs=found.counts["pack"],
            pack_bytes=sizes["pack"],
            log_bytes=sizes["log"],
            hint_bytes=sizes["hint"],
            other_bytes=every - sum(sizes[kind] for kind in ("pack", "log", "hint", "share", FOREIGN)),
            share_bytes=sizes["share"],
            foreign_bytes=sizes[FOREIGN],
            quarantine_bytes=found.quarantine,
            objects=found.counts.total(),
            object_bytes=every,
            unseen=_UNSEEN if location.keyless else "",
        )

    def du(self) -> Usage:
        """What each run and experiment takes, how much of it is shared, and what the bucket's other bytes are for.

        No content is read.

        Cost: as reading every run's listing, many side by side, and the recipes of its large files.

        Example:
            >>> store.maintenance.du().runs[0].run_id == run.id
            True
        """
        return usage(self._location, _run_name, _collectable(self._location.clock()))

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

    def compact(self, dead: float = 0.05, *, dry_run: bool = False) -> Compaction:
        """Move what lives out of packs that are partly dead, so that the next collection can take them.

        Deletes nothing. What lives is copied as it is, once however many runs share it, and each run that needs it gets
        one more entry, with the same paths and new places. A pack of a run that is being written stays as it is.

        Args:
            dead: How much of what runs need in packs may be dead beside it, such as 0.05; the packs with most dead
                bytes are emptied first, and no more of them than that takes.
            dry_run: Whether only to say what would be done.

        Returns:
            What was moved, and how much the next collection frees.

        Raises:
            InvalidArgumentError: The share is below 0.

        Cost: as `du`; then reading and writing what lives in these packs, and three PUTs for each run that needs it.

        Example:
            >>> store.maintenance.compact(0.05, dry_run=True).freed
            0
        """
        if not dead >= 0:
            raise InvalidArgumentError(f"dead={dead!r} is no share such as 0.05")
        self._location.require_store()
        census = Census(self._location.bucket, keep_packs=True)
        survey = Survey(self._location, census, _run_name)
        busy = {bytes.fromhex(session) for run in survey.runs for session in run.sessions}
        found = sparse_packs(census, survey, dead, busy) if survey.sound else Sparse()
        moved = Moved()
        if found.packs and not dry_run:
            moved = Compactor(self._location, frozenset(found.packs)).move(found.run_ids)
        return Compaction(
            packs=tuple(map(str, found.packs)),
            run_ids=found.run_ids,
            live=found.live,
            freed=found.dead,
            left=found.left,
            copied=moved.copied,
            failed=moved.failed,
            unknown=survey.unsound,
        )


def _run_name(state: State) -> str:
    return state.tags.get(RUN_NAME, "")


def _collectable(clock: int) -> Callable[[Census, Survey], Collectable]:
    """Return what tells which packs, of those that nothing refers to, the next collection condemns.

    It is as late as the newest object says, or this machine; only a collection asks the server.
    """

    def rule(census: Census, survey: Survey) -> Collectable:
        committed = {bytes.fromhex(session): -1 for run in survey.runs for session in run.sessions}
        for pack in census.packs:  # up to which number, of each session that is open
            if pack.session in committed and any(True for _ in survey.rows(pack)):
                committed[pack.session] = max(committed[pack.session], pack.number)
        now = max(clock, census.newest or 0)
        return lambda pack, modified: (
            pack.number < committed.get(pack.session, pack.number + 1)
            and modified is not None
            and now - modified >= DELAY
        )

    return rule
