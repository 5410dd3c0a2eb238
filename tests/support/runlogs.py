"""Logs of very many runs, made without logging anything, in a bucket that holds them in one file.

A bucket in memory would be most of what a process holds that searches it; here
entries are read from a file as they are asked for, and keys are made as they are listed.

    finished    three entries: begun, logged, ended; the last carries a checkpoint
    touched     the same, and a tag since
    live        begun, and so many entries of measurements since
"""

from __future__ import annotations

import bisect
import os
import pickle
import random
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from holdall.errors import ObjectNotFoundError
from holdall.format.document import Json
from holdall.format.entry import LogEntry, encode_entry, parse_entry
from holdall.format.layout import experiment_id, log_key, run_id, run_log, timed_run_id
from holdall.format.state import State
from holdall.storage.bucket import Bucket, Bytes, ObjectInfo, check_size
from holdall.storage.memory import MemoryBucket

EXPERIMENT = experiment_id("Default")
_NEWEST = 2**64 - 1


def run_entries(
    source: random.Random, number: int, kind: str = "finished", entries: int = 3, *, timed: bool = False
) -> list[LogEntry]:
    """The entries of one run's log, as a writer would write them; of a live one, all but the first are measurements."""
    begun = timed_run_id(EXPERIMENT, number, source.randbytes(6)) if timed else None
    id, session = begun or run_id(EXPERIMENT, source.randbytes(12)), source.randbytes(16).hex()
    begin: list[Json] = [{"op": "create", "experiment": EXPERIMENT}, {"op": "open", "session": session}]
    begin += [{"op": "tag", "key": f"mlflow.tag{n}", "value": f"{number % 7:030}"} for n in range(12)]
    begin += [{"op": "tag", "key": "mlflow.runName", "value": f"run-{number}"}]
    logged: list[Json] = [{"op": "param", "key": f"param{n}", "value": str(number % (n + 2))} for n in range(12)]
    logged += [_measured(f"metric{n}", number / (n + 1), 0) for n in range(10)]
    ended: list[Json] = [{"op": "status", "status": "FINISHED"}, {"op": "close", "session": session}]
    groups = [begin, logged, ended, [{"op": "tag", "key": "later", "value": "yes"}]][: 4 if kind == "touched" else 3]
    if kind == "live":
        groups = [begin + logged, *([_measured("metric0", n, n)] for n in range(1, entries))]
    return _chained(run_log(id), groups, number, state_at=None if kind == "live" else 2)


def _measured(key: str, value: float, step: int) -> Json:
    return {"op": "metric", "points": [[key, value, step, 0]]}


def _chained(log: str, groups: Sequence[Sequence[Json]], time: int, state_at: int | None) -> list[LogEntry]:
    state, found = State(), list[LogEntry]()
    for n, ops in enumerate(groups):
        body = state.to_json() if n == state_at else None
        at = state_at if state_at is not None and n >= state_at else None
        before = found[-1].sha256 if found else None
        draft = LogEntry(log, n, f"{n:032x}", before, time, "synthesised", at, tuple(ops), (), body)
        found.append(parse_entry(encode_entry(draft), log, n))
        state.apply(found[-1])
    return found


def put_runs(bucket: Bucket, count: int, kind: str = "finished", entries: int = 3, seed: int = 0) -> list[str]:
    """Put the logs of so many runs into a bucket, and return their ids."""
    source, ids = random.Random(f"{kind} {seed}"), []
    for number in range(count):
        for entry in (found := run_entries(source, number, kind, entries)):
            bucket.put(log_key(entry.log, entry.n), encode_entry(replace(entry, sha256="")))
        ids.append(found[0].log.removeprefix("runs/"))
    return ids


@dataclass
class RunsInAFile:
    """A bucket: small objects in memory, but no runs, and run logs in a file."""

    path: Path
    small: MemoryBucket = field(default_factory=MemoryBucket)
    url: str = "synthesised://runs"

    def fill(self, count: int, kind: str = "finished", entries: int = 3) -> None:
        """Make the logs of so many runs."""
        source, rows = random.Random(kind), []
        with self.path.open("wb") as file:
            for number in range(count):
                found = run_entries(source, number, kind, entries, timed=True)
                rows.append((found[0].log, [file.tell(), *(file.tell() for _ in self._written(file, found))]))
        rows.sort()
        self.path.with_suffix(".index").write_bytes(
            pickle.dumps(([log for log, _ in rows], [array("Q", row) for _, row in rows]))
        )
        self.open()

    def open(self) -> RunsInAFile:
        """Take what another process made."""
        self._logs, self._ends = pickle.loads(self.path.with_suffix(".index").read_bytes())
        self._file = os.open(self.path, os.O_RDONLY)
        return self

    @staticmethod
    def _written(file: object, found: Sequence[LogEntry]) -> Iterator[None]:
        for entry in found:
            file.write(encode_entry(replace(entry, sha256="")))  # type: ignore[attr-defined]
            yield

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        if not key.startswith("runs/"):
            return self.small.get(key, limit=limit)
        log, _, digits = key.partition("/log/")
        at = bisect.bisect_left(self._logs, log)
        if at == len(self._logs) or self._logs[at] != log:
            raise ObjectNotFoundError(self.url, key)
        start, stop = self._ends[at][_NEWEST - int(digits, 16) :][:2]
        check_size(self.url, key, stop - start, limit)
        return os.pread(self._file, stop - start, start)

    def get_range(self, key: str, start: int, stop: int | None = None) -> Bytes:
        return self.small.get_range(key, start, stop)

    def put(self, key: str, data: Bytes) -> None:
        self.small.put(key, data)

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        return islice(self._list(prefix, limit=limit), limit)

    def _list(self, prefix: str, *, limit: int | None) -> Iterator[ObjectInfo]:
        small = list(self.small.list(prefix, limit=limit))
        yield from (info for info in small if info.key < "runs/")
        if prefix.startswith("runs/") or not prefix:
            at = bisect.bisect_left(self._logs, prefix)
            while at < len(self._logs) and self._logs[at].startswith(prefix):
                ends = self._ends[at]
                for n in range(len(ends) - 2, -1, -1):
                    yield ObjectInfo(log_key(self._logs[at], n), ends[n + 1] - ends[n], 1_750_000_000_000)
                at += 1
        yield from (info for info in small if info.key > "runs/")

    def delete(self, key: str) -> None:
        self.small.delete(key)

    def delete_many(self, keys: Sequence[str]) -> None:
        self.small.delete_many(keys)
