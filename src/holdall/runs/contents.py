"""What a directory of a run holds, as rows of plain values: for listings, comparisons and their JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdall.errors import ArtifactNotFoundError
from holdall.format.paths import POINTER
from holdall.format.tree import Entry, Kind
from holdall.runs.elsewhere import Reference
from holdall.runs.loading import RunLoader


def contents(run: RunLoader, path: str = "", *, deep: bool) -> list[dict[str, Any]]:
    """Return what is in a directory of a run, or the file or link itself, sorted by path.

    Args:
        run: Whose.
        path: The directory; "" for all that the run holds.
        deep: Everything below; else what is directly in it, directories with the sums of theirs.

    Raises:
        ArtifactNotFoundError: There is nothing at this path.

    What cannot be read is left out, with a warning.
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in run._readable_entries(path or None):
        below = entry.path.removeprefix(path).lstrip("/")
        at = f"{path}/{below.partition('/')[0]}".strip("/")
        if deep or at == entry.path:
            found[entry.path] = _described(entry)
            continue
        folder = found.setdefault(at, {"path": at, "kind": "directory", "files": 0, "bytes": 0})
        folder["files"] += entry.kind is Kind.FILE
        folder["bytes"] += entry.size
    if any(at.endswith(POINTER) for at in found):
        found = _with_references(found, run.references(path or None))
    if not found and path:
        found = {entry.path: _described(entry) for entry in run._references().entries(path)}
    if not found and path:
        raise ArtifactNotFoundError(run.id, path)
    return [found[at] for at in sorted(found)]


def _with_references(found: dict[str, dict[str, Any]], references: Sequence[Reference]) -> dict[str, dict[str, Any]]:
    """Return the rows with what is elsewhere in place of the files that say where."""
    told = {one.path + POINTER: one for one in references}
    rows = {at: row for at, row in found.items() if at not in told}
    for at, one in told.items():
        if at in found:
            rows[one.path] = {"path": one.path, "kind": "reference", "uri": one.uri, "files": one.files}
            rows[one.path] |= {"bytes": one.size, "sha256": (one.digest or "").removeprefix("sha256:") or None}
    return rows


def _described(entry: Entry) -> dict[str, Any]:
    about: dict[str, Any] = {"path": entry.path, "kind": entry.kind.name.lower()}
    match entry.kind:
        case Kind.FILE:
            return about | {"bytes": entry.size, "sha256": entry.sha256.hex(), "executable": entry.executable}
        case Kind.LINK:
            return about | {"target": entry.target}
    return about | {"files": 0, "bytes": 0}
