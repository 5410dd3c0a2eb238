"""How long runs are kept, and purging one at once."""

from __future__ import annotations

from holdall.trees.location import Location


class RetentionVerbs:
    """Retention: a part of `Maintenance`."""

    _location: Location
