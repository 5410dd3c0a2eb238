"""Whatever a file holds, it is covered, cheaply, and nothing of it is run."""

from __future__ import annotations

import io
import itertools
import json
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdall.format.numbers import LIMIT, Sniffer, Span
from holdall.format.numbers.torch_pickle import storages

FIXTURES = Path(__file__).parent / "fixtures" / "numbers"
REAL = [path.read_bytes() for path in sorted(FIXTURES.glob("*.*")) if path.suffix in (".pt", ".safetensors")]
BLOCK = 1 << 22
HUGE = (1 << 63) - 1

npz = io.BytesIO()
with zipfile.ZipFile(npz, "w") as archive:
    array = b"\x93NUMPY\1\0\x3e\0{'descr': '<f4', 'fortran_order': False, 'shape': (9,), }".ljust(72) + bytes(36)
    archive.writestr("a.npy", array)
REAL.append(npz.getvalue())

MAGICS = [b"", b"\x93NUMPY\1\0", b"\x93NUMPY\2\0", b"PK\3\4", b"\x40" + bytes(7) + b"{"]
magics = st.sampled_from(MAGICS)


@st.composite
def broken_files(draw: st.DrawFn) -> bytes:
    """A real file with some bytes changed, and its end cut off."""
    data = bytearray(draw(st.sampled_from(REAL)))
    for at in draw(st.lists(st.integers(0, len(data) - 1), max_size=8)):
        data[at] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))])


files = broken_files() | st.builds(lambda head, tail: head + tail, magics, st.binary(max_size=300))


def check_cover(spans: list[Span], start: int, stop: int) -> None:
    assert spans[0].start <= start < spans[0].stop
    assert all(one.stop == two.start < two.stop for one, two in itertools.pairwise(spans))
    assert spans[-1].stop == stop
    assert {span.item_size for span in spans} <= {1, 2, 4, 8, None}


def feed(data: bytes, block: int = BLOCK) -> list[Span]:
    """All spans, block after block, each block's checked to cover it; what is far behind comes in large ones."""
    sniffer, view, found, at = Sniffer(), memoryview(data), list[Span](), 0
    while at < len(view):
        stop = min(at + (block if at < 4 * BLOCK else BLOCK), len(view))
        spans = sniffer.feed(at, view[at:stop])
        check_cover(spans, at, stop)
        found += spans
        at = stop
    return found


@given(files, st.sampled_from([1, 3, 100, BLOCK]))
@example(b"PK\3\4" + b"\xff" * 200_000, 1000)
def test_any_bytes_are_covered(data: bytes, block: int) -> None:
    """Nothing raises, and each block is covered from end to end."""
    assert bool(feed(data, block)) == bool(data)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: b"\x80\2" + tail))
def test_any_pickle_is_walked(data: bytes) -> None:
    """What is no pickle says as much as could be told before it broke."""
    assert isinstance(storages(data), dict)


@given(st.data())
def test_a_broken_pickle_is_walked(data: st.DataObject) -> None:
    """A real one with bytes changed raises nothing."""
    whole = bytearray(zipfile.ZipFile(FIXTURES / "checkpoint.pt").read("checkpoint/data.pkl"))
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=5)):
        whole[at] = data.draw(st.integers(0, 255))
    assert isinstance(storages(bytes(whole)), dict)


class Trap:
    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.mkdir, (Path("sprung"),))


def test_a_pickle_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that would run code when loaded runs none when stored."""
    monkeypatch.chdir(tmp_path)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps(Trap()))
    feed(file.getvalue())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [-1, 1 << 64, 1 << 100_000], ids=["negative", "wide", "endless"])
def test_a_storage_of_no_possible_length_is_left_out(count: int) -> None:
    """Offsets stay small numbers, whatever a pickle claims."""
    atoms = b"".join(pickle.dumps(atom, 2)[2:-1] for atom in ("0", "cpu", count))
    assert storages(b"(X\7\0\0\0storagectorch\nFloatStorage\n" + atoms + b"tQ.") == {}


def safetensors(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


def tensor(start: object, stop: object, dtype: object = "F32") -> dict[str, object]:
    return {"dtype": dtype, "data_offsets": [start, stop]}


LIARS = {
    "nested without end": safetensors(b'{"a":' + b"[" * 100_000),
    "a number of a million digits": safetensors(b'{"a": ' + b"9" * 1_000_000 + b"}"),
    "no table": safetensors(b"{]" + b" " * 50),
    "tensors of other things": safetensors(json.dumps({"a": 1, "b": tensor("x", None), "c": tensor(1, 2, 3)}).encode()),
    "negative": safetensors(json.dumps({"a": tensor(-40, 8), "b": tensor(50, 8)}).encode()),
    "overlapping": safetensors(json.dumps({"a": tensor(0, 40), "b": tensor(8, 60, "F64")}).encode()),
    "beyond all files": safetensors(json.dumps({"a": tensor(0, 1 << 80)}).encode()),
    "all the world": b"\x93NUMPY\1\0\x60\0{'descr': '<f8', 'shape': (" + b"9999999999999999999, " * 3 + b")}",
    "a header of npy without end": b"\x93NUMPY\2\0\xff\xff\xff\xff",
    "a wide entry": struct.pack("<4s14xIIHHHHQQ", b"PK\3\4", *[0xFFFFFFFF] * 2, 0, 20, 1, 16, HUGE, HUGE),
    "an entry without end": struct.pack("<4sHHH8xIIHH", b"PK\3\4", 0, 8, 0, 0, 0, 0, 0),
    "a pickle without end": struct.pack("<4sHHH8xIIHH8s", b"PK\3\4", 0, 8, 0, 0, 0, 8, 0, b"data.pkl"),
}  # fmt: skip


@pytest.mark.parametrize("block", [1000, BLOCK])
@pytest.mark.parametrize("name", LIARS)
@pytest.mark.every(3)
def test_a_lie_costs_no_memory(name: str, block: int) -> None:
    """A header that promises more than there is holds a few times `LIMIT` at most, and the rest is covered still."""
    data = LIARS[name] + bytes(3 * LIMIT)
    tracemalloc.start()
    try:
        feed(data, block)
        assert tracemalloc.get_traced_memory()[1] < 3 * LIMIT
    finally:
        tracemalloc.stop()


def test_a_header_beyond_the_limit_is_not_held() -> None:
    """A longer one is called unknown, as is all that it describes."""
    assert feed(safetensors(b"{" + b" " * LIMIT) + bytes(50)) == [Span(0, BLOCK, None), Span(0, LIMIT + 59, None)]


def test_what_is_not_known_is_not_claimed() -> None:
    """A dtype of tomorrow is left to a sample; those around it are still known."""
    header = json.dumps({"a": tensor(0, 40), "b": tensor(40, 80, "F128"), "c": tensor(80, 88, "F64")}).encode()
    begin = 8 + len(header)
    expected = [(0, 1), (begin, 4), (begin + 40, None), (begin + 80, 8)]
    assert [(span.start, span.item_size) for span in feed(safetensors(header) + bytes(88))] == expected


def test_a_file_of_nothing_but_headers_is_not_followed_far() -> None:
    """What it costs to look at a file is bounded, whatever its length."""
    empty = struct.pack("<4s4xH8xIIHH", b"PK\3\4", 0, 0, 0, 0, 0)
    data = empty * (3 * LIMIT // 16)
    assert [span.item_size for span in feed(data)][:1] == [1]
    assert feed(data)[-1].item_size is None
