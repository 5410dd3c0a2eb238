"""Links that open an object without credentials, for as long as they say.

Whoever has the address of such a link may read that one object, and nothing
else; who made it need not be asked. The server checks a signature in it, so
only buckets with a server have any: a folder or a dict has not.

    S3            presigned GetObject, signature version 4        s3_links.py
    gs, az        what gcsfs and adlfs sign                       remote_links.py

An object that is to be linked may be large and is made while it is read. So it
is sent in parts, of which few are held, and it is there when it is whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol, TypeVar
from urllib.parse import quote

from holdall.storage.bucket import Bucket, Bytes

T = TypeVar("T")
Persist = Callable[[Callable[[], T]], T]
MAX_LIFETIME: Final = 7 * 86400  # seconds; S3 refuses to sign for longer
_SHOWN: Final = 150  # characters of a file's name in the head of an answer
BLOCK: Final = 8 << 20  # bytes that are read, and sent, at once


class Link(NamedTuple):
    """A link.

    Attributes:
        url: Its address: who has it may read the object.
        temporary: Whether the credentials that signed it end by themselves: it ends with them.
        until: When they do, in ms since 1970 UTC; None if that is not known.
    """

    url: str
    temporary: bool = False
    until: int | None = None


class Links(Protocol):
    """What makes links to a bucket's objects, and the objects that they are to lead to."""

    def upload(self, key: str, blocks: Iterable[Bytes], most: int) -> None:
        """Create an object of blocks that are read while it is sent; of `most` bytes at most.

        Raises: as `Bucket.put`, and what reading them raises; then there is no object.

        Cost: one request for 8 MiB and less; else two, and one for each 8 MiB.
        """
        ...

    def sign(self, key: str, seconds: int, name: str, kind: str) -> Link:
        """Return a link to an object, by which a browser saves it as a file of that name, and shows nothing.

        Cost: none, or what finding the credentials costs.
        """
        ...

    def unfinished(self, prefix: str) -> list[str]:
        """Return the keys below a prefix whose upload was begun and not ended. Cost: one request."""
        ...

    def abort(self, keys: Iterable[str]) -> None:
        """Delete what was sent of the unfinished uploads of some keys. Cost: one request, and one for each."""
        ...


def links_of(bucket: Bucket) -> Links | None:
    """Return what makes links to a bucket's objects; None if it has none."""
    adapter: object = bucket
    persist: Callable[[Callable[[], object]], object] = _once
    while (inner := getattr(adapter, "inner", None)) is not None:
        persist = getattr(adapter, "persist", persist)
        adapter = inner
    make: Callable[[object], Links | None] | None = getattr(adapter, "links", None)
    return make(persist) if make else None


def disposition(name: str) -> str:
    """Return the head that makes a browser save an answer as a file of this name (RFC 6266), whatever it holds."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\\\%/' else "_" for c in name)
    return f"attachment; filename=\"{plain[-_SHOWN:]}\"; filename*=UTF-8''{quote(name[-_SHOWN:], safe='')}"


def _once(ask: Callable[[], object]) -> object:
    return ask()
