"""What is directly in a directory of a run, a part of it at a time: for who looks around rather than reads all.

    model/          3 files   12 MiB
    data ->         elsewhere
    report.txt                12 B

Entries are taken in the order of the tree, and of a directory all that is below it is taken in to tell how much that
is. So that a look at a run of a million files ends, it takes in so many of them, and says where to go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from holdall.display import Facts, Named, Shown
from holdall.format.paths import sort_key, stands_for
from holdall.format.tree import Entry, Kind

MOST: Final = 50_000  # entries that one look takes in


@dataclass(frozen=True, slots=True)
class LevelRow(Shown, Named):
    """Something that is directly in a directory.

    Attributes:
        path: From the run's root on.
        kind: "file", "directory", "link", or "reference": a file that says where content elsewhere is, as what
            it stands for.
        size: Bytes of a file, or of all files below a directory.
        files: How many files are below a directory; 1 for a file.
        sha256: A file's digest, in hex; "" for the others.
        target: Where a link leads.
    """

    path: str
    kind: str
    size: int = 0
    files: int = 1
    sha256: str = ""
    target: str = ""

    @property
    def name(self) -> str:
        """Return the last part of its path."""
        return self.path.rpartition("/")[2]

    def _shown(self) -> Facts:
        return {"path": self.path, "kind": self.kind, "size": self.size}


@dataclass(frozen=True, slots=True)
class Level(Shown, Named):
    """A part of what is directly in a directory.

    Attributes:
        path: The directory; "" for the run's root.
        rows: What is in it, in the order of the tree.
        after: Where the next part begins, for `level(path, after=...)`; "" if there is none.
        counted: Whether files and sizes of the last row are those of all that is below it.
    """

    path: str
    rows: tuple[LevelRow, ...]
    after: str = ""
    counted: bool = True

    def _shown(self) -> Facts:
        return {"path": self.path, "rows": len(self.rows), "after": self.after}


def level_of(path: str, entries: Iterable[Entry], *, after: str, limit: int, most: int = MOST) -> Level:
    """Return a part of a directory, of all entries at or below it in the tree's order.

    `after`: the last row that is known already; `most`: how many entries are taken in behind it.
    """
    rows: dict[str, LevelRow] = {}
    begin, taken = sort_key(after) + b"\1" if after else b"", 0
    for entry in entries:
        if sort_key(entry.path) < begin:
            continue
        at = _row_of(path, entry.path)
        if at is None:
            continue
        if at not in rows and len(rows) == limit:
            return Level(path, tuple(rows.values()), list(rows)[-1])
        if taken == most:
            return Level(path, tuple(rows.values()), list(rows)[-1], counted=at not in rows)
        taken += 1
        rows[at] = _told(entry) if at == entry.path else _added(rows.get(at), at, entry)
    return Level(path, tuple(rows.values()))


def _row_of(path: str, entry: str) -> str | None:
    """Return the path of the row that an entry belongs to; None for the directory itself."""
    begin = f"{path}/" if path else ""
    name = entry[len(begin) :].partition("/")[0] if entry.startswith(begin) else ""
    return begin + name if name else None


def _told(entry: Entry) -> LevelRow:
    if entry.kind is Kind.FILE:
        stands = stands_for(entry.path)
        return LevelRow(stands or entry.path, "reference" if stands else "file", entry.size, 1, entry.sha256.hex())
    if entry.kind is Kind.LINK:
        return LevelRow(entry.path, "link", 0, 0, "", entry.target or "")
    return LevelRow(entry.path, "directory", 0, 0)


def _added(row: LevelRow | None, at: str, entry: Entry) -> LevelRow:
    size, files = (row.size, row.files) if row else (0, 0)
    return LevelRow(at, "directory", size + entry.size, files + (entry.kind is Kind.FILE))
