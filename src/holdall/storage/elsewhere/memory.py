"""Objects of this process's memory, `memory://name/key`: for trials and tests."""

from __future__ import annotations

from collections.abc import Iterator

from holdall.errors import ObjectNotFoundError, ReferenceChangedError
from holdall.storage.bucket import Bucket, Bytes
from holdall.storage.elsewhere.seen import Seen, check_same


class MemoryElsewhere:
    """Objects of a bucket in memory; what tells one from another is its size and time."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket, self.url = bucket, bucket.url

    def stat(self, key: str) -> Seen:
        """Return an object as it is now. Raises: ObjectNotFoundError."""
        for found in self._bucket.list(key, limit=1):
            if found.key == key:
                return Seen(key, found.size, modified=found.modified)
        raise ObjectNotFoundError(self.url, key, "there is no such object")

    def list(self, prefix: str) -> Iterator[Seen]:
        """Yield all objects whose keys begin so."""
        return (Seen(found.key, found.size, modified=found.modified) for found in self._bucket.list(prefix))

    def read(self, seen: Seen, start: int, stop: int) -> Bytes:
        """Return some bytes of the object that was seen. Raises: ReferenceChangedError."""
        try:
            check_same(self.url, seen, self.stat(seen.key))
            return self._bucket.get_range(seen.key, start, stop) if stop > start else b""
        except ObjectNotFoundError as error:
            raise ReferenceChangedError(f"{self.url}/{seen.key}", "it is gone") from error
