"""A bucket in a dict: the reference that every other one is held against."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from holdall.errors import ObjectExistsError, ObjectNotFoundError, ObjectTooShortError
from holdall.storage.bucket import Bytes, ObjectInfo, check_range, check_size
from holdall.storage.deleting import delete_each


def now() -> int:
    """Return the milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class MemoryBucket:
    """Objects in a dict of this process. Safe between threads; it pickles as a copy.

    Attributes:
        objects: The bytes by key.
        modified: When each was created, by `clock`; what is not in it is as old as the bucket.
    """

    def __init__(
        self, name: str = "memory", objects: dict[str, bytes] | None = None, *, clock: Callable[[], int] = now
    ) -> None:
        self.url = f"memory://{name}"
        self.objects: dict[str, bytes] = {} if objects is None else objects
        self.modified: dict[str, int] = {}
        self.clock = clock
        self._born = clock()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[..., MemoryBucket], tuple[object, ...]]:
        name = self.url.removeprefix("memory://")
        return _copy, (name, dict(self.objects), dict(self.modified), self._born)

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        try:
            found = self.objects[key]
        except KeyError:
            raise ObjectNotFoundError(self.url, key, "there is no such object") from None
        check_size(self.url, key, len(found), limit)
        return found

    def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        check_range(start, stop)
        found = self.get(key)[start:stop]
        if stop is not None and len(found) != stop - start:
            raise ObjectTooShortError(self.url, key, f"the object ends before byte {stop}")
        return found

    def put(self, key: str, data: Bytes) -> None:
        with self._lock:
            if key in self.objects:
                raise ObjectExistsError(self.url, key, "there is an object already")
            self.objects[key] = bytes(data)
            self.modified[key] = self.clock()

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        with self._lock:
            keys = sorted(key for key in self.objects if key.startswith(prefix))
        for key in keys[:limit]:
            if (found := self.objects.get(key)) is not None:
                yield ObjectInfo(key, len(found), self.modified.get(key, self._born))

    def delete(self, key: str) -> None:
        with self._lock:
            self.objects.pop(key, None)
            self.modified.pop(key, None)

    def delete_many(self, keys: Sequence[str]) -> None:
        delete_each(self, keys)


def _copy(name: str, objects: dict[str, bytes], modified: dict[str, int], born: int) -> MemoryBucket:
    bucket = MemoryBucket(name, objects)
    bucket.modified, bucket._born = modified, born
    return bucket
