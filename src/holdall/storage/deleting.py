"""Deleting many objects: what is the same for every bucket.

A bulk deletion has an answer for each key. What was refused is told by key
(`NotDeletedError`), after all others are gone, so that a caller can go on with
the rest. Servers take a few thousand deletions a second and answer 503 beyond
that, so a `Pace` spreads them, and halves at each such answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Protocol

from holdall.errors import BucketUnreachableError, NotDeletedError, StorageError, TransientStorageError
from holdall.storage.bucket import Bucket

BATCH: Final = 1000  # keys of one request, where a server takes many
RATE: Final = 3500.0  # keys per second
_SLOWEST: Final = 1.0
_RECOVERY: Final = 1.1  # by which the pace grows again with each batch that went well
_SHOWN: Final = 3  # keys of an error's text


class _Deletes(Protocol):
    @property
    def url(self) -> str: ...

    def delete(self, key: str) -> None: ...


def delete_each(bucket: _Deletes, keys: Iterable[str]) -> None:
    """Delete one key after the other, past those that are refused. Raises: NotDeletedError, at the end."""
    raise_refused(bucket.url, {key: error for key in keys if (error := try_delete(bucket, key))})


def try_delete(bucket: _Deletes, key: str) -> StorageError | None:
    """Delete a key; return why it was refused, if it was."""
    try:
        bucket.delete(key)
    except StorageError as error:
        return error
    return None


def raise_refused(url: str, failed: dict[str, StorageError]) -> None:
    """Raise a NotDeletedError if any key failed."""
    if failed:
        shown = [f"{key}: {failed[key].reason}" for key in sorted(failed)[:_SHOWN]]
        more = f", and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
        raise NotDeletedError(url, sorted(failed)[0], f"not deleted: {'; '.join(shown)}{more}", failed)


def batches(keys: Iterable[str]) -> Iterator[Sequence[str]]:
    """Yield keys by the thousand."""
    left = iter(keys)
    while some := list(islice(left, BATCH)):
        yield some


class Deletion:
    """One batch of keys, asked for until each is gone or refused for good.

    Attributes: refused (why, by key).
    """

    def __init__(self, bucket: Bucket, keys: Sequence[str], pace: Pace) -> None:
        self._bucket, self._left, self._pace = bucket, list(keys), pace
        self.refused: dict[str, StorageError] = {}

    def ask(self) -> None:
        """Ask for what is left. Raises: TransientStorageError, of which asking again may do."""
        self._pace.wait(len(self._left))
        try:
            self._bucket.delete_many(self._left)
            self._pace.went_well()
        except NotDeletedError as error:
            passing = {key: why for key, why in error.failed.items() if isinstance(why, TransientStorageError)}
            self.refused |= {key: why for key, why in error.failed.items() if key not in passing}
            self._left = list(passing)
            for why in passing.values():
                self._note(why)
                raise why from error
        except TransientStorageError as error:
            self._note(error)
            raise

    def _note(self, error: TransientStorageError) -> None:
        if not isinstance(error, BucketUnreachableError):
            self._pace.slow_down()


class Pace:
    """Spreads deletions over time.

    Args:
        rate: Keys per second at most.
        clock: Seconds that only go forward.
        sleep: Waits some seconds.
    """

    def __init__(
        self,
        rate: float = RATE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate, self._most = rate, rate
        self._clock, self._sleep = clock, sleep
        self._free_at = 0.0

    def wait(self, count: int) -> None:
        """Wait until so many more keys may be asked for."""
        now = self._clock()
        begin = max(now, self._free_at)
        self._free_at = begin + count / self.rate
        if begin > now:
            self._sleep(begin - now)

    def slow_down(self) -> None:
        """Halve the pace: the server is busy."""
        self.rate = max(self.rate / 2, _SLOWEST)

    def went_well(self) -> None:
        """Recover a little."""
        self.rate = min(self.rate * _RECOVERY, self._most)
