"""How long runs are kept, and purging one at once."""

from __future__ import annotations

from collections.abc import Collection

from holdall.retention.due import RetentionPlan, due
from holdall.runs.policy import RetentionPolicy
from holdall.trees.location import Location


class RetentionVerbs:
    """Retention: a part of `Maintenance`."""

    _location: Location

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
        self._location.descriptor  # noqa: B018  # a store that is not there is named as such
        return due(self._location, self._location.clock(), override=override, experiments=experiments)
