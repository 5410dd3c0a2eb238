"""The contract between holdall and whatever keeps its bytes.

    get         all bytes of an object
    get_range   some bytes of it, never fewer than asked for
    put         create it, only if it is absent
    list        what is there, in order
    delete      remove it
    delete_many remove many, in as few requests as the server allows

There is no verb that overwrites. Everything mutable in a store is a log of
numbered objects, each created once, so one primitive carries all concurrency
and no bug above this line can destroy what a bucket holds. (A `put` with a
condition as its argument was the alternative: nobody would ever pass another.)

Verbs block and take one object each, but for the last; concurrency belongs to the pool in
`chunks`. Implementations are picklable, open their clients lazily and key them
by process id, so that a handle survives fork, spawn and a DataLoader.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from holdall.errors import ObjectTooLargeError

Bytes: TypeAlias = bytes | bytearray | memoryview  # of single bytes; as in `format`, which storage does not import


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One line of a listing.

    Attributes:
        key: The object's key, relative to the bucket handle's root.
        size: Bytes.
        modified: Milliseconds since 1970 UTC by the server's clock; None where unknown.
    """

    key: str
    size: int
    modified: int | None = None


class Bucket(Protocol):
    """Objects under one root: key -> bytes.

    Every verb may raise `StorageError`; the subclasses named below are answers
    that callers act on and are told apart by their cause, never by guessing.
    A request that failed in a way that may pass is a `TransientStorageError`.
    """

    @property
    def url(self) -> str:
        """Return where this is, for people; without credentials."""
        ...

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """Read all bytes of an object.

        Args:
            key: The object's key.
            limit: Bytes that it may have; of a longer one none is held. A caller that knows what
                the object is knows this: others may have put anything there.

        Raises:
            ObjectNotFoundError: There is none at this key.
            ObjectTooLargeError: It has more bytes than the limit.
            AccessDeniedError: The credentials are missing, wrong or expired.

        Cost: one request.
        """
        ...

    def get_range(self, key: str, start: int, stop: int | None = None) -> Bytes:
        """Read the bytes `[start, stop)` of an object; with a negative start, its last `-start`.

        Args:
            key: The object's key.
            start: First byte from 0; or negative, with no stop: a suffix, which
                is the whole object where that is shorter.
            stop: The byte after the last one.

        Returns:
            Exactly `stop - start` bytes, as whatever the adapter read them into, which nobody
            changes any more: an answer of another length is never passed on.

        Raises:
            ObjectNotFoundError: There is none at this key.
            ObjectTooShortError: The object ends before `stop`.
            TransientStorageError: The answer was shorter or longer than asked for, for no such reason.
            ValueError: Not `0 <= start < stop`, and not a suffix.

        Cost: one request.
        """
        ...

    def put(self, key: str, data: Bytes) -> None:
        """Create an object, only if there is none at this key, durably.

        Args:
            key: The object's key.
            data: Its bytes. They must not change before this returns or raises, and may
                afterwards: buffers are used again, so an implementation that keeps them copies them.

        Raises:
            ObjectExistsError: Something is there. It may be ours: when an earlier
                answer was lost, so callers read back before they believe that they lost.
            TransientStorageError: It may or may not be there now.

        Cost: one request.
        """
        ...

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """List what is there now, in ascending order of keys (by UTF-8 bytes).

        Args:
            prefix: Only keys that start with this; any string, not only a folder.
            limit: At most this many; asked of the server, so that 1 is cheap.

        Cost: one request per 1,000 keys, when they are consumed.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove an object; removing one that is not there is no error.

        Cost: one request.
        """
        ...

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove many objects; removing one that is not there is no error.

        Args:
            keys: Any number of them.

        Raises:
            NotDeletedError: Some were refused, each by its own answer; all others are gone.
            TransientStorageError: Any of them may be there still.

        Cost: of S3 one request per 1,000 keys; elsewhere one for each.
        """
        ...


def adapter_of(bucket: object) -> object:
    """Return the bucket that asks the server or the disk, below all that is wrapped around it."""
    while (inner := getattr(bucket, "inner", None)) is not None:
        bucket = inner
    return bucket


def check_size(url: str, key: str, size: int, limit: int | None) -> None:
    """Refuse an object that is longer than its reader can use.

    Raises:
        ObjectTooLargeError: It is.
    """
    if limit is not None and size > limit:
        raise ObjectTooLargeError(url, key, size, limit)


def check_range(start: int, stop: int | None) -> None:
    """Refuse a range that some bucket would not understand. Raises: ValueError."""
    if (start < 0) != (stop is None) or (stop is not None and not 0 <= start < stop):
        raise ValueError(f"not a range: start={start}, stop={stop}")
