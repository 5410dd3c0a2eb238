"""Who did what, by the logs."""

from __future__ import annotations

from collections.abc import Iterator

from holdall.auditing.audit import Scope, audit
from holdall.auditing.record import AuditRecord
from holdall.errors import ExperimentNotFoundError, InvalidArgumentError
from holdall.format.layout import experiment_log, is_experiment_id, is_run_id
from holdall.runs.times import milliseconds
from holdall.trees.journal import Journal
from holdall.trees.location import Location


class AuditVerbs:
    """Telling who did what: a part of `Maintenance`."""

    _location: Location

    def audit(
        self, *, run_id: str | None = None, experiment: str | None = None, since: str | int | None = None
    ) -> Iterator[AuditRecord]:
        """Yield who did what, an entry of a log after the other: experiments, runs, models, names, then collections.

        The server's time of each is its own; who, by which program and when are what its writer claims, and whoever may
        write to the bucket may claim anything. Where an entry brings a signature, the key that signed is told, and
        whether the signature is right. Of a log that was purged only what is left is told.

        Args:
            run_id: Of the one run; all when None.
            experiment: The id of the one experiment, with its runs, or the name that it was made with; all when None.
            since: Leave out what is older by the server's clock, as "7d", or in seconds; nothing when None.

        Returns:
            Records in the order in which the server got them within each log. An entry that cannot be read is one, too.

        Raises:
            InvalidArgumentError: `since` is no time, `run_id` no id, or both a run and an experiment are named.
            ExperimentNotFoundError: There is no such experiment.

        Cost: a listing of the logs, a GET for each entry that is new enough, and one more for a log of which only a
            part is; 64 at a time, of which words alone are kept.

        Example:
            >>> for record in store.maintenance.audit(run_id=run.id):
            ...     print(record.user is not None, record.did[0][:24])
            True created it, in experimen
            True ...
        """
        if run_id and experiment:
            raise InvalidArgumentError("audit is of a run, or of an experiment with its runs, not of both")
        if run_id and not is_run_id(run_id):
            raise InvalidArgumentError(f"run_id={run_id!r} is not the id of a run, which is 32 lower-case hex digits")
        start = None if since is None else self._location.clock() - milliseconds("since", since)
        return audit(self._location, Scope(run_id, self._experiment_of(experiment), start))

    def _experiment_of(self, named: str | None) -> str | None:
        """Return the id that an experiment's name or id means. Raises: ExperimentNotFoundError."""
        if named is None:
            return None
        for id in ([named] if is_experiment_id(named) else []) + [self._location.names.experiment_id(named)]:
            if Journal(self._location.bucket, self._location.pool, experiment_log(id)).newest() is not None:
                return id
        raise ExperimentNotFoundError(named, self._location.bucket.url)
