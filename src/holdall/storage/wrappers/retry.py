"""Requests that are sent again until they work or a deadline passes.

One layer retries, and it is this one: SDKs that retry below it multiply the
attempts (five times five makes twenty-five) and hide the deadline. It retries
what is a `TransientStorageError` and nothing else.

A `put` is sent again with the same bytes. That is safe because it only ever
creates; but the second attempt may meet the object of the first, so an
`ObjectExistsError` does not mean that somebody else was there. It is passed
on: the caller reads back and compares, which only the caller can.

A listing is retried page by page where its iterator says `resumable = True`
(after an error, `next` asks for the same page again); any other is begun anew,
skipping the keys that were given out, which needs their ascending order.
"""

from __future__ import annotations

import logging
import random as _random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from holdall.errors import BucketUnreachableError, StorageError, TransientStorageError
from holdall.storage.bucket import Bucket, Bytes, ObjectInfo
from holdall.storage.deleting import Deletion, Pace, batches, raise_refused
from holdall.storage.ending import Ending, the_end

T = TypeVar("T")
_log = logging.getLogger("holdall")
DEADLINE = 120.0  # seconds
FIRST = 10.0  # seconds, as long as nobody has ever answered
_SILENCE = 3.0  # seconds of retrying after which the user is told why


def _chance() -> float:
    """Draw from the module's own generator, found by name so that a handle pickles without its state."""
    return _random.random()


@dataclass(slots=True)
class Contact:
    """Whether anybody has answered yet, where a bucket should be.

    Until then a name that is misspelt, a wrong port or a page for people is likelier than an
    outage, and a user who waits in vain is told soon. A child process knows what its parent knew.
    """

    made: bool = False


class RetryBucket:
    """Sends a request again, with full jitter, until it works or a deadline passes."""

    def __init__(
        self,
        inner: Bucket,
        *,
        deadline: float = DEADLINE,
        first: float = FIRST,
        whole: float | None = None,
        contact: Contact | None = None,
        ending: Ending | None = None,
        base: float = 0.05,
        cap: float = 8.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = _chance,
    ) -> None:
        """Wrap a bucket.

        Args:
            inner: Whose `TransientStorageError` are retried.
            deadline: Seconds after a request's start beyond which none is sent again.
            first: The same, as long as nobody has answered at all.
            whole: Seconds from now beyond which no request at all is sent again.
            contact: Whether somebody has; shared by all buckets of one server.
            ending: Knows whether the process is ending, and how long that may still take.
            base: Seconds within which the first pause is drawn; doubled each time.
            cap: Seconds that no drawn pause exceeds; a server's Retry-After may.
            clock: Seconds that only go forward.
            sleep: Waits some seconds.
            random: Draws from [0, 1).
        """
        self.inner = inner
        self.deadline, self.first, self.base, self.cap = deadline, min(first, deadline), base, cap
        self.contact = contact or Contact()
        self._clock, self._sleep, self._random = clock, sleep, random
        self._ending = ending  # None: this process's own, which does not travel
        self._until = float("inf") if whole is None else clock() + whole
        self.pace = Pace(clock=clock, sleep=sleep)

    @property
    def url(self) -> str:
        """Return the inner bucket's."""
        return self.inner.url

    def __repr__(self) -> str:
        return f"RetryBucket({self.inner!r}, deadline={self.deadline})"

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """Do as the inner bucket does, until the deadline."""
        return self.persist(lambda: self.inner.get(key, limit=limit))

    def get_range(self, key: str, start: int, stop: int | None = None) -> Bytes:
        """Do as the inner bucket does, until the deadline."""
        return self.persist(lambda: self.inner.get_range(key, start, stop))

    def put(self, key: str, data: Bytes) -> None:
        """Create as the inner bucket does, until the deadline; what then exists may be our own."""
        self.persist(lambda: self.inner.put(key, data))

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """List as the inner bucket does; each page has a deadline of its own."""
        return _Persistent(self, prefix, limit)

    def delete(self, key: str) -> None:
        """Do as the inner bucket does, until the deadline."""
        self.persist(lambda: self.inner.delete(key))

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove by the thousand, at a pace; what failed in a way that may pass is asked for again, and no other."""
        refused: dict[str, StorageError] = {}
        for some in batches(keys):
            deletion = Deletion(self.inner, some, self.pace)
            self.persist(deletion.ask)
            refused |= deletion.refused
        raise_refused(self.url, refused)

    def persist(self, ask: Callable[[], T]) -> T:
        """Ask until there is an answer, or raise the last error with the number of attempts."""
        begin = self._clock()
        attempts, told = 0, False
        while True:
            try:
                found = ask()
                self.contact.made = True
                return found
            except TransientStorageError as error:
                self._note(error)
                attempts += 1
                pause = self._pause(attempts, error.retry_after)
                spent = self._clock() - begin
                left = self._left(begin)
                if pause > left:
                    reason = f"{error.reason} (attempt {attempts}, the last, after {spent:.1f} s)"
                    raise type(error)(error.url, error.key, reason, error.retry_after) from error
                if spent > _SILENCE and not told:
                    told = True
                    _log.warning("%s; trying again for up to %.0f s", error, left)
                self._sleep(pause)
            except StorageError as error:
                self._note(error)
                error.doubtful = attempts > 0
                raise

    def _note(self, error: StorageError) -> None:
        self.contact.made = self.contact.made or not isinstance(error, BucketUnreachableError)

    def _left(self, begin: float) -> float:
        """Return the seconds within which a request that began then may be sent again."""
        patience = self.deadline if self.contact.made else self.first
        now = self._clock()
        return min(begin + patience - now, self._until - now, (self._ending or the_end).remaining())

    def _pause(self, attempts: int, asked: float | None) -> float:
        widest = min(self.cap, self.base * 2.0 ** min(attempts - 1, 60))
        # The jitter comes on top of what the server asked for: it asked many of us at once.
        return (asked or 0.0) + self._random() * widest


def with_shorter_deadline(bucket: Bucket, deadline: float, *, whole: float | None = None) -> Bucket:
    """Return the same bucket with a shorter deadline for each request, and one for all: somebody is waiting."""
    if hurried := getattr(bucket, "hurried", None):  # a wrapper of a floor above knows how to
        found: Bucket = hurried(deadline, whole)
        return found
    if not isinstance(bucket, RetryBucket):
        return bucket
    return RetryBucket(bucket.inner, deadline=min(deadline, bucket.deadline), whole=whole, contact=bucket.contact)


class _Persistent(Iterator[ObjectInfo]):
    """A listing that survives the failure of its pages."""

    resumable = True

    def __init__(self, bucket: RetryBucket, prefix: str, limit: int | None) -> None:
        self._bucket, self._prefix, self._limit = bucket, prefix, limit
        self._given, self._last = 0, b""
        self._pages: Iterator[ObjectInfo] | None = None

    def __next__(self) -> ObjectInfo:
        if self._limit is not None and self._given >= self._limit:
            raise StopIteration
        found = self._bucket.persist(self._step)
        if found is None:
            raise StopIteration
        self._given, self._last = self._given + 1, found.key.encode()
        return found

    def _step(self) -> ObjectInfo | None:
        if self._pages is None:
            # Begun anew, the keys to skip must not count against the limit.
            limit = self._limit if self._given == 0 else None
            self._pages = self._bucket.inner.list(self._prefix, limit=limit)
        try:
            for found in self._pages:
                if self._given == 0 or found.key.encode() > self._last:
                    return found
        except TransientStorageError:
            if not getattr(self._pages, "resumable", False):
                self._pages = None
            raise
        return None
