"""Retries, limits and traces, each a bucket around a bucket.

RetryBucket(LimitBucket(TraceBucket(adapter)))
"""

from __future__ import annotations

from holdall.storage.wrappers.limit import LimitBucket
from holdall.storage.wrappers.retry import DEADLINE, FIRST, Contact, RetryBucket, with_shorter_deadline
from holdall.storage.wrappers.trace import PAGE, Request, RequestCounter, TraceBucket

__all__ = [
    "DEADLINE",
    "FIRST",
    "PAGE",
    "Contact",
    "LimitBucket",
    "Request",
    "RequestCounter",
    "RetryBucket",
    "TraceBucket",
    "with_shorter_deadline",
]
