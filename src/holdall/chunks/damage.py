"""The packs that one process has found to be damaged or gone.

Every reader of an opened store tells it, and every writer asks it: what was
read wrongly is not referred to again, in this process at once, and by others
once it is recorded in the bucket. SPEC.md, "Garbage".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from holdall.format.layout import PackName

# Records that a pack is damaged, with what is wrong and the ids of blobs that are: for all who will write here.
Record: TypeAlias = Callable[[PackName, str, Sequence[bytes]], None]


class Damage:
    """What one opened store has found. Safe between threads; a copy in another process goes its own way.

    Args:
        record: Is called once for each pack with wrong bytes, by whichever thread finds them.

    Attributes:
        packs: Those that must not be referred to.
    """

    def __init__(self, record: Record | None = None) -> None:
        self._record = record
        self.packs: set[PackName] = set()

    def gone(self, pack: PackName) -> None:
        """Note that a pack could not be had. That may pass, or be a collector's work: others are not told."""
        self.packs.add(pack)

    def wrong(self, pack: PackName, detail: str, blobs: Sequence[bytes] = ()) -> None:
        """Note that a pack has bytes that are not those that were written."""
        known = pack in self.packs
        self.packs.add(pack)  # one call, so that of threads that come at once none is lost
        if self._record and not known:
            self._record(pack, detail, blobs)
