"""Two paths that are one on a disk: some take `A` for `a`, some `é` for `e` and an accent.

The disk itself is asked, by making one name and looking for the other, since
no two of them fold alike. Most distinguish all names, which one look tells.
"""

from __future__ import annotations

import os
import secrets
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress

from holdall.errors import InvalidPathError
from holdall.format.paths import ancestors
from holdall.trees.destination import Destination, refusals_named

_TWINS = (("holdall-Case", "holdall-cASE"), ("holdall-\u00e9", "holdall-e\u0301"))


def refuse_collisions(paths: Iterable[str], destination: Destination) -> None:
    """Raise an InvalidPathError if two paths, or folders on the way to them, are one here; before any is written."""
    pairs = _suspects(paths)
    if pairs and any(_are_one(destination, *twins) for twins in _TWINS):
        for one, other in pairs:
            names = zip(one.split("/"), other.split("/"), strict=True)
            if all(a == b or _are_one(destination, a, b) for a, b in names):
                raise InvalidPathError(other, f"on this disk it is the same as {one!r}")


def _suspects(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of paths that some disk might take for one."""
    first: dict[str, str] = {}
    pairs: dict[tuple[str, str], None] = {}
    for place in _with_folders(paths):
        other = first.setdefault(_folded(place), place)
        if other != place and other.count("/") == place.count("/"):
            pairs[other, place] = None
    return list(pairs)


def _with_folders(paths: Iterable[str]) -> Iterator[str]:
    """Yield each path, after the folders on the way to it."""
    seen: set[str] = set()
    for path in paths:
        if (folder := path.rpartition("/")[0]) not in seen:
            seen.add(folder)
            yield from ancestors(path)
        yield path


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", path).casefold())


def _are_one(destination: Destination, name: str, other: str) -> bool:
    """Return whether a folder of this disk takes two names for one."""
    probe = f"holdall-{secrets.token_hex(4)}.partial"
    destination.make_folder(probe)
    try:
        with destination.folder(probe) as folder, refusals_named(f"{destination.root}/{probe}"):
            os.mkdir(name, dir_fd=folder)
            try:
                os.stat(other, dir_fd=folder, follow_symlinks=False)
                return True
            except FileNotFoundError:
                return False
            finally:
                os.rmdir(name, dir_fd=folder)
    finally:
        with suppress(OSError), destination.folder("") as root:
            os.rmdir(probe, dir_fd=root)
