"""Files that lie about themselves are refused, before memory or time is spent on what they say."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.support import tensor_files as made
from tests.support.depth import thinned
from tests.support.stores import tiny_store

from holdall.errors import ContentError
from holdall.storage.memory import MemoryBucket
from holdall.tensors.npy import read_npz
from holdall.tensors.onnx import read_onnx
from holdall.tensors.safetensors import read_header
from holdall.tensors.stored import Header, Reader
from holdall.tensors.torch_file import read_torch

MIB = 1 << 20
REAL = made.npz({"a": np.arange(6.0), "b": np.ones(3)})
ENTRY, END = REAL.find(b"PK\1\2"), REAL.rfind(b"PK\5\6")


def read(reader: Reader, data: bytes) -> Header:
    """What a reader makes of a file, which is beside itself too."""
    file = made.CountedFile(data)
    return reader(file, lambda _: file)


def put(at: int, kind: str, value: int) -> bytes:
    """The archive with another number at one place."""
    return REAL[:at] + struct.pack(kind, value) + REAL[at + struct.calcsize(kind) :]


def zipped(**entries: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name.replace("__", "."), data)
    return held.getvalue()


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "no end": lambda: REAL[:END],
    "cut in the directory": lambda: REAL[: ENTRY + 10] + REAL[END:],
    "more entries than there are": lambda: put(END + 10, "<H", 900),
    "a directory behind its end": lambda: put(END + 16, "<I", len(REAL)),
    "a directory of four gigabytes": lambda: put(END + 12, "<I", 0xFFFFFFF0),
    "sizes in a record that is not there": lambda: put(END + 16, "<I", 0xFFFFFFFF),
    "an entry behind the directory": lambda: put(ENTRY + 42, "<I", len(REAL) - 4),
    "an entry as long as the disk": lambda: put(ENTRY + 20, "<I", 0xFFFFFFF0),
    "two sizes": lambda: put(ENTRY + 24, "<I", 5),
    "encrypted": lambda: put(ENTRY + 8, "<H", 1),
    "compressed in a strange way": lambda: put(ENTRY + 10, "<H", 99),
    "compressed, it says": lambda: put(ENTRY + 10, "<H", 8),
    "a local header that is none": lambda: b"XX" + REAL[2:],
    "a local header with a long name": lambda: put(26, "<H", 60_000),
    "an archive in it": lambda: zipped(inner=REAL),
    "a text in it": lambda: zipped(a__npy=b"hello"),
    "an array that is longer than its entry": lambda: zipped(a__npy=made.npy(np.zeros(9))[:-1]),
}


@pytest.mark.parametrize("damage", ARCHIVES)
def test_a_wrong_archive_is_refused(damage: str) -> None:
    """Each in a way of its own, always as an error that names the file."""
    with pytest.raises(ContentError, match=r"'file' is not an npz archive"):
        read(read_npz, ARCHIVES[damage]())


def test_names_that_come_twice_are_refused() -> None:
    """In an archive, in a model: which one is meant cannot be told."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.npy", made.npy(np.zeros(1)))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", made.npy(np.ones(1)))
    with pytest.raises(ContentError, match="one name"):
        read(read_npz, held.getvalue())
    model = made.onnx_model({"w": np.zeros(1)})
    model.graph.initializer.append(model.graph.initializer[0])
    with pytest.raises(ContentError, match="two of its tensors"):
        read(read_onnx, model.SerializeToString())


def _laughs() -> Any:
    value: list[Any] = []
    for _ in range(50):
        value = [value, value]
    return value


BOMBS: dict[str, tuple[Reader, Callable[[], bytes]]] = {
    "very many tensors": (
        read_header,
        lambda: (lambda text: len(text).to_bytes(8, "little") + text)(
            b"{"
            + b",".join(b'"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % n for n in range(1_000_000))
            + b"}"
        ),
    ),
    "lists that double": (read_torch, lambda: made.torch_file({"a": _laughs()})),
    "nesting": (read_torch, lambda: zipped(**{"x/data.pkl": b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b"."})),
    "marks": (read_torch, lambda: zipped(**{"x/data.pkl": b"\x80\x02" + b"(" * 200_000 + b"."})),
    "a text of gigabytes": (read_torch, lambda: zipped(**{"x/data.pkl": b"\x80\x02X" + b"\xff" * 4 + b"abc."})),
    "fields without end": (read_onnx, lambda: b"\x08\x01" * 270_000),
    "very many dimensions": (
        read_onnx,
        lambda: (lambda tensor: b"\x08\x01\x3a" + _varint(len(tensor)) + tensor)(
            (lambda dims: b"\x2a" + _varint(len(dims)) + dims)(b"\x08\x01" * 100_000)
        ),
    ),
}


def _varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found, number = found + bytes([number & 0x7F | 0x80]), number >> 7
    return found + bytes([number])


@pytest.mark.parametrize("bomb", thinned(list(BOMBS), 4))
def test_a_small_file_that_stands_for_much_is_refused_in_little_memory(bomb: str) -> None:
    """The number of what it holds is bounded before that is made."""
    reader, make = BOMBS[bomb]
    data = make()
    tracemalloc.start()
    try:
        with pytest.raises(ContentError):
            read(reader, data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 128 * MIB + 2 * len(data)


def _pickled(*code: bytes) -> bytes:
    return zipped(**{"x/data.pkl": b"\x80\x04" + b"".join(code) + b"."})


def _text(size: int) -> bytes:
    return b"X" + size.to_bytes(4, "little") + b"k" * size


STORAGE = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpuK\4tQ"
AGAIN: dict[str, tuple[Reader, Callable[[], bytes]]] = {
    "names that are joined": (read_torch, lambda: _pickled(_text(1 << 19), b"q\0", b"h\0h\0\x93" * 300)),
    "pairs that are lists": (
        read_torch,
        lambda: _pickled(
            b"](" + b"N" * 6000 + b"eq\x000ccollections\nOrderedDict\n](" + b"h\0" * 6000 + b"e\x85R", b"\xff"
        ),
    ),
    "a list in many dictionaries": (
        read_torch,
        lambda: _pickled(
            b"ccollections\nOrderedDict\nq\x000](" + b"NN\x86" * 600 + b"e\x85q\x010", b"h\0h\1R" * 450, b"N"
        ),
    ),
    "a shape that doubles": (
        read_torch,
        lambda: _pickled(
            b"ctorch._utils\n_rebuild_tensor_v2\n(", STORAGE, b"K\0K\1\x85", b"q\0h\0\x86" * 26, b"K\1\x85tR"
        ),
    ),
    "numbers that are passed over": (
        read_torch,
        lambda: _pickled(b"](" + b"K\1" * 400 + b"eq\x000](" + b"h\0" * 400 + b"e"),
    ),
    "names as long as the one around them": (
        read_torch,
        lambda: _pickled(b"}", _text(4000), b"](" + b"N" * 20_000 + b"es"),
    ),
    "a place with more digits than are said": (
        read_header,
        lambda: (lambda text: len(text).to_bytes(8, "little") + text)(
            b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[%s,%s]}}' % (b"9" * 4300, b"9" * 4300)
        ),
    ),
}


@pytest.mark.parametrize("bomb", AGAIN)
def test_what_is_named_again_and_again_is_not_paid_for_by_its_name(bomb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bytes name what is long already: what is copied, joined, looked through or told of it is bounded."""
    monkeypatch.setattr("holdall.tensors.torch_pickle._MAX_STEPS", 100_000)
    reader, make = AGAIN[bomb]
    data = make()
    tracemalloc.start()
    try:
        with pytest.raises(ContentError):
            read(reader, data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * MIB


def test_what_is_kept_of_a_model_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each text of it may be short, and all of them more than memory."""
    data = made.onnx_file({"w": np.zeros(1)})
    assert read(read_onnx, data).tensors
    monkeypatch.setattr("holdall.tensors.protobuf._MAX_KEPT", 5)
    with pytest.raises(ContentError, match="texts and numbers"):
        read(read_onnx, data)


def test_a_compressed_array_is_compared_in_pieces() -> None:
    """16 MiB of zeros in 16 KiB of an archive take as much memory as a piece of them."""
    zeros = np.zeros(2 * MIB)
    bombs = [made.compressed_npz({"w": zeros}), made.compressed_npz({"w": zeros + 1})]
    store = tiny_store(MemoryBucket())
    run = store.runs.start()
    for n, data in enumerate(bombs):
        run.log_bytes(data, f"{n}.npz")
    del zeros
    tracemalloc.start()
    try:
        (one,) = store.artifacts.diff_tensors(f"runs:/{run.id}/0.npz", f"runs:/{run.id}/1.npz")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert one.values
    assert one.values.changed == 2 * MIB
    assert peak < 80 * MIB
