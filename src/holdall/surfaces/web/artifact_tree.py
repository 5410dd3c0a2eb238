"""What a directory of a run holds, a page of it at a time."""

from __future__ import annotations

from typing import Any, Final

from holdall.store import RunSnapshot
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.site import Site

PAGE: Final = 200
"""Rows of a directory that are shown at once."""


def level(_: Site, found: RunSnapshot, query: Query) -> dict[str, Any]:
    """Return what is directly in a directory, from a name on."""
    path, after = query.text("path"), query.text("after")
    shown = found.level(path, after=after, limit=PAGE)
    return {"id": found.id, "path": path, "shown": shown, "after": after, "names": names_of(path)}


def names_of(path: str) -> list[tuple[str, str]]:
    """Return the directories on the way to a path, each with its name, the root first.

    Example:
        >>> names_of("a/b")
        [('', ''), ('a', 'a'), ('a/b', 'b')]
    """
    parts = path.split("/") if path else []
    return [("", ""), *(("/".join(parts[: n + 1]), part) for n, part in enumerate(parts))]
