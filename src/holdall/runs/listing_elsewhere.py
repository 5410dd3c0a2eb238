"""What is elsewhere, as the listing of a directory shows it: by the paths that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from holdall.errors import ArtifactNotFoundError
from holdall.format.paths import stands_for
from holdall.runs.elsewhere import Found, References
from holdall.runs.record import ArtifactInfo, FileInfo


def with_references(look: Callable[[], References], path: str, listed: Mapping[str, FileInfo]) -> dict[str, FileInfo]:
    """Return what a directory holds with what is elsewhere in place of the pointers to it.

    Cost: none without pointers; reading each that is listed, or the one that stands for a directory that lists nothing.
    """
    found = dict(listed)
    pointers = [at for at, info in listed.items() if not info.is_dir and stands_for(at)]
    if pointers:
        references = look()
        there = references.these(pointers)
        for at in pointers:
            info = _as_listed(there[at]) if at in there else None
            if info and info.path not in listed:
                del found[at]
                found[info.path] = info
    if not found and path and (elsewhere := look().at(path)):
        return _below(elsewhere, path)
    return found


def info_elsewhere(references: References, path: str) -> ArtifactInfo:
    """Return what is elsewhere at a path, or in a folder there. Raises: ArtifactNotFoundError: Nothing is."""
    found = references.at(path)
    if found:
        below = path[len(found.path) :].lstrip("/")
        for pinned in found.pointer.below(below):
            if pinned.path == below:
                return ArtifactInfo(references.run_id, path, "file", pinned.size, pinned.sha256.hex() or None)
            return ArtifactInfo(references.run_id, path, "directory")
    raise ArtifactNotFoundError(references.run_id, path)


def _as_listed(found: Found) -> FileInfo:
    return FileInfo(found.path, found.pointer.folder, None if found.pointer.folder else found.pointer.size)


def _below(found: Found, path: str) -> dict[str, FileInfo]:
    """Return what is directly in a folder that is elsewhere."""
    listed: dict[str, FileInfo] = {}
    below = path[len(found.path) :].lstrip("/")
    for pinned in found.pointer.below(below):
        name, _, deeper = pinned.path[len(below) :].lstrip("/").partition("/")
        if name:
            at = f"{path}/{name}"
            listed[at] = FileInfo(at, bool(deeper), None if deeper else pinned.size)
    return listed
