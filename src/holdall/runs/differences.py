"""What differs between two listings: of two runs, or of two directories of one.

Digests say what changed and recipes how much of it, so that two checkpoints of
ten gigabytes are compared without reading either. Chunks are named by their
content, so this holds between stores too, where these cut files alike.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from holdall.chunks.beside import beside, side_by_side
from holdall.errors import ArtifactNotFoundError
from holdall.format.paths import sort_key
from holdall.format.tree import Entry, Kind
from holdall.runs.reading import RunReader
from holdall.runs.record import FileInfo
from holdall.runs.rereading import read_again
from holdall.sizes import format_size
from holdall.trees.blobs import RunBlobReader
from holdall.trees.checkout import recipes
from holdall.trees.view import View

_MOST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Change:
    """A path that stands for different things in two listings.

    Attributes:
        path: Below the directories that were compared.
        size_a, size_b: Bytes of the file there; 0 of a link or directory.
        shared_bytes: Bytes of chunks that both files have. What was logged as 64 KiB or less is one chunk.
    """

    path: str
    size_a: int
    size_b: int
    shared_bytes: int


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared: a run, and a path of it; "" for the root."""

    run: RunReader
    path: str

    def __str__(self) -> str:
        return f"runs:/{self.run.id}/{self.path}"

    def at(self, path: str) -> str:
        """Return the path in the run of something below this one."""
        return "/".join(part for part in (self.path, path) if part)


@dataclass(frozen=True, slots=True)
class Difference:
    """How listing b differs from listing a.

    Attributes:
        added, removed: What is only in b, or only in a.
        changed: What is in both, and not the same.
        same: What is in both, to the byte.
        a, b: What was compared.

    Paths are below what was compared; where that was two files, `changed` or
    `same` holds them as one with the path "".
    """

    added: tuple[FileInfo, ...]
    removed: tuple[FileInfo, ...]
    changed: tuple[Change, ...]
    same: tuple[FileInfo, ...]
    a: Side = field(compare=False)
    b: Side = field(compare=False)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        """Return a line for each path that differs, and their number."""
        lines = [f"--- {self.a}", f"+++ {self.b}"]
        lines += [f"- {_shown(gone.path)}  {format_size(gone.file_size or 0)}" for gone in self.removed]
        lines += [f"+ {_shown(new.path)}  {format_size(new.file_size or 0)}" for new in self.added]
        lines += [f"~ {_shown(change.path)}  {_extent(change)}" for change in self.changed]
        counts = (("added", self.added), ("removed", self.removed), ("changed", self.changed), ("the same", self.same))
        return "\n".join([*lines, ", ".join(f"{len(paths)} {word}" for word, paths in counts)])

    def text(self, path: str = "", *, most: int = _MOST, context: int = 3) -> str:
        """Return how the lines of one file differ, as `diff -u` shows it; "" where they do not.

        Args:
            path: Below what was compared; "" where that was two files. What one side lacks is empty there.
            most: Bytes that a file may have; of larger ones, and of binary ones, it is only said that they differ.
            context: How many equal lines are shown around what differs.

        Raises:
            ArtifactNotFoundError: Neither side has this path.

        Cost: reading both files.
        """
        sides = (self.a, self.b)
        entries = [_standing(side, path) for side in sides]
        if not any(entries):
            raise ArtifactNotFoundError(self.b.run.id, self.b.at(path))
        name_a, name_b = (_shown(str(replace(side, path=side.at(path)))) for side in sides)
        sizes = [entry.size if entry else 0 for entry in entries]
        if max(sizes) > most:
            told = " and ".join(map(format_size, sizes))
            return f"{name_a} and {name_b} have {told}, which is too much to compare by line\n"
        contents = [_content(side, entry) for side, entry in zip(sides, entries, strict=True)]
        before, after = map(_lines, contents)
        if before is None or after is None:
            return f"binary files {name_a} and {name_b} differ\n" if contents[0] != contents[1] else ""
        return "".join(difflib.unified_diff(before, after, name_a, name_b, n=context))


def diff(run_a: RunReader, path_a: str | None, run_b: RunReader, path_b: str | None) -> Difference:
    """Compare what two runs hold at or below two paths.

    Args:
        run_a: The run to compare with, and
        path_a: the file or directory of it; all of it when None or "".
        run_b: The run that is compared, and
        path_b: the file or directory of it.

    Raises:
        ArtifactNotFoundError: A run holds nothing at its path.
        RunNotFoundError: There is no such run.

    Cost: as listing both, side by side; and for files of several chunks that changed, one read of their recipes.
    """
    side_a, side_b = Side(run_a, path_a or ""), Side(run_b, path_b or "")
    with beside(run_b._view) as second:
        a, b = run_a._view(), second()
    return read_again(a, run_a._load, lambda a: read_again(b, run_b._load, lambda b: _diff(side_a, a, side_b, b)))


def _diff(side_a: Side, view_a: View, side_b: Side, view_b: View) -> Difference:
    listings = side_by_side(lambda one: _listing(*one), [(side_a, view_a), (side_b, view_b)])
    (old, blobs_a), (new, blobs_b) = listings
    both = [path for path in old if path in new]
    changed = [path for path in both if not old[path].same_as(new[path])]
    shared = _shared([old[path] for path in changed], blobs_a, [new[path] for path in changed], blobs_b)
    changes = (Change(path, old[path].size, new[path].size, shared[path]) for path in changed)
    unchanged = set(both).difference(changed)
    return Difference(
        added=_infos(new, [path for path in new if path not in old]),
        removed=_infos(old, [path for path in old if path not in new]),
        changed=tuple(changes),
        same=_infos(old, [path for path in both if path in unchanged]),
        a=side_a,
        b=side_b,
    )


def _listing(side: Side, view: View) -> tuple[dict[str, Entry], RunBlobReader]:
    """Return the entries at and below a path, by what follows that path."""
    paths = view.paths
    below = side.path and side.path + "/"
    found = {}
    for entry in paths.walk(side.path):
        name = "" if entry.path == side.path else entry.path.removeprefix(below)
        found[name] = replace(entry, path=name)
    if side.path and not found:
        raise ArtifactNotFoundError(side.run.id, side.path)
    return found, paths.blobs


def _shared(
    old: Sequence[Entry], blobs_a: RunBlobReader, new: Sequence[Entry], blobs_b: RunBlobReader
) -> dict[str, int]:
    """Return the bytes of the chunks that both files of a pair have, each as often as both have it, by path."""
    shared = {}
    for a, b, before, after in zip(old, new, _chunks(old, blobs_a), _chunks(new, blobs_b), strict=True):
        assert a.path == b.path
        shared[a.path] = sum(size * count for (_, size), count in (before & after).items())
    return shared


def _chunks(entries: Sequence[Entry], blobs: RunBlobReader) -> list[Counter[tuple[bytes, int]]]:
    """Return how often each file has each chunk, by id and length in bytes."""
    cut = [entry for entry in entries if entry.content and not entry.whole]
    read = {entry.path: recipe.chunks for entry, recipe in zip(cut, recipes(blobs, cut), strict=True)}
    refs = [read.get(entry.path, (entry.content,) if entry.content else ()) for entry in entries]
    return [Counter((ref.id, ref.raw) for ref in some) for some in refs]


def _infos(entries: Mapping[str, Entry], paths: Sequence[str]) -> tuple[FileInfo, ...]:
    found = sorted((entries[path] for path in paths), key=lambda entry: sort_key(entry.path))
    return tuple(FileInfo(e.path, e.kind is Kind.DIRECTORY, e.size if e.kind is Kind.FILE else None) for e in found)


# --- text ---


def _standing(side: Side, path: str) -> Entry | None:
    """Return the entry at a path of a side, or None."""
    return next((entry for entry in side.run.entries(side.at(path)) if entry.path == side.at(path)), None)


def _content(side: Side, entry: Entry | None) -> bytes:
    """Return what can be compared by line: a file's bytes, a link's target, or nothing."""
    if entry is None or entry.kind is Kind.DIRECTORY:
        return b""
    return entry.target.encode() if entry.kind is Kind.LINK else side.run.read(entry.path)


def _lines(content: bytes) -> list[str] | None:
    """Return the lines of a text, each with its end; None for bytes that are no text."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, f"{last}\n\\ No newline at end of file\n"] if last else lines


# --- for people ---


def _shown(path: str) -> str:
    """Return a path without control characters, so that printing it is harmless."""
    return path if path.isprintable() else repr(path)


def _extent(change: Change) -> str:
    larger = max(change.size_a, change.size_b)
    share = f", {change.shared_bytes / larger:.0%} shared" if larger else ""
    return f"{format_size(change.size_a)} -> {format_size(change.size_b)}{share}"
