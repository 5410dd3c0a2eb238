"""What a block has new, encoded in runs: each chunk is what it was, whatever lies between."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.stores import entropy

from holdall.chunks.cutter import Chunk
from holdall.chunks.encoding import _split_into_runs, encode_block
from holdall.format.codec import Decoder
from holdall.format.digest import blob_id
from holdall.format.encoder import Encoder

# Numbers whose high bytes say little, then noise: some of it is worth compressing, some is not.
BLOCK = memoryview(b"".join(n.to_bytes(3, "little") + b"\1" for n in range(8192)) + entropy(2)(32_768))
spans = st.lists(st.integers(1, 6000), min_size=2, max_size=14)


def chunk(start: int, stop: int, *, owner: object = "a", item_size: int | None = 4, phase: int = 0) -> Chunk:
    data = BLOCK[start:stop]
    return Chunk(owner, blob_id(data), data, start, item_size, phase)


@settings(max_examples=60, deadline=None)
@given(spans, st.data())
def test_each_new_chunk_of_a_block_is_stored_as_itself(sizes: list[int], data: st.DataObject) -> None:
    """Those between it and the next may be known, of another file, or of other numbers."""
    ends = [end for end in (sum(sizes[:n]) for n in range(len(sizes) + 1)) if end <= len(BLOCK)]
    chunks = [
        chunk(
            start,
            stop,
            owner=data.draw(st.sampled_from("aaab")),
            item_size=data.draw(st.sampled_from([4, 4, 4, None, 1, 2, 8])),
            phase=(data.draw(st.sampled_from([0, 0, 0, 3])) - start) % 8,
        )
        for start, stop in pairwise(ends)
        if data.draw(st.booleans())
    ]
    found = encode_block(Encoder(), BLOCK, chunks)
    assert len(found) == len(chunks)
    for encoded, each in zip(found, chunks, strict=True):
        stored = b"".join(encoded.parts)
        assert len(stored) == encoded.stored <= len(each.data)
        assert bytes(Decoder().decode(encoded.codec, stored, len(each.data))) == each.data


def test_chunks_that_lie_back_to_back_are_one_run() -> None:
    """While their numbers are in step, and no longer than a cache is."""
    together = [chunk(start, start + 1000, phase=-start % 8) for start in range(0, 5000, 1000)]
    assert [len(run) for run in _split_into_runs(together)] == [5]
    gap = [*together[:2], *together[3:]]
    assert [len(run) for run in _split_into_runs(gap)] == [2, 2]
    shifted = [*together[:3], together[3]._replace(phase=(together[3].phase + 1) % 8), together[4]]
    assert [len(run) for run in _split_into_runs(shifted)] == [3, 1, 1]
    half = 384 << 10
    long = memoryview(bytes(4 * half))
    halves = [Chunk("a", b"", long[at : at + half], at, 1, 0) for at in range(0, 4 * half, half)]
    assert [len(run) for run in _split_into_runs(halves)] == [2, 2]
