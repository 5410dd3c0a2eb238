"""Freeing the space of what nothing refers to."""

from __future__ import annotations

from collections.abc import Collection as Collected
from typing import Final

from holdall.collecting.collector import Collector, Policy
from holdall.collecting.plan import Collection
from holdall.errors import UnknownAgeError
from holdall.format.layout import run_log
from holdall.maintenance.workers import open_workers
from holdall.retention.due import RetentionPlan, due
from holdall.retention.performing import perform
from holdall.runs.cataloging import Cataloging
from holdall.runs.index import Survey, survey
from holdall.runs.policy import RetentionPolicy
from holdall.runs.times import milliseconds
from holdall.sharing.expiry import delete_expired, expired_shares
from holdall.storage.server_clock import server_time
from holdall.trees.location import Location

UNSEEN: Final = (
    "no key was given: names, pins and retention policies were not seen; no run was deleted or purged, no group ended, "
    "no catalog written, and what an older entry of a run refers to was kept"
)


class GarbageVerbs:
    """Garbage collection: a part of `Maintenance`."""

    _location: Location

    def gc(
        self,
        *,
        dry_run: bool = False,
        delay: str | int = "24h",
        quarantine: str | int = 0,
        engine: str = "threads",
        workers: int | None = None,
        override: RetentionPolicy | None = None,
        experiments: Collected[str] | None = None,
    ) -> Collection:
        """Apply retention policies, and delete packs that no run refers to; safe while others log, read and collect.

        First runs that no rule of their experiment's policy keeps are deleted, and those that have been deleted for
        seven days are purged. Then it finishes what an earlier collection left, and deletes what is new. It may be
        killed at any time, and the next one goes on. Deleted runs keep their content until they are purged. Where many
        runs are new it writes a catalog, as `catalog` does. Shares go whose link has ended or whose run was purged.

        An encrypted store for which no key was given is collected by what lies open in it: what any entry of any run
        ever referred to stays, purged runs' content aside, and `unseen` says what was not done.

        Args:
            dry_run: Whether only to say what would be done; nothing is written.
            delay: How old an unreferenced pack must be, as "24h", or in seconds. Safety does not depend on it: younger
                ones are likely to be of an upload under way, which would have to be repeated.
            quarantine: How long to wait between condemning packs and deleting them, as "7d": a later `gc` deletes them,
                and until then `undo_gc` takes it back.
            engine: What reads the runs: "threads", "ray" or "dask".
            workers: How many shards of runs are read at once.
            override: A retention policy in place of those that the experiments have.
            experiments: Ids of the experiments whose runs a policy may delete; all when None.

        Returns:
            What was freed, what waits and why.

        Raises:
            LiveContentError: What some run needs cannot be told; nothing was deleted.
            UnknownAgeError: The bucket tells no times, and an age was given.
            InvalidArgumentError: A time that is none, or an unknown engine.
            KeyUnavailableError: A policy, or experiments, were named, and no key of the encrypted store was given.

        Cost: as `stats`, and two GETs for each run that has changed or has large files; for each pack that is deleted
            about five requests for its hints, and one for a thousand packs. A filter of 10 bits for each pack.

        Example:
            >>> found = store.maintenance.gc(dry_run=True)
            >>> found.freed.packs, found.garbage.packs
            (0, 0)
        """
        policy = Policy(milliseconds("delay", delay), milliseconds("quarantine", quarantine))
        location = self._location if override or experiments else self._location.or_without_keys()
        location.require_store()
        if location.keyless:
            return _collect_without_keys(location, policy, engine, workers, dry_run=dry_run)
        with open_workers(engine, workers, self._location) as workers_of:
            now, catalog = self._now(dry_run=dry_run), Cataloging.begin(self._location)
            known = survey(self._location, None)
            plan = due(self._location, now, override=override, experiments=experiments, found=known)
            left = set() if dry_run else set(perform(self._location, plan).left)
            told = _cataloged(catalog, known, plan, dry_run=dry_run)
            purged = {*known.purged, *(run.run_id for run in plan.purge if run.run_id not in left)}
            del known  # 10 KB for each run
            collector = Collector(self._location, workers_of, policy)
            doomed = [run_log(run.run_id) for run in plan.purge]
            found = collector.plan(doomed) if dry_run else collector.perform()
        _end_shares(self._location, found, now, purged)
        found.cataloged = told
        found.expired = {run.run_id: run.why for run in plan.expire if run.run_id not in left}
        found.retired = {run.run_id: run.why for run in plan.purge if run.run_id not in left}
        found.deleted = {run.run_id: run.why for run in plan.waiting}
        return found

    def _now(self, *, dry_run: bool) -> int | None:
        """Return the server's time, None if it tells none; of a dry run, which writes nothing, this machine's."""
        if dry_run:
            return self._location.clock()
        self._location.ready_to_write()
        try:
            return server_time(self._location.bucket, self._location.entropy(16).hex())
        except UnknownAgeError:
            return None


def _collect_without_keys(
    location: Location, policy: Policy, engine: str, workers: int | None, *, dry_run: bool
) -> Collection:
    """Collect an encrypted store by its public parts: no policy is read, no run is deleted, purged or moved."""
    with open_workers(engine, workers, location) as workers_of:
        collector = Collector(location, workers_of, policy)
        found = collector.plan() if dry_run else collector.perform()
    _end_shares(location, found, found.now)
    found.unseen = UNSEEN
    return found


def _end_shares(location: Location, found: Collection, now: int | None, purged: Collected[str] = ()) -> None:
    """Delete shares whose links have ended, or whose runs are purged, and say so; of a dry run, only say it."""
    shares = expired_shares(location, now or found.now, purged)
    if not found.dry_run:
        delete_expired(location, shares)
    found.shares, found.share_bytes = tuple(key for key in shares.keys if key not in shares.refused), shares.bytes
    found.refused |= shares.refused


def _cataloged(catalog: Cataloging, known: Survey, plan: RetentionPlan, *, dry_run: bool) -> int | None:
    """Write a catalog where the newest lacks many runs, or may tell of one that was purged; None where it does not."""
    purged = {one.run_id for one in (*plan.purge, *plan.sweep)}
    if not (purged and catalog.number) and not catalog.is_due((head for _, head in known.runs), known.purged.values()):
        return None
    rows = ((run, head) for run, head in known.runs if run.run_id not in purged | known.partly)
    return catalog.write(rows, dry_run=dry_run).runs
