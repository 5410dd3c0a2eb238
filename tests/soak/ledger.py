"""What was acknowledged, written down outside the store: the oracle of the soak.

Each worker has a file of lines, each line on disk before the worker goes on: `will` before a request that
changes something, `did` after it was acknowledged. A worker that is killed between the two leaves a doubt,
and the store may show either; everything else must read back, byte by byte.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

Spec = tuple[int, int, tuple[int, ...]]  # seed, bytes that are its own, blocks that others have too
BLOCK: Final = 6000
UNDOING: Final = {"delete", "restore", "purge"}


@lru_cache(256)
def block(number: int) -> bytes:
    """Bytes that many files share, so that writers refer to one another's packs."""
    return random.Random(number).randbytes(BLOCK)


def content(spec: Spec) -> bytes:
    """The bytes of a file, which are never kept: they can be made again."""
    seed, size, blocks = spec
    return b"".join(map(block, blocks)) + random.Random(seed).randbytes(size)


class Ledger:
    """One worker's file; the next one of its kind goes on with it."""

    def __init__(self, folder: Path, worker: str) -> None:
        self._file = os.open(folder / f"{worker}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, what: str, verb: str, *told: Any) -> None:
        """Write a line, and wait until it is on disk."""
        os.write(self._file, json.dumps([what, verb, *told]).encode() + b"\n")
        os.fsync(self._file)


@dataclass
class Fate:
    """What a run must show.

    Attributes:
        doubtful: Whether it may be deleted or gone.
        versioned: Whether its paths may be replaced.
        owner: The worker that made it.
        paths: Each path's possible contents; None stands for no file at all.
    """

    doubtful: bool
    versioned: bool
    owner: str
    paths: dict[str, list[Spec | None]] = field(default_factory=lambda: defaultdict(lambda: [None]))


@dataclass
class Account:
    """The sum of all ledgers, as far as they were read.

    Attributes:
        runs: What each run must show.
        models: Each version, by name and number: its run and path.
        counts: How often what was said.
        losses: What workers found to be missing.
        bytes: How much was logged and acknowledged.
        freed: Packs that collectors said they deleted.
    """

    folder: Path
    runs: dict[str, Fate] = field(default_factory=dict)
    models: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)
    bytes: int = 0
    freed: int = 0
    _read: Counter[Path] = field(default_factory=Counter)  # bytes of each ledger
    _early: list[list[Any]] = field(default_factory=list)  # what is told of runs whose beginning comes later

    def catch_up(self) -> Account:
        """Take in what is new."""
        early, self._early = [*self._early, *self._news()], []
        for line in early:
            try:
                self._take(*line)
            except KeyError:
                self._early.append(line)
        return self

    def _news(self) -> list[list[Any]]:
        """New lines: the beginnings of runs first. A last line that is half written is not there yet."""
        found = []
        for file in sorted(self.folder.glob("*.jsonl")):
            with file.open("rb") as lines:
                lines.seek(self._read[file])
                data = lines.read()
            data = data[: data.rfind(b"\n") + 1]
            self._read[file] += len(data)
            found += [[file.stem, *json.loads(line)] for line in data.splitlines()]
        return sorted(found, key=lambda line: line[2] != "run")

    def _take(self, worker: str, what: str, verb: str, *told: Any) -> None:
        if verb == "run":
            self.runs[told[0]] = Fate(told[1], told[2], worker)
        elif verb in ("log", "replace"):
            self._log(what == "did", told[0], told[1], (told[2][0], told[2][1], tuple(told[2][2])))
        elif verb == "remove":
            self._log(what == "did", told[0], told[1], None)
        elif verb in UNDOING:
            self.runs[told[0]].doubtful = (what, verb) != ("did", "restore")
        elif verb == "register":
            self.models[told[0], told[1]] = (told[2], told[3])
        elif verb == "collect":
            self.freed += told[0]
        elif what == "lost":
            self.losses.append(f"{verb}: {told}")
        self.counts[f"{what} {verb}"] += 1

    def _log(self, done: bool, run: str, path: str, spec: Spec | None) -> None:
        possible = self.runs[run].paths
        possible[path] = [spec] if done else [*possible[path], spec]
        if done and spec is not None:
            self.bytes += BLOCK * len(spec[2]) + spec[1]
