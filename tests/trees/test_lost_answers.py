"""A commit that landed is not reported as refused, and what only saves space stops nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.faulty import Fault, FaultyBucket

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
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RetryBucket
from holdall.store import Store

REFUSALS = [AccessDeniedError, StorageError, StorageFullError, BucketNotFoundError]
UNREADABLE = [*REFUSALS, TransientStorageError, BucketUnreachableError, ObjectTooShortError]


def over(faulty: FaultyBucket) -> Store:
    return Store._over(RetryBucket(faulty, sleep=lambda _: None, deadline=1), Pool())


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
