"""What another tool keeps, in the words of this store: values, and where its files are.

Every source (MLflow, Trackio, TensorBoard, a folder) turns what it has into
these, and `bringing` writes them. A run's key names it in the source: the run's
id here is computed from it (`Runs.ensure`), so importing twice meets itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

Point: TypeAlias = tuple[str, float, int, int]  # key, value, step, milliseconds since 1970 UTC


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of the source.

    Attributes:
        path: Below its folder.
        size: In bytes; None where the source tells none.
        sha256: What it should be by the source's own books, in hex; None where they do not say.
        changed: When it was written last, in nanoseconds, where the source tells.
    """

    path: str
    size: int | None = None
    sha256: str | None = None
    changed: int | None = None


class Folder(Protocol):
    """Some files of a source."""

    def files(self) -> Sequence[FoundFile]:
        """Return what there is. Raises: what the source raises if it cannot tell."""

    def fetch(self, file: FoundFile, into: Path) -> Path:
        """Return a local file with these bytes: the source's own, or a copy below `into`."""


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder of this machine. Links are followed; one that leads back to a folder that it is in is no file."""

    root: Path

    def files(self) -> list[FoundFile]:
        """Return every file below, in order. Raises: OSError if a folder cannot be listed."""
        return sorted(self._walk(), key=lambda file: file.path)

    def fetch(self, file: FoundFile, into: Path) -> Path:  # noqa: ARG002  # as a folder that is elsewhere does
        """Return the file itself."""
        return self.root / file.path

    def _walk(self) -> Iterator[FoundFile]:
        pending: list[tuple[Path, str, tuple[tuple[int, int], ...]]] = [(self.root, "", (_identity(self.root.stat()),))]
        while pending:
            folder, prefix, above = pending.pop()
            for place in folder.iterdir():
                path, status = prefix + place.name, place.stat() if place.exists() else None
                if status is None:
                    yield FoundFile(path)
                elif not stat.S_ISDIR(status.st_mode):
                    yield FoundFile(path, status.st_size, changed=status.st_mtime_ns)
                elif (here := _identity(status)) in above:
                    yield FoundFile(path)  # a link back, which is told when it is fetched
                else:
                    pending.append((place, f"{path}/", (*above, here)))


@dataclass(frozen=True, slots=True)
class FileSet:
    """Files from here and there. Attributes: given (by path: a local file, or bytes); sums (by path: a SHA-256)."""

    given: Mapping[str, Path | bytes]
    sums: Mapping[str, str] = field(default_factory=dict)

    def files(self) -> list[FoundFile]:
        """Return them, in order."""
        return [FoundFile(path, self._size(given), self.sums.get(path)) for path, given in sorted(self.given.items())]

    def fetch(self, file: FoundFile, into: Path) -> Path:
        """Return the file itself, or one with the bytes."""
        given = self.given[file.path]
        if isinstance(given, Path):
            return given
        place = into / hashlib.sha256(file.path.encode()).hexdigest()
        place.write_bytes(given)
        return place

    @staticmethod
    def _size(given: Path | bytes) -> int | None:
        if isinstance(given, bytes):
            return len(given)
        return given.stat().st_size if given.exists() else None


@dataclass(frozen=True, slots=True)
class FoundInput:
    """A data set that a run was given. Attributes: dataset (what `as_dataset` takes); tags."""

    dataset: Any
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A logged model of a run.

    Attributes:
        source_id: Its id in the source.
        name: What it is called, and the path that it gets, if that is free.
        folder: Its files.
        step, model_type, created, params, tags: As of a logged model.
        metrics: What was measured of it: the point, the id here of the run that measured it (None:
            this one), the data set's name and digest.
    """

    source_id: str
    name: str
    folder: Folder
    created: int = 0
    step: int = 0
    model_type: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[tuple[Point, str | None, tuple[str, str] | None]] = ()


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run of the source.

    Attributes:
        key: Names it, in the source's own space, such as `mlflow:<run id>`.
        source_id: What the source calls it.
        experiment: The name of its experiment.
        name, start_time, end_time, status: As of a run; `end_time` None: not known.
        deleted: Whether the source has it as deleted.
        params, tags: As of a run.
        points: Gives every measurement, when it is called.
        inputs: What it was given.
        folder: Its files; None: it has none.
        models: Its logged models.
        state: Differs whenever the source's run has changed, but for its files.
        versioned: Whether its files may be replaced later, by other content at the same path.
        only_files: Whether it is made to hold files alone, so that without them there is nothing to bring.
    """

    key: str
    source_id: str
    experiment: str
    name: str | None = None
    status: str = "FINISHED"
    start_time: int | None = None
    end_time: int | None = None
    deleted: bool = False
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: Callable[[], Iterable[Point]] = tuple
    inputs: Sequence[FoundInput] = ()
    folder: Folder | None = None
    models: Sequence[FoundModel] = ()
    state: str = ""
    versioned: bool = False
    only_files: bool = False

    def __str__(self) -> str:
        return f"run {self.source_id}"


@dataclass(frozen=True, slots=True)
class FoundExperiment:
    """An experiment of the source. Attributes: name, tags; deleted (whether the source has it as deleted)."""

    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    deleted: bool = False


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def fingerprint(*facts: Any) -> str:
    """Return 32 hex digits that differ where facts differ, which JSON can say."""
    text = json.dumps(facts, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
