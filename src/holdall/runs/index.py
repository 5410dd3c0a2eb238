"""What a search looks at: a summary of each run, read with as few requests as can be.

Listing the runs' logs tells each one's newest entry; a run that has ended has
all it ever said in that entry, so it costs one GET, once: a summary is kept on
the local disk by store, run and newest entry with its size and time, and since
an entry never changes neither does the summary. A store that was killed half way, or
restored from a copy, has other entries of the same number. The cache may be
deleted at any time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path

from holdall.format.layout import RUNS, is_experiment_id, run_log
from holdall.runs.arguments import listed
from holdall.runs.record import RunData, RunInfo, RunRecord, run_record
from holdall.runs.search import RunSummary
from holdall.trees.cache_file import CacheFile
from holdall.trees.heads import Head, list_heads
from holdall.trees.location import Location
from holdall.trees.view import View, read_views, run_name

_INFO = tuple(field.name for field in fields(RunInfo))
_SCHEMA = "CREATE TABLE IF NOT EXISTS summary (store TEXT, run TEXT, head TEXT, body TEXT, PRIMARY KEY (store, run))"


def summaries(location: Location, experiments: Iterable[str] | None) -> list[RunSummary]:
    """Return the summaries of all runs of some experiments, or of the store.

    Cost: a listing of their logs, and a GET for each run that has an entry
    more than when it was last looked at from here.
    """
    if experiments is not None:
        given = listed("ids of experiments", experiments, "['0123456789abcdef']")
        experiments = sorted({id for id in given if is_experiment_id(id)})  # no other can have runs
    heads = _heads(location, experiments)
    cache = _Cache(location.cache, location.descriptor.store)
    found = cache.read(heads)
    missing = {run_log(run): head for run, head in heads.items() if run not in found}
    whole: list[RunSummary] = []
    partly: list[RunSummary] = []  # not remembered: what they lack may be put back
    for view in read_views(location, missing, run_name):
        if view.head and not view.state.purged:
            summary = _summary(view.head.log.removeprefix(RUNS), view)
            (whole if view.lost < 0 else partly).append(summary)
    cache.write(whole, heads)
    every = [*found.values(), *whole, *partly]  # a log is found by the beginning of the id alone
    return every if experiments is None else [each for each in every if each.experiment_id in experiments]


def _heads(location: Location, experiments: Iterable[str] | None) -> dict[str, Head]:
    """Return the head of each run's log, by run."""
    prefixes = [RUNS] if experiments is None else [f"{RUNS}{id[:8]}" for id in dict.fromkeys(experiments)]
    heads: dict[str, Head] = {}
    for prefix in prefixes:
        heads |= {log.removeprefix(RUNS): head for log, head in list_heads(location.bucket, prefix).items()}
    return heads


def _summary(run: str, view: View) -> RunSummary:
    record = run_record(run, view.state)
    info = {name: getattr(record.info, name) for name in _INFO}
    return RunSummary(**info, artifact_uri=record.info.artifact_uri, **asdict(record.data))


def record_of(summary: RunSummary) -> RunRecord:
    """Return the run that a summary is of."""
    info = RunInfo(**{name: getattr(summary, name) for name in _INFO})
    return RunRecord(info, RunData(summary.metrics, summary.params, summary.tags))


class _Cache:
    """Summaries on the local disk, of one store; without a folder it holds nothing."""

    def __init__(self, folder: Path | None, store: str) -> None:
        self._file = CacheFile(folder, "summaries-1", _SCHEMA, "searching without the cache") if folder else None
        self._store = store

    def read(self, heads: Mapping[str, Head]) -> dict[str, RunSummary]:
        """Return the summaries of exactly the objects that are the runs' newest entries now."""

        def ask(database: sqlite3.Connection) -> dict[str, RunSummary]:
            rows = database.execute("SELECT run, head, body FROM summary WHERE store = ?", (self._store,))
            there = {run: _name(head) for run, head in heads.items()}
            return {run: RunSummary(**json.loads(body)) for run, head, body in rows if there.get(run) == head}

        return (self._file.use(ask) if self._file else None) or {}

    def write(self, summaries: Iterable[RunSummary], heads: Mapping[str, Head]) -> None:
        """Store these summaries."""
        rows = [(self._store, s.run_id, _name(heads[s.run_id]), json.dumps(asdict(s))) for s in summaries]

        def keep(database: sqlite3.Connection) -> None:
            with database:
                database.execute("BEGIN IMMEDIATE")
                database.executemany("INSERT OR REPLACE INTO summary VALUES (?, ?, ?, ?)", rows)

        if rows and self._file:
            self._file.use(keep)


def _name(head: Head) -> str:
    """Return what tells an entry from any other of its number, as a store has that was restored from an older copy."""
    return f"{head.n}/{head.size}/{head.modified}"
