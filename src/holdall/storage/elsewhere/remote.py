"""Objects of Google's and Azure's stores, through fsspec: looked at before and after each reading.

fsspec cannot ask for an object on a condition. So what is read counts only if
the object was the one that was seen both before and afterwards: three requests
for a range, and never other bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from holdall.errors import ObjectNotFoundError, ObjectTooShortError, ReferenceChangedError
from holdall.storage.bucket import Bytes
from holdall.storage.elsewhere.seen import Seen, check_same
from holdall.storage.remote import RemoteBucket

_TIMES = ("updated", "last_modified", "LastModified", "mtime", "modified", "created")


class RemoteElsewhere(RemoteBucket):
    """The objects of a bucket or container, `gs://bucket`; options as fsspec's filesystem takes them."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        super().__init__(url, options, unsafe_single_writer=True)  # nothing is written here

    def stat(self, key: str) -> Seen:
        """Return an object as it is now. Raises: ObjectNotFoundError."""
        return self._ask(key, lambda: self._looked(key))

    def list(self, prefix: str = "") -> Iterator[Seen]:  # type: ignore[override]  # it says what an object is told by
        """Yield all objects whose keys begin so. Cost: a listing of the folder."""
        folder = prefix.rpartition("/")[0]
        found = self._ask(prefix, lambda: self._find(self._base + folder))
        seen = [
            _seen(self._key_of(name), facts) for name, facts in found.items() if facts.get("type", "file") == "file"
        ]
        yield from sorted((each for each in seen if each.key.startswith(prefix)), key=lambda each: each.key.encode())

    def read(self, seen: Seen, start: int, stop: int) -> Bytes:
        """Return some bytes of the object that was seen. Raises: ReferenceChangedError."""
        try:
            check_same(self.url, seen, self.stat(seen.key))
            found = self.get_range(seen.key, start, stop) if stop > start else b""
            check_same(self.url, seen, self.stat(seen.key))
        except (ObjectNotFoundError, ObjectTooShortError) as error:
            raise ReferenceChangedError(f"{self.url}/{seen.key}", f"it is gone, or shorter: {error.reason}") from error
        return found

    def _looked(self, key: str) -> Seen:
        self._fs.invalidate_cache()
        facts = self._fs.info(self._base + key)
        if facts.get("type", "file") != "file":
            raise ObjectNotFoundError(self.url, key, "it is no object but a folder")
        return _seen(key, facts)

    def _key_of(self, name: str) -> str:
        return name.lstrip("/").partition(self._base.lstrip("/"))[2]


def _seen(key: str, facts: Mapping[str, Any]) -> Seen:
    etag = next((str(facts[name]) for name in ("etag", "ETag", "md5Hash", "content_md5") if facts.get(name)), None)
    version = str(facts["generation"]) if facts.get("generation") else None
    when = next((facts[name] for name in _TIMES if facts.get(name)), None)
    return Seen(key, int(facts.get("size") or 0), etag, version, _milliseconds(when))


def _milliseconds(when: object) -> int | None:
    if isinstance(when, str):
        try:
            when = datetime.fromisoformat(when)
        except ValueError:
            return None
    return int(when.timestamp() * 1000) if isinstance(when, datetime) else None
