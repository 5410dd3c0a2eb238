"""What a catalog tells of runs: believed as far as a listing and a look at some logs bear it out.

    a row counts       if the listing shows just the newest entry that it is of
    a part is tried    one row of what each request brought is held against its run's log; if that says otherwise,
                       nothing of the catalog counts any more

Whoever decides what is deleted or kept does not come here: only searching does.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Final

from holdall.errors import AccessDeniedError, HoldallError, IntegrityError
from holdall.format.catalog import Block, CatalogRow
from holdall.format.layout import run_log
from holdall.runs.catalog_rows import summary_of_row
from holdall.runs.search import RunSummary
from holdall.runs.summarising import summarise
from holdall.trees.catalogs import CatalogObject, newest_catalog
from holdall.trees.heads import Head
from holdall.trees.location import Location
from holdall.trees.views import read_views, run_name

FEWEST: Final = 48  # runs that are sooner read one by one
_log = logging.getLogger("holdall")


def is_as_listed(row: CatalogRow, head: Head) -> bool:
    """Return whether a row is of the very entry that a listing shows."""
    return (row.n, row.size, row.modified) == (head.n, head.size, head.modified)


class Cataloged:
    """What the newest catalog of a store tells of runs. Nothing is read before it is asked; for one thread."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._found: CatalogObject | None = None
        self._asked = location.verifier.verify_all  # who trusts no writer reads none
        self._held: dict[Block, dict[str, CatalogRow]] = {}  # the last two
        self._tried = 0

    def newest(self) -> tuple[int, list[CatalogRow]]:
        """Return what the newest runs are, and as of when, in ms since 1970; 0 and none where there is no catalog.

        One of them is tried. That there are no newer ones, only a listing tells.

        Cost: two requests or three, and one or two for the run that is tried.
        """
        found = self._catalog()
        try:
            rows = found.rows(found.header.blocks[0]) if found and found.header.blocks else []
            if found:
                self._try(found, rows, {row.run: Head(row.n, row.size, row.modified, 0) for row in rows})
        except HoldallError as error:
            self._give_up(str(error))
            rows = []
        return (found.header.time if found and rows else 0), rows

    def summaries(self, heads: Mapping[str, Head]) -> dict[str, RunSummary]:
        """Return those of the very objects that are the runs' newest entries now, where there are enough to ask for.

        Cost: two requests the first time; one for each 4 MiB of rows, of which one run more is read.
        """
        if len(heads) < FEWEST or not (found := self._catalog()):
            return {}
        told: dict[str, RunSummary] = {}
        try:
            for block in _spanning(found.header.blocks, heads):
                rows = self._rows(found, block)
                counting = [row for run, row in rows.items() if run in heads and is_as_listed(row, heads[run])]
                self._try(found, counting, heads)
                told |= {row.run: summary_of_row(row) for row in counting}
        except HoldallError as error:
            self._give_up(str(error))
            return {}
        return told

    def _catalog(self) -> CatalogObject | None:
        if not self._asked:
            self._asked = True
            with suppress(AccessDeniedError):  # who may read one experiment may not read of all
                self._found = newest_catalog(self._location.bucket)
        return self._found

    def _rows(self, found: CatalogObject, block: Block) -> dict[str, CatalogRow]:
        if block not in self._held:
            self._held = dict(list(self._held.items())[-1:])
            self._held[block] = {row.run: row for row in found.rows(block)}
        return self._held[block]

    def _try(self, found: CatalogObject, rows: Sequence[CatalogRow], heads: Mapping[str, Head]) -> None:
        """Hold a row, drawn by lot, against the log of its run, if none was tried since something was fetched.

        Raises:
            IntegrityError: It says otherwise.
        """
        if self._tried == found.fetched or not rows:
            return
        self._tried = found.fetched
        row = rows[int.from_bytes(self._location.entropy(4)) % len(rows)]
        for view in read_views(self._location, {run_log(row.run): heads[row.run]}, run_name):
            if view.lost < 0 and (view.state.purged or not _alike(summarise(row.run, view.state), summary_of_row(row))):
                raise IntegrityError(found.key, f"it tells of run {row.run} what its log does not say")

    def _give_up(self, why: str) -> None:
        _log.warning("searching without the catalog: %s", why)
        self._found, self._held = None, {}


def _alike(one: RunSummary, other: RunSummary) -> bool:
    """Return whether two say the same: as texts, since NaN is no other than NaN, and does not equal it."""
    return json.dumps(asdict(one), sort_keys=True) == json.dumps(asdict(other), sort_keys=True)


def _spanning(blocks: Sequence[Block], runs: Iterable[str]) -> list[Block]:
    """Return the blocks that may have some runs: those whose ids they lie between."""
    ends = [block.last for block in blocks[1:]]
    places = {bisect_left(ends, run) + 1 for run in runs}
    return [blocks[at] for at in sorted(places) if at < len(blocks)]
