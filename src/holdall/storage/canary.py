"""Whether a bucket still honours create-only, while a writer is open.

A store's canary is created again when a process begins to write: a server that
allows that ignores conditions. But a bucket can change under an open writer.
On Ceph 16.2 it does when somebody switches versioning on: from then on every
PUT succeeds, and writers overwrite one another. What shows it costs nothing to
look at, so it is looked at:

    a PUT is answered with a version id, and none was before    ask the canary
    a PUT is refused because the object exists                  conditions are honoured
    neither for some minutes, or some hundred PUTs              ask the canary

What the PUT that met the change has overwritten is still there as an earlier
version. It comes back when the newer one, which nobody was told of, is removed again.

Buckets that have always been versioned answer every PUT so: there the canary is asked once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

from holdall.errors import ObjectExistsError, StorageError, UnsafeBucketError
from holdall.storage.bucket import Bucket, Bytes

TRUSTED_SECONDS: Final = 300.0  # seconds of trust,
TRUSTED_PUTS: Final = 256  # and PUTs
OVERWRITTEN: Final = "the server ignores If-None-Match: two writers would silently overwrite each other"
Create: TypeAlias = Callable[[str, Bytes], str]  # creates an object: the version id of the answer, "" if it had none
Undo: TypeAlias = Callable[[str, str], None]  # removes this version of an object


class ConditionMonitor:
    """What one bucket's answers say about its promise; stops its writers once the promise is broken.

    Args:
        url: The bucket's.
        clock: Seconds that only go forward.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._clock = url, clock
        self._canary: tuple[str, bytes] | None = None
        self._unsafe = ""
        self.versioned = False
        self._reset_trust()

    def set_canary(self, key: str, body: bytes) -> None:
        """Try this object from now on; it was tried a moment ago."""
        self._canary = key, body
        self._reset_trust()

    def put(self, create: Create, undo: Undo, key: str, data: Bytes) -> None:
        """Create an object, and look at the answer. Cost: one request; one more in some hundred.

        Raises:
            UnsafeBucketError: The server has begun to overwrite.
        """
        if self._unsafe:
            raise UnsafeBucketError(self._url, key, self._unsafe)
        try:
            version = create(key, data)
        except ObjectExistsError:
            self._reset_trust()
            raise
        changed = bool(version) and not self.versioned
        self._puts += 1
        doubtful = changed or self._puts >= TRUSTED_PUTS or self._clock() - self._since >= TRUSTED_SECONDS
        if self._canary and doubtful and not self._canary_refuses(create, *self._canary):
            self._refuse_from_now_on(undo, key, version, changed)
        self.versioned = self.versioned or changed

    def _canary_refuses(self, create: Create, key: str, body: bytes) -> bool:
        for _ in range(2):  # one that is missing is restored
            try:
                create(key, body)
            except ObjectExistsError:
                self._reset_trust()
                return True
        return False

    def _refuse_from_now_on(self, undo: Undo, key: str, version: str, changed: bool) -> None:
        since = "since versioning was switched on " if changed else ""
        self._unsafe = since + OVERWRITTEN
        if version:
            with suppress(StorageError):
                undo(key, version)
        raise UnsafeBucketError(self._url, key, self._unsafe)

    def _reset_trust(self) -> None:
        self._since, self._puts = self._clock(), 0


def set_canary(bucket: Bucket, key: str, body: bytes) -> None:
    """Set the canary of the monitor below a bucket's wrappers, if there is one."""
    inner: object = bucket
    while inner is not None:
        if isinstance(monitor := getattr(inner, "monitor", None), ConditionMonitor):
            monitor.set_canary(key, body)
        inner = getattr(inner, "inner", None)
