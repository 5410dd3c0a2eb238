"""A bucket in a dict: the reference that every other one is held against."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from holdall.errors import ObjectExistsError, ObjectNotFoundError, ObjectTooShortError
from holdall.storage.bucket import Bytes, ObjectInfo, check_range, check_size


class MemoryBucket:
    """Objects in a dict of this process. Safe between threads; it pickles as a copy."""

    def __init__(self, name: str = "memory", objects: dict[str, bytes] | None = None) -> None:
        self.url = f"memory://{name}"
        self.objects: dict[str, bytes] = {} if objects is None else objects
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[MemoryBucket], tuple[str, dict[str, bytes]]]:
        return MemoryBucket, (self.url.removeprefix("memory://"), dict(self.objects))

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

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        with self._lock:
            keys = sorted(key for key in self.objects if key.startswith(prefix))
        for key in keys[:limit]:
            if (found := self.objects.get(key)) is not None:
                yield ObjectInfo(key, len(found))

    def delete(self, key: str) -> None:
        with self._lock:
            self.objects.pop(key, None)
