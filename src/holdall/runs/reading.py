"""One run, read: what it holds, and its files.

Every verb looks at the log as it is now and keeps nothing, so that a handle
never shows what was. Cost, where nothing else is said: a listing and a GET for
a run that has ended, and one or two more for its tree.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from holdall.errors import (
    ArtifactNotFoundError,
    IncompleteError,
    IntegrityError,
)
from holdall.format.manifest import manifest_digest, manifest_text
from holdall.format.paths import check_path
from holdall.format.tree import Entry, Kind
from holdall.runs.reads import tell
from holdall.runs.rereading import opened, relocated, walk_again
from holdall.runs.saying import RunFacts
from holdall.runs.selections import ALL_POINTERS, Selection, patterns_of, select, tell_of_pointers, write_selection
from holdall.runs.versions import FileVersion, earlier_version, versions_of
from holdall.trees.artifact_file import ArtifactFile
from holdall.trees.artifact_reader import ArtifactReader
from holdall.trees.view import View

if TYPE_CHECKING:
    from holdall.runs.elsewhere import References
_log = logging.getLogger("holdall")


class RunReader(RunFacts):
    """A run of a store, to be read.

    Attributes:
        id: 32 hex digits.
    """

    @property
    def manifest(self) -> dict[str, str]:
        """Return the SHA-256 in hex of each file, by path, sorted."""
        files = (entry for entry in self.entries() if entry.kind is Kind.FILE)
        return {entry.path: entry.sha256.hex() for entry in sorted(files, key=lambda entry: entry.path.encode())}

    @property
    def manifest_text(self) -> str:
        """Return the manifest as `sha256sum -c` accepts it."""
        return manifest_text(self.entries())

    @property
    def _readable_manifest_text(self) -> tuple[str, IncompleteError | None]:
        """Return the manifest's lines that can be read, and the error that says why there may be more, or None."""
        chosen = self._reading(lambda view: self._chosen(view, None, None, None, None))
        return manifest_text(chosen.entries), chosen.incomplete

    @property
    def manifest_digest(self) -> str:
        """Return the SHA-256 of the manifest's text, as `sha256:...`: one name for all that the run holds."""
        return manifest_digest(self.manifest_text)

    def entries(self, path: str | None = None) -> Iterator[Entry]:
        """Yield every file, link and empty directory at or below a path, in the tree's order.

        Raises:
            IncompleteError: At the end: there may be more, in what cannot be read.

        Example:
            >>> [(entry.path, entry.size) for entry in run.entries()]
            [('model/weights.bin', 8), ('report.txt', 12)]
        """
        below = join_path(path, "")
        return walk_again(self._view(), self._load, below)

    def _readable_entries(self, path: str | None = None) -> Iterator[Entry]:
        """Yield as `entries`, for listings: at the end, a warning names what cannot be read."""
        try:
            yield from self.entries(path)
        except IncompleteError as error:
            _log.warning("%s", error)

    def entry(self, path: str) -> Entry:
        """Return the entry at a path.

        Raises:
            ArtifactNotFoundError: Nothing does.

        Example:
            >>> run.entry("report.txt").size
            12
        """
        found = self._reading(lambda view: view.paths.find([check_path(path)]).get(path))
        if found is None:
            raise ArtifactNotFoundError(self.id, path)
        return found

    def versions(self, path: str) -> list[FileVersion]:
        """Return what a path holds and held, the newest first; in a run that is not versioned only what it holds.

        Raises:
            ArtifactNotFoundError: There is no file at this path, and no earlier version of one is kept.

        Cost: the nodes that list the run's earlier versions, and a GET for each version, side by side.

        Example:
            >>> run = store.runs.start(paths="versioned")
            >>> for epoch in range(2):
            ...     entry = run.log_text(f"epoch {epoch}", "last.txt", on_conflict="replace")
            >>> now, before = run.versions("last.txt")
            >>> run.load_text("last.txt"), run.load_text("last.txt", version=before.version)
            ('epoch 1', 'epoch 0')
        """
        view = self._view()
        try:
            return versions_of(view, path)
        except ArtifactNotFoundError as error:
            return self._references(view).versions(path, error)

    def open(self, path: str, *, version: int | None = None) -> ArtifactReader:
        """Open a file of the run for reading, seekable, in binary; only what is read is fetched.

        Beside what other files do, it has `read_ranges([(start, stop), ...])`.

        Args:
            path: Of the file.
            version: An earlier version of it, as `versions` names it; what the path holds now when None.

        Raises:
            ArtifactNotFoundError: There is no file at this path, or no such version of it any more.
            IntegrityError: While reading: a chunk is not what was written.

        Example:
            >>> with run.open("report.txt") as file:
            ...     file.read(3)
            b'all'
        """
        return ArtifactReader(self._opened(path, version))

    def read(self, path: str, *, version: int | None = None) -> bytes:
        """Read all bytes of a file, verified. Args, raises: as `open`.

        Example:
            >>> run.read("report.txt")
            b'all is well\\n'
        """
        return self._opened(path, version).readall()

    def read_ranges(self, path: str, ranges: Iterable[tuple[int, int]], *, version: int | None = None) -> list[bytes]:
        """Read many ranges of a file at once, each `(start, stop)` in bytes; the rest of it is not fetched.

        Returns:
            `stop - start` bytes for each, in the order asked for, each chunk of them verified.

        Raises:
            ArtifactNotFoundError: There is no file at this path.
            ValueError: A range does not obey `0 <= start <= stop <= size`.
            IntegrityError: A chunk is not what was written.

        Cost: as `open`, and one request for each stretch of a pack without a gap of 1 MiB, of at most
        16 MiB, all side by side. Who asks several times opens the file once, and asks what `open` gave.

        Example:
            >>> run.read_ranges("report.txt", [(0, 3), (7, 11)])
            [b'all', b'well']
        """
        return self._opened(path, version).read_ranges(ranges)

    def download(
        self,
        path: str | None,
        destination: str | os.PathLike[str],
        *,
        include: str | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
        version: int | None = None,
        references: bool = False,
    ) -> Path:
        """Write a file, or all that a directory of the run holds, into a local folder.

        Links stay links; but a link to a file that is asked for by its own path comes as that file.

        Args:
            path: A path of the run; all of it when None.
            destination: The folder; made if it is not there.
            include: Only what one of these patterns fits, such as `*.json` or `model/*`;
                `*` is any text, slashes too, and a pattern without a slash may fit the name alone.
            exclude: Not what one of these fits.
            version: Of a file, an earlier version, as `versions` names it.
            references: Whether what is elsewhere comes along, in place of the files that say where; what is elsewhere
                comes in any case where the path names it.

        Returns:
            Where the file or directory now is: `destination/path`.

        Raises:
            ArtifactNotFoundError: The run holds nothing there, or nothing that `include` fits.
            IntegrityError: Content is not what was written. No file has wrong bytes, and all others are there;
                `IncompleteError`, if that is so of several, or if there may be more files than could be listed.
            DestinationError: The folder does not take it: full, not writable, or something is in the way.

        Example:
            >>> run.download("report.txt", "fetched").read_text()
            'all is well\\n'
        """
        top, target, fitting = join_path(path, ""), Path(destination), (patterns_of(include), patterns_of(exclude))
        unwanted = [*fitting[1], ALL_POINTERS] if references else fitting[1]
        selected: Sequence[Entry] = ()
        missing: ArtifactNotFoundError | None = None
        try:
            selected = self._reading(
                lambda view: self._fetch(view, self._chosen(view, path, fitting[0], unwanted, version), target),
                content=True,
            ).entries
        except ArtifactNotFoundError as error:
            missing = error
        found = self._references().fetch(top, target, *fitting, all_below=True) if references else ()
        if missing and not found and not (found := self._references().fetch(top, target, *fitting, version=version)):
            raise missing
        if not references:
            tell_of_pointers(self.id, selected)
        self._tell(selected, None if include or exclude else top)
        for each in found:
            self._tell([replace(each.entry, path=each.path)], each.path)
        return target / top

    def _select(
        self,
        path: str | None = None,
        *,
        include: str | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
        version: int | None = None,
    ) -> Selection:
        """Return what `download` would write. Raises: as it does, but for unreadable parts and the folder."""
        return self._reading(lambda view: self._chosen(view, path, include, exclude, version), content=True)

    def _fetch_selected(self, entries: Sequence[Entry] | Selection, destination: str | os.PathLike[str]) -> None:
        """Write what `_select` returned, or a part, into a local folder, each at its path. Raises: as `download`."""
        selected = entries if isinstance(entries, Selection) else Selection(entries)
        try:
            self._fetch(self._view(), selected, destination)
        except IntegrityError as error:
            view, moved = relocated(self.id, self._load, selected, error)
            self._fetch(view, selected.but(moved), destination)

    def _at_one_look(self) -> Self:
        """Return another handle, which looks at the log once: for a command that says many things of the run.

        It looks again where a pack that it needs is gone, as every reader does.
        """
        other = copy(self)
        other._promise, other._glance = self._promise, list(self._glance or ())
        return other

    # --- inside ---

    def _chosen(
        self,
        view: View,
        path: str | None,
        include: str | Sequence[str] | None,
        exclude: str | Sequence[str] | None,
        version: int | None,
    ) -> Selection:
        if version is not None:
            return Selection([earlier_version(view, join_path(path, ""), version)], version=version)
        return select(self.id, view, join_path(path, ""), patterns_of(include), patterns_of(exclude))

    def _fetch(self, view: View, selection: Selection, destination: str | os.PathLike[str]) -> Selection:
        write_selection(view, selection, Path(destination), self._location)
        return selection

    def _opened(self, path: str, version: int | None) -> ArtifactFile:
        view = self._view(content=True)
        try:
            file = opened(self.id, view, self._load, path, version)
        except ArtifactNotFoundError:
            elsewhere = self._references(view).open(path, version)
            if elsewhere is None:
                raise
            file = elsewhere
        self._tell([replace(file.entry, path=path)], path)
        return file

    def _references(self, view: View | None = None) -> References:
        """Return the run's pointers to content elsewhere, as of a view; as it is now when None."""
        from holdall.runs.elsewhere import References  # few runs have any

        return References(self.id, self._location, view or self._view(), self._load)

    def _tell(self, entries: Sequence[Entry], top: str | None) -> None:
        """Tell the witness what was read: all at or below a path, or else these entries."""
        if self._witness:
            tell(self._witness, self.id, entries, top, self._location.descriptor.store)


def join_path(directory: str | None, name: str) -> str:
    """Join a directory of a run, or none, and a name in it, or none."""
    parts = [part for part in (directory, name) if part]
    return check_path("/".join(parts)) if parts else ""
