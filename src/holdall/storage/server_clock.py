"""What a server tells of time: by its clock ages are told, never by a writer's; and old versions it may keep."""

from __future__ import annotations

from contextlib import suppress

from holdall.errors import ObjectExistsError, UnknownAgeError
from holdall.storage.bucket import Bucket, adapter_of


def server_time(bucket: Bucket, token: str) -> int:
    """Return the milliseconds since 1970 UTC by the clock that stamps the bucket's objects.

    Args:
        bucket: Whose.
        token: 32 hex digits that nobody else draws, for the key of an object that is created and removed again.

    Raises:
        UnknownAgeError: Its listings tell no times.

    Cost: three requests.
    """
    key = f"probe/{token}/now"
    with suppress(ObjectExistsError):  # an earlier try landed, and its answer was lost: nobody else draws this token
        bucket.put(key, b"")
    try:
        times = [info.modified for info in bucket.list(key, limit=1) if info.key == key]
    finally:
        bucket.delete(key)
    if not times or times[0] is None:
        raise UnknownAgeError(bucket.url)
    return times[0]


def keeps_versions(bucket: Bucket) -> bool:
    """Return whether the bucket was seen, by this handle, to keep versions: then what is deleted stays for a while."""
    return bool(getattr(adapter_of(bucket), "keeps_versions", False))
