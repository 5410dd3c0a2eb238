"""How long runs are kept, and purging one at once."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from holdall.collecting.at_once import collect_packs
from holdall.retention.discarding import discard
from holdall.retention.due import RetentionPlan, due
from holdall.retention.purge_plan import PurgePlan, plan_purge
from holdall.retention.purging import Purged, purge
from holdall.runs.policy import RetentionPolicy
from holdall.trees.location import Location
from holdall.trees.shares import delete_shares


class RetentionVerbs:
    """Retention: a part of `Maintenance`."""

    _location: Location

    def plan_purge(self, run_id: str, *, lift_pins: bool = False) -> PurgePlan:
        """Return what purging a run at once would do, and what still refers to its content; nothing is written.

        Args:
            run_id: Which run.
            lift_pins: Whether a pin whose version was never written holds nothing. It is left by a process that was
                killed while it registered the run, and looks like one of a process that is about to go on: so only
                where there is no such process any more.

        Raises:
            RunNotFoundError: There is no such run.
            RunHeldError: A version of a registered model, or the tag `holdall.keep`, holds it.
            DamageError: What some run of the store refers to cannot be told: then nobody knows what may go.

        Cost: a listing of the packs and a request or two for each footer; each run's trees and recipes; a GET for each
            entry of the run's log, and what searching costs.

        Example:
            >>> other = store.runs.start(name="other")
            >>> entry = other.log_text("all is well\\n", "kept.txt")
            >>> [left.what for left in store.maintenance.plan_purge(run.id).remaining]
            ['the same file']
        """
        return plan_purge(self._location, run_id, lift_pins=lift_pins)

    def purge(self, run: str | PurgePlan) -> Purged:
        """Remove a run and its content at once and for good, such as a secret that was logged.

        What it held alone is in no object of the store afterwards; what other runs hold as well stays, as the plan
        says. Its shares go first, and every link to them. A run that is not deleted is deleted first. Killed at any
        time, the next purge goes on.

        Args:
            run: Its id, or what `plan_purge` said of it.

        Returns:
            What was done; `left` is empty if nothing of it is left.

        Raises:
            RunHeldError: A version of a registered model, or the tag `holdall.keep`, holds it.
            IntegrityError: What another run needs of a pack that goes is damaged. That run is to be repaired first.
            Others: as `plan_purge`.

        Cost: as `plan_purge`; what is copied; a garbage collection of the packs that go; a listing of all hints, and
            of all shares.

        Example:
            >>> run.finish()
            >>> store.maintenance.purge(run.id).left
            ()
            >>> store.maintenance.run_ids()
            []
        """
        plan = plan_purge(self._location, run) if isinstance(run, str) else run
        delete_shares(self._location.bucket, plan.run_id.__eq__)
        return purge(self._location, plan, partial(collect_packs, self._location))

    def discard(self, run_id: str) -> bool:
        """Delete a run for good: from now on it reads as not there, and the next garbage collection frees its space.

        Unlike `Run.delete` it leaves no seven days in which the run can be restored; unlike `purge` it copies, collects
        and plans nothing. Killed halfway, the run is deleted, and the next call goes on. A process that writes to the
        run meets a RunDeletedError.

        Returns:
            Whether there was such a run, which was not purged before.

        Raises:
            RunHeldError: A version of a registered model, or the tag `holdall.keep`, holds it.

        Cost: the end of its log, three times, and two PUTs.

        Example:
            >>> run.finish()
            >>> store.maintenance.discard(run.id), store.maintenance.discard(run.id)
            (True, False)
        """
        return discard(self._location, run_id)

    def due(
        self, *, override: RetentionPolicy | None = None, experiments: Collection[str] | None = None
    ) -> RetentionPlan:
        """Return which runs the policies of their experiments do not keep, and which deleted ones are to be purged.

        Nothing is written: for once ages are judged by this machine's clock. A collection judges anew, by the server's.

        Args:
            override: A policy in place of those that the experiments have.
            experiments: Ids of the experiments whose policies count; all when None.

        Cost: a listing of the logs of runs and experiments, a GET for each run that changed since it was last looked at
            from here, and one for each run that was deleted less than seven days ago.

        Example:
            >>> from holdall.store import RetentionPolicy
            >>> run.finish()
            >>> store.maintenance.due(override=RetentionPolicy(last=1)).kept[run.id]
            'it is one of the last 1'
        """
        self._location.require_store()
        return due(self._location, self._location.clock(), override=override, experiments=experiments)
