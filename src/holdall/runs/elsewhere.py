"""What runs refer to elsewhere: the pointer that stands for a path, and reading through it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from holdall.display import Facts, Listing, Named, Shown
from holdall.errors import ArtifactNotFoundError, FormatError, IncompleteError, InvalidPathError
from holdall.format.digest import SHA256, show
from holdall.format.paths import MAX_PATH, POINTER, stands_for
from holdall.format.pointers import (
    MAX_POINTER,
    Pinned,
    Pointer,
    candidates,
    parse_pointer,
)
from holdall.format.tree import Entry, Kind
from holdall.runs.rereading import opened, read_again
from holdall.runs.selections import fits
from holdall.runs.versions import FileVersion, versions_of
from holdall.trees.addresses import run_uri
from holdall.trees.elsewhere import PinnedObject
from holdall.trees.location import Location
from holdall.trees.referenced_file import ReferencedFile, fetch_referenced
from holdall.trees.view import View

_log = logging.getLogger("holdall")


@dataclass(frozen=True, slots=True, repr=False)
class Reference(Shown, Named):
    """What stands at a path of a run, but is elsewhere.

    Attributes:
        path: In the run.
        uri: Where it is; a folder's ends with a slash.
        files, size: How many objects, and their bytes together.
        digest: `sha256:` of the one object, if it was asked for; None otherwise.
    """

    path: str
    uri: str
    files: int
    size: int
    digest: str | None = None

    def _shown(self) -> Facts:
        return {"path": self.path, "uri": self.uri, "files": self.files, "size": self.size}

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same by name."""
        return dict(self)


@dataclass(frozen=True, slots=True)
class Found:
    """A pointer of a run. Attributes: path (that it stands for), pointer, entry (the file that says so)."""

    path: str
    pointer: Pointer
    entry: Entry

    @property
    def reference(self) -> Reference:
        """Return it as users see it."""
        one = self.pointer.objects[0].sha256 if not self.pointer.folder else b""
        digest = show(SHA256, one) if one else None
        return Reference(self.path, self.pointer.uri, len(self.pointer.objects), self.pointer.size, digest)

    def artifact(self, pinned: Pinned) -> str:
        """Return the path that stands for one of its objects."""
        return f"{self.path}/{pinned.path}" if pinned.path else self.path

    def objects(self, location: Location, path: str = "") -> Iterator[PinnedObject]:
        """Yield its objects at or below a path of the run, to be read. Raises: ReferenceRefusedError."""
        below = path[len(self.path) :].lstrip("/") if path else ""
        for pinned in self.pointer.below(below):
            yield PinnedObject(location, self.pointer, pinned, self.artifact(pinned))


class References:
    """The pointers of a run, as a view shows them."""

    def __init__(self, run_id: str, location: Location, view: View, look: Callable[[], View]) -> None:
        self.run_id, self._location, self._view, self._look = run_id, location, view, look

    def at(self, path: str, version: int | None = None) -> Found | None:
        """Return the nearest pointer that stands for a path, or for a folder above it; None if there is none.

        Cost: the nodes on the way to it, and reading it.
        """
        if version is not None:
            return self._earlier(path, version)
        names = [(name, below) for name, below in candidates(path) if len(name.encode()) <= MAX_PATH]
        there = read_again(self._view, self._look, lambda view: view.paths.find([name for name, _ in names]))
        for name, below in names:
            if (entry := there.get(name)) and entry.kind is Kind.FILE:
                found = self.read(entry)
                if not below or found.pointer.folder:
                    return found
        return None

    def these(self, names: Sequence[str]) -> dict[str, Found]:
        """Return the pointers of these names, by name; one that cannot be understood is left out, with a warning."""
        found = {}
        there = read_again(self._view, self._look, lambda view: view.paths.find(names))
        for name, entry in there.items():
            try:
                found[name] = self.read(entry)
            except FormatError as error:
                _log.warning("%s", error)
        return found

    def read(self, entry: Entry, version: int | None = None) -> Found:
        """Return what a pointer says. Raises: FormatError. Cost: reading the file."""
        where = run_uri(self.run_id, entry.path)
        if entry.size > MAX_POINTER:
            raise FormatError(where, "it is too long for a reference to content elsewhere")
        data = opened(self.run_id, self._view, self._look, entry.path, version).readall()
        return Found(stands_for(entry.path) or entry.path, parse_pointer(data, where), entry)

    def below(self, path: str) -> Iterator[Found]:
        """Yield the pointers of all that stands at or below a path. Cost: as `Run.entries`, and reading each."""
        for entry in read_again(self._view, self._look, lambda view: list(view.paths.walk(path))):
            if entry.kind is Kind.FILE and stands_for(entry.path):
                yield self.read(entry)

    def entries(self, path: str, *, all_below: bool = False) -> list[Entry]:
        """Return what `fetch` would write, as files of the run; a digest that nobody knows is empty."""
        pointers = list(self.below(path)) if all_below else [found] if (found := self.at(path)) else []
        below = "" if all_below else path
        return [
            Entry(found.artifact(pinned), size=pinned.size, sha256=pinned.sha256)
            for found in pointers
            for pinned in found.pointer.below(below[len(found.path) :].lstrip("/"))
        ]

    def open(self, path: str, version: int | None = None) -> ReferencedFile | None:
        """Return a file that is elsewhere; None if no pointer stands for it. Raises: ReferenceRefusedError."""
        found = self.at(path, version)
        there = [each for each in found.objects(self._location, path) if each.artifact == path] if found else []
        return ReferencedFile(there[0], self._location.pool) if there else None

    def fetch(
        self,
        path: str,
        destination: Path,
        include: Sequence[str],
        exclude: Sequence[str],
        *,
        version: int | None = None,
        all_below: bool = False,
    ) -> Sequence[Found]:
        """Write what pointers stand for into a folder, and return those of which something was wanted.

        Args:
            path: What is wanted: a path that a pointer stands for, one below it,
            all_below: or what all pointers at or below it stand for.
            destination: The folder.
            include, exclude: Patterns of paths, as for `Run.download`.
            version: Of the pointer, an earlier version.

        Raises:
            IncompleteError: Some objects changed; the others are there.
            ReferenceRefusedError: One is where this reader allows no references to lead; nothing is there.
        """
        pointers = list(self.below(path)) if all_below else [found] if (found := self.at(path, version)) else []
        top = "" if all_below else path
        chosen = {
            found: [each for each in found.objects(self._location, top) if fits(each.artifact, include, exclude)]
            for found in pointers
        }
        wanted = [each for objects in chosen.values() for each in objects]
        failed = fetch_referenced(wanted, destination, self._location.pool)
        if len(failed) == 1:
            raise failed[0]
        if failed:
            raise IncompleteError(f"runs/{self.run_id}", "\n".join(map(str, failed))) from failed[0]
        return [found for found, objects in chosen.items() if objects]

    def versions(self, path: str, error: ArtifactNotFoundError) -> list[FileVersion]:
        """Return the versions of what is elsewhere at a path, as those of a file; raise the error if there are none.

        Cost: as `versions_of`, and reading each pointer.
        """
        found = []
        try:
            pointers = versions_of(self._view, path + POINTER)
        except (ArtifactNotFoundError, InvalidPathError):
            raise error from None
        for each in pointers:
            there = self._earlier(path, each.version) if each.version is not None else self.at(path)
            assert there, "it was listed a moment ago"
            one = there.reference
            found.append(replace(each, path=path, size=one.size, sha256=(one.digest or "").removeprefix("sha256:")))
        return Listing(found)

    def _earlier(self, path: str, version: int) -> Found | None:
        name = path + POINTER
        try:
            file = opened(self.run_id, self._view, self._look, name, version)
        except ArtifactNotFoundError:
            return None
        return self.read(replace(file.entry, path=name), version)


def pointer_of(run_id: str, view: View, path: str) -> str:
    """Return the path of the pointer that stands for a path. Raises: ArtifactNotFoundError: There is none."""
    name = path + POINTER
    if len(name.encode()) > MAX_PATH or name not in view.paths.find([name]):
        raise ArtifactNotFoundError(run_id, path)
    return name
