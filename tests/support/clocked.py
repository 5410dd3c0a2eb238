"""A bucket with a clock that tests move."""

from __future__ import annotations

from typing import Final

from holdall.storage.memory import MemoryBucket

DAY: Final = 24 * 60 * 60 * 1000


class ClockedBucket(MemoryBucket):
    """A memory bucket whose objects have the times at which they were created: `now`, in ms since 1970 UTC."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000
        super().__init__(clock=lambda: self.now)
