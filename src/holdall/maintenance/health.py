"""Checking a store, and healing what is damaged in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, Protocol

from holdall.checking.check import check
from holdall.checking.donor import Donor
from holdall.checking.findings import Findings
from holdall.checking.plans import LogRepair, RunRepair
from holdall.checking.repair import Repair, RunIds, heal_runs
from holdall.maintenance.workers import open_workers
from holdall.runs.index import run_ids as run_ids_of
from holdall.trees.location import Location

_RUNS: Final = 64  # that a worker heals before it returns what it did


class OpenedStore(Protocol):
    """A store as `holdall.open` returns it."""

    @property
    def _location(self) -> Location: ...


class HealthVerbs:
    """Checking and repairing: a part of `Maintenance`."""

    _location: Location

    def check(
        self, *, quick: bool = False, record: bool = False, engine: str = "threads", workers: int | None = None
    ) -> Findings:
        """Hold every object against the format, and compute every digest anew.

        Of an encrypted store for which no key was given, all is checked that has a digest which needs none: that every
        object is there and is what was written; `unseen` says what that leaves.

        Args:
            quick: Everything but the bytes of chunks and files.
            record: Whether to record which packs are damaged: from then on no run refers to them, so
                that the same content is stored again.
            engine: What works on the shards of a store of more than 1,000 packs: `threads` of this process, or the
                workers of a cluster by `ray` or `dask`. The findings are the same.
            workers: How many shards are worked on at once; as many as there are workers when None.

        Raises:
            MissingLibraryError: The engine's library is not installed.
            WorkerLostError: Workers died over the same shard, three times.
            InvalidArgumentError: There is no such engine, or the store is in this process's memory.

        Cost: reads every object once and every file once more. A worker holds about 100 MB besides what transfers may.

        Example:
            >>> store.maintenance.check().problems
            []
        """
        location = self._location.or_without_keys()
        location.require_store()
        with open_workers(engine, workers, location) as opened:
            return check(location, quick=quick, record=record, engine=opened)

    def repair(
        self,
        run_ids: Iterable[str] | None = None,
        *,
        source: OpenedStore | None = None,
        dry_run: bool = False,
        tell: Callable[[RunRepair], object] | None = None,
        engine: str | None = None,
        workers: int | None = None,
    ) -> list[RunRepair]:
        """Give runs whole copies of what lies in packs that are damaged or gone, where there are any.

        Each such run gets an entry with the same paths and new places; nothing is deleted. `check(record=True)` comes
        first: a pack is known to be damaged if that is recorded, or where reading what a run needs meets it.

        With a copy of the store, what is whole nowhere here is taken from there: from packs of the same names (of a
        mirror, object by object) and from the same files (a copy made by `copy`). All of it is proven by its digests
        before it is written. Of a mirror, log entries that are missing here are put back, each proven by the entry
        after it. What nothing here proves is in the `word` of a plan: the paths of a run whose listing is lost.

        Args:
            run_ids: Which runs; all when None, with a mirror also those whose logs are gone here.
            source: A copy of this store, as `holdall.open` returns it.
            dry_run: Whether only to say what would be done.
            tell: Is told of each run before it is touched; with an engine, after it was.
            engine: What heals many runs at once, `threads`, `ray` or `dask`; one run after the other when None.
            workers: As in `check`.

        Returns:
            For each run that needs such a pack, what was healed (or could be), and what cannot be.

        Raises:
            RunNotFoundError: There is no such run.
            StoreNotFoundError: There is no store at the copy's address.
            InvalidArgumentError: The copy is this very store.
            StorageError: One of the two cannot be reached; what was healed is, and the rest waits for another call.

        Cost: each run's listing and recipes; where something is damaged, the footers of all packs, and what is healed.

        Example:
            >>> store.maintenance.repair([run.id])
            []
        """
        self._location.require_store()
        there = source._location if source else None
        repairing, found = Repair(self._location, self._donor(source)), []
        ids = [*run_ids_of(self._location), *repairing.run_ids()] if run_ids is None else list(run_ids)
        planned = repairing.plan(ids) if engine is None else self._by_workers(ids, there, dry_run, engine, workers)
        for plan in planned:
            found.append(plan)
            if tell:
                tell(plan)
            if engine is None and plan.healable and not dry_run:
                repairing.perform(plan)
        return found

    def _by_workers(
        self, ids: Sequence[str], there: Location | None, dry_run: bool, engine: str, workers: int | None
    ) -> Iterator[RunRepair]:
        """Heal runs some at a time, and yield what became of each that needed it."""
        if not dry_run:
            self._location.ready_to_write()
        shards = (RunIds(tuple(ids[at : at + _RUNS])) for at in range(0, len(ids), _RUNS))
        with open_workers(engine, workers, self._location, *filter(None, [there])) as opened:
            for plans in opened.map(partial(heal_runs, self._location, there, dry_run), shards):
                yield from plans

    def repair_logs(self, source: OpenedStore, *, dry_run: bool = False) -> list[LogRepair]:
        """Put back log entries of experiments, registered models and names that are missing, as a mirror has them.

        Args:
            source: A copy of this store, object by object, as `holdall.open` returns it; any other is of no use here.
            dry_run: Whether only to say what would be done.

        Returns:
            For each log with entries that are missing or damaged, what became of them (or would). A damaged object is
            not overwritten: once it is removed by hand, the next call puts the mirror's back.

        Raises:
            StoreNotFoundError, InvalidArgumentError, StorageError: As `repair`.

        Cost: a listing of each log, and a GET for each of its entries.

        Example:
            >>> mirror = holdall.open("memory://mirror")
            >>> mirror.maintenance.create().safe_for_writing
            True
            >>> store.maintenance.repair_logs(mirror)
            []
        """
        self._location.require_store()
        done = []
        for plan, entries in Repair(self._location, self._donor(source)).plan_logs():
            done.append(plan)
            if not dry_run:
                self._location.ready_to_write()
                entries.put_back(self._location)
        return done

    def _donor(self, source: OpenedStore | None) -> Donor | None:
        return Donor(self._location, source._location) if source else None
