"""A listing, step by step through a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from holdall.storage.bucket import ObjectInfo


class SteppedListing(Iterator[ObjectInfo]):
    """A listing of which each step goes through a function; as resumable as what it wraps."""

    def __init__(self, pages: Iterator[ObjectInfo], step: Callable[[Iterator[ObjectInfo]], ObjectInfo]) -> None:
        self._pages, self._step = pages, step
        self.resumable = bool(getattr(pages, "resumable", False))

    def __next__(self) -> ObjectInfo:
        return self._step(self._pages)
