"""The probe finds every broken promise, and leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tests.support.faulty import Fault, FaultyBucket
from tests.support.servers import Server

from holdall.errors import AccessDeniedError, ObjectExistsError, UnsafeBucketError
from holdall.storage.bucket import Bucket, Bytes, ObjectInfo
from holdall.storage.memory import MemoryBucket
from holdall.storage.probe import Report, check_canary, probe, refuse_unsafe
from holdall.storage.schemes import bucket_at

TOKEN = "0123456789abcdef" * 2


class Overwriting(MemoryBucket):
    """Takes a condition and ignores it."""

    def put(self, key: str, data: Bytes) -> None:
        self.objects[key] = bytes(data)


class Lying(MemoryBucket):
    """Says that the object exists, and replaces it nevertheless."""

    def put(self, key: str, data: Bytes) -> None:
        had = key in self.objects
        self.objects[key] = bytes(data)
        if had:
            raise ObjectExistsError(self.url, key)


class OverwritingEmpty(MemoryBucket):
    """Replaces empty objects only."""

    def put(self, key: str, data: Bytes) -> None:
        if not self.objects.get(key, b"x"):
            self.objects.pop(key, None)
        super().put(key, data)


class Backwards(MemoryBucket):
    """Lists in no useful order."""

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        yield from list(super().list(prefix))[::-1][:limit]


class Deaf(MemoryBucket):
    """Ignores ranges."""

    def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        return self.get(key)


class Forgetful(MemoryBucket):
    """Answers for objects that do not exist."""

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        return self.objects.get(key, b"")


def check_tidy(bucket: MemoryBucket) -> None:
    assert bucket.objects == {}


def broken(report: Report) -> list[str]:
    return [found.name for found in report.broken]


def test_a_good_bucket_is_safe_and_left_as_it_was() -> None:
    """Every finding is good, and every object of the probe is gone."""
    bucket = MemoryBucket()
    report = probe(bucket, token=TOKEN)
    assert report.safe_for_writing
    assert all(found.ok for found in report.findings)
    assert len(report.findings) == 12
    refuse_unsafe(report)
    check_tidy(bucket)


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        (Overwriting, "create again"),
        (Lying, "create again"),
        (OverwritingEmpty, "create again, empty"),
        (Backwards, "list order and limit"),
        (Deaf, "range"),
        (Forgetful, "missing object"),
    ],
)
def test_each_broken_promise_is_found(kind: type[MemoryBucket], first: str) -> None:
    """A bucket that breaks one promise is refused by the name of that promise."""
    bucket = kind()
    report = probe(bucket, token=TOKEN)
    assert broken(report)[0] == first
    assert not report.safe_for_writing
    with pytest.raises(UnsafeBucketError, match=first):
        refuse_unsafe(report)
    check_tidy(bucket)


def test_a_stale_listing_is_found() -> None:
    """List-after-write is a promise, too."""
    faulty = FaultyBucket(MemoryBucket())
    faulty.plan(Fault("list", "stale", newest=100, times=None))
    assert broken(probe(faulty, token=TOKEN)) == ["list after write", "list order and limit"]


def test_a_probe_that_fails_cleans_up() -> None:
    """An error in the middle is a finding; what was made is removed."""
    inner = MemoryBucket()
    faulty = FaultyBucket(inner)
    faulty.plan(Fault("get", "fail", times=None))
    report = probe(faulty, token=TOKEN)
    assert not report.safe_for_writing
    check_tidy(inner)


def test_a_bucket_that_refuses_the_first_object_raises() -> None:
    """Without permission to write there is nothing to find out."""
    faulty = FaultyBucket(MemoryBucket())
    faulty.plan(Fault("put", "fail", error=AccessDeniedError))
    with pytest.raises(AccessDeniedError):
        probe(faulty, token=TOKEN)


def test_the_report_reads_well() -> None:
    """A line for each promise, and a verdict that names the bucket."""
    good = probe(MemoryBucket("m"), token=TOKEN).lines()
    assert good[0].startswith("ok    create")
    assert good[-1] == "memory://m: safe for writing"
    bad = probe(Overwriting("m"), token=TOKEN).lines()
    assert any(line.startswith("FAIL  race") and "ignores If-None-Match" in line for line in bad)
    assert bad[-1] == "memory://m: NOT safe for writing"


@pytest.mark.parametrize("token", ["", "x" * 32, "A" * 32, "a" * 31])
def test_a_token_is_32_hex_digits(token: str) -> None:
    """Anything else could meet another's keys."""
    with pytest.raises(ValueError, match="32 hex"):
        probe(MemoryBucket(), token=token)


def test_keys_of_the_probe_have_the_shape_that_layouts_reserve() -> None:
    """probe/<token>/<name>, with names of [a-z0-9-] up to 32."""
    faulty = FaultyBucket(MemoryBucket())
    probe(faulty, token=TOKEN)
    names = {key.removeprefix(f"probe/{TOKEN}/") for verb, key in faulty.requests if verb == "put"}
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert names
    assert all(set(name) <= allowed and 0 < len(name) <= 32 for name in names)


def test_a_canary_that_is_there_costs_one_request() -> None:
    """Refused: good."""
    faulty = FaultyBucket(MemoryBucket(objects={"canary": b"c"}))
    check_canary(faulty, "canary", b"c")
    assert faulty.requests == [("put", "canary")]


def test_a_canary_that_was_missing_is_restored() -> None:
    """Created once, refused the second time: good, too."""
    bucket = MemoryBucket()
    check_canary(bucket, "canary", b"c")
    assert bucket.objects == {"canary": b"c"}


def test_a_canary_that_is_created_twice_is_refused() -> None:
    """The server ignores conditions."""
    with pytest.raises(UnsafeBucketError, match="If-None-Match"):
        check_canary(Overwriting(), "canary", b"c")


def test_a_real_server_passes(moto: Server) -> None:
    """The serialised moto keeps every promise, through all wrappers."""
    bucket: Bucket = bucket_at(moto.new_bucket(), moto.options)
    report = probe(bucket, token=TOKEN)
    assert report.safe_for_writing, report.lines()
    assert list(bucket.list()) == []


def test_localstack_passes(localstack: Server) -> None:
    """So does LocalStack, with racers that are really at once."""
    bucket: Bucket = bucket_at(localstack.new_bucket(), localstack.options)
    report = probe(bucket, token=TOKEN, rounds=5, racers=16)
    assert report.safe_for_writing, report.lines()
    assert list(bucket.list()) == []


def test_a_thread_that_is_refused_leaves_no_racer_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a limit of threads refuses a racer, the probe fails at once: the others do not wait for it at the start."""
    start = threading.Thread.start
    racers: list[threading.Thread] = []

    def limited(thread: threading.Thread) -> None:
        if thread.name.startswith("holdall-probe"):
            if len(racers) == 6:
                raise RuntimeError("can't start new thread")
            racers.append(thread)
        start(thread)

    failed: list[str] = []

    def probing() -> None:
        try:
            probe(MemoryBucket(), token=TOKEN)
        except RuntimeError as error:
            failed.append(str(error))

    monkeypatch.setattr(threading.Thread, "start", limited)
    alone = threading.Thread(target=probing, daemon=True)
    alone.start()
    alone.join(20)
    assert failed == ["can't start new thread"]
