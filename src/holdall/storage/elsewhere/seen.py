"""What a place elsewhere is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from holdall.errors import ReferenceChangedError
from holdall.storage.bucket import Bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as a place tells of it.

    Attributes:
        key: Its name, below the root of the place.
        size: Bytes.
        etag: As the server gave it, its quotes included; None where there are none.
        version: The server's id of this version; None where it keeps none.
        modified: Milliseconds since 1970 UTC by the server's clock; None where unknown.
    """

    key: str
    size: int
    etag: str | None = None
    version: str | None = None
    modified: int | None = None


class Elsewhere(Protocol):
    """Objects of one bucket, server or disk. Each verb may raise `StorageError`, as a `Bucket`'s."""

    @property
    def url(self) -> str:
        """Return the root, without credentials."""
        ...

    def stat(self, key: str) -> Seen:
        """Return an object as it is now. Raises: ObjectNotFoundError."""
        ...

    def list(self, prefix: str) -> Iterator[Seen]:
        """Yield all objects whose keys begin so, page after page to the last, in the order of their keys."""
        ...

    def read(self, seen: Seen, start: int, stop: int) -> Bytes:
        """Return the bytes `[start, stop)` of the very object that was seen.

        Raises:
            ReferenceChangedError: There is another one now, or none.
        """
        ...


def check_same(url: str, seen: Seen, now: Seen) -> None:
    """Raise ReferenceChangedError if an object is not the one that was seen before.

    Versions tell; without them ETags do; without these times. The size counts in any case.
    """
    where = f"{url}/{seen.key}"
    if now.size != seen.size:
        raise ReferenceChangedError(where, f"it has {now.size} bytes now, and had {seen.size}")
    for name in ("version", "etag", "modified"):
        before, after = getattr(seen, name), getattr(now, name)
        if before is not None:
            if before != after:
                raise ReferenceChangedError(where, f"its {_WORDS[name]} is {after!r} now, and was {before!r}")
            return


_WORDS = {"version": "version", "etag": "ETag", "modified": "time of change"}
