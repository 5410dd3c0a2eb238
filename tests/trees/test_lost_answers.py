"""A commit that landed is not reported as refused, and what only saves space stops nobody."""

from __future__ import annotations

import io
import itertools
import os
import threading
import time
from pathlib import Path

import pytest
from tests.support.faulty import Fault, FaultyBucket
from tests.support.stores import entropy, tiny_store

from holdall.chunks.pool import Pool
from holdall.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    BucketUnreachableError,
    CommitStateUnknownError,
    ObjectTooShortError,
    StorageError,
    StorageFullError,
    TransientStorageError,
)
from holdall.storage.bucket import Bytes
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RetryBucket
from holdall.store import Store

REFUSALS = [AccessDeniedError, StorageError, StorageFullError, BucketNotFoundError]
UNREADABLE = [*REFUSALS, TransientStorageError, BucketUnreachableError, ObjectTooShortError]


def over(faulty: FaultyBucket) -> Store:
    ticking = itertools.count(0, 0.1).__next__
    return Store._over(RetryBucket(faulty, sleep=lambda _: None, clock=ticking, deadline=1), Pool())


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_commit_whose_answer_was_lost_and_whose_retry_is_refused_is_found(refusal: type[StorageError]) -> None:
    """It is read back: it did happen."""
    faulty = FaultyBucket(MemoryBucket())
    run = over(faulty).runs.start()
    log = f"runs/{run.id}/log/"
    faulty.plan(Fault("put", "lose", key=log), Fault("put", "fail", key=log, error=refusal, at=2))
    assert run.log_bytes(b"v", "f").path == "f"
    assert run.read("f") == b"v"


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("landed", [True, False])
def test_where_it_cannot_be_read_back_either_nobody_knows(refusal: type[StorageError], landed: bool) -> None:
    """So it is said; logging again, once it can be, settles it."""
    faulty = FaultyBucket(MemoryBucket())
    run = over(faulty).runs.start()
    log = f"runs/{run.id}/log/"
    faulty.plan(
        Fault("put", "lose" if landed else "fail", key=log),
        Fault("put", "fail", key=log, error=refusal, at=2),
        Fault("get", "fail", key=log, error=refusal, times=None),
    )
    with pytest.raises(CommitStateUnknownError):
        run.log_bytes(b"v", "f")
    faulty.clear()
    run.log_bytes(b"v", "f")
    assert dict(run.manifest).keys() == {"f"}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_first_refusal_is_told_as_it_is(refusal: type[StorageError]) -> None:
    """Nothing was lost before it, so nothing can have happened."""
    faulty = FaultyBucket(MemoryBucket())
    run = over(faulty).runs.start()
    faulty.plan(Fault("put", "fail", key=f"runs/{run.id}/log/", error=refusal))
    with pytest.raises(refusal):
        run.log_bytes(b"v", "f")


@pytest.mark.parametrize("error", UNREADABLE)
def test_a_hint_that_cannot_be_read_fails_nothing(tmp_path: Path, error: type[StorageError]) -> None:
    """The content is stored again."""
    faulty = FaultyBucket(MemoryBucket())
    (tmp_path / "f").write_bytes(os.urandom(300_000))
    over(faulty).runs.start().log_artifact(tmp_path / "f")
    faulty.plan(Fault("get", "fail", key="hints/", error=error, times=None))
    run = over(faulty).runs.start()
    run.log_artifact(tmp_path / "f")
    assert run.read("f") == (tmp_path / "f").read_bytes()
    assert faulty.count("get", "hints/") > 0


class Slow(MemoryBucket):
    """A bucket in which nothing arrives at once, and that counts what is on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.lock, self.under_way = threading.Lock(), 0

    def put(self, key: str, data: Bytes) -> None:
        with self.lock:
            self.under_way += 1
        try:
            time.sleep(0.05)
            super().put(key, data)
        finally:
            with self.lock:
                self.under_way -= 1


class Unreadable(io.BytesIO):
    """A stream of which only so much can be read."""

    def read(self, size: int | None = -1) -> bytes:
        if not (data := super().read(size)):
            raise OSError("it is gone")
        return data


@pytest.mark.parametrize(
    ("key", "at", "stream", "raised"),
    [
        ("runs/", 1, io.BytesIO, AccessDeniedError),
        ("packs/", 3, io.BytesIO, AccessDeniedError),
        ("none", 1, Unreadable, OSError),
    ],
    ids=["the commit", "a pack", "the source"],
)
def test_what_failed_has_ended(key: str, at: int, stream: type[io.BytesIO], raised: type[Exception]) -> None:
    """Neither pack nor hint arrives when the error has reached its caller, who may have deleted the bucket by then."""
    slow = Slow()
    faulty = FaultyBucket(slow)
    run = tiny_store(faulty).runs.start()
    faulty.plan(Fault("put", "fail", key=key, at=at, times=None, error=AccessDeniedError))
    with pytest.raises(raised):
        run.log_stream(stream(entropy(1)(60_000)), "f")
    assert (slow.under_way, "packs/" in "".join(slow.objects)) == (0, True)
    faulty.clear()
    run.finish()
