"""Replacing what a versioned run holds, and how many versions of it are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from holdall.errors import ArtifactNotFoundError, RunNotVersionedError
from holdall.format.changes import remove_op, trim_op
from holdall.format.document import Json
from holdall.format.tree import Entry, Kind
from holdall.trees.history import Version, earlier_versions
from holdall.trees.session import Draft, Session
from holdall.trees.versioned_paths import VersionedPaths
from holdall.trees.view import View

MOST_TRIMS: Final = 4_000  # operations of them in one entry; what is left goes into the next ones


@dataclass(frozen=True, slots=True)
class Replacing:
    """That what is logged may replace what a run holds.

    Attributes:
        keep_last: How many versions of each path stay, the current one among them; all of them when None.
    """

    keep_last: int | None = None


def versioned_paths(view: View) -> VersionedPaths:
    """Return what a versioned run holds. Raises: RunNotVersionedError: It is none."""
    if not view.state.versioned or not isinstance(view.paths, VersionedPaths):
        raise RunNotVersionedError(view.run_id)
    return view.paths


def trims_for(view: View, entries: Sequence[Entry], keep_last: int, *, began: int) -> list[Json]:
    """Return what ends the earlier versions of some paths but for the newest, once these entries are committed.

    Args:
        view: The run before that.
        entries: What is committed; it replaces what the run holds at its paths.
        keep_last: How many versions of each path stay, the new one among them.
        began: The number of the entry that commits it.

    Cost: the nodes of the run's earlier versions.
    """
    files = [entry.path for entry in entries if entry.kind is not Kind.DIRECTORY]
    paths = versioned_paths(view)
    there = paths.lookup(files).there
    replaced = {path for path in files if path in there and there[path].kind is not Kind.DIRECTORY}
    known = _numbers(earlier_versions(paths, files[0] if len(files) == 1 else ""))
    ops = []
    for path in files:
        numbers = sorted({*known.get(path, ()), *([began] if path in replaced else ())}, reverse=True)
        ops += [trim_op(path, number + 1) for number in numbers[keep_last - 1 : keep_last]]
    return ops


class Trimming:
    """What a commit ends of the earlier versions of its paths, so that only some are kept."""

    def __init__(self, session: Session, replacing: Replacing | None) -> None:
        self._session, self._most = session, replacing.keep_last if replacing else None
        self._left: list[Json] = []

    def ops(self, entries: Sequence[Entry]) -> list[Json]:
        """Return what goes into the entry that commits these; asked again after a lost race."""
        if self._most is None:
            return []
        view = self._session.view
        ops = trims_for(view, entries, self._most, began=view.next)
        self._left = ops[MOST_TRIMS:]
        return ops[:MOST_TRIMS]

    def write_rest(self) -> None:
        """Write what that entry had no room for, in entries behind it."""
        for at in range(0, len(self._left), MOST_TRIMS):
            self._session.append(partial(Draft, self._left[at : at + MOST_TRIMS]))


def removal(view: View, path: str) -> list[Json]:
    """Return what takes a path away, and all below it.

    Raises:
        RunNotVersionedError: The paths of the run never change.
        ArtifactNotFoundError: It holds nothing there.
        RegisteredPathError: A registered version is there, above it or below it.
    """
    paths = versioned_paths(view)
    found = paths.lookup([path])
    if path not in found.there and path not in found.below and not found.unread:
        raise ArtifactNotFoundError(view.run_id, path)
    view.refuse_changes([path])
    view.refuse_removal(path)
    return [remove_op([path])]


def trims_below(view: View, path: str, keep_last: int) -> list[Json]:
    """Return what ends the earlier versions of all files at or below a path, but for the newest of each.

    Args:
        view: The run.
        path: The path; empty for all of the run.
        keep_last: How many versions of each stay; where a path holds something, that is one of them, and stays anyway.

    Raises:
        RunNotVersionedError: The paths of the run never change.
    """
    paths = versioned_paths(view)
    known = _numbers(earlier_versions(paths, path))
    there = paths.lookup(list(known)).there
    ops = []
    for name, numbers in known.items():
        most = max(0, keep_last - (name in there and there[name].kind is not Kind.DIRECTORY))
        ops += [trim_op(name, number + 1) for number in sorted(numbers, reverse=True)[most : most + 1]]
    return ops


def _numbers(versions: Sequence[Version]) -> dict[str, list[int]]:
    """Return until when each path held its versions."""
    found: dict[str, list[int]] = {}
    for version in versions:
        found.setdefault(version.entry.path, []).append(version.until)
    return found
