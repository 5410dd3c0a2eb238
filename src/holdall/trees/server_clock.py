"""What time it is where the store is: ages are judged by the server's clock, never by this machine's."""

from __future__ import annotations

from contextlib import suppress

from holdall.errors import StorageError
from holdall.trees.location import Location


def server_now(location: Location) -> int | None:
    """Return the time by the bucket's clock, in ms since 1970 UTC; None if it does not tell times.

    It is that of an object which is created below `probe/` and removed again.

    Raises:
        StorageError: The bucket does not take it.

    Cost: a PUT, a listing and a DELETE.
    """
    key = f"probe/{location.entropy(16).hex()}/now"
    location.bucket.put(key, b"now")
    try:
        return next((info.modified for info in location.bucket.list(key, limit=1) if info.key == key), None)
    finally:
        with suppress(StorageError):  # it may be deleted by anyone
            location.bucket.delete(key)
