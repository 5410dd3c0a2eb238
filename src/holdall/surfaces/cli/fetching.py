"""What exists already at the destination of a download."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdall.errors import DestinationError


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
