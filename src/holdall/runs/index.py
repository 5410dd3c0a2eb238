"""What a search looks at: a summary of each run, read with as few requests as can be.

Listing the runs' logs tells each one's newest entry; a run that has ended has
all it ever said in that entry, so it costs one GET, once: a summary is kept on
the local disk by store, run and newest entry, and since an entry never changes
neither does the summary. The cache may be deleted at any time, and one that
cannot be read or written is done without.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, fields
from pathlib import Path
from typing import TypeVar

from holdall.errors import DamageError
from holdall.format.entry import LogEntry
from holdall.format.layout import RUNS, parse_key, run_log
from holdall.runs.record import RunData, RunInfo, RunRecord, run_record
from holdall.runs.search import RunSummary
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.tree import Blobs
from holdall.trees.view import View

T = TypeVar("T")
_INFO = tuple(field.name for field in fields(RunInfo))
_log = logging.getLogger("holdall")
_SCHEMA = "CREATE TABLE IF NOT EXISTS summary (store TEXT, run TEXT, head INTEGER, body TEXT, PRIMARY KEY (store, run))"


def summaries(location: Location, experiments: Iterable[str] | None) -> list[RunSummary]:
    """The summaries of all runs of some experiments, or of the store.

    Cost: a listing of their logs, and a GET for each run that has an entry
    more than when it was last looked at from here.
    """
    heads = _heads(location, experiments)
    cache = _Cache(location.cache, location.descriptor.store)
    found = cache.read(heads)
    missing = {run: n for run, n in heads.items() if run not in found}
    fresh = _read(location, missing)
    cache.write(fresh, heads)
    return [summary for summary in [*found.values(), *fresh] if summary is not None]


def _heads(location: Location, experiments: Iterable[str] | None) -> dict[str, int]:
    """The number of each run's newest entry, by run."""
    prefixes = [RUNS] if experiments is None else [f"{RUNS}{id[:8]}" for id in dict.fromkeys(experiments)]
    heads: dict[str, int] = {}
    for prefix in prefixes:
        for info in location.bucket.list(prefix):
            key = parse_key(info.key)
            if key and key.kind == "log":
                heads.setdefault(key.log.removeprefix(RUNS), key.number)  # the newest comes first
    return heads


def _read(location: Location, heads: Mapping[str, int]) -> list[RunSummary]:
    """The summaries of these runs. One that is damaged is left out and named: the others can still be found."""
    journals = [Journal(location.bucket, location.pool, run_log(run)) for run in heads]

    def newest(pair: tuple[Journal, int]) -> LogEntry | DamageError:
        try:
            return pair[0].read(pair[1])
        except DamageError as error:
            return error

    entries = location.pool.map(newest, zip(journals, heads.values(), strict=True))
    found = []
    for run, journal, entry in zip(heads, journals, entries, strict=True):
        try:
            if isinstance(entry, DamageError):
                raise entry
            view = View.up_to(entry, Blobs(location.bucket, location.pool, journal, location.damage))
        except DamageError as error:
            _log.warning("run %s is damaged and left out: %s", run, error)
            continue
        if not view.state.purged:
            found.append(_summary(run, view))
    return found


def _summary(run: str, view: View) -> RunSummary:
    record = run_record(run, view.state)
    info = {name: getattr(record.info, name) for name in _INFO}
    return RunSummary(**info, artifact_uri=record.info.artifact_uri, **asdict(record.data))


def record_of(summary: RunSummary) -> RunRecord:
    """The run that a summary is of."""
    info = RunInfo(**{name: getattr(summary, name) for name in _INFO})
    return RunRecord(info, RunData(summary.metrics, summary.params, summary.tags))


class _Cache:
    """Summaries on the local disk, of one store; without a folder it holds nothing."""

    def __init__(self, folder: Path | None, store: str) -> None:
        self._folder, self._store = folder, store

    def read(self, heads: Mapping[str, int]) -> dict[str, RunSummary]:
        """Those that are as new as the runs."""

        def ask(database: sqlite3.Connection) -> dict[str, RunSummary]:
            rows = database.execute("SELECT run, head, body FROM summary WHERE store = ?", (self._store,))
            return {run: RunSummary(**json.loads(body)) for run, head, body in rows if heads.get(run) == head}

        return self._try(ask) or {}

    def write(self, summaries: Iterable[RunSummary], heads: Mapping[str, int]) -> None:
        """Keep these."""
        rows = [(self._store, s.run_id, heads[s.run_id], json.dumps(asdict(s))) for s in summaries]

        def keep(database: sqlite3.Connection) -> None:
            with database:
                database.executemany("INSERT OR REPLACE INTO summary VALUES (?, ?, ?, ?)", rows)

        if rows:
            self._try(keep)

    def _try(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do something with the database; whatever is wrong with it, searching goes on without."""
        if self._folder is None:
            return None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._folder / "summaries.sqlite", timeout=5)) as database:
                database.execute(_SCHEMA)
                return work(database)
        except (OSError, sqlite3.Error, ValueError, TypeError) as error:
            _log.warning("searching without a cache in %s: %s", self._folder, error)
            self._folder = None
            return None
