"""What does a series of checkpoints take when its last three are kept? Ours, a store of these alone, MLflow's.

Fifty checkpoints of 80 MB of fp32 in twenty layers, of which the backbone is frozen. Two ways to train a part of it:
the last tenth (a head), or 6 % of every layer (adapters). Times are set back by eight days where others would wait:
until a deleted run is purged, and until a collection takes a pack.
"""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.data import emptied, size_of
from benchmarks.measured import Taken
from benchmarks.rounds import Options, Question, Side, Work, main, shown_size

STEPS, KEPT = 50, 3
LARGEST = 80_000_000  # bytes of a checkpoint
LAYERS = 20
KINDS = {"a head": "the last tenth is trained", "adapters": "6 % of every layer are trained"}
NAME = "model.safetensors"


def checkpoint(path: Path, kind: str, step: int, size: int) -> Path:
    """A model after some steps of training, as safetensors."""
    import numpy as np

    each = size // 4 // LAYERS
    ends = [4 * each * number for number in range(LAYERS + 1)]
    header = {
        f"layers.{at}.weight": {"dtype": "F32", "shape": [each], "data_offsets": ends[at : at + 2]}
        for at in range(LAYERS)
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for layer in range(LAYERS):
            weights = np.random.default_rng([layer]).normal(0, 0.02, each).astype(np.float32)
            trained = int(each * 0.06) if kind == "adapters" else each * (layer >= LAYERS * 0.9)
            moved = np.random.default_rng([layer, step]).normal(0, 0.001, trained).astype(np.float32)
            weights[:trained] += moved
            file.write(weights.tobytes())
    return path


@dataclass
class Series:
    """A series that is logged and given up. Attributes: folder, of its stores; size, of a checkpoint; kind of it."""

    folder: Path
    size: int
    kind: str

    def logged(self) -> int:
        """Log all checkpoints, each as a run; the bytes then."""
        raise NotImplementedError

    def kept(self) -> int:
        """Give up all but the last three, and collect."""
        raise NotImplementedError

    def compacted(self) -> int:
        """Give dead bytes inside of packs back, too."""
        return self.kept()

    def versioned(self) -> int:
        """The same series at one path of one run, of which three versions are kept."""
        raise NotImplementedError

    def emptied(self) -> int:
        """Give up the experiment."""
        raise NotImplementedError

    def _steps(self, first: int = 0) -> Iterator[Path]:
        with emptied(self.folder / "now") as now:
            for step in range(first, STEPS):
                yield checkpoint(now / NAME, self.kind, step, self.size)


class Ours(Series):
    """A store in a folder; whoever uses it has what a user has."""

    whole = True  # whether it logs the whole series, or its last alone

    def logged(self) -> int:
        """As a training job does."""
        import holdall

        self._store = holdall.open(str(self.folder / "store"))
        self._runs = []
        for path in self._steps(0 if self.whole else STEPS - KEPT):
            with self._store.runs.start(experiment="train") as run:
                run.log_artifact(path)
            self._runs.append(run)
        return size_of(self.folder / "store")

    def kept(self) -> int:
        """`holdall gc -e train --last 3`, and again when the runs cannot be restored any more."""
        from holdall.store import RetentionPolicy

        ids = [self._store.experiments.ensure("train")]
        self._store.maintenance.gc(override=RetentionPolicy(last=KEPT), experiments=ids)
        return self._collected()

    def compacted(self) -> int:
        """`holdall gc --compact 3`; what is left is compared with what was logged."""
        self._store.maintenance.compact(0.03)
        left = self._collected()
        last = checkpoint(self.folder / "last", self.kind, STEPS - 1, self.size).read_bytes()
        assert self._runs[-1].read(NAME) == last
        assert self._store.maintenance.check().intact
        return left

    def versioned(self) -> int:
        """`paths="versioned"`, and `keep_last=3`."""
        import holdall

        store = holdall.open(str(self.folder / "versioned"))
        with store.runs.start(experiment="train", paths="versioned") as run:
            for path in self._steps(0 if self.whole else STEPS - KEPT):
                run.log_artifact(path, on_conflict="replace")
                run.trim(keep_last=KEPT)
        back(self.folder / "versioned")
        store.maintenance.gc()
        store.maintenance.compact(0.03)
        store.maintenance.gc()
        return size_of(self.folder / "versioned")

    def emptied(self) -> int:
        """`holdall experiment delete train`, and a collection after the seven days."""
        self._store.experiments.delete(self._store.experiments.ensure("train"))
        return self._collected()

    def _collected(self) -> int:
        back(self.folder / "store")
        self._store.maintenance.gc()
        return size_of(self.folder / "store")


class Alone(Ours):
    """A store that never held anything but the three."""

    whole = False

    def kept(self) -> int:
        """There is nothing to give up."""
        return size_of(self.folder / "store")

    def compacted(self) -> int:
        """Nor to compact."""
        return self.kept()


class Mlflow(Series):
    """MLflow's artifact store in a folder: every file of every run is a copy. Its tracking store is not counted."""

    def logged(self) -> int:
        """An artifact of a run each."""
        self._numbers, self._uris = count(), list[str]()
        for path in self._steps():
            self._uris.append(self._log(path))
        return size_of(self.folder / "mlruns")

    def kept(self) -> int:
        """As `mlflow gc` removes the artifacts of deleted runs."""
        self._remove(self._uris[:-KEPT])
        self._uris = self._uris[-KEPT:]
        return size_of(self.folder / "mlruns")

    def versioned(self) -> int:
        """MLflow has no versions of a path: three of a run under other names."""
        return KEPT * (self.folder / "last").stat().st_size

    def emptied(self) -> int:
        """Likewise."""
        self._remove(self._uris)
        return size_of(self.folder / "mlruns")

    def _log(self, path: Path) -> str:
        uri = str(self.folder / "mlruns" / str(next(self._numbers)))
        _repository(uri).log_artifact(str(path))
        path.rename(self.folder / "last")
        return uri

    def _remove(self, uris: list[str]) -> None:
        for uri in uris:
            _repository(uri).delete_artifacts()


def _repository(uri: str) -> Any:
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    return LocalArtifactRepository(uri)


def back(folder: Path, days: int = 8) -> None:
    """Let every file of a folder be older."""
    then = time.time() - days * 24 * 3600
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


@dataclass
class Both:
    """A side's series of each kind."""

    series: dict[str, Series]

    def bytes(self, kind: str, act: str) -> Taken:
        """Do something with a series; the bytes that are there then."""
        return Taken(0, bytes=getattr(self.series[kind], act)())


def _side(make: Callable[[Path, int, str], Series], size: int) -> Side:
    @contextmanager
    def start(scratch: Path) -> Iterator[Both]:
        series = {}
        for number, kind in enumerate(KINDS):
            (scratch / str(number)).mkdir()
            series[kind] = make(scratch / str(number), size, kind)
        yield Both(series)

    return start


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """Each step of a series' life, for both kinds."""
    size = min(options.size, LARGEST)
    acts = {
        "logged": f"{STEPS} logged",
        "kept": f"the last {KEPT} kept, collected",
        "compacted": "compacted, collected",
        "versioned": f"one versioned run, {KEPT} kept",
        "emptied": "the experiment deleted, collected",
    }
    yield Question(
        text=f"What do {STEPS} checkpoints of {shown_size(size)} take when the last {KEPT} are kept?",
        works=tuple(
            Work(
                f"{kind}: {told}",
                lambda side, kind=kind, act=act: side.bytes(kind, act),  # type: ignore[misc]
                of="bytes",
                floors={"three alone": 0.95} if act in ("compacted", "versioned") else {},
                once=True,
            )
            for kind in KINDS
            for act, told in acts.items()
        ),
        sides={"holdall": _side(Ours, size), "three alone": _side(Alone, size), "mlflow": _side(Mlflow, size)},
        peers=("mlflow", "numpy"),
        notes=(
            *(f"{kind}: {text}; the rest is frozen." for kind, text in KINDS.items()),
            "A ratio is theirs / ours; `three alone` is our store that never held anything else.",
            "What is left of a deleted experiment are the stubs of its 50 runs, half a kilobyte each: 26 and 29 kB.",
        ),
    )


if __name__ == "__main__":
    main(ask)
