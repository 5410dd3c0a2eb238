"""What is read of several runs at once: the measurements of all of them, in one plan."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from holdall.errors import RunDeletedError, RunNotFoundError
from holdall.format.layout import is_run_id
from holdall.runs.arguments import listed
from holdall.runs.gathering import gathered
from holdall.runs.handles import Handles
from holdall.runs.histories import Histories, question_of
from holdall.runs.run import Run
from holdall.runs.thinning import Axis, Scale
from holdall.trees.location import Location
from holdall.trees.many_measured import look_at


class AcrossRuns:
    """Verbs that read several runs at once."""

    _location: Location
    _handles: Handles

    def histories(
        self,
        runs: Iterable[Run | str],
        keys: Iterable[str] | None = None,
        *,
        points: int | None = None,
        axis: Axis = "step",
        scale: Scale = "linear",
        smoothing: float = 0.0,
        between: tuple[int, int] | None = None,
        since: Histories | None = None,
    ) -> Histories:
        """Return the measurements of several runs and metrics, read side by side, each entry of a log once.

        Args:
            runs: The runs, or their ids.
            keys: The metrics; all of each run when None.
            points: How many points to keep of each series, from 16 on; all when None. Of what is left out none is the
                first, the last, the least or the greatest of its series, nor of its part of it; `History.extent` says
                how many there were.
            axis: What their x is: "step", "time", or "relative" to the start of the run.
            scale: "log" where values are shown on a log scale, which has no place for 0 and below.
            smoothing: The weight of a moving average, from 0 to below 1, as TensorBoard's: of all points as they were
                logged.
            between: The first and the last x of a part of the axis; all of it when None.
            since: What was answered before, to the same question: then only what is new is read. Runs that it lacks
                are read from their beginning.

        Returns:
            One history for each run and metric that has any; and why a run cannot be read, where one cannot.

        Raises:
            InvalidArgumentError: There is no such axis or scale; too few points; no such weight; no such part.

        Cost: for each run a listing and a GET; for one that goes on a GET for each entry since its last checkpoint;
            a GET for about every thousand entries with measurements before that: all runs side by side, 32 requests
            at once. With `since`, for each run a listing, and a GET for each entry more. Memory: the points kept.

        Example:
            >>> found = store.runs.histories([run.id], ["loss"], points=100)
            >>> found[run.id, "loss"].values, found[run.id, "loss"].extent
            ((0.9, 0.2), '2 points')
            >>> run.log_metrics({"loss": 0.1}, step=2)
            >>> run.flush()
            >>> store.runs.histories([run.id], ["loss"], points=100, since=found)[run.id, "loss"].values
            (0.9, 0.2, 0.1)
        """
        question = question_of(keys, points, axis, scale, smoothing, between)
        ids = list(dict.fromkeys(one.id if isinstance(one, Run) else one for one in listed("runs", runs, "[run.id]")))
        for run in self._handles.busy:
            if run.id in ids:
                with suppress(RunDeletedError):
                    run.flush()
        known = since._runs if since and since.question == question else {}
        good = [id for id in ids if is_run_id(id)]
        looks = look_at(self._location, [(id, known[id].reached if id in known else None) for id in good])
        found = gathered(self._location, looks, question, known)
        failed = {id: RunNotFoundError(id, self._location.bucket.url) for id in ids if not is_run_id(id)}
        return Histories(question, {**failed, **found.unreadable}, found._runs)
