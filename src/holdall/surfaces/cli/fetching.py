"""What exists already at the destination of a download."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdall.errors import DestinationError
from holdall.sizes import format_size
from holdall.surfaces.cli.table import files
from holdall.surfaces.cli.writer import tell

if TYPE_CHECKING:
    from holdall.store import Run


def is_there(entry: Any, folder: Path) -> bool:
    """Return whether an entry's destination has the same content already: a file's bytes, a link's target."""
    place: Path = folder / entry.path
    try:
        if any(above.is_symlink() for above in place.parents[: entry.path.count("/")]):
            return False  # what a link leads to is not below the folder, and fetching refuses to write there
        match entry.kind.name:
            case "LINK":
                return place.is_symlink() and str(place.readlink()) == str(entry.target)
            case "DIRECTORY":
                return place.is_dir()
        if place.is_symlink() or not place.is_file() or place.stat().st_size != int(entry.size):
            return False
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest() == bytes(entry.sha256)
    except OSError:  # what cannot be read is not known to be the same
        return False


def refuse_to_replace(entries: Sequence[Any], folder: Path) -> None:
    """Raise a DestinationError if something else exists where one of these is to be written."""
    taken = [entry.path for entry in entries if os.path.lexists(folder / entry.path)]
    if taken:
        more = f", and at {len(taken) - 1} more of the paths" if len(taken) > 1 else ""
        error = DestinationError(str(folder / taken[0]), f"something else is there already{more}")
        error.hint = "nothing was fetched; choose another folder with -d, or --force to replace what is there"
        raise error


def fetched_elsewhere(
    run: Run,
    path: str,
    destination: Path,
    include: Sequence[str],
    exclude: Sequence[str],
    version: int | None,
    *,
    all_below: bool,
    force: bool,
) -> bool:
    """Fetch what is elsewhere at a path, or with `all_below` all below it; return whether there was anything to fetch.

    Raises: as `Run.download`; DestinationError, if something is there already and it is not to be replaced.
    """
    elsewhere = run._references().entries(path, all_below=all_below)
    if not elsewhere:
        return False
    held = run._select(path or None, include=include, exclude=exclude).entries if all_below else ()
    if not force:
        refuse_to_replace([one for one in (*elsewhere, *held) if not is_there(one, destination)], destination)
    run.download(path or None, destination, include=include, exclude=exclude, version=version, references=all_below)
    tell(f"fetched {files(len(elsewhere))} from elsewhere, {format_size(sum(one.size for one in elsewhere))}")
    return True
