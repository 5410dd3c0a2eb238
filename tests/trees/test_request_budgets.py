"""Requests by the pack: what a large file costs to log, and to log again."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from typing import BinaryIO, cast

import pytest
from tests.support.bigstore import Cost, cost_of_logging
from tests.support.logs import AccessLog
from tests.support.servers import Server
from tests.support.stores import TINY, entropy
from tests.support.worker import Place

from holdall.chunks.pool import Pool
from holdall.format.layout import HINTS, PACKS, RUNS
from holdall.format.pack import TAIL
from holdall.format.records import Descriptor
from holdall.runs.run import Run
from holdall.storage.bucket import Bucket, Bytes
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store
from holdall.trees.location import Location

GIB, BLOCK = 1 << 30, 16 << 20
SMALL = replace(TINY, pack_size=64 << 10)  # 64 chunks to a pack, so 2 MiB are 32 packs, as 1 GiB is in usual ones


def small_store(bucket: Bucket, seed: int, *, create: bool = False) -> Store:
    """A handle of its own of a store with small packs, that has been opened."""
    location = Location(
        bucket, Pool(workers=4), lambda: 0, random.Random(seed).randbytes, lambda _: None, "holdall test", trusted=True
    )
    if create:
        location.create(SMALL)
    location.ready_to_write()
    return Store(location)


def log(store: Store, data: bytes) -> Run:
    """Log a file as a finished run."""
    run = store.runs.start()
    run.log_stream(io.BytesIO(data), "model.bin")
    run.finish()
    return run


def within_budget(fresh: Cost, again: Cost, *, packs: int) -> None:
    """The law for a file that fills so many packs, of which the last may be nearly empty."""
    assert packs <= fresh.requests["put", PACKS] <= 1.25 * packs
    assert fresh.requests["put", HINTS] <= 4 * fresh.requests["put", PACKS]
    assert fresh.requests["get", HINTS] <= 4 * fresh.requests["put", PACKS]
    assert fresh.requests["put", RUNS] == 3  # the run begins, its one commit, its end
    assert again.requests["put", PACKS] == 0
    assert again.requests["put", RUNS] == 3
    gets = again.requests["get", HINTS] + again.requests["get_range", PACKS]
    assert gets <= 2.3 * fresh.requests["put", PACKS]  # its footer, and one chunk, since it is somebody else's


class Hollow(MemoryBucket):
    """Keeps of a pack its end, in which its footer is, and its first chunk, which is drawn: all that logging reads."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: dict[str, bytes] = {}

    def put(self, key: str, data: Bytes) -> None:
        super().put(key, bytes(data[-2 * TAIL :]))
        self.heads[key] = bytes(data[: 300 << 10])

    def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        return super().get_range(key, start, stop) if start < 0 else self.heads[key][start:stop]


class Endless(io.RawIOBase):
    """So many bytes that nothing compresses and no two chunks of which are the same, quickly made."""

    def __init__(self, size: int) -> None:
        self._blocks = iter(range(size // BLOCK))
        self._noise, self._block = entropy(3)(BLOCK), memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # narrower, as it is called
        if not self._block and (number := next(self._blocks, None)) is not None:
            block = bytearray(self._noise)
            block[:: 8 << 10] = bytes([number]) * (BLOCK // (8 << 10))  # the smallest chunk has one of these
            self._block = memoryview(block)
        count = min(len(buffer), len(self._block))
        buffer[:count], self._block = self._block[:count], self._block[count:]
        return count


@pytest.mark.deep  # the next one asks the same of 32 smaller packs
@pytest.mark.timeout(300)
@pytest.mark.long
def test_a_gigabyte_keeps_to_the_budget() -> None:
    """1 GiB fresh: at most 40 packs, four hints asked and made for each, one commit; again: 2.3 requests a pack."""
    bucket = Hollow()
    _, fresh = cost_of_logging(bucket, cast("BinaryIO", Endless(GIB)), seed=1, descriptor=Descriptor("0" * 32, 0))
    _, again = cost_of_logging(bucket, cast("BinaryIO", Endless(GIB)), seed=2)
    assert fresh.requests["put", PACKS] <= 40
    within_budget(fresh, again, packs=32)


def test_the_server_sees_the_same_budget(moto: Server) -> None:
    """The same with packs of 64 KiB, as the server counts: its log says what really came, repeats included."""
    place, data = Place(f"{moto.new_bucket()}/store", moto.options), entropy(1)(2 << 20)
    small_store(place.bucket(), 0, create=True)
    costs = []
    for seed in (1, 2):
        store, asked = small_store(place.bucket(), seed), AccessLog(moto, place.url)
        log(store, data)
        costs.append(Cost.of((verb_of(one.method, one.key), one.key) for one in asked.news()))
    within_budget(*costs, packs=32)


def verb_of(method: str, key: str) -> str:
    """What a bucket calls it; packs are read by ranges alone."""
    return {"PUT": "put", "GET": "get_range" if key.startswith(PACKS) else "get"}.get(method, method)


class Counting:
    """Requests of one handle."""

    def __init__(self, bucket: Bucket) -> None:
        self.count = RequestCounter()
        self.store = small_store(TraceBucket(bucket, self.count), 99)
        self.count.clear()


def requests_to_read(bucket: Bucket, run: Run, data: bytes) -> int:
    """All that a handle asks that has just been opened, from the listing of the log to the last byte."""
    counting = Counting(bucket)
    assert counting.store.runs.get(run.id).read("model.bin") == data
    return counting.count.total


def test_the_last_of_thirty_versions_is_read_with_twice_the_requests_of_a_fresh_copy() -> None:
    """Each version has scattered edits and a session of its own; what was given up for it is told, and is not all."""
    source, bucket = random.Random(2), MemoryBucket()
    data = bytearray(source.randbytes(1 << 20))
    small_store(bucket, 0, create=True)
    again = 0
    for version in range(30):
        run = log(small_store(bucket, version + 1), bytes(data))
        again += run.state.again_bytes
        last = bytes(data)
        for at in source.sample(range(len(data) - 1024), 40):
            data[at : at + 1024] = source.randbytes(1024)
    fresh = MemoryBucket()
    small_store(fresh, 0, create=True)
    assert requests_to_read(bucket, run, last) <= 2 * requests_to_read(fresh, log(small_store(fresh, 1), last), last)
    stored = sum(len(data) for key, data in bucket.objects.items() if key.startswith(PACKS))
    assert 0 < again < stored < 15 * len(last)
