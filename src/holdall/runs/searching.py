"""Finding runs: by a filter once, or page after page out of an index that is held in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final

from holdall.display import Listing
from holdall.engines.threads import ThreadEngine
from holdall.errors import RunDeletedError
from holdall.runs.handles import Handles
from holdall.runs.index import record_of, summaries
from holdall.runs.record import RunRecord
from holdall.runs.run import Run
from holdall.runs.search import Filter, RunSummary, parse_filter, parse_order_by
from holdall.trees.location import Location
from holdall.trees.salvage import left_out

if TYPE_CHECKING:
    from holdall.runs.run_index import RunIndex

_SIDE_BY_SIDE: Final = 16  # runs that are looked into at once


class SearchVerbs:
    """Finding runs: a part of `Runs`."""

    _location: Location
    _handles: Handles
    get: Callable[[str], Run]

    def search(
        self,
        filter: str | None = None,
        *,
        experiments: Iterable[str] | None = None,
        order_by: Sequence[str] | None = None,
        limit: int | None = None,
        stage: str | None = "active",
    ) -> list[RunRecord]:
        """Return the runs that match a filter in MLflow's grammar: `metrics.loss < 0.1 and params.model = 'forest'`.

        Args:
            filter: The conditions, also on `artifacts.path` and `artifacts.digest`; None matches all.
            experiments: Ids of the experiments to look in; all when None.
            order_by: The sort keys, such as `["metrics.loss ASC"]`; the latest first when None.
            limit: How many to return at most.
            stage: "active", "deleted", or None for both.

        Raises:
            InvalidFilterError: The filter or a sort key is invalid; the error says where.
            TypeError: `experiments` is one text instead of a list.

        Cost: a PUT for each run of this process that has something to write; a listing of the
            runs' logs; a GET for each run that changed since the last search from here, and of one that
            goes on for each entry more; and for `artifacts` two requests for each run that all else fits. With a
            `limit` it holds about so many runs, however many there are.

        Example:
            >>> run.finish()
            >>> [found.info.run_name for found in store.runs.search("metrics.loss < 0.5 and params.rate = '0.1'")]
            ['example']
        """
        wanted, order = parse_filter(filter), parse_order_by(order_by)
        self._flush_all()
        every = summaries(self._location, experiments)
        some = (s for s in every if stage in (None, s.lifecycle_stage) and wanted.may_match(s))
        if wanted.needs_artifacts:
            return Listing(map(record_of, islice(self._holding(order.sorted(some), wanted), limit)))
        return Listing(map(record_of, order.first(some, limit)))

    def index(self) -> RunIndex:
        """Return an index of all runs, for a process that lives long and shows page after page; nothing is read yet.

        Example:
            >>> run.finish()
            >>> with store.runs.index() as index:
            ...     [found.run_id == run.id for found in index.page().records]
            [True]
        """
        from holdall.runs.run_index import RunIndex

        return RunIndex(self._location, self._flush_all, self._holding)

    def _flush_all(self) -> None:
        """Write what this process logged, so that it is found."""
        for run in self._handles.busy:
            with suppress(RunDeletedError):  # by another process: what is buffered is lost, and no search's concern
                run.flush()

    def _holding(self, some: Iterable[RunSummary], wanted: Filter) -> Iterator[RunSummary]:
        """Yield those of some runs whose files match, several looked at side by side; none whose files cannot be read.

        Not with the pool's threads: what reads a run gives work to these.
        """

        def holds(summary: RunSummary) -> bool:
            with left_out(f"run {summary.run_id}"):
                return wanted.matches(summary, lambda: self.get(summary.run_id).manifest)
            return False

        with ThreadEngine(_SIDE_BY_SIDE) as threads:
            looked = threads.map(lambda summary: (summary, holds(summary)), some)
            yield from (summary for summary, fits in looked if fits)

    def of(self, experiment_id: str, filter: str | None = None, stage: str | None = "active") -> list[Run]:
        """Return handles to the runs of an experiment. Args, cost: as `search`.

        Example:
            >>> [found.id == run.id for found in store.runs.of(run.info.experiment_id)]
            [True]
        """
        found = self.search(filter, experiments=[experiment_id], stage=stage)
        return [self.get(record.info.run_id) for record in found]
