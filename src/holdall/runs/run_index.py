"""An index of all runs, held in memory by a process that lives long: page after page without a listing each.

    listing of the logs --> summaries --> pages: filter, order, part

It is filled once and brought up to date behind its readers' backs: while pages are asked for, the store is
listed again every few seconds, and of runs that changed the new entries are read. A page is of what is known,
and says as of when that is.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from holdall.errors import InvalidArgumentError
from holdall.runs.arguments import listed
from holdall.runs.index import each_run
from holdall.runs.search import Filter, Order, RunSummary, parse_filter, parse_order_by
from holdall.runs.tallies import RunTally, tallied
from holdall.trees.location import Location

FRESH: Final = 10.0  # seconds that what is known is as good as new
_KEYS: Final = 50_000  # keys of a kind that are counted

Holding = Callable[[Iterable[RunSummary], Filter], Iterator[RunSummary]]
"""Yields those of some runs whose files match a filter."""


@dataclass(frozen=True, slots=True)
class RunPage:
    """A part of the runs that match.

    Attributes:
        records: The runs.
        total: How many match, as far as is known.
        as_of: When the store was last listed to its end, in ms since 1970 UTC by this machine's clock; 0: not yet.
        complete: Whether all runs are known.
        listed: How many runs are known, whatever they are.
    """

    records: list[RunSummary]
    total: int
    as_of: int
    complete: bool
    listed: int


@dataclass(frozen=True, slots=True)
class RunKeys:
    """What runs name: how many runs have each key. Attributes: params, metrics, tags."""

    params: dict[str, int]
    metrics: dict[str, int]
    tags: dict[str, int]


class RunIndex:
    """Summaries of all runs of a store, in memory. Several threads may ask at once.

    As a context it is closed at its end.
    """

    def __init__(self, location: Location, flush: Callable[[], None], holding: Holding) -> None:
        self._location, self._flush, self._holding = location, flush, holding
        self._rows: dict[str, RunSummary] = {}
        self._turn = threading.Lock()  # of who refreshes
        self._as_of, self._looked = 0, float("-inf")
        self._behind: threading.Thread | None = None
        self._closed = False

    def __enter__(self) -> RunIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def page(
        self,
        filter: str | None = None,
        experiments: Iterable[str] | None = None,
        order_by: Sequence[str] | None = None,
        stage: str | None = "active",
        *,
        offset: int = 0,
        limit: int = 100,
    ) -> RunPage:
        """Return a part of the runs that match a filter.

        Args:
            filter, experiments, order_by, stage: As for `Runs.search`.
            offset: How many of those that match come before it.
            limit: How many it has at most.

        Raises:
            InvalidFilterError: The filter or a sort key is invalid; the error says where.
            InvalidArgumentError: `offset` or `limit` is no such number.
            StoreNotFoundError: There is no store.

        Cost: of the first page a search of all runs; then nothing, and every few seconds a listing behind it. For
            `artifacts` two requests for each run that all else fits.

        Example:
            >>> run.finish()
            >>> with store.runs.index() as index:
            ...     page = index.page("metrics.loss < 0.5", limit=10)
            >>> [found.run_name for found in page.records], page.total, page.complete
            (['example'], 1, True)
        """
        wanted, order = parse_filter(filter), parse_order_by(order_by)
        chosen = None if experiments is None else set(listed("ids of experiments", experiments, "['0123456789abcdef']"))
        if offset < 0 or limit < 0:
            raise InvalidArgumentError(f"offset={offset!r} and limit={limit!r} are counts, from 0 on")
        self._see_to()
        found = self._matching(wanted, order, chosen, stage)
        records = found[offset : offset + limit]
        return RunPage(records, len(found), self._as_of, self._as_of > 0, len(self._rows))

    def refresh(self) -> None:
        """Bring the index up to date now: what this process logs is written first, and found.

        Raises: StoreNotFoundError: There is no store. Cost: as `Runs.search`.

        Example:
            >>> with store.runs.index() as index:
            ...     index.refresh()
            ...     index.get(run.id).status
            'RUNNING'
        """
        with self._turn:
            self._flush()
            at = self._location.clock()
            rows = {found.id: found.summary for found in each_run(self._location, None) if found.summary}
            self._rows, self._as_of, self._looked = rows, at, self._location.ticks()

    def get(self, run_id: str) -> RunSummary | None:
        """Return what is known of a run; None if there is none, or it is not known yet. Cost: no request.

        Example:
            >>> with store.runs.index() as index:
            ...     index.refresh()
            ...     index.get(run.id).params, index.get("0" * 32)
            ({'rate': '0.1'}, None)
        """
        return self._rows.get(run_id)

    def keys(self, experiments: Iterable[str] | None = None) -> RunKeys:
        """Return the keys of parameters, metrics and tags, each with how many runs have it, at most 50,000 of a kind.

        Cost: no request.

        Example:
            >>> run.finish()
            >>> with store.runs.index() as index:
            ...     index.refresh()
            ...     index.keys().params, index.keys().metrics
            ({'rate': 1}, {'loss': 1})
        """
        chosen = None if experiments is None else set(experiments)
        rows = [row for row in self._rows.values() if chosen is None or row.experiment_id in chosen]

        def count(names: Iterable[Iterable[str]]) -> dict[str, int]:
            found = Counter(name for some in names for name in some)
            return dict(islice(found.most_common(), _KEYS))

        return RunKeys(count(r.params for r in rows), count(r.metrics for r in rows), count(r.tags for r in rows))

    def tallies(self) -> dict[str, RunTally]:
        """Return how many runs each experiment has, by its id, and what they hold. Cost: no request.

        Example:
            >>> run.finish()
            >>> with store.runs.index() as index:
            ...     index.refresh()
            ...     index.tallies()[run.info.experiment_id].by_status
            {'FINISHED': 1}
        """
        return tallied(list(self._rows.values()))

    def close(self) -> None:
        """End what goes on behind it. Cost: no request; a refresh that has begun is waited for.

        Example:
            >>> index = store.runs.index()
            >>> index.close()
        """
        self._closed = True
        if behind := self._behind:
            behind.join()

    def _see_to(self) -> None:
        """Have something to show, and have it refreshed behind the caller's back where it is old."""
        if not self._as_of:
            self.refresh()
        elif self._location.ticks() - self._looked > FRESH and not self._closed:
            with self._turn:
                if self._behind is None or not self._behind.is_alive():
                    self._behind = threading.Thread(target=self.refresh, name="holdall-index", daemon=True)
                    self._behind.start()

    def _matching(self, wanted: Filter, order: Order, chosen: set[str] | None, stage: str | None) -> list[RunSummary]:
        some = (
            row
            for row in self._rows.values()
            if stage in (None, row.lifecycle_stage)
            and (chosen is None or row.experiment_id in chosen)
            and wanted.may_match(row)
        )
        found = order.sorted(some)
        return list(self._holding(found, wanted)) if wanted.needs_artifacts else found
