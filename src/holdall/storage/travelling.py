"""A bucket on its way to a worker process of this one.

Most buckets are pickled and opened anew there, with the credentials that they
were given, which travel by the pipe to the worker alone; those that stand in the
environment are found there, and looked for again when it changes. Some buckets
are this process's own: what is in its memory, and whatever somebody has wrapped
or brought. Work on those stays in this process.
"""

from __future__ import annotations

import pickle
from typing import Final

from holdall.storage.bucket import Bucket, adapter_of
from holdall.storage.credentials import handed_over
from holdall.workers import process

_OPENED: Final = "holdall.storage.travelling"


def pack_bucket(bucket: Bucket) -> bytes | None:
    """Return a bucket in a form that a worker of this process can open, or None where it is this process's own."""
    if not is_shared(bucket):
        return None
    try:
        with handed_over():
            return pickle.dumps(bucket)
    except Exception:  # an option that cannot be pickled, such as a session that was made elsewhere
        return None


def is_shared(bucket: object) -> bool:
    """Return whether every process that opens a bucket sees the same objects: it says so itself, or what it wraps."""
    return bool(getattr(adapter_of(bucket), "shared", False))


def unpack_bucket(packed: bytes) -> Bucket:
    """Return the bucket that this worker's parent has packed; the same one, while the same one is asked for."""
    known, bucket = process.cached().get(_OPENED, (b"", None))  # the last one: its connections are worth keeping
    if bucket is None or known != packed:
        bucket = pickle.loads(packed)
        process.cached()[_OPENED] = packed, bucket
    opened: Bucket = bucket
    return opened
