"""What a listing says of a run's files and directories, as fsspec's dictionaries.

Rules without I/O: entries in, dictionaries out.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from holdall.store import ArtifactInfo

Info: TypeAlias = dict[str, Any]
Stat: TypeAlias = Callable[[str], ArtifactInfo]


def directory(name: str, created: datetime.datetime | None = None) -> Info:
    """Return what is said of a directory."""
    return {"name": name, "size": 0, "type": "directory", "created": created}


def described(name: str, found: ArtifactInfo, created: datetime.datetime | None) -> Info:
    """Return what is said of what is at a path."""
    if found.kind == "directory":
        return directory(name, created)
    about: Info = {"name": name, "size": found.size or 0, "type": found.kind, "created": created}
    if found.sha256 is not None:
        about["sha256"] = found.sha256
    if found.target is not None:
        about |= {"islink": True, "destination": found.target}
    return about


class Tree:
    """The files and directories at and below a path, as a run lists its entries.

    Args:
        top: The path as the file system names it.
        inside: The same as the run names it; "" for all of it.
        created: When the run began.
    """

    def __init__(self, top: str, inside: str, created: datetime.datetime | None) -> None:
        self._top, self._inside, self._created = top, inside, created
        self.files: dict[str, Info] = {}
        self.directories: dict[str, Info] = {}
        self.itself: Info | None = None  # where the path is a file

    def add(self, found: ArtifactInfo) -> None:
        """Take in an entry."""
        if found.path == self._inside and found.kind != "directory":
            self.itself = described(self._top, found, self._created)
            return
        below = found.path[len(self._inside) :].lstrip("/") if self._inside else found.path
        name = f"{self._top}/{below}" if below else self._top
        parent = name if found.kind == "directory" else name.rpartition("/")[0]
        while len(parent) > len(self._top) and parent not in self.directories:
            self.directories[parent] = directory(parent, self._created)
            parent = parent.rpartition("/")[0]
        if found.kind != "directory":
            self.files[name] = described(name, found, self._created)

    @property
    def there(self) -> bool:
        """Return whether there is anything."""
        return bool(self.itself or self.files or self.directories)

    def within(self, depth: int | None, *, directories: bool) -> dict[str, Info]:
        """Return files, and perhaps directories, by name and in order, at most so many levels below the path."""
        found = {**self.files, **(self.directories if directories else {})}
        names = (name for name in found if depth is None or name.count("/") - self._top.count("/") <= depth)
        return {name: found[name] for name in sorted(names)}


def tree_of(top: str, inside: str, entries: Iterable[ArtifactInfo], created: datetime.datetime | None) -> Tree:
    """Return the tree of some entries. Args: as `Tree`."""
    tree = Tree(top, inside, created)
    for found in entries:
        tree.add(found)
    return tree
