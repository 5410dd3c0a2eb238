"""What a directory of a run holds, as the commands list it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from holdall.errors import ArtifactNotFoundError
from holdall.sizes import format_size
from holdall.store import REFERENCE

if TYPE_CHECKING:
    from holdall.store import Reference, Run


def listed(run: Run, path: str, *, deep: bool) -> list[dict[str, Any]]:
    """Return what is in a directory, or the file or link itself, sorted by path, as `--json` shows it.

    Args:
        run: Whose.
        path: The directory; "" for all that the run holds.
        deep: Everything below; else what is directly in it, directories with the sums of theirs.

    Raises:
        ArtifactNotFoundError: There is nothing at this path.
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in run._readable_entries(path or None):
        below = entry.path.removeprefix(path).lstrip("/")
        at = f"{path}/{below.partition('/')[0]}".strip("/")
        if deep or at == entry.path:
            found[entry.path] = _described(entry)
            continue
        folder = found.setdefault(at, {"path": at, "kind": "directory", "files": 0, "bytes": 0})
        folder["files"] += entry.kind.name == "FILE"
        folder["bytes"] += entry.size
    if any(at.endswith(REFERENCE) for at in found):
        found = _with_references(found, run.references(path or None))
    if not found and path:
        found = {entry.path: _described(entry) for entry in run._references().entries(path)}
    if not found and path:
        raise ArtifactNotFoundError(run.id, path)
    return [found[at] for at in sorted(found)]


def _with_references(found: dict[str, dict[str, Any]], references: Sequence[Reference]) -> dict[str, dict[str, Any]]:
    """Return the rows with what is elsewhere in place of the files that say where."""
    told = {one.path + REFERENCE: one for one in references}
    rows = {at: row for at, row in found.items() if at not in told}
    for at, one in told.items():
        if at in found:
            rows[one.path] = {"path": one.path, "kind": "reference", "uri": one.uri, "files": one.files}
            rows[one.path] |= {"bytes": one.size, "sha256": (one.digest or "").removeprefix("sha256:") or None}
    return rows


def rows_of(artifacts: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return the same as rows of a table: size and path."""
    return [[_amount(one), _place(one)] for one in artifacts]


def _described(entry: Any) -> dict[str, Any]:
    """Return the row of one entry, whose type belongs to a floor that no surface imports."""
    about: dict[str, Any] = {"path": entry.path, "kind": entry.kind.name.lower()}
    match about["kind"]:
        case "file":
            return about | {"bytes": entry.size, "sha256": entry.sha256.hex(), "executable": entry.executable}
        case "link":
            return about | {"target": entry.target}
    return about | {"files": 0, "bytes": 0}


def _amount(one: dict[str, Any]) -> str:
    return format_size(one["bytes"]) if one.get("files", 1) and "bytes" in one else "-"


def _place(one: dict[str, Any]) -> str:
    match one["kind"]:
        case "directory":
            return f"{one['path']}/"
        case "link":
            return f"{one['path']} -> {one['target']}"
        case "reference":
            return f"{one['path']}{'/' if one['uri'].endswith('/') else ''} -> {one['uri']}"
    return str(one["path"])
