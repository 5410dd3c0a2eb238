"""What is read of several runs at once, in one plan: their measurements, and where they differ."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from holdall.chunks.beside import side_by_side
from holdall.errors import HoldallError, InvalidArgumentError, RunDeletedError, RunNotFoundError
from holdall.format.layout import is_run_id
from holdall.runs.arguments import listed
from holdall.runs.handles import Handles
from holdall.runs.rereading import watch
from holdall.runs.run import Run
from holdall.trees.location import Location
from holdall.trees.view import View

if TYPE_CHECKING:
    from holdall.runs.comparison import Comparison
    from holdall.runs.histories import Histories
    from holdall.runs.thinning import Axis, Scale
    from holdall.trees.many_measured import Look


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
        from holdall.runs.gathering import gathered  # a training run reads no others
        from holdall.runs.histories import Histories, question_of
        from holdall.trees.many_measured import look_at

        question = question_of(keys, points, axis, scale, smoothing, between)
        ids = list(dict.fromkeys(_ids(runs)))
        self._flush(ids)
        known = since._runs if since and since.question == question else {}
        good = [id for id in ids if is_run_id(id)]
        looks = look_at(self._location, [(id, known[id].reached if id in known else None) for id in good])
        found = gathered(self._location, looks, question, known)
        failed = {id: RunNotFoundError(id, self._location.bucket.url) for id in ids if not is_run_id(id)}
        return Histories(question, {**failed, **found.unreadable}, found._runs)

    def compare(self, runs: Iterable[Run | str], *, kinds: Iterable[str] | None = None) -> Comparison:
        """Return runs beside each other: the parameters, last metrics, tags and artifacts in which they differ.

        Args:
            runs: Two runs or more, or their ids.
            kinds: What to compare, of "params", "metrics", "tags" and "artifacts"; all when None.

        Raises:
            InvalidArgumentError: There is only one run, or no such kind.
            RunNotFoundError: One of them is not there.

        Cost: for each run a listing and a GET, and the nodes of its tree if artifacts are compared; all runs side by
            side.

        Example:
            >>> other = store.runs.start(name="other")
            >>> other.log_params({"rate": 0.2})
            >>> found = store.runs.compare([run, other], kinds=["params"])
            >>> [(row.key, row.values) for row in found.differing]
            [('rate', ('0.1', '0.2'))]
        """
        from holdall.runs.comparison import checked_kinds, compared
        from holdall.runs.contents import contents
        from holdall.trees.many_measured import look_at

        wanted, given = checked_kinds(kinds), listed("runs", runs, "[run.id, other.id]")
        ids = _ids(given)
        if len(ids) < 2:
            raise InvalidArgumentError("it takes two runs to compare")
        self._flush(ids)
        handles = [one if isinstance(one, Run) else Run(self._location, one) for one in given]
        looks = dict(look_at(self._location, [(id, None) for id in dict.fromkeys(ids) if is_run_id(id)]))
        sides = [_at(one, looks.get(one.id) or RunNotFoundError(one.id, self._location.bucket.url)) for one in handles]
        records = [one.record for one in sides]
        held = side_by_side(lambda one: contents(one, deep=True), sides) if "artifacts" in wanted else None
        return compared(records, held, wanted)

    def _flush(self, ids: Collection[str]) -> None:
        """Write what this process has logged of some runs, so that it is read with the rest."""
        for run in self._handles.busy:
            if run.id in ids:
                with suppress(RunDeletedError):
                    run.flush()


def _ids(runs: Iterable[Run | str]) -> list[str]:
    return [one.id if isinstance(one, Run) else one for one in listed("runs", runs, "[run.id]")]


def _at(run: Run, look: Look) -> Run:
    """Return another handle to a run, which looks at it by a look at its log. Raises: what the look says."""
    if isinstance(look, HoldallError):
        raise look
    assert isinstance(look, View)
    other = run._at_one_look()
    other._glance = [watch(look)]
    return other
