"""Sides that keep their store in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from benchmarks.data import emptied, size_of
from benchmarks.measured import Clock, Taken, measure
from benchmarks.peers.ours import Holdall
from benchmarks.rounds import Side


class Kind(Protocol):
    """What such a side can do; see this package's head."""

    def log(self, *paths: Path) -> Taken: ...
    def fetch(self, path: Path) -> Taken: ...
    def stored(self) -> Taken: ...


class OnDisk:
    """A side's store for the round, and more of its kind for whatever wants one of its own."""

    def __init__(self, kind: Callable[[Path], Kind], scratch: Path) -> None:
        self._kind, self._scratch = kind, scratch
        (scratch / "main").mkdir()
        store = kind(scratch / "main")
        self.log, self.fetch, self.stored = store.log, store.fetch, store.stored

    def kept(self, *paths: Path) -> Taken:
        """Logs into a store that holds nothing else; what it took, and what is stored then."""
        with emptied(self._scratch / "single") as folder:
            alone = self._kind(folder)
            return replace(alone.log(*paths), bytes=alone.stored().bytes)


def on_disk(kind: Callable[[Path], Kind]) -> Side:
    """How a side of this kind starts a round."""

    @contextmanager
    def start(scratch: Path) -> Iterator[OnDisk]:
        yield OnDisk(kind, scratch)

    return start


def holdall_in(folder: Path) -> Holdall:
    """Our own store in a folder."""
    return Holdall(f"file://{folder}/store", folder)


@dataclass
class Copies:
    """No store at all: every file is copied. Attributes: folder, where to."""

    folder: Path

    def log(self, *paths: Path) -> Taken:
        """A copy each."""
        return self._measure("copy", [str(path) for path in paths], self.folder / "copies")

    def fetch(self, path: Path) -> Taken:
        """A copy of the copy."""
        return self._measure("copy", [str(self.folder / "copies" / path.name)], self.folder / "fetched")

    def stored(self) -> Taken:
        """The bytes of the copies."""
        return Taken(0, bytes=size_of(self.folder / "copies"))

    def _measure(self, act: str, paths: list[str], into: Path) -> Taken:
        return measure(f"{__name__}:{act}", paths=paths, into=str(into))


def copy(clock: Clock, *, paths: list[str], into: str) -> None:
    """As `cp` does it, which neither verifies nor waits for the disk."""
    Path(into).mkdir(exist_ok=True)
    with clock:
        for path in paths:
            shutil.copyfile(path, Path(into) / Path(path).name)
