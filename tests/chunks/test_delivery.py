"""Blobs on their way to files: each arrives where it was asked for, within the budget."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from itertools import accumulate
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.chunks.test_writer_reader import POOL, write, writer_of
from tests.support.stores import entropy

from holdall.chunks.delivery import FileOffset
from holdall.chunks.pool import Pool
from holdall.chunks.reader import ChunkReader
from holdall.format.digest import Bytes
from holdall.format.reference import Ref
from holdall.storage.memory import MemoryBucket

T = TypeVar("T")
DATA = entropy(6)(60_000)


class Held:
    """A file in memory."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)
        self.calls = 0

    def write(self, at: int, *parts: Bytes) -> None:
        self.calls += 1
        for part in parts:
            self.data[at : at + len(part)] = part
            at += len(part)


def stored(bucket: MemoryBucket) -> list[Ref]:
    return [chunk.ref for chunk in write(writer_of(bucket), DATA).chunks]


BUCKET = MemoryBucket()
REFS = stored(BUCKET)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_blob_arrives_where_it_was_asked_for(data: st.DataObject) -> None:
    """In any order, more than once, in several files; and to functions among them."""
    order = data.draw(st.lists(st.integers(0, len(REFS) - 1), min_size=1, max_size=2 * len(REFS)))
    files = [Held(sum(REFS[n].raw for n in order)) for _ in range(2)]
    starts = list(accumulate((REFS[n].raw for n in order), initial=0))
    given_out: list[bytes] = []
    wanted = [(REFS[n], FileOffset(file, at)) for file in files for n, at in zip(order, starts, strict=False)]
    mixed = data.draw(st.permutations(wanted))
    ChunkReader(BUCKET, POOL).deliver([*mixed, (REFS[order[0]], lambda blob: given_out.append(bytes(blob)))])
    begins = list(accumulate((ref.raw for ref in REFS), initial=0))
    expected = b"".join(DATA[begins[n] : begins[n + 1]] for n in order)
    assert [bytes(file.data) for file in files] == [expected] * 2
    assert given_out == [DATA[begins[order[0]] : begins[order[0] + 1]]]


def test_neighbours_are_written_together() -> None:
    """A file that lies in its packs as it is takes one call for each range."""
    file = Held(len(DATA))
    starts = accumulate((ref.raw for ref in REFS), initial=0)
    ChunkReader(BUCKET, POOL).deliver((ref, FileOffset(file, at)) for ref, at in zip(REFS, starts, strict=False))
    assert bytes(file.data) == DATA
    assert file.calls == len({ref.location for ref in REFS})


def test_what_is_fetched_counts_with_what_decoding_makes() -> None:
    """Half as much again as a range has, so that the budget bounds what a process holds."""
    asked: list[int] = []

    class Noting(Pool):
        def submit_with_budget(self, size: int, task: Callable[[], T]) -> Future[T]:
            asked.append(size)
            return super().submit_with_budget(size, task)

    with ChunkReader(BUCKET, Noting(workers=2)).delivery() as delivery:
        delivery.add((ref, lambda _: None) for ref in REFS)
    length = sum(ref.stored for ref in REFS)
    assert len(asked) == len({ref.location for ref in REFS}) > 1
    assert 1.45 * length <= sum(asked) <= 1.55 * length
