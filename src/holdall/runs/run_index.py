"""An index of all runs, held in memory by a process that lives long: page after page without a listing each.

    what is remembered, or a catalog --> rows --> pages: filter, order, part
    listings, behind the readers -->

The first page is of what is known at once, and says as of when that is. While pages are asked for, runs that go on
are looked at every few seconds, and all are listed again, the more seldom the longer a listing takes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from holdall.errors import InvalidArgumentError
from holdall.runs.arguments import listed
from holdall.runs.filling import NEWEST, Filling
from holdall.runs.rows import MOST, Row, Rows, Shape
from holdall.runs.search import Filter, Order, RunSummary, parse_filter, parse_order_by
from holdall.runs.tallies import RunSize, RunTally, sized, tallied
from holdall.trees.location import Location

FRESH: Final = 5.0  # seconds that what is known is as good as new
SELDOM: Final = 20  # times as long as a listing took, the next one waits
PATIENCE: Final = 5.0  # seconds that a page waits for something to show,
_AT_ONCE: Final = 0.3  # and for the newest state, where it has an older one
_KEYS: Final = 50_000  # keys of a kind that are counted
_ASKED: Final = 8  # answers that are kept while nothing changes

Holding = Callable[[Iterable[RunSummary], Filter], Iterator[RunSummary]]
"""Yields those of some runs whose files match a filter."""


@dataclass(frozen=True, slots=True)
class RunPage:
    """A part of the runs that match.

    Attributes:
        records: The runs.
        total: How many match, as far as is known.
        as_of: When the listing began that it is as of, in ms since 1970 UTC by this machine's clock; 0: none has ended.
        complete: Whether all runs are known, as this process listed them.
        listed: How many runs are known, whatever they are.
        cut: Of how many, because of their size, only name, status and times are known: no filter finds them by more.
    """

    records: list[RunSummary]
    total: int
    as_of: int
    complete: bool
    listed: int
    cut: int = 0


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

    def __init__(self, location: Location, flush: Callable[[], None], holding: Holding, *, most: int = MOST) -> None:
        self._location, self._flush, self._holding = location, flush, holding
        self._rows, self._changed = Rows(most), threading.Condition()
        self._filling = Filling(location, self._rows, threading.Lock())
        self._turn = threading.Lock()  # of who asks the store
        self._as_of = self._known = 0  # what is known: 1 the newest, 2 all that is remembered here, 3 what there is
        self._looked = self._due = float("-inf")
        self._failed: Exception | None = None
        self._behind: threading.Thread | None = None
        self._closed = False
        self._answers: dict[object, tuple[int, list[Row]]] = {}

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

        Cost: none but of the first page, which waits until something is known, five seconds at most: what is
            remembered on this machine costs no request, a catalog's newest runs at most 50, else it is a search of
            all runs, which goes on behind it. For `artifacts` two requests for each run that all else fits.

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
        plain = (
            filter is None and chosen is None and stage != "deleted" and not order.clauses and offset + limit <= NEWEST
        )
        self._see_to(1 if plain else 2)
        found = self._matching(filter, wanted, order, None if chosen is None else frozenset(chosen), stage)
        if wanted.needs_artifacts:
            fitting = list(self._holding([row.summary() for row in found], wanted))
            records, total = fitting[offset : offset + limit], len(fitting)
        else:
            records, total = [self._shown(row) for row in found[offset : offset + limit]], len(found)
        rows = self._rows
        return RunPage(records, total, self._as_of, self._known == 3, len(rows.by_id), rows.cut)

    def refresh(self) -> None:
        """Bring the index up to date now: what this process logs is written first, and found.

        Raises: StoreNotFoundError: There is no store. Cost: as `Runs.search`.

        Example:
            >>> with store.runs.index() as index:
            ...     index.refresh()
            ...     index.get(run.id).status
            'RUNNING'
        """
        self._location.require_store()
        with self._turn:
            self._flush()
            self._list()

    def get(self, run_id: str) -> RunSummary | None:
        """Return what is known of a run; None if there is none, or it is not known yet. Cost: no request.

        Example:
            >>> with store.runs.index() as index:
            ...     index.refresh()
            ...     index.get(run.id).params, index.get("0" * 32)
            ({'rate': '0.1'}, None)
        """
        row = self._rows.by_id.get(run_id)
        return row.summary() if row else None

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
        rows = [row for row in list(self._rows.by_id.values()) if chosen is None or row.experiment_id in chosen]

        def count(shapes: Iterable[Shape]) -> dict[str, int]:
            found: Counter[str] = Counter()
            for shape, times in Counter(shapes).items():
                found.update(dict.fromkeys(shape.keys, times))
            return dict(found.most_common(_KEYS))

        params, metrics, tags = (
            count(getattr(row, kind).shape for row in rows) for kind in ("params", "metrics", "tags")
        )
        return RunKeys(params, metrics, tags)

    def tallies(self) -> dict[str, RunTally]:
        """Return how many runs each experiment has, by its id, and what they hold. Cost: no request.

        Example:
            >>> run.finish()
            >>> with store.runs.index() as index:
            ...     index.refresh()
            ...     index.tallies()[run.info.experiment_id].by_status
            {'FINISHED': 1}
        """
        return tallied(list(self._rows.by_id.values()))

    def sizes(self) -> list[RunSize]:
        """Return how many files and bytes each run holds, deleted ones too. Cost: no request.

        Example:
            >>> run.finish()
            >>> with store.runs.index() as index:
            ...     index.refresh()
            ...     [(found.run_name, found.files) for found in index.sizes()]
            [('example', 2)]
        """
        return sized(list(self._rows.by_id.values()))

    def close(self) -> None:
        """End what goes on behind it. Cost: no request; what is being read is waited for.

        Example:
            >>> index = store.runs.index()
            >>> index.close()
        """
        self._closed = self._filling.stopped = True
        if behind := self._behind:
            behind.join()

    def _see_to(self, needed: int) -> None:
        """Have something to show, and have it brought up to date behind the caller's back where it is old.

        Raises: what went wrong, where nothing is known.
        """
        self._location.require_store()
        with self._changed:
            idle = self._behind is None or not self._behind.is_alive()
            if idle and not self._closed and self._location.ticks() - self._looked > FRESH:
                self._failed, self._looked = None, self._location.ticks()
                self._behind = threading.Thread(target=self._work, name="holdall-index", daemon=True)
                self._behind.start()
            if self._known < 3:
                self._changed.wait_for(lambda: self._known == 3 or self._failed, _AT_ONCE)
                self._changed.wait_for(lambda: self._known >= needed or self._failed, PATIENCE)
            if self._failed and not self._rows.by_id:
                raise self._failed

    def _work(self) -> None:
        """Get to know more: what is remembered, if nothing is known yet, and then how it is now."""
        with self._turn:
            try:
                if not self._known:
                    as_of = self._filling.newest()
                    self._tell(1 if self._rows.by_id else 0, as_of)
                    self._filling.remembered()
                    self._tell(2 if self._rows.by_id else 0, as_of)
                if self._location.ticks() >= self._due:
                    self._list()
                else:
                    self._filling.look()
            except Exception as error:
                with self._changed:
                    self._failed = error
                    self._changed.notify_all()
            self._looked = self._location.ticks()

    def _list(self) -> None:
        began, at = self._location.ticks(), self._location.clock()
        self._filling.listing(at)
        self._looked = self._location.ticks()
        self._due = self._looked + SELDOM * (self._looked - began)
        self._tell(3, at)

    def _tell(self, known: int, as_of: int) -> None:
        with self._changed:
            self._known, self._as_of = max(known, self._known), as_of
            self._changed.notify_all()

    def _shown(self, row: Row) -> RunSummary:
        return row.summary() if row.whole else self._filling.whole(row)

    def _matching(
        self, filter: str | None, wanted: Filter, order: Order, chosen: frozenset[str] | None, stage: str | None
    ) -> list[Row]:
        """Return the rows that match, in order; what was asked before is known while no row changes."""
        asked = (filter, order, chosen, stage)
        version, found = self._answers.get(asked, (-1, []))
        now = self._rows.version
        if version != now:
            rows = (
                row
                for row in list(self._rows.by_id.values())
                if stage in (None, row.lifecycle_stage)
                and (chosen is None or row.experiment_id in chosen)
                and wanted.may_match(row)
            )
            found = order.sorted(rows)
            self._answers[asked] = now, found
            for old in list(self._answers)[:-_ASKED]:
                self._answers.pop(old, None)
        return found
