"""Every request told to an observer, and an observer that counts."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from holdall.errors import HoldallError
from holdall.storage.bucket import Bucket, Bytes, ObjectInfo
from holdall.storage.wrappers.steps import SteppedListing

T = TypeVar("T")
PAGE: Final = 1000  # keys that a server lists per request


@dataclass(frozen=True, slots=True)
class Request:
    """What a `TraceBucket` saw.

    Attributes:
        verb: get, get_range, put, list (a page), delete or delete_many.
        key: The key, the first of many, or the prefix of a listing.
        bytes: Bytes of the object that came or went.
        seconds: How long it took.
        error: What it raised, or None.
    """

    verb: str
    key: str
    bytes: int
    seconds: float
    error: HoldallError | None = None


class TraceBucket:
    """Tells an observer of every request, after it; the observer may raise."""

    def __init__(
        self,
        inner: Bucket,
        observe: Callable[[Request], None],
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.inner, self.observe, self._clock = inner, observe, clock

    @property
    def url(self) -> str:
        """Return the inner bucket's."""
        return self.inner.url

    def __repr__(self) -> str:
        return f"TraceBucket({self.inner!r})"

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """Do as the inner bucket does, and tell of it."""
        return self._tell("get", key, lambda: self.inner.get(key, limit=limit), len)

    def get_range(self, key: str, start: int, stop: int | None = None) -> Bytes:
        """Do as the inner bucket does, and tell of it."""
        return self._tell("get_range", key, lambda: self.inner.get_range(key, start, stop), len)

    def put(self, key: str, data: Bytes) -> None:
        """Do as the inner bucket does, and tell of it."""
        self._tell("put", key, lambda: self.inner.put(key, data), lambda _: len(data))

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """List as the inner bucket does, and tell once per 1,000 keys: as often as a server is asked."""
        given = 0

        def step(pages: Iterator[ObjectInfo]) -> ObjectInfo:
            nonlocal given
            if given % PAGE:
                found = next(pages, None)
            elif given == 0:
                found = self._tell("list", prefix, lambda: next(pages, None), lambda _: 0)
            elif (found := next(pages, None)) is not None:
                self.observe(Request("list", prefix, 0, 0.0))
            if found is None:
                raise StopIteration
            given += 1
            return found

        return SteppedListing(self.inner.list(prefix, limit=limit), step)

    def delete(self, key: str) -> None:
        """Do as the inner bucket does, and tell of it."""
        self._tell("delete", key, lambda: self.inner.delete(key), lambda _: 0)

    def delete_many(self, keys: Sequence[str]) -> None:
        """Do as the inner bucket does, and tell of it once."""
        if keys:
            self._tell("delete_many", keys[0], lambda: self.inner.delete_many(keys), lambda _: 0)

    def _tell(self, verb: str, key: str, ask: Callable[[], T], size: Callable[[T], int]) -> T:
        begin = self._clock()
        try:
            answer = ask()
        except HoldallError as error:
            self.observe(Request(verb, key, 0, self._clock() - begin, error))
            raise
        self.observe(Request(verb, key, size(answer), self._clock() - begin))
        return answer


class RequestCounter:
    """An observer that adds up requests, bytes and errors by verb; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def __call__(self, request: Request) -> None:
        """Count a request."""
        with self._lock:
            self.requests[request.verb] += 1
            self.bytes[request.verb] += request.bytes
            self.errors[request.verb] += request.error is not None

    @property
    def total(self) -> int:
        """Return the number of all requests."""
        with self._lock:
            return self.requests.total()

    def clear(self) -> None:
        """Set all counts to zero."""
        with self._lock:
            for counter in (self.requests, self.bytes, self.errors):
                counter.clear()
