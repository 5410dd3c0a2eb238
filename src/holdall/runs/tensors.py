"""The tensors of what runs hold: their files as the readers of tensors need them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from holdall.chunks.beside import side_by_side
from holdall.errors import ContentError
from holdall.format.chunk_table import Chunks
from holdall.runs.snapshot import RunSnapshot
from holdall.tensors.comparing import compare
from holdall.tensors.difference import TensorChange, TensorDifference, most_changed_first
from holdall.tensors.heads import Tensors, read_heads
from holdall.tensors.pairing import pair
from holdall.tensors.renames import find_renamed
from holdall.tensors.sharing import shared_bytes
from holdall.tensors.side import Side
from holdall.trees.artifact_reader import ArtifactReader


class RunFile:
    """A file of a run, read by ranges. Attributes: read_bytes (so many were asked for)."""

    def __init__(self, reader: ArtifactReader, path: str) -> None:
        self.path, self._reader = path, reader
        self.read_bytes = 0

    @property
    def size(self) -> int:
        return self._reader.raw.entry.size

    @cached_property
    def chunks(self) -> Chunks | None:
        """Its chunks, which are compared with those of other files."""
        return self._reader.raw.chunks

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.read_bytes += sum(stop - start for start, stop in ranges)
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

    @property
    def opened(self) -> Sequence[RunFile]:
        """The files that were opened so far."""
        return list(self._open.values())

    @property
    def read_bytes(self) -> int:
        """The bytes that were asked for."""
        return sum(file.read_bytes for file in self.opened)

    def beside(self, path: str) -> RunFile:
        """Return a file of the run, but follow no link."""
        if self._run.stat(path).target is not None:
            raise ContentError(path, "a file", "it is a link, which may lead out of the folder")
        return self.open(path)


def list_tensors(run: RunSnapshot, path: str) -> Tensors:
    """Return what the headers of a file, or of all files below a path, say of their tensors.

    Raises:
        ArtifactNotFoundError: The run holds nothing there.
        ContentError: It is one file, and none whose tensors can be told.
    """
    return read_heads(RunFolder(run, path)).shown


def diff_tensors(one: tuple[RunSnapshot, str], other: tuple[RunSnapshot, str], *, values: bool) -> TensorDifference:
    """Return how the tensors of what two runs hold at their paths differ. Raises: as `list_tensors`."""
    folders = [RunFolder(*one), RunFolder(*other)]
    before, after = side_by_side(read_heads, folders)
    a, b = map(Side, folders)
    pairs = pair(before.tensors, after.tensors)
    changes = compare(a, b, pairs.both, values=values)
    renamed = find_renamed(a, b, pairs.removed, pairs.added) if values else []
    gone, new = ({each[side] for each in renamed} for side in (0, 1))
    old_names = [(pairs.removed[was], pairs.added[now]) for was, now in renamed]
    changes += [TensorChange(now.name, "renamed", was.info, now.info) for was, now in old_names]
    changes += [
        TensorChange(each.name, "removed", a=each.info) for n, each in enumerate(pairs.removed) if n not in gone
    ]
    changes += [TensorChange(each.name, "added", b=each.info) for n, each in enumerate(pairs.added) if n not in new]
    return TensorDifference(
        f"runs:/{one[0].id}/{one[1]}",
        f"runs:/{other[0].id}/{other[1]}",
        most_changed_first(changes),
        shared_bytes(*([file.chunks for file in folder.opened if file.chunks] for folder in folders)),
        sum(folder.read_bytes for folder in folders),
        {side: heads.unreadable for side, heads in (("a", before), ("b", after)) if heads.unreadable},
    )
