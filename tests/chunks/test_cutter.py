"""Blocks: whatever their size, files are cut as if each were read in one chunk."""

from __future__ import annotations

import io
import json
from concurrent.futures import Future
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.stores import TINY, entropy

from holdall.chunks.cutter import Block, Chunk, Cutter
from holdall.chunks.pool import Pool
from holdall.format.digest import blob_id, sha256

POOL = Pool(workers=4)
BLOCK = 4 * TINY.chunker.max


class Dribble(io.RawIOBase):
    """A stream that gives a little at a time, as pipes do."""

    def __init__(self, data: bytes, most: int) -> None:
        self._inner, self._most = io.BytesIO(data), most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        return self._inner.readinto(buffer[: self._most])


def cut(files: list[bytes], *, block: int = BLOCK, most: int = 1 << 30) -> tuple[list[list[bytes]], list[bytes]]:
    """The chunks of each file, and its hash."""
    chunks: list[list[bytes]] = [[] for _ in files]
    blocks: list[Block] = []

    def keep(found: list[Chunk]) -> None:
        for chunk in found:
            assert chunk.id == blob_id(chunk.data)
            assert 0 <= chunk.phase < 8
            chunks[chunk.owner].append(bytes(chunk.data))

    cutter = Cutter(POOL, TINY.chunker, lambda: memoryview(bytearray(block)), blocks.append)
    hashes = []
    for number, data in enumerate(files):
        size, digest = cutter.cut(Dribble(data, most), number)
        assert size == len(data)
        hashes.append(digest.result() if isinstance(digest, Future) else digest)
    cutter.finish()
    for one in blocks:
        keep(one.chunks.result())
    assert sum(one.size for one in blocks) == sum(map(len, files))
    return chunks, hashes


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 40_000), max_size=6), st.sampled_from([BLOCK, BLOCK + 1, 5 * BLOCK]), st.integers(1, 9000)
)
def test_cuts_are_those_of_the_whole_file(sizes: list[int], block: int, most: int) -> None:
    """However long the blocks, however little comes at a time, whatever file came before."""
    files = [entropy(n)(size) for n, size in enumerate(sizes)]
    chunks, hashes = cut(files, block=block, most=most)
    for data, found, digest in zip(files, chunks, hashes, strict=True):
        ends = TINY.chunker.cut_points(data, final=True)
        assert found == [data[a:b] for a, b in pairwise([0, *ends])]
        assert digest == sha256(data)


WIDTHS = {"U8": 1, "BF16": 2, "F32": 4, "F64": 8}


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(sorted(WIDTHS)), st.integers(1, 1200)), min_size=1, max_size=12))
def test_a_chunk_has_the_numbers_that_most_of_it_holds(tensors: list[tuple[str, int]]) -> None:
    """Wherever it lies in its file, and how many tensors it holds some of; equal shares count for the first."""
    header, kinds, at = {}, b"", 0
    for n, (dtype, count) in enumerate(tensors):
        size = WIDTHS[dtype] * count
        header[str(n)] = {"dtype": dtype, "shape": [count], "data_offsets": [at, at + size]}
        kinds, at = kinds + bytes([WIDTHS[dtype]]) * size, at + size
    table = json.dumps(header).encode()
    table += b" " * (-len(table) % 8)
    data = len(table).to_bytes(8, "little") + table + entropy(len(kinds))(at)
    kinds = b"\1" * (8 + len(table)) + kinds
    blocks: list[Block] = []
    cutter = Cutter(POOL, TINY.chunker, lambda: memoryview(bytearray(BLOCK)), blocks.append)
    cutter.cut(Dribble(data, 5000), 0)
    cutter.finish()
    begin = 0
    for chunk in [chunk for block in blocks for chunk in block.chunks.result()]:
        held = kinds[begin : begin + len(chunk.data)]
        runs = [(key, len(list(run))) for key, run in groupby(held)]
        longest = max(length for _, length in runs)
        assert (chunk.item_size or 1) in {key for key, length in runs if length == longest}
        begin += len(chunk.data)
    assert begin == len(data)


def test_short_files_share_a_block() -> None:
    """Forty files of 100 bytes need one buffer."""
    taken = []

    def fresh() -> memoryview:
        taken.append(1)
        return memoryview(bytearray(BLOCK))

    cutter = Cutter(POOL, TINY.chunker, fresh, lambda block: None)
    for n in range(40):
        cutter.cut(io.BytesIO(bytes([n]) * 100), n)
    assert len(taken) == 1


def test_a_file_that_breaks_off_leaves_nothing_behind() -> None:
    """The files before and after it are cut as if there were none between them."""

    class Broken(io.RawIOBase):
        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
            if not self.closed:
                self.close()
                buffer[:10] = b"0123456789"
                return 10
            raise OSError("gone")

    blocks: list[Block] = []
    cutter = Cutter(POOL, TINY.chunker, lambda: memoryview(bytearray(BLOCK)), blocks.append)
    cutter.cut(io.BytesIO(b"before"), 0)
    with pytest.raises(OSError, match="gone"):
        cutter.cut(Broken(), 1)
    cutter.cut(io.BytesIO(b"after"), 2)
    cutter.finish()
    assert [bytes(chunk.data) for block in blocks for chunk in block.chunks.result()] == [b"before", b"after"]


def test_a_block_that_cannot_be_cut_fails_where_its_chunks_are_asked_for() -> None:
    """It is handed over all the same: what is missing must not look as if it had never been."""
    blocks: list[Block] = []
    cutter = Cutter(POOL, TINY.chunker, lambda: memoryview(bytearray(BLOCK)), blocks.append, lambda _: bytes(1 // 0))
    cutter.cut(io.BytesIO(b"short"), 0)
    cutter.finish()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            blocks[0].chunks.result()
