"""Versioned runs: what a path held before, taking paths away, and how many versions stay.

A run is started so that its paths may change, `paths="versioned"`, or not; all others
never do. SPEC.md, "Versioned runs".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from holdall.display import Facts, Listing, Named, Shown, moment
from holdall.errors import ArtifactNotFoundError, HoldallError, InvalidArgumentError
from holdall.format.ops import VERSIONED
from holdall.format.paths import check_path
from holdall.format.tree import Entry, Kind
from holdall.runs.selections import follow_links
from holdall.trees.history import earlier_versions
from holdall.trees.replacing import Replacing, versioned_paths
from holdall.trees.view import View

OnConflict: TypeAlias = Literal["error", "replace"]  # what to do where a path holds other content
PathRule: TypeAlias = Literal["immutable", "versioned"]  # whether what a run holds may change


@dataclass(frozen=True, slots=True, repr=False)
class FileVersion(Shown, Named):
    """What a path of a versioned run holds, or held.

    Attributes:
        path: The path.
        version: What it is asked for by: `run.open(path, version=...)`; None for what the path holds now.
        size: Bytes of the file.
        sha256: Their digest, in hex.
        until: When it was replaced or removed, in ms since 1970 UTC by the clock of who did that; None for what the
            path holds now, and where that entry of the log cannot be read.
    """

    path: str
    version: int | None
    size: int
    sha256: str
    until: int | None

    @property
    def current(self) -> bool:
        """Return whether the path holds it now."""
        return self.version is None

    def _shown(self) -> Facts:
        return {
            "path": self.path,
            "version": "current" if self.current else self.version,
            "size": self.size,
            "sha256": self.sha256,
            "until": moment(self.until),
        }


def replacing(on_conflict: OnConflict, keep_last: int | None) -> Replacing | None:
    """Return what the two arguments of a verb that logs files mean; None if nothing may be replaced.

    Raises:
        InvalidArgumentError: They do not go together, or are none of what they may be.
    """
    if on_conflict not in ("error", "replace"):
        raise InvalidArgumentError(f"on_conflict is 'error' or 'replace', not {on_conflict!r}")
    if on_conflict == "error":
        if keep_last is not None:
            raise InvalidArgumentError("keep_last is for what may be replaced: give on_conflict='replace' with it")
        return None
    return Replacing(None if keep_last is None else checked_count(keep_last))


def checked_count(keep_last: int, *, least: int = 1) -> int:
    """Return how many versions stay. Raises: InvalidArgumentError: It is no integer from `least` on."""
    if type(keep_last) is not int or keep_last < least:
        raise InvalidArgumentError(
            f"keep_last is an integer from {least} on, the current version counted, not {keep_last!r}"
        )
    return keep_last


def is_versioned(paths: PathRule | None) -> bool:
    """Return whether a run is to be started whose paths may change. Raises: InvalidArgumentError."""
    if paths not in (None, "immutable", VERSIONED):
        raise InvalidArgumentError(f"paths is 'versioned' or 'immutable', not {paths!r}")
    return paths == VERSIONED


def versions_of(view: View, path: str) -> list[FileVersion]:
    """Return the versions of a path, the newest first.

    Raises:
        ArtifactNotFoundError: It never was a file, as far as is kept.

    Cost: the nodes of the run's earlier versions, and a GET for each version, side by side.
    """
    current = view.paths.find([check_path(path)]).get(path)
    earlier = _earlier(view, path)
    if not earlier and (current is None or current.kind is not Kind.FILE):
        raise ArtifactNotFoundError(view.run_id, path)
    journal = view.paths.blobs.journal
    entries = journal.try_many([until for until, _ in earlier])
    times = [None if isinstance(entry, HoldallError) else entry.time for entry in entries]
    found = [_version(path, entry, until, time) for (until, entry), time in zip(earlier, times, strict=True)]
    now = [_version(path, current, None, None)] if current and current.kind is Kind.FILE else []
    return Listing([*now, *found])


def earlier_version(view: View, path: str, version: int) -> Entry:
    """Return what a path held in an earlier version.

    Raises:
        ArtifactNotFoundError: There is no such version, or it is kept no longer.
        InvalidArgumentError: That is no number of a version.
    """
    if not isinstance(version, int) or isinstance(version, bool):
        raise InvalidArgumentError(f"version is a number that run.versions(path) lists, or None, not {version!r}")
    for until, entry in _earlier(view, check_path(path)):
        if until == version:
            return entry
    error = ArtifactNotFoundError(view.run_id, f"{path} (version {version})")
    error.hint = "run.versions(path) lists the versions of a path that are kept"
    error.shell_hint = "`holdall artifact versions RUN_ID PATH` lists the versions that are kept"
    raise error


def same_content(view: View, path: str, entry: Entry) -> Entry | None:
    """Return where a run has what a file held: at its path, or as an earlier version of it; None if it is kept no more.

    Args:
        view: The run.
        path: What was asked for, which may be a link to the file.
        entry: What was found there.
    """
    current = follow_links(view, path)
    earlier = [each for _, each in (*_earlier(view, path), *_earlier(view, entry.path))]
    candidates = [*([current] if current else []), *earlier]
    return next((each for each in candidates if each.kind is Kind.FILE and each.sha256 == entry.sha256), None)


def _earlier(view: View, path: str) -> Sequence[tuple[int, Entry]]:
    """Return the earlier files of a path, each with the entry until which it was there, the newest first."""
    if not view.state.versioned:
        return []
    found = earlier_versions(versioned_paths(view), path)
    files = [(each.until, each.entry) for each in found if each.entry.path == path and each.entry.kind is Kind.FILE]
    return sorted(files, key=lambda each: each[0], reverse=True)


def _version(path: str, entry: Entry, version: int | None, until: int | None) -> FileVersion:
    return FileVersion(path, version, entry.size, entry.sha256.hex(), until)
