"""Freeing the space of what nothing refers to."""

from __future__ import annotations

from holdall.trees.location import Location


class GarbageVerbs:
    """Garbage collection: a part of `Maintenance`."""

    _location: Location
