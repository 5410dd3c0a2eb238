"""Copies of artifacts that links lead to, by their keys. SPEC.md, "Shares".

They are in clear, also where all else is sealed or gone: whoever destroys what a run held deletes them first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from holdall.format.layout import SHARES, ShareName, parse_key
from holdall.storage.bucket import Bucket, ObjectInfo


def list_shares(bucket: Bucket) -> Iterator[tuple[ShareName, ObjectInfo]]:
    """Yield the shares of a store, those that end first first. Cost: a listing."""
    for info in bucket.list(SHARES):
        key = parse_key(info.key)
        if key and key.share:
            yield key.share, info


def delete_shares(bucket: Bucket, of: Callable[[str], bool]) -> int:
    """Delete the shares of the runs whose ids are meant, and return how many there were.

    Raises:
        NotDeletedError: The bucket refused to delete some.

    Cost: a listing; where there are some, a request for a thousand.
    """
    keys = [name.key for name, _ in list_shares(bucket) if of(name.run_id)]
    if keys:
        bucket.delete_many(keys)
    return len(keys)
