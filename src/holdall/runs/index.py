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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import groupby, islice
from pathlib import Path
from typing import Final

from holdall.format.entry import LogEntry
from holdall.format.layout import RUNS, is_experiment_id, run_log
from holdall.runs.arguments import listed
from holdall.runs.record import RunData, RunInfo, RunRecord, run_record
from holdall.runs.search import RunSummary
from holdall.trees.heads import Head, entry_keys, list_heads
from holdall.trees.journal import Journal
from holdall.trees.local_cache import LocalCache
from holdall.trees.location import Location
from holdall.trees.view import View, read_views, run_name

_INFO = tuple(field.name for field in fields(RunInfo))
_AT_ONCE: Final = 128  # logs looked at side by side
_MOST: Final = 256 << 20  # bytes on the disk: about 100,000 runs


@dataclass(frozen=True, slots=True)
class Survey:
    """What the newest entries of runs' logs tell.

    Attributes:
        runs: Summaries of those that are there, each with the entry that it is as of.
        purged: The newest entries of purged runs, by id.
        partly: Ids of those of `runs` of whose logs not all can be read.
        unreadable: Ids of runs of which nothing can be read.
    """

    runs: list[tuple[RunSummary, Head]]
    purged: dict[str, Head]
    partly: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()


def summaries(location: Location, experiments: Iterable[str] | None) -> list[RunSummary]:
    """Return the summaries of all runs of some experiments, or of the store. Cost: as `survey`."""
    return [summary for summary, _ in survey(location, experiments).runs]


def survey(location: Location, experiments: Iterable[str] | None) -> Survey:
    """Return what is known of all runs of some experiments, or of the store.

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
    whole: dict[str, RunSummary | None] = {}
    partly: dict[str, RunSummary | None] = {}  # not remembered: what they lack may be put back
    for view in read_views(location, missing, run_name):
        if view.head:
            run = view.head.log.removeprefix(RUNS)
            (whole if view.lost < 0 else partly)[run] = None if view.state.purged else _summary(run, view)
    cache.write(whole, heads)
    every = found | whole | partly
    runs = [(summary, heads[run]) for run, summary in every.items() if summary]
    if experiments is not None:  # a log is found by the beginning of the id alone
        runs = [each for each in runs if each[0].experiment_id in experiments]
    purged = {run: heads[run] for run, summary in every.items() if summary is None}
    return Survey(runs, purged, frozenset(partly), frozenset(heads.keys() - every.keys()))


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
    where, state = record.info.artifact_uri, view.state
    return RunSummary(
        **info, artifact_uri=where, **asdict(record.data), pins=dict(state.pins), open=bool(state.sessions)
    )


def run_ids(location: Location, beginning: str = "") -> Iterator[str]:
    """Yield the ids of runs that begin so, deleted ones too; not those that were purged, as far as that is seen.

    A purge removes a log's first entry, so only where that is not listed the newest is looked at.

    Cost: a listing, and a GET for each log without its first entry.
    """
    bucket, pool = location.bucket, location.pool
    logs = groupby(entry_keys(bucket.list(RUNS + beginning)), key=lambda key: key.log)
    numbers = ((Journal(bucket, pool, log), [key.number for key in keys]) for log, keys in logs)
    while some := list(islice(numbers, _AT_ONCE)):
        cut = [(journal, found[0]) for journal, found in some if found[-1] != 0]
        newest = pool.map(lambda one: one[0].read_or_damage(one[1]), cut)
        purged = {entry.log for entry in newest if isinstance(entry, LogEntry) and entry.purges}
        yield from (journal.log.removeprefix(RUNS) for journal, _ in some if journal.log not in purged)


def record_of(summary: RunSummary) -> RunRecord:
    """Return the run that a summary is of."""
    info = RunInfo(**{name: getattr(summary, name) for name in _INFO})
    return RunRecord(info, RunData(summary.metrics, summary.params, summary.tags))


class _Cache:
    """Summaries on the local disk, of one store, None of purged runs; without a folder it holds nothing."""

    def __init__(self, folder: Path | None, store: str) -> None:
        # By version, so that a later one need not understand it.
        self._file = LocalCache(folder, "summaries-3", "searching without the cache", most=_MOST) if folder else None
        self._store = store

    def read(self, heads: Mapping[str, Head]) -> dict[str, RunSummary | None]:
        """Return those of the very objects that are the runs' newest entries now."""
        stamps = {run.encode(): _name(head) for run, head in heads.items()}
        bodies = self._file.get(self._store, stamps) if self._file else {}
        known = {run.decode(): json.loads(body) for run, body in bodies.items()}
        return {run: None if facts is None else RunSummary(**facts) for run, facts in known.items()}

    def write(self, summaries: Mapping[str, RunSummary | None], heads: Mapping[str, Head]) -> None:
        """Keep these."""
        if self._file:
            rows = (
                (run.encode(), _name(heads[run]), json.dumps(summary and asdict(summary)).encode())
                for run, summary in summaries.items()
            )
            self._file.put(self._store, rows)


def _name(head: Head) -> bytes:
    """Return what tells an entry from any other of its number, as a store has that was restored from an older copy."""
    return f"{head.n}/{head.size}/{head.modified}".encode()
