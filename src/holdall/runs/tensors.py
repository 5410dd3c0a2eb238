"""The tensors of what runs hold: their files as the readers of tensors need them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from holdall.errors import ContentError
from holdall.runs.snapshot import RunSnapshot
from holdall.tensors.heads import Heads, Tensors, read_heads
from holdall.trees.artifact_reader import ArtifactReader


class RunFile:
    """A file of a run, read by ranges; what opens it is asked when it is first needed."""

    def __init__(self, reader: ArtifactReader, path: str) -> None:
        self.path, self._reader = path, reader

    @property
    def size(self) -> int:
        return self._reader.raw.entry.size

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return self._reader.read_ranges(ranges)


class RunFolder:
    """What a run holds at and below a path, as it was at one moment."""

    def __init__(self, run: RunSnapshot, path: str) -> None:
        self._run, self._path = run, path
        self._open: dict[str, RunFile] = {}

    @cached_property
    def _found(self) -> dict[str, Any]:
        found = {each.path: each for each in self._run.walk(self._path or None)}
        if self._path and not found:  # elsewhere, if anywhere
            self.open(self._path)
        return found

    @cached_property
    def single(self) -> str | None:
        """The file itself, where the path is one."""
        found = self._found
        return self._path if self._path and (not found or (self._path in found and self._is_file(self._path))) else None

    def _is_file(self, path: str) -> bool:
        return bool(self._found[path].kind == "file")

    @property
    def files(self) -> Sequence[str]:
        """The whole paths of all files; links that lead to none are left out."""
        return [path for path in self._found if self._is_file(path)]

    def shown(self, path: str) -> str:
        """Return what follows the path that was asked for."""
        below = self._path + "/"
        return "" if path == self._path else path.removeprefix(below) if self._path else path

    def open(self, path: str) -> RunFile:
        """Return a file of the run."""
        if path not in self._open:
            self._open[path] = RunFile(self._run.open(path), path)
        return self._open[path]

    def beside(self, path: str) -> RunFile:
        """Return a file of the run, but follow no link."""
        if self._run.stat(path).target is not None:
            raise ContentError(path, "a file", "it is a link, which may lead out of the folder")
        return self.open(path)


def heads(run: RunSnapshot, path: str) -> Heads:
    """Return the tensors of what a run holds at a path. Raises: as `list_tensors`."""
    return read_heads(RunFolder(run, path))


def list_tensors(run: RunSnapshot, path: str) -> Tensors:
    """Return what the headers of a file, or of all files below a path, say of their tensors.

    Raises:
        ArtifactNotFoundError: The run holds nothing there.
        ContentError: It is one file, and none whose tensors can be told.
    """
    return heads(run, path).shown
