"""How an index of runs gets to know them: from this machine's memory, from a catalog, from listings.

    newest      a few hundred runs that are shown at once    what is remembered here, or else a catalog
    all         every run that is remembered here
    listing     all runs as they are, in minutes for very many; what changed is read
    look        the newest runs of the experiments in use, and those that go on: some dozens of requests

What is shown before a listing has come to its end is as of an earlier one.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Final

from holdall.format.layout import RUNS, run_log
from holdall.runs.catalog_rows import summary_of_row
from holdall.runs.cataloged import Cataloged
from holdall.runs.index import each_of, heads_of
from holdall.runs.remembered import Memory, stamp_of
from holdall.runs.rows import Row, Rows
from holdall.runs.search import RunSummary
from holdall.trees.heads import Head, each_head, first_heads
from holdall.trees.location import Location

NEWEST: Final = 500  # runs that are shown at once
_RECENT: Final = 2_000  # runs, of which those are looked at between listings
_RUNNING: Final = 16  # that go on,
_EXPERIMENTS: Final = 8  # and of which the newest runs of their experiments;
_LINES: Final = 200  # of a listing of either,
_READ: Final = 20  # and runs that are read then


class Filling:
    """Fills rows. For one thread at a time; others may read the rows meanwhile. Attributes: stopped (to give up)."""

    def __init__(self, location: Location, rows: Rows, lock: threading.Lock) -> None:
        self._location, self._rows, self._lock = location, rows, lock
        self.stopped = False

    def newest(self) -> int:
        """Get to know the newest runs; return as of when, in ms since 1970, and 0 if none is known.

        Cost: none where they are remembered here; else as `Cataloged.newest`, and a look.
        """
        as_of, stamps = self._memory().newest()
        if stamps:
            for told in (True, False):
                for run, summary in self._memory().stamped(stamps, told=told).items():
                    self._put(stamps[run], summary)
            return as_of
        as_of, rows = Cataloged(self._location).newest()
        for row in rows:
            self._put(stamp_of(row), summary_of_row(row))
        if rows:
            self.look()
        return as_of

    def remembered(self) -> None:
        """Get to know all runs that are remembered here. Cost: no request; about 30 us for each."""
        shown = set(self._rows.by_id)
        for stamp, summary in self._memory().each():
            if self.stopped:
                return
            if summary.run_id not in shown:
                self._put(stamp, summary)

    def listing(self, at: int) -> None:
        """List all runs, and read those that changed; `at` is now, in ms since 1970. Cost: as a search."""
        seen: set[str] = set()

        def changed() -> Iterator[tuple[str, Head]]:
            for run, head in heads_of(self._location, None):
                if self.stopped:
                    return
                seen.add(run)
                if self._has_changed(run, head):
                    yield run, head

        self._read(changed())
        if self.stopped:
            return
        with self._lock:
            self._rows.keep_only(seen)
        newest = heapq.nlargest(NEWEST, list(self._rows.by_id.values()), key=lambda row: (row.start_time, row.run_id))
        with self._memory() as memory:
            memory.keep_newest(at, {row.run_id: row.stamp for row in newest})

    def look(self) -> None:
        """Look at runs that go on, and at the newest of the experiments in use. Cost: 24 listings, 20 GETs or more."""
        rows = heapq.nlargest(_RECENT, list(self._rows.by_id.values()), key=lambda row: row.start_time)
        running = [f"{run_log(row.run_id)}/" for row in rows if row.status == "RUNNING"][:_RUNNING]
        used = list(dict.fromkeys(f"{RUNS}{row.experiment_id[:8]}" for row in rows))[:_EXPERIMENTS]
        bucket = self._location.bucket
        listings = self._location.pool.map(lambda prefix: first_heads(bucket, prefix, _LINES), [*running, *used])
        heads = {log.removeprefix(RUNS): head for some in listings for log, head in some}
        self._read(islice(((run, head) for run, head in heads.items() if self._has_changed(run, head)), _READ))

    def whole(self, row: Row) -> RunSummary:
        """Return all that a run says, of which the row holds a part. Cost: a listing, and a GET or more."""
        heads = each_head(self._location.bucket.list(f"{run_log(row.run_id)}/"))
        found = each_of(self._location, ((log.removeprefix(RUNS), head) for log, head in heads))
        return next((one.summary for one in found if one.summary), row.summary())

    def _read(self, heads: Iterator[tuple[str, Head]]) -> None:
        for found in each_of(self._location, heads, catalog=Cataloged(self._location)):
            self._put(stamp_of(found.head), found.summary, found.id)

    def _put(self, stamp: bytes, summary: RunSummary | None, run: str = "") -> None:
        with self._lock:
            if summary:
                self._rows.put(stamp, summary)
            else:
                self._rows.drop(run)

    def _has_changed(self, run: str, head: Head) -> bool:
        row = self._rows.by_id.get(run)
        return row is None or row.stamp != stamp_of(head)

    def _memory(self) -> Memory:
        return Memory(self._location.memory_folder, self._location.descriptor.store)
