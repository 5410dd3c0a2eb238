"""Where files are cut: the vectors that hold the library to its cuts, and the laws of cutting."""

from __future__ import annotations

import json
from hashlib import shake_256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.errors import UnsupportedFeatureError
from holdall.format.chunking import Chunker

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "cut_vectors.json").read_text())
TINY = Chunker(64, 256, 1024)


def content(name: str, size: int) -> bytes:
    """The bytes that a vector is about: noise, zeros, or text."""
    noise = shake_256(f"cut vectors: {name}".encode())
    if name == "zeros":
        return bytes(size)
    if name == "text":
        return b"".join(b"%d %d\n" % (n, byte) for n, byte in enumerate(noise.digest(size // 4)))[:size]
    return noise.digest(size)


def cut_in_pieces(chunker: Chunker, data: bytes, sizes: list[int]) -> list[int]:
    """Cut as a writer does that reads a stream: what follows the last end is given again with more."""
    done, filled, ends = 0, 0, []
    for size in sizes:
        filled = min(filled + size, len(data))
        if filled - done > chunker.max:
            ends += [done + end for end in chunker.cut_points(data[done:filled], final=False)]
            done = ends[-1] if ends else 0
    return ends + [done + end for end in chunker.cut_points(data[done:], final=True)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['content']}-{vector['sizes'][1]}")
def test_cuts_fall_where_they_fell(vector: dict[str, Any]) -> None:
    """The same bytes are cut at the same places by every version: deduplication rests on it."""
    data = content(vector["content"], vector["bytes"])
    assert Chunker(*vector["sizes"]).cut_points(data, final=True) == vector["ends"]


def test_the_vectors_cover_the_usual_chunker() -> None:
    """Among the vectors are the sizes that stores have by default."""
    default = Chunker()
    assert [default.min, default.average, default.max] in [vector["sizes"] for vector in VECTORS]


@given(st.binary(max_size=64), st.integers(0, 5_000), st.lists(st.integers(1, 3_000), max_size=8))
def test_cutting_in_pieces_cuts_the_same(seed: bytes, size: int, sizes: list[int]) -> None:
    """However a stream's bytes arrive, it is cut where it would be cut as a whole."""
    data = shake_256(seed).digest(size)
    assert cut_in_pieces(TINY, data, sizes) == TINY.cut_points(data, final=True)


@given(st.integers(1, 300_000))
def test_cutting_in_pieces_cuts_the_same_at_the_usual_sizes(piece: int) -> None:
    """The same with the sizes that stores have by default."""
    data, chunker = content("noise", 1 << 20), Chunker()
    sizes = [piece] * (len(data) // piece if piece > 50_000 else 20)
    assert cut_in_pieces(chunker, data, sizes) == chunker.cut_points(data, final=True)


@given(st.binary(max_size=64), st.integers(0, 20_000), st.sampled_from([0, 1]))
def test_chunks_keep_their_sizes(seed: bytes, size: int, zeros: int) -> None:
    """No chunk is larger than the largest; only the last may be smaller than the smallest; none is empty."""
    data = bytes(size) if zeros else shake_256(seed).digest(size)
    ends = TINY.cut_points(data, final=True)
    lengths = [b - a for a, b in pairwise([0, *ends])]
    assert sum(lengths) == size
    assert all(TINY.min <= length <= TINY.max for length in lengths[:-1])
    assert all(0 < length <= TINY.max for length in lengths)


@given(st.integers(0, 4_000), st.binary(min_size=1, max_size=40))
def test_an_edit_changes_few_chunks(at: int, new: bytes) -> None:
    """Far behind an insertion the cuts fall on the same bytes as before."""
    data = content("noise", 20_000)
    edited = data[:at] + new + data[at:]
    before = {end - len(data) for end in TINY.cut_points(data, final=True)}
    after = {end - len(edited) for end in TINY.cut_points(edited, final=True)}
    assert {end for end in before if end > -10_000} == {end for end in after if end > -10_000}


def test_nothing_is_cut_into_nothing() -> None:
    """An empty file has no chunks, and too few bytes of a stream are not cut."""
    assert TINY.cut_points(b"", final=True) == []
    assert TINY.cut_points(b"", final=False) == []
    assert TINY.cut_points(bytes(63), final=False) == []


@pytest.mark.parametrize("sizes", [(64, 256, 1023), ((1 << 20) + 1, 2 << 20, 4 << 20)])
def test_sizes_that_the_library_has_not_are_refused_by_name(sizes: tuple[int, int, int]) -> None:
    """A store may have them, and is read; but it is not written to with other cuts than it says."""
    with pytest.raises(UnsupportedFeatureError, match="a chunker of such sizes"):
        Chunker(*sizes).cut_points(b"x", final=True)


@pytest.mark.parametrize("sizes", [(63, 256, 512), (64, 64, 512), (64, 512, 512), (64, 256, (16 << 20) + 1), (0, 0, 0)])
def test_sizes_out_of_order_are_refused(sizes: tuple[int, int, int]) -> None:
    """Sizes obey 64 <= min < average < max <= 16 MiB."""
    with pytest.raises(ValueError, match="chunk sizes must obey"):
        Chunker(*sizes)
