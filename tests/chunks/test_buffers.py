"""Buffers: used again, counted, and given back by whoever forgets them."""

from __future__ import annotations

import gc
import io
import os
import threading
import time
import weakref

import pytest
from tests.support.faulty import Fault, FaultyBucket
from tests.support.stores import TINY, entropy

from holdall.chunks.buffers import BufferPool
from holdall.chunks.chunk_index import ChunkIndex
from holdall.chunks.pack_names import PackNames
from holdall.chunks.packer import Packer
from holdall.chunks.pool import Pool
from holdall.chunks.writer import ChunkWriter
from holdall.errors import StorageError
from holdall.format.codec import UNCOMPRESSED
from holdall.format.encoder import Encoded
from holdall.format.layout import PACKS
from holdall.format.pack import parse_pack
from holdall.format.reference import CHUNK, NODE
from holdall.storage.bucket import Bytes
from holdall.storage.memory import MemoryBucket


def free(pool: Pool) -> int:
    """Bytes of the budget that nobody holds."""
    return pool._of_this_process().free


def test_what_is_brought_back_is_used_again() -> None:
    """The same memory, and not counted twice."""
    pool = Pool(memory=1000)
    buffers = BufferPool(pool, 400, limit=5)
    first = buffers.acquire()
    assert first is not None
    first[:3] = b"abc"
    buffers.release(first)
    assert buffers.acquire() is first
    assert free(pool) == 600


def test_there_are_no_more_than_the_budget_or_the_owner_allows() -> None:
    """None is the answer then, and at all costs there is one."""
    pool = Pool(memory=1000)
    roomy, strict = BufferPool(pool, 400, limit=9), BufferPool(pool, 10, limit=1)
    assert [roomy.acquire() is None for _ in range(3)] == [False, False, True]
    assert [strict.acquire() is None for _ in range(2)] == [False, True]
    assert roomy.acquire(force=True) is not None
    assert strict.acquire(force=True) is not None
    assert free(pool) == 1000 - 3 * 400 - 2 * 10


@pytest.mark.parametrize("politely", [True, False])
def test_the_budget_gets_back_what_an_owner_held(politely: bool) -> None:
    """When the owner lets go, and when it is simply forgotten; once."""
    pool = Pool(memory=1000)
    buffers = BufferPool(pool, 400, limit=2)
    buffers.acquire()
    if politely:
        buffers.clear()
    del buffers
    gc.collect()
    assert free(pool) == 1000


def test_a_task_is_let_in_when_buffers_hold_everything() -> None:
    """An idle owner of all memory keeps no reader waiting for ever."""
    pool = Pool(memory=1000)
    kept = BufferPool(pool, 1000, limit=1).acquire()
    assert pool.submit_with_budget(500, lambda: "read").result(timeout=10) == "read"
    assert pool.run_with_budget(500, lambda: "read here") == "read here"
    assert kept is not None


def test_a_writer_that_is_dropped_gives_its_memory_back_at_once() -> None:
    """It does not wait for the garbage collector, as it would if anything of it led back to it."""
    pool, bucket = Pool(workers=4), MemoryBucket()
    names = PackNames(bytes([1]) * 16)
    writer = ChunkWriter(bucket, pool, ChunkIndex(bucket, pool), names, TINY.chunker, TINY.pack_size)
    gc.disable()
    try:
        writer.write(io.BytesIO(entropy(1)(100_000)))
        writer.resolve_pending()
        assert free(pool) < pool.memory
        there = weakref.ref(writer)
        del writer
        assert there() is None
        last = time.monotonic() + 30
        while free(pool) < pool.memory:  # until the uploads that had begun have ended
            assert time.monotonic() < last
            time.sleep(0.001)
    finally:
        gc.enable()


def test_a_writer_that_failed_gives_its_memory_back_too() -> None:
    """With its failure, whose traceback leads to it."""
    pool, bucket = Pool(workers=4), FaultyBucket(MemoryBucket())
    bucket.plan(Fault("put", "fail", key=PACKS, times=None))
    writer = ChunkWriter(
        bucket, pool, ChunkIndex(bucket, pool), PackNames(bytes([1]) * 16), TINY.chunker, TINY.pack_size
    )
    writer.write(io.BytesIO(entropy(1)(6_000)))
    with pytest.raises(StorageError):
        writer.flush()
    del writer
    gc.collect()
    assert free(pool) == pool.memory


def test_a_forked_child_gives_nothing_back() -> None:
    """What its parent has claimed is not the child's, whose pool is another."""
    pool = Pool(workers=2)
    buffers = BufferPool(pool, 4096, limit=4)
    buffers.acquire()
    child = os.fork()
    if not child:
        pool.reserve(1)  # it has a pool of its own now
        buffers.clear()
        os._exit(0 if free(pool) == pool.memory - 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert free(pool) == pool.memory - 4096


def test_very_many_small_blobs_stay_within_a_packs_buffer() -> None:
    """A footer of 48 bytes for each blob is longer than the room that usual chunks leave for it."""
    bucket, pool = MemoryBucket(), Pool(workers=2)
    packer = Packer(bucket, pool, ChunkIndex(bucket, pool), PackNames(bytes([1]) * 16), 256 << 10)
    blobs = [n.to_bytes(32, "big") for n in range(6_000)]
    for blob in blobs:
        packer.add(blob, CHUNK, Encoded(UNCOMPRESSED, (blob,), 32), 32)
    packer.flush()
    packs = [bucket.get(found.key) for found in bucket.list(PACKS)]
    assert [row.id for pack in packs for row in parse_pack(pack, "pack").rows] == blobs
    assert max(map(len, packs)) <= (256 << 10) + (64 << 10)


def test_packs_on_their_way_take_half_of_the_budget() -> None:
    """The other half is for blocks that are read and encoded meanwhile: neither waits for the other for ever."""

    class Slow(MemoryBucket):
        lock, running, most = threading.Lock(), 0, 0

        def put(self, key: str, data: Bytes) -> None:
            with self.lock:
                self.running += 1
                self.most = max(self.most, self.running)
            time.sleep(0.03)
            super().put(key, data)
            with self.lock:
                self.running -= 1

    bucket, pool, size = Slow(), Pool(memory=8 << 20), 1 << 20
    packer = Packer(bucket, pool, ChunkIndex(bucket, pool), PackNames(bytes([1]) * 16), size)
    for n in range(16):
        blob = n.to_bytes(32, "big")
        packer.add(blob, NODE, Encoded(UNCOMPRESSED, (bytes(size - 500),), size - 500), size - 500)
    packer.flush()
    assert sum(key.startswith(PACKS) for key in bucket.objects) == 16
    assert 2 <= bucket.most <= 4
