"""Which entries of a run are meant by a path and patterns, and writing them to the local disk.

Some of a run may be unreadable. What can be read is selected and written first;
then an error says that there may be more.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

from holdall.errors import ArtifactNotFoundError, IncompleteError, IntegrityError
from holdall.format.paths import POINTER, check_path, stands_for
from holdall.format.tree import Entry, Kind
from holdall.trees.checkout import checkout
from holdall.trees.location import Location
from holdall.trees.view import View

ALL_POINTERS: Final = f"*{POINTER}"  # a pattern
_log = logging.getLogger("holdall")


@dataclass(frozen=True, slots=True)
class Selection:
    """Some entries of a run.

    Attributes:
        incomplete: Why there may be more, in what cannot be read.
        version: Of an earlier version of a file, which it is.
    """

    entries: Sequence[Entry]
    incomplete: IncompleteError | None = None
    version: int | None = None

    def but(self, entries: Sequence[Entry]) -> Selection:
        """Return a copy with only these of the entries."""
        return replace(self, entries=entries)


def select(run_id: str, view: View, top: str, include: Sequence[str], exclude: Sequence[str]) -> Selection:
    """Return the entries at or below a path that fit any of `include`, or all, and none of `exclude`.

    A link to a file that is the path itself is selected as that file.

    Raises:
        ArtifactNotFoundError: The run holds nothing there, or nothing that `include` fits.
        IncompleteError: Nothing was found, but some of the run cannot be read.
    """
    entries: list[Entry] = []
    incomplete = None
    try:
        entries.extend(view.paths.walk(top))
    except IncompleteError as error:
        incomplete = error
    if not entries and incomplete:
        raise incomplete
    if not entries and top:
        raise ArtifactNotFoundError(run_id, top)
    if top and entries[0].kind is Kind.LINK and entries[0].path == top:
        file = follow_links(view, top)
        entries = [replace(file, path=top)] if file and file.kind is Kind.FILE else entries
    found = [entry for entry in entries if fits(entry.path, include, exclude)]
    if include and not found and not incomplete:
        below, without = f" below {top}" if top else "", f" without {', '.join(exclude)}" if exclude else ""
        raise ArtifactNotFoundError(run_id, f"{', '.join(include)}{below}{without}")
    return Selection(found, incomplete)


def write_selection(view: View, selection: Selection, destination: Path, location: Location) -> None:
    """Write a selection into a local folder, each entry at its path.

    Raises:
        IntegrityError: Content is not what was written; all other files are there.
        IncompleteError: Several errors, or there may be more entries than were selected.
        DestinationError: The folder does not take it.
    """
    incomplete = selection.incomplete
    try:
        checkout(view.paths.blobs, selection.entries, destination, observer=location.observer, location=location)
    except IntegrityError as error:
        if incomplete is None:
            raise
        raise IncompleteError(incomplete.where, f"{incomplete.missing}\n{error}") from error
    if incomplete:
        raise incomplete


def follow_links(view: View, path: str) -> Entry | None:
    """Return the entry at a path, or where the links from there end; None if there is none."""
    entry, seen = view.paths.find([check_path(path)]).get(path), [path]
    while entry and entry.kind is Kind.LINK and len(seen) < 40:
        seen.append(str(PurePosixPath(os.path.normpath(PurePosixPath(seen[-1]).parent / entry.target))))
        entry = view.paths.find([seen[-1]]).get(seen[-1])
    return entry


def patterns_of(given: str | Sequence[str] | None) -> Sequence[str]:
    """Return patterns that may have been given as one text."""
    return [given] if isinstance(given, str) else list(given or [])


def fits(path: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Return whether a path fits any of `include`, or there is none, and none of `exclude`."""

    def one_fits(pattern: str) -> bool:
        return fnmatchcase(path, pattern) or ("/" not in pattern and fnmatchcase(path.rpartition("/")[2], pattern))

    return (not include or any(map(one_fits, include))) and not any(map(one_fits, exclude))


def tell_of_pointers(run_id: str, entries: Sequence[Entry]) -> None:
    """Log a warning if some of what was fetched only says where content is."""
    if pointers := [entry.path for entry in entries if stands_for(entry.path)]:
        more = f" and {len(pointers) - 1} more" if len(pointers) > 1 else ""
        _log.warning(
            "of run %s, %s%s only says where content is; references=True (`--references`) fetches it",
            *(run_id, pointers[0], more),
        )
