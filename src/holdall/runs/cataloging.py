"""Writing a catalog: of what logs say, never of what another catalog says, and under a number that was drawn first.

A purge takes the number after the highest. So who began before a purge, and may tell of the run, finds its own
number taken, and drops its work. SPEC.md, "Catalog".
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from holdall.format.catalog import CatalogBuilder
from holdall.runs.catalog_rows import row_of
from holdall.runs.search import RunSummary
from holdall.trees.catalogs import newest_catalog, next_number, supersede
from holdall.trees.heads import Head
from holdall.trees.location import Location

WORTH: Final = 64  # runs that no catalog tells of, for which a collection writes one
_NEWEST: Final = 500  # runs of the first block,
_ROWS: Final = 1000  # and of each other


@dataclass(frozen=True, slots=True)
class CatalogReport:
    """What writing a catalog did; of a dry run, what it would do.

    Attributes:
        runs: How many runs it tells of.
        changed: How many of them the one before does not tell of as they are.
        bytes: What it takes.
        written: Whether it was written: not if another process wrote one meanwhile.
    """

    runs: int
    changed: int
    bytes: int
    written: bool


@dataclass(frozen=True, slots=True)
class Cataloging:
    """A catalog that is going to be written. Attributes: number, began (when, by this machine's clock)."""

    location: Location
    number: int
    began: int

    @classmethod
    def begin(cls, location: Location) -> Cataloging:
        """Draw its number; to be called before runs are listed. Cost: a listing of one key."""
        return cls(location, next_number(location.bucket), location.clock())

    def is_due(self, alive: Iterable[Head], purged: Iterable[Head]) -> bool:
        """Return whether the newest catalog lacks many runs, or may tell of one that was purged.

        Cost: two requests or three.
        """
        if self.location.sealing.sealed:
            return False
        before = newest_catalog(self.location.bucket)
        since = before.header.newest if before and before.header.blocks else None
        may_tell = before is not None and bool(before.header.blocks) and any(is_newer(head, since) for head in purged)
        return may_tell or sum(is_newer(head, since) for head in alive) >= WORTH

    def write(self, runs: Iterable[tuple[RunSummary, Head]], *, dry_run: bool = False) -> CatalogReport:
        """Write it, of all runs, in the order of their ids. Cost: a request or two, then as `supersede`."""
        before = newest_catalog(self.location.bucket)
        since = before.header.newest if before and before.header.blocks else None
        builder, left, changed = CatalogBuilder(), iter(runs), 0
        newest: int | None = None
        first: list[tuple[int, str, RunSummary, Head]] = []
        while some := list(islice(left, _ROWS)):
            builder.add([row_of(summary, head) for summary, head in some])
            changed += sum(is_newer(head, since) for _, head in some)
            newest = max((head.modified for _, head in some if head.modified is not None), default=newest or 0)
            those = [*first, *((summary.start_time, summary.run_id, summary, head) for summary, head in some)]
            first = heapq.nlargest(_NEWEST, those, key=lambda one: one[:2])
        rows = [row_of(summary, head) for _, _, summary, head in first]
        data = builder.finish(rows, self.began, self.location.writer, newest or None)
        written = not dry_run and supersede(self.location.bucket, self.number, data)
        return CatalogReport(builder.runs, changed, len(data), written)


def is_newer(head: Head, since: int | None) -> bool:
    """Return whether an entry may be newer than a catalog's newest."""
    return since is None or head.modified is None or head.modified >= since
