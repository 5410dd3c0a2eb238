"""A bucket with a clock: each object has the time at which it was created, as servers keep it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from holdall.storage.bucket import Bytes, ObjectInfo
from holdall.storage.memory import MemoryBucket

DAY: Final = 24 * 60 * 60 * 1000


class ClockedBucket(MemoryBucket):
    """A memory bucket whose listings tell times, by a clock that tests move: `now`, in ms since 1970 UTC."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_800_000_000_000
        self.times: dict[str, int] = {}

    def put(self, key: str, data: Bytes) -> None:
        super().put(key, data)
        self.times[key] = self.now

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        for info in super().list(prefix, limit=limit):
            yield replace(info, modified=self.times[info.key])
