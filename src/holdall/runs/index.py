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
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

from holdall.format.layout import RUNS, is_experiment_id, run_log
from holdall.runs.arguments import listed
from holdall.runs.record import RunData, RunInfo, RunRecord, run_record
from holdall.runs.search import RunSummary
from holdall.trees.heads import Head, list_heads
from holdall.trees.local_cache import LocalCache
from holdall.trees.location import Location
from holdall.trees.view import View, read_views, run_name

_INFO = tuple(field.name for field in fields(RunInfo))
_MOST: Final = 256 << 20  # bytes on the disk: about 100,000 runs


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
        # By version, so that a later one need not understand it.
        self._file = LocalCache(folder, "summaries-2", "searching without the cache", most=_MOST) if folder else None
        self._store = store

    def read(self, heads: Mapping[str, Head]) -> dict[str, RunSummary]:
        """Return those of the very objects that are the runs' newest entries now."""
        stamps = {run.encode(): _name(head) for run, head in heads.items()}
        bodies = self._file.get(self._store, stamps) if self._file else {}
        return {run.decode(): RunSummary(**json.loads(body)) for run, body in bodies.items()}

    def write(self, summaries: Iterable[RunSummary], heads: Mapping[str, Head]) -> None:
        """Keep these."""
        if self._file:
            rows = ((s.run_id.encode(), _name(heads[s.run_id]), json.dumps(asdict(s)).encode()) for s in summaries)
            self._file.put(self._store, rows)


def _name(head: Head) -> bytes:
    """Return what tells an entry from any other of its number, as a store has that was restored from an older copy."""
    return f"{head.n}/{head.size}/{head.modified}".encode()
