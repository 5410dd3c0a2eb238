"""Deleting many: each key has its own answer, nothing is asked for too fast, and nothing that failed is forgotten."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from tests.support.faulty import Fault, FaultyBucket
from tests.support.http import Answer, Asked, Recorder, error, recorder

from holdall.errors import (
    AccessDeniedError,
    BucketUnreachableError,
    NotDeletedError,
    StorageError,
    TransientStorageError,
)
from holdall.storage.deleting import RATE, Pace
from holdall.storage.memory import MemoryBucket
from holdall.storage.s3 import LANES, S3Bucket
from holdall.storage.wrappers import RetryBucket

KEYS = [f"k{n:04}" for n in range(2500)]


class Clock:
    """Time that passes only while something sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Picky(MemoryBucket):
    """Refuses some keys for ever, and others a few times."""

    def __init__(self, locked: Sequence[str] = (), busy: dict[str, int] | None = None) -> None:
        super().__init__(objects=dict.fromkeys(KEYS, b""))
        self.locked, self.busy = locked, busy or {}
        self.batches: list[list[str]] = []

    def delete_many(self, keys: Sequence[str]) -> None:
        self.batches.append(list(keys))
        super().delete_many(keys)

    def delete(self, key: str) -> None:
        if key in self.locked:
            raise AccessDeniedError(self.url, key, "the object is locked")
        if self.busy.get(key):
            self.busy[key] -= 1
            raise TransientStorageError(self.url, key, "slow down")
        super().delete(key)


def retrying(inner: MemoryBucket | FaultyBucket, clock: Clock | None = None) -> RetryBucket:
    clock = clock or Clock()
    return RetryBucket(inner, clock=clock, sleep=clock.sleep, random=lambda: 1.0)


def test_keys_are_asked_for_by_the_thousand() -> None:
    """However many there are."""
    bucket = Picky()
    retrying(bucket).delete_many(KEYS)
    assert [len(batch) for batch in bucket.batches] == [1000, 1000, 500]
    assert not bucket.objects


def test_only_the_keys_that_failed_are_asked_for_again() -> None:
    """Two of a thousand were busy; the second request is for these two."""
    bucket = Picky(busy={"k0003": 1, "k0007": 2})
    retrying(bucket).delete_many(KEYS[:1000])
    assert bucket.batches[1:] == [["k0003", "k0007"], ["k0007"]]
    assert "k0007" not in bucket.objects


def test_what_is_refused_for_good_is_named_and_all_others_are_gone() -> None:
    """A lock on one object must not keep the batches behind it."""
    bucket = Picky(locked=["k0001", "k2400"])
    with pytest.raises(NotDeletedError) as caught:
        retrying(bucket).delete_many(KEYS)
    assert set(caught.value.failed) == {"k0001", "k2400"} == set(bucket.objects)
    assert all(isinstance(why, AccessDeniedError) for why in caught.value.failed.values())
    assert "k0001: the object is locked; k2400" in str(caught.value)
    assert len(bucket.batches) == 3, "and it was asked for once"


def test_a_key_that_stays_busy_ends_at_the_deadline() -> None:
    """As any request does."""
    bucket = Picky(busy={"k0001": 10**6})
    with pytest.raises(TransientStorageError, match="k0001"):
        retrying(bucket).delete_many(KEYS[:10])


@pytest.mark.parametrize("act", ["fail", "half", "lose"])
def test_a_batch_whose_answer_is_lost_is_sent_again(act: str) -> None:
    """Whatever of it was done: deleting twice is no error."""
    faulty = FaultyBucket(Picky())
    faulty.plan(Fault("delete_many", act))
    retrying(faulty).delete_many(KEYS[:10])
    assert faulty.count("delete_many") == 2
    assert not any(key in KEYS[:10] for key in (info.key for info in faulty.list()))


def test_deletions_keep_a_pace_that_halves_at_each_refusal() -> None:
    """3,500 keys a second; half of that once the server says that it is busy."""
    clock = Clock()
    bucket = retrying(Picky(), clock)
    for _ in range(8):
        bucket.delete_many(KEYS[:1000])
    assert clock.now == pytest.approx(7 * 1000 / RATE)
    busy = retrying(Picky(busy={"k0000": 1}), Clock())
    busy.delete_many(KEYS[:1000])
    assert RATE / 2 <= busy.pace.rate < RATE * 0.6


def test_a_server_that_nobody_reaches_is_not_a_busy_one() -> None:
    """A network that is down says nothing about the pace."""
    faulty = FaultyBucket(Picky())
    faulty.plan(Fault("delete_many", "fail", error=lambda url, key: BucketUnreachableError(url, key, "gone")))
    bucket = retrying(faulty)
    bucket.delete_many(KEYS[:10])
    assert bucket.pace.rate == RATE


def test_a_pace_recovers_slowly_and_never_stands_still() -> None:
    """Each batch that goes well is a tenth faster, up to where it began; the slowest is a key a second."""
    pace = Pace(100.0, lambda: 0.0, lambda _: None)
    for _ in range(50):
        pace.slow_down()
    rates = [pace.rate]
    for _ in range(80):
        pace.went_well()
        rates.append(pace.rate)
    assert rates[0] == 1.0
    assert rates[-1] == 100.0
    assert all(after <= before * 1.11 for before, after in pairwise(rates))


# --- S3


@pytest.fixture(scope="module", params=LANES)
def running(request: pytest.FixtureRequest) -> Iterator[tuple[Recorder, S3Bucket]]:
    with recorder() as found:
        yield found, S3Bucket("s3://bucket/at", {"endpoint_url": found.url, "lane": request.param})


@pytest.fixture
def server(running: tuple[Recorder, S3Bucket]) -> Recorder:
    running[0].asked.clear()
    running[1]._in_bulk = True
    return running[0]


@pytest.fixture
def bucket(running: tuple[Recorder, S3Bucket]) -> S3Bucket:
    return running[1]


def said(deleted: Sequence[str], **refused: str) -> Answer:
    """An answer as S3 gives it to DeleteObjects."""
    parts = [f"<Deleted><Key>at/{key}</Key></Deleted>" for key in deleted]
    parts += [
        f"<Error><Key>at/{key}</Key><Code>{code}</Code><Message>on purpose</Message></Error>"
        for key, code in refused.items()
    ]
    body = f"<?xml version='1.0'?><DeleteResult>{''.join(parts)}</DeleteResult>"
    return Answer(200, body.encode(), {"Content-Type": "application/xml"})


def names(asked: Asked) -> list[str]:
    return re.findall(r"<Key>at/(.*?)</Key>", asked.body.decode())


def test_one_request_names_a_thousand_keys_and_its_own_digest(server: Recorder, bucket: S3Bucket) -> None:
    """S3-compatible servers want Content-MD5 of it, and know no newer checksum."""
    server.reply = lambda asked: said(names(asked))
    bucket.delete_many(KEYS)
    assert [len(names(asked)) for asked in server.asked] == [1000, 1000, 500]
    for asked in server.asked:
        assert (asked.method, asked.path.partition("?")[2]) in {("POST", "delete"), ("POST", "delete=")}
        headers = {name.lower(): value for name, value in asked.headers.items()}
        assert headers["content-md5"] == b64encode(hashlib.md5(asked.body).digest()).decode()


def test_each_key_of_an_answer_is_read(server: Recorder, bucket: S3Bucket) -> None:
    """HTTP 200, and yet some are refused: by their own codes; one of which nothing is said is not believed gone."""
    server.reply = lambda _: said(["a"], locked="AccessDenied", busy="SlowDown", gone="NoSuchKey", odd="Whatever")
    with pytest.raises(NotDeletedError) as caught:
        bucket.delete_many(["a", "locked", "busy", "gone", "odd", "silent"])
    kinds = {key: type(why) for key, why in caught.value.failed.items()}
    assert kinds == {
        "locked": AccessDeniedError,
        "busy": TransientStorageError,
        "odd": StorageError,
        "silent": TransientStorageError,
    }


@pytest.mark.parametrize("code", [(501, "NotImplemented"), (405, "MethodNotAllowed"), (400, "InvalidRequest")])
def test_a_server_without_bulk_deletion_is_asked_key_by_key(
    server: Recorder, bucket: S3Bucket, code: tuple[int, str]
) -> None:
    """It is asked once for the other; from then on only so."""
    server.reply = lambda asked: error(*code) if asked.method == "POST" else Answer(204)
    bucket.delete_many(["a", "b"])
    bucket.delete_many(["c"])
    assert server.methods == ["POST", "DELETE", "DELETE", "DELETE"]


def test_a_page_for_people_is_no_answer(server: Recorder, bucket: S3Bucket) -> None:
    """A proxy's login page must not pass for a deletion."""
    server.reply = lambda _: Answer(200, b"<html>log in</html>", {"Content-Type": "text/html"})
    with pytest.raises((TransientStorageError, NotDeletedError)):
        bucket.delete_many(["a"])


def test_credentials_that_may_not_delete_are_told_of(server: Recorder, bucket: S3Bucket) -> None:
    """And nothing is tried key by key."""
    server.reply = lambda _: error(403, "AccessDenied")
    with pytest.raises(AccessDeniedError):
        bucket.delete_many(["a", "b"])
    assert server.methods == ["POST"]
