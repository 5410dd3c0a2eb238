"""Checking a store, and healing what is damaged in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from holdall.checking.check import Findings, check
from holdall.checking.donor import Donor
from holdall.checking.plans import LogRepair, RunRepair
from holdall.checking.repair import Repair
from holdall.runs.index import run_ids as run_ids_of
from holdall.trees.location import Location


class OpenedStore(Protocol):
    """A store as `holdall.open` returns it."""

    @property
    def _location(self) -> Location: ...


class HealthVerbs:
    """Checking and repairing: a part of `Maintenance`."""

    _location: Location

    def check(self, *, quick: bool = False, record: bool = False) -> Findings:
        """Hold every object against the format, and compute every digest anew.

        Args:
            quick: Everything but the bytes of chunks and files.
            record: Whether to record which packs are damaged: from then on no run refers to them, so
                that the same content is stored again.

        Example:
            >>> store.maintenance.check().problems
            []
        """
        self._location.descriptor  # noqa: B018  # a store that is not there is named as such
        return check(self._location, quick=quick, record=record)

    def repair(
        self,
        run_ids: Iterable[str] | None = None,
        *,
        source: OpenedStore | None = None,
        dry_run: bool = False,
        tell: Callable[[RunRepair], object] | None = None,
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
            tell: Is told of each run before it is touched.

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
        self._location.descriptor  # noqa: B018  # a store that is not there is named as such
        repairing, found = Repair(self._location, self._donor(source)), []
        for plan in repairing.plan([*run_ids_of(self._location), *repairing.run_ids()] if run_ids is None else run_ids):
            found.append(plan)
            if tell:
                tell(plan)
            if plan.healable and not dry_run:
                repairing.perform(plan)
        return found

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
        self._location.descriptor  # noqa: B018  # a store that is not there is named as such
        done = []
        for plan, entries in Repair(self._location, self._donor(source)).plan_logs():
            done.append(plan)
            if not dry_run:
                self._location.ready_to_write()
                entries.put_back(self._location)
        return done

    def _donor(self, source: OpenedStore | None) -> Donor | None:
        return Donor(self._location, source._location) if source else None
