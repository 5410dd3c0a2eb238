"""Retries, limits and traces do what they say, and no more."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.support.faulty import VERBS, Fault, FaultyBucket

from holdall.errors import (
    AccessDeniedError,
    ObjectExistsError,
    ObjectNotFoundError,
    StorageError,
    TransientStorageError,
)
from holdall.storage.bucket import Bucket, ObjectInfo
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import (
    LimitBucket,
    Request,
    RequestCounter,
    RetryBucket,
    TraceBucket,
    with_shorter_deadline,
)


class Clock:
    """Time that passes only while something sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def retrying(inner: Bucket, clock: Clock, **more: Any) -> RetryBucket:
    return RetryBucket(inner, clock=clock, sleep=clock.sleep, random=lambda: 1.0, **more)


def each_verb(bucket: Bucket, verb: str) -> None:
    """Do something with a bucket that holds k."""
    verbs: dict[str, Callable[[], object]] = {
        "get": lambda: bucket.get("k"),
        "get_range": lambda: bucket.get_range("k", 0, 1),
        "put": lambda: bucket.put("new", b"v"),
        "list": lambda: list(bucket.list()),
        "delete": lambda: bucket.delete("k"),
        "delete_many": lambda: bucket.delete_many(["k"]),
    }
    verbs[verb]()


@pytest.mark.parametrize("verb", VERBS)
def test_what_may_pass_is_tried_again(verb: str) -> None:
    """Every verb survives a burst of transient errors."""
    faulty, clock = FaultyBucket(MemoryBucket(objects={"k": b"v"})), Clock()
    faulty.plan(Fault(verb, "fail", times=4))
    each_verb(retrying(faulty, clock), verb)
    assert faulty.count(verb) == 5
    assert clock.slept == [0.05, 0.1, 0.2, 0.4]


@pytest.mark.parametrize("verb", VERBS)
def test_the_deadline_bounds_all_attempts(verb: str) -> None:
    """The last error is raised with the number of attempts, not later than the deadline."""
    faulty, clock = FaultyBucket(MemoryBucket(objects={"k": b"v"})), Clock()
    faulty.plan(Fault(verb, "fail", times=None))
    with pytest.raises(TransientStorageError, match=r"a fault, on purpose \(attempt \d+, the last") as caught:
        each_verb(retrying(faulty, clock, deadline=60.0), verb)
    assert f"attempt {faulty.count(verb)}," in caught.value.reason
    assert clock.now <= 60.0
    assert max(clock.slept) == 8.0
    assert isinstance(caught.value.__cause__, TransientStorageError)


@pytest.mark.parametrize("kind", [StorageError, AccessDeniedError, ObjectNotFoundError, ObjectExistsError])
def test_what_will_not_pass_is_not_tried_again(kind: type[StorageError]) -> None:
    """Only `TransientStorageError` is worth another attempt."""
    faulty, clock = FaultyBucket(MemoryBucket()), Clock()
    faulty.plan(Fault("get", "fail", error=kind))
    with pytest.raises(kind):
        retrying(faulty, clock).get("k")
    assert faulty.count() == 1


def test_the_wait_that_a_server_asks_for_is_kept() -> None:
    """Retry-After is the least pause; one beyond the deadline ends the attempts at once."""
    faulty, clock = FaultyBucket(MemoryBucket(objects={"k": b"v"})), Clock()
    faulty.plan(Fault("get", "fail", error=lambda u, k: TransientStorageError(u, k, "busy", 3.0)))
    assert retrying(faulty, clock).get("k") == b"v"
    assert clock.slept == [3.05]
    faulty.plan(Fault("get", "fail", error=lambda u, k: TransientStorageError(u, k, "busy", 3600.0)))
    with pytest.raises(TransientStorageError) as caught:
        retrying(faulty, clock).get("k")
    assert caught.value.retry_after == 3600.0
    assert clock.slept == [3.05]


def test_pauses_are_drawn_from_the_whole_width() -> None:
    """Full jitter: a pause may be nothing at all."""
    faulty, clock = FaultyBucket(MemoryBucket(objects={"k": b"v"})), Clock()
    faulty.plan(Fault("get", "fail", times=3))
    draws = iter([0.0, 0.5, 0.25])
    RetryBucket(faulty, clock=clock, sleep=clock.sleep, random=lambda: next(draws)).get("k")
    assert clock.slept == [0.0, 0.05, 0.05]


def test_a_put_whose_answer_was_lost_meets_itself() -> None:
    """The second attempt is refused by the first one's object; the caller reads back."""
    faulty, clock = FaultyBucket(MemoryBucket()), Clock()
    faulty.plan(Fault("put", "lose"))
    with pytest.raises(ObjectExistsError):
        retrying(faulty, clock).put("k", b"mine")
    assert faulty.get("k") == b"mine"


def test_a_listing_that_breaks_loses_and_repeats_nothing() -> None:
    """Begun anew after every key, it gives each key once, in order, up to its limit."""
    keys = [f"k{n:02}" for n in range(30)]
    faulty, clock = FaultyBucket(MemoryBucket(objects=dict.fromkeys(keys, b""))), Clock()
    faulty.plan(Fault("list", "lose", times=20))
    bucket = retrying(faulty, clock)
    assert [info.key for info in bucket.list("k")] == keys
    faulty.plan(Fault("list", "lose", times=5))
    assert [info.key for info in bucket.list("k", limit=7)] == keys[:7]


def test_a_listing_that_can_resume_is_not_begun_anew() -> None:
    """An iterator that says `resumable` is asked for the same page again."""

    class Pages(Iterator[ObjectInfo]):
        resumable = True

        def __init__(self) -> None:
            self.inner, self.failures = MemoryBucket(objects={"a": b"", "b": b""}).list(), 3

        def __next__(self) -> ObjectInfo:
            if self.failures:
                self.failures -= 1
                raise TransientStorageError("u", "", "page lost")
            return next(self.inner)

    class Paged(MemoryBucket):
        begun = 0

        def list(self, prefix: str = "", *, limit: int | None = None) -> Pages:
            self.begun += 1
            return Pages()

    paged = Paged()
    limited = LimitBucket(TraceBucket(paged, RequestCounter()))
    assert [info.key for info in retrying(limited, Clock()).list()] == ["a", "b"]
    assert paged.begun == 1


def test_no_more_requests_are_in_flight_than_allowed() -> None:
    """The others wait their turn, and an open listing takes none."""
    running, most, lock = 0, 0, threading.Lock()

    def on(_: int, phase: str, verb: str, key: str) -> None:
        nonlocal running, most
        if verb == "get":
            with lock:
                running += 1 if phase == "before" else -1
                most = max(most, running)
            threading.Event().wait(0.002)

    bucket = LimitBucket(FaultyBucket(MemoryBucket(objects={"k": b"", "l": b""}), on=on), in_flight=3)
    listing = bucket.list()
    next(listing)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: bucket.get("k"), range(60)))
    assert most == 3
    assert len(list(listing)) == 1


def test_a_failed_request_gives_its_turn_back() -> None:
    """Errors do not use up the limit."""
    bucket = LimitBucket(MemoryBucket(), in_flight=1)
    for _ in range(3):
        with pytest.raises(ObjectNotFoundError):
            bucket.get("k")
    assert list(bucket.list()) == []


def test_every_request_is_traced_with_its_bytes_and_error() -> None:
    """The observer sees each request once, after it."""
    seen: list[Request] = []
    counter = RequestCounter()

    def observe(request: Request) -> None:
        seen.append(request)
        counter(request)

    bucket = TraceBucket(MemoryBucket(), observe, clock=Clock())
    bucket.put("k", b"12345")
    bucket.get("k")
    bucket.get_range("k", 1, 3)
    list(bucket.list("k"))
    bucket.delete("k")
    with pytest.raises(ObjectNotFoundError):
        bucket.get("k")
    told = [(r.verb, r.key, r.bytes, type(r.error).__name__) for r in seen]
    good = "NoneType"
    assert told[:5] == [
        (v, "k", n, good) for v, n in zip(("put", "get", "get_range", "list", "delete"), (5, 5, 2, 0, 0), strict=True)
    ]
    assert told[5] == ("get", "k", 0, "ObjectNotFoundError")
    assert counter.total == 6
    assert counter.requests["get"] == 2
    assert counter.bytes == {"put": 5, "get": 5, "get_range": 2, "list": 0, "delete": 0}
    assert counter.errors["get"] == 1
    counter.clear()
    assert counter.total == 0


@pytest.mark.parametrize(("keys", "pages"), [(0, 1), (1, 1), (1000, 1), (1001, 2), (2500, 3)])
def test_a_listing_counts_as_often_as_a_server_is_asked(keys: int, pages: int) -> None:
    """One request per page of a thousand, when it is consumed."""
    counter = RequestCounter()
    bucket = TraceBucket(MemoryBucket(objects={f"{n:05}": b"" for n in range(keys)}), counter)
    listing = bucket.list()
    assert counter.total == 0
    assert len(list(listing)) == keys
    assert counter.requests["list"] == pages


def test_wrapped_handles_pickle() -> None:
    """The two that every handle has travel with it."""
    bucket: Bucket = pickle.loads(pickle.dumps(RetryBucket(LimitBucket(MemoryBucket(objects={"k": b"v"})))))
    assert bucket.get("k") == b"v"
    assert bucket.url == "memory://memory"


def test_whoever_waits_is_told_why(caplog: pytest.LogCaptureFixture) -> None:
    """After some seconds of retrying one warning says what is wrong and how long it will be tried; no more than one."""
    faulty, clock = FaultyBucket(MemoryBucket()), Clock()
    faulty.plan(Fault("get", "fail", times=None))
    with pytest.raises(TransientStorageError):
        retrying(faulty, clock).get("k")
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "trying again for up to" in warnings[0]


def test_an_impatient_bucket_gives_up_sooner() -> None:
    """The same bucket with a shorter deadline; one that does not retry is left as it is."""
    memory = MemoryBucket()
    made = with_shorter_deadline(RetryBucket(memory, deadline=120), 5)
    assert isinstance(made, RetryBucket)
    assert (made.inner, made.deadline) == (memory, 5)
    assert with_shorter_deadline(memory, 5) is memory
