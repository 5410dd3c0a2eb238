"""The files of MLflow's runs and models, wherever they are now.

An address in a source's books is what somebody wrote there. Local files are
read only where the source itself is of this machine: a server could name any
file of whoever imports from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from holdall.errors import InvalidPathError, SourceUnreadableError
from holdall.format.paths import check_path
from holdall.importing.found import Folder, FoundFile, LocalFolder
from holdall.importing.mlflow.source import MlflowSource

_DEEPEST = 100  # directories in one another: a listing that goes on for ever is none


@dataclass(frozen=True, slots=True)
class MissingFolder:
    """Files that are not where the source says. Attributes: place, why."""

    place: str
    why: str

    def files(self) -> Sequence[FoundFile]:
        """Raise a SourceUnreadableError."""
        raise SourceUnreadableError(self.place, self.why)

    def fetch(self, file: FoundFile, into: Path) -> Path:
        """Raise a SourceUnreadableError."""
        raise SourceUnreadableError(f"{self.place}/{file.path}", f"{self.why}; not even for {into}")


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """Files behind one of MLflow's artifact repositories."""

    source: MlflowSource
    uri: str

    def files(self) -> list[FoundFile]:
        """Return every file. Raises: SourceUnreadableError."""
        repository = self.source.repository(self.uri)
        try:
            return sorted(_walk(repository), key=lambda file: file.path)
        except SourceUnreadableError:
            raise
        except Exception as error:
            raise SourceUnreadableError(self.uri, f"cannot be listed: {error}") from error

    def fetch(self, file: FoundFile, into: Path) -> Path:
        """Download a file. Raises: SourceUnreadableError, InvalidPathError."""
        target = into / check_path(file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:  # what every repository has, and `download_artifacts` draws a bar around
            self.source.repository(self.uri)._download_file(file.path, str(target))
        except Exception as error:
            raise SourceUnreadableError(f"{self.uri}/{file.path}", f"cannot be read: {error}") from error
        return target


def folder_at(source: MlflowSource, uri: str, *within: str) -> Folder:
    """Return the files at an address of the source.

    Args:
        source: The source.
        uri: What its books say.
        within: Where the files are in the source's folder, if it is one: its books may name where it was before it was
            moved or copied, or before the experiment was deleted.
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file"):
        return RemoteFolder(source, uri)
    if not source.is_local:
        return MissingFolder(uri, "a server names a file of its own machine; import from its folder or database there")
    beside = [source.folder.joinpath(*top, *within) for top in ((), (".trash",))] if source.folder and within else []
    said = Path(unquote(parts.path) if parts.scheme else uri)
    full = [place for place in beside if place.is_dir() and any(place.iterdir())]
    for place in [*full, said, *beside]:
        if place.is_dir():
            return LocalFolder(place)
    return MissingFolder(uri, "there is no such folder")


def nothing_or(folder: Folder, *, expected: bool) -> Folder | None:
    """Return None for a folder that is missing and that nothing says should be there."""
    return None if isinstance(folder, MissingFolder) and not expected else folder


def _walk(repository: Any, path: str | None = None, depth: int = 0) -> Iterator[FoundFile]:
    for found in repository.list_artifacts(path):
        if not found.is_dir:
            yield FoundFile(check_path(found.path), None if found.file_size is None else int(found.file_size))
        elif depth == _DEEPEST or (path and not found.path.startswith(f"{path}/")):
            raise InvalidPathError(found.path, "a directory of the source that is below another than it says")
        else:
            yield from _walk(repository, found.path, depth + 1)
