"""Copies of a store, or of parts of it, in another one."""

from __future__ import annotations

from holdall.trees.location import Location


class CopyVerbs:
    """Copying: a part of `Maintenance`."""

    _location: Location
