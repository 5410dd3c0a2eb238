"""What logging a file costs depends on the file, never on what else the store holds."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.bigstore import Cost, add_runs, cost_of_logging, fill
from tests.support.stores import TINY, Serial, entropy, tiny_store

from holdall.chunks.chunk_index import CAPACITY, ChunkIndex
from holdall.format.chunking import Chunker
from holdall.format.layout import HINTS, PackName, parse_key
from holdall.format.pack import Footer, Row, parse_pack
from holdall.format.reference import CHUNK
from holdall.storage.memory import MemoryBucket

MB = 1_000_000
USUAL = replace(TINY, chunker=Chunker(), pack_size=4 << 20)  # chunks as large as usual, so that there are enough packs


def costs(chunks: int, data: bytes) -> tuple[Cost, Cost]:
    """What logging a file takes, fresh and again, where a store holds so many chunks of others."""
    bucket = MemoryBucket()
    fill(bucket, chunks=chunks)
    _, fresh = cost_of_logging(bucket, data, seed=1, descriptor=USUAL, memory=True)
    _, again = cost_of_logging(bucket, data, seed=2, memory=True)
    return fresh, again


@pytest.mark.timeout(300)
def test_requests_and_memory_are_the_same_in_a_store_of_a_million_chunks(
    record_property: Callable[[str, object], None],
) -> None:
    """A file of 20 MB takes the same requests and bytes, and no more memory, in an empty store and in one of 64 GB."""
    data = entropy(1)(20 * MB)
    empty = costs(0, data)
    for chunks in (10_000, 1_000_000):
        for alone, beside in zip(empty, costs(chunks, data), strict=True):
            assert beside.requests == alone.requests
            assert beside.bytes == alone.bytes
            assert beside.memory <= 1.2 * alone.memory + MB
            record_property("counted", f"scale: {chunks} chunks of others, {beside.requests.total()} requests")


def test_however_many_runs_others_logged_one_more_asks_as_much() -> None:
    """Logging takes the same requests after a hundred runs as after two: a page of keys and two entries, once."""
    found = []
    for runs in (2, 100):
        bucket = MemoryBucket()
        add_runs(tiny_store(bucket), runs=runs)
        found.append(cost_of_logging(bucket, entropy(2)(100_000), seed=3)[1].requests)
    assert found[0] == found[1]


def test_what_is_remembered_of_a_chunk_is_small() -> None:
    """A session that remembers all that it may stays within 128 MB."""
    known, count = ChunkIndex(MemoryBucket(), Serial()), 1 << 14
    source = entropy(3)
    tracemalloc.start()
    for n in range(2):
        rows = tuple(Row(source(32), 1000 + 70_000 * at, 65_000 + at, 66_000 + at, 0, CHUNK) for at in range(count))
        known.add_footer(PackName(b"s" * 16, n), Footer(count, b"", rows))
        del rows
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held / (2 * count) * CAPACITY <= 128 * MB


def test_a_synthesised_store_is_a_store() -> None:
    """Its packs are intact and its hints lead to them: what is measured on it is what a writer meets."""
    bucket = MemoryBucket()
    fill(bucket, chunks=2_000)
    kinds = [(key, found) for key in bucket.objects if (found := parse_key(key))]
    packs = {found.pack: parse_pack(bucket.objects[key], key) for key, found in kinds if found.kind == "pack"}
    assert sum(len(footer.rows) for footer in packs.values()) == 2_000
    hints = [bytes.fromhex(found.chunk) for _, found in kinds if found.kind == "hint"]
    known = ChunkIndex(bucket, Serial())
    assert len(hints) == sum(key.startswith(HINTS) for key in bucket.objects) == 4 * len(packs)
    assert known.load_hinted(hints)
    assert all(known.get(chunk) for chunk in hints)
