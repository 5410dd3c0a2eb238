"""Numbers are found where real libraries put them, however the file is cut into blocks."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest

from holdall.format.numbers import Sniffer, Span

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

FIXTURES = Path(__file__).parent / "fixtures" / "numbers"
EXPECTED: dict[str, list[tuple[int, int, int]]] = json.loads((FIXTURES / "expected.json").read_bytes())
BLOCKS = [1, 7, 1000, 65536, 1 << 22]

Kind: TypeAlias = tuple[int | None, int]  # item_size, and how far into one a byte is


def feed(data: bytes, block: int) -> list[list[Span]]:
    sniffer, view = Sniffer(), memoryview(data)
    return [sniffer.feed(at, view[at : at + block]) for at in range(0, len(view), block)]


def kinds(data: bytes, block: int) -> list[Kind]:
    """What is said of every byte, one after the other."""
    found: list[Kind] = []
    for spans in feed(data, block):
        for span in spans:
            assert span.start <= len(found) < span.stop
            found += [
                (span.item_size, (at - span.start) % (span.item_size or 1)) for at in range(len(found), span.stop)
            ]
    assert len(found) == len(data)
    return found


def said(item_size: int | None, length: int) -> list[Kind]:
    return [(item_size, at % (item_size or 1)) for at in range(length)]


def npy(*arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    for array in arrays:
        np.save(file, array)
    return file.getvalue()


class Pipe(io.RawIOBase):
    """A stream that cannot seek, so that sizes come behind what they are of."""

    def __init__(self) -> None:
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        self.written += bytes(memoryview(data))
        return memoryview(data).nbytes


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("name", [name for name, places in EXPECTED.items() if places])
def test_every_tensor_of_a_real_file_is_found(name: str, block: int) -> None:
    """Item and phase are right for every byte of every tensor, whatever the blocks."""
    data = (FIXTURES / name).read_bytes()
    found = kinds(data, block)
    for start, stop, item_size in EXPECTED[name]:
        assert found[start:stop] == said(item_size, stop - start)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("name", EXPECTED)
def test_blocks_change_nothing_that_is_known(name: str, block: int) -> None:
    """Small blocks may leave more bytes unknown than one block does, and never say anything else."""
    data = (FIXTURES / name).read_bytes()
    for at, (some, whole) in enumerate(zip(kinds(data, block), kinds(data, 1 << 22), strict=True)):
        assert some in (whole, (None, 0)), at


ARRAYS = [
    (np.arange(50, dtype="<f4"), 4),
    (np.arange(50, dtype=">f8"), 8),
    (np.arange(50, dtype="f2"), 2),
    (np.arange(50, dtype="u2"), 2),
    (np.arange(50, dtype="i8"), 8),
    (np.arange(50, dtype="i1"), 1),
    (np.arange(50) > 7, 1),
    (np.arange(50, dtype="c8"), 4),
    (np.arange(50, dtype="c16"), 8),
    (np.arange(50, dtype="g"), 8),
    (np.arange(50).view("M8[ns]"), 8),
    (np.array(["one", "seven"]), 4),
    (np.array([b"one", b"seven"]), 1),
    (np.arange(50, dtype="u2").view("V2"), 2),
    (np.arange(60, dtype="f4").view("V12"), None),
    (np.zeros(9, dtype=[("a", "f4"), ("b", "u1")]), None),
    (np.asfortranarray(np.arange(60.0).reshape(3, 4, 5)), 8),
    (np.array(3.0), 8),
    (np.zeros((0, 3)), 8),
]


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(("array", "item_size"), ARRAYS)
def test_an_npy_says_its_numbers(array: np.ndarray, item_size: int | None, block: int) -> None:
    """The item size is the dtype's, or the half of it that is a complex number's part."""
    data = npy(array)
    assert kinds(data, block)[len(data) - array.nbytes :] == said(item_size, array.nbytes)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_npy_is_read(version: tuple[int, int]) -> None:
    """The length of the header has two bytes in the first version, and four in the others."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.arange(9.0), version=version)
    data = file.getvalue()
    assert kinds(data, 1000)[len(data) - 72 :] == said(8, 72)


@pytest.mark.parametrize("block", BLOCKS)
def test_arrays_in_a_row_are_all_found(block: int) -> None:
    """`numpy.save` may be called several times with one open file."""
    first, second = np.arange(33, dtype="f4"), np.arange(20, dtype="u2")
    data = npy(first, second)
    found = kinds(data, block)
    assert found[len(npy(first)) - first.nbytes : len(npy(first))] == said(4, first.nbytes)
    assert found[len(data) - second.nbytes :] == said(2, second.nbytes)


def with_seek(save: Callable[..., None], **arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def without_seek(save: Callable[..., None], **arrays: np.ndarray) -> bytes:
    file = Pipe()
    save(file, **arrays)
    return file.written


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("write", [with_seek, without_seek])
def test_arrays_in_an_npz_are_found(write: Callable[..., bytes], block: int) -> None:
    """Whether their sizes stand before or behind them."""
    random = np.random.default_rng(5)
    arrays = {"a": random.random(77), "b": random.random(31).astype("f4"), "c": random.random(50).astype("f2")}
    data = write(np.savez, **arrays)
    found = kinds(data, block)
    for array in arrays.values():
        start = data.index(array.tobytes())
        assert found[start : start + array.nbytes] == said(array.itemsize, array.nbytes)


@pytest.mark.parametrize("write", [with_seek, without_seek])
def test_what_is_deflated_is_nothing_to_split(write: Callable[..., bytes]) -> None:
    """A compressed npz is called bytes from its first to its last."""
    data = write(np.savez_compressed, a=np.arange(1000.0), b=np.arange(9))
    assert kinds(data, 1 << 22) == said(1, len(data))


def test_an_object_array_in_an_npz_does_not_hide_the_next() -> None:
    """Its length is not in its own header, but in the zip's."""
    data = with_seek(np.savez, a=np.array([{}, []], dtype=object), b=np.arange(33.0))
    start = data.index(np.arange(33.0).tobytes())
    assert kinds(data, 1 << 22)[start : start + 264] == said(8, 264)


def test_checkpoints_in_a_row_are_all_found() -> None:
    """Distributed checkpoints are files of one archive behind the other."""
    one = (FIXTURES / "checkpoint.pt").read_bytes()
    found = kinds(one + one, 1000)
    for start, stop, item_size in EXPECTED["checkpoint.pt"]:
        assert found[len(one) + start : len(one) + stop] == said(item_size, stop - start)


@pytest.mark.parametrize(
    "data", [b"x" * 5000, b"", b"PK", b"\x93NUMP", b"GGUF\3\0\0\0" + bytes(99), b"{}", bytes(5000)]
)
@pytest.mark.parametrize("block", BLOCKS)
def test_anything_else_is_one_span_of_unknown_numbers(data: bytes, block: int) -> None:
    """A sample decides what to do with it."""
    spans = [span for answer in feed(data, block) for span in answer]
    assert {(span.start, span.item_size) for span in spans} == ({(0, None)} if data else set())
    assert not data or spans[-1].stop == len(data)


def test_neighbours_of_one_kind_are_one_span() -> None:
    """A model of a thousand tensors in F32 is one span, not a thousand."""
    header = json.dumps({f"t{n}": {"dtype": "F32", "data_offsets": [40 * n, 40 * n + 40]} for n in range(1000)})
    text = header.encode().ljust(-(-len(header) // 8) * 8)
    data = len(text).to_bytes(8, "little") + text + bytes(40_000)
    assert feed(data, 1 << 22) == [[Span(0, 8 + len(text), 1), Span(8 + len(text), len(data), 4)]]


def test_a_span_keeps_where_its_numbers_begin() -> None:
    """A block that begins within a number gets the span that began before it."""
    data = npy(np.arange(1000.0))
    assert feed(data, 1001)[2] == [Span(128, 3003, 8)]


def test_blocks_out_of_order_are_refused() -> None:
    """A gap would put every number behind it in the wrong place."""
    with pytest.raises(ValueError, match="the next block is at 0, not at 5"):
        Sniffer().feed(5, memoryview(b"x"))
