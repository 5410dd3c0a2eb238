"""At most so many requests at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from holdall.storage.bucket import Bucket, Bytes, ObjectInfo
from holdall.storage.wrappers.steps import SteppedListing
from holdall.workers.per_process import PerProcess


class LimitBucket:
    """At most so many requests in flight at once, per process; the others wait."""

    def __init__(self, inner: Bucket, in_flight: int = 32) -> None:
        self.inner, self.in_flight = inner, in_flight
        self._gates: PerProcess[threading.Semaphore] = PerProcess()

    @property
    def url(self) -> str:
        """Return the inner bucket's."""
        return self.inner.url

    def __repr__(self) -> str:
        return f"LimitBucket({self.inner!r}, {self.in_flight})"

    @property
    def _gate(self) -> threading.Semaphore:
        # By process: one taken by a thread that a fork did not copy would never be given back.
        return self._gates.get(lambda: threading.Semaphore(self.in_flight))

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """Do as the inner bucket does, in turn."""
        with self._gate:
            return self.inner.get(key, limit=limit)

    def get_range(self, key: str, start: int, stop: int | None = None) -> Bytes:
        """Do as the inner bucket does, in turn."""
        with self._gate:
            return self.inner.get_range(key, start, stop)

    def put(self, key: str, data: Bytes) -> None:
        """Do as the inner bucket does, in turn."""
        with self._gate:
            self.inner.put(key, data)

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """List as the inner bucket does; a turn per step, so that a listing left open blocks nobody."""
        return SteppedListing(self.inner.list(prefix, limit=limit), self._take)

    def delete(self, key: str) -> None:
        """Do as the inner bucket does, in turn."""
        with self._gate:
            self.inner.delete(key)

    def delete_many(self, keys: Sequence[str]) -> None:
        """Do as the inner bucket does, in one turn."""
        with self._gate:
            self.inner.delete_many(keys)

    def _take(self, pages: Iterator[ObjectInfo]) -> ObjectInfo:
        with self._gate:
            return next(pages)
