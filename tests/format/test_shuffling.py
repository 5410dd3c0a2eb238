"""Numbers taken apart and put together: by the library and without it the same bytes."""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.format import planes, shuffling
from holdall.format.codec import SPLIT, Decoder
from holdall.format.encoder import Encoder, Plan
from holdall.format.shuffling import Shuffler, find_shuffler

INSTALLED = importlib.util.find_spec("blosc2") is not None
needs_library = pytest.mark.skipif(not INSTALLED, reason="needs the extra `fast`")


@pytest.fixture
def nothing_known() -> Iterator[None]:
    find_shuffler.cache_clear()
    yield
    find_shuffler.cache_clear()


def slowly(put: Callable[[bytes, int], bytes]) -> Callable[[int, int, int, int], int]:
    """One of a library's functions, of Python's slices."""

    def transpose(item: int, size: int, source: int, result: int) -> int:
        ctypes.memmove(result, put(ctypes.string_at(source, size), item), size)
        return size

    return transpose


STAND_IN = Shuffler(
    split=slowly(lambda data, item: b"".join(data[p::item] for p in range(item))),
    join=slowly(lambda data, item: b"".join(data[n :: len(data) // item] for n in range(len(data) // item))),
)


def each_way(act: Callable[[], bytes]) -> list[bytes]:
    """What comes out with a library and without one; also with the one that is installed, where one is."""
    found: list[bytes] = []
    for shuffler in (find_shuffler(), STAND_IN, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(planes, "find_shuffler", lambda way=shuffler: way)
            found.append(act())
    return found


@needs_library
def test_the_library_is_found() -> None:
    """Where the extra is installed, it is what takes numbers apart."""
    assert find_shuffler() is not None


@given(st.sampled_from([2, 4, 8]), st.binary(min_size=8, max_size=3000))
def test_all_ways_take_numbers_apart_and_put_them_together(item: int, data: bytes) -> None:
    """Plane p holds byte p of every number, and from the planes come the numbers again, in whatever pieces they are."""
    count = len(data) // item
    data = data[: item * count]
    expected = b"".join(data[p::item] for p in range(item))

    def split() -> bytes:
        scratch, apart = planes.ScratchBuffers(), np.empty((item, count), np.uint8)
        planes.split(planes.numbers(data, item, 0, scratch), apart, scratch)
        return apart.tobytes()

    def join() -> bytes:
        pieces = [np.array_split(np.frombuffer(data[p::item], np.uint8), 3) for p in range(item)]
        return planes.join_pieces(pieces, planes.ScratchBuffers()).tobytes()

    assert each_way(split) == [expected] * 3
    assert each_way(join) == [data] * 3


@pytest.mark.parametrize("installed", [True, False])
def test_arrays_that_do_not_fit_are_not_handed_to_the_library(installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows no lengths: of numbers that lie apart it would take others, of too few what lies behind them."""
    if not installed:
        monkeypatch.setattr(planes, "find_shuffler", lambda: None)
    scratch, found = planes.ScratchBuffers(), np.empty((4, 100), np.uint8)
    planes.split(np.arange(200, dtype="<u4")[::2], found, scratch)
    assert found[0].tolist() == [2 * n for n in range(100)]
    with pytest.raises(ValueError, match=r"shape|broadcast"):
        planes.split(np.arange(99, dtype="<u4"), found, scratch)


@given(st.integers(0, 3), st.lists(st.integers(1, 6000), min_size=1, max_size=6))
def test_what_is_stored_does_not_depend_on_the_library(phase: int, sizes: list[int]) -> None:
    """The same bytes of every blob of a run, which decode to their source either way; none that pays is left whole.

    Numbers from 1 to 2 have one exponent, so their highest plane costs nothing: a quarter of each is saved.
    """
    numbers = 1 + np.random.default_rng(len(sizes)).random(2 + sum(sizes) // 4, dtype=np.float32)
    ends = [int(end) for end in np.cumsum(sizes)]
    data = numbers.tobytes()[-phase % 4 :][: ends[-1]]

    def stored() -> bytes:
        found = Encoder().encode_run(memoryview(data), ends, Plan(4, (None, None, None, 1)), phase)
        blobs = [(one.codec, b"".join(map(bytes, one.parts)), raw) for one, raw in zip(found, sizes, strict=True)]
        assert b"".join(map(bytes, Decoder().decode_run(blobs))) == data
        assert all(codec == SPLIT for codec, _, raw in blobs if raw >= 1000)
        return b"".join(made for _, made, _ in blobs)

    assert len(set(each_way(stored))) == 1


@pytest.mark.usefixtures("nothing_known")
def test_a_library_that_does_something_else_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that copies, one that lacks the functions, one that is none: numbers are taken apart without it."""

    def copies(_item: int, size: int, source: int, result: int) -> int:
        ctypes.memmove(result, source, size)
        return size

    def found_as(library: object) -> None:
        monkeypatch.setattr(ctypes, "PyDLL", lambda _: library)

    monkeypatch.setattr(shuffling, "_places", lambda: iter(["anything"]))
    for library in (SimpleNamespace(blosc2_shuffle=copies, blosc2_unshuffle=copies), SimpleNamespace()):
        found_as(library)
        find_shuffler.cache_clear()
        assert find_shuffler() is None
    monkeypatch.undo()
    monkeypatch.setattr(shuffling, "_places", lambda: iter([__file__]))
    find_shuffler.cache_clear()
    assert find_shuffler() is None


@pytest.mark.usefixtures("nothing_known")
def test_without_the_package_there_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not installed is not looked for twice, and nothing fails."""
    monkeypatch.setattr(shuffling, "_PACKAGE", "holdall_has_no_such_neighbour")
    assert find_shuffler() is None


def test_the_package_itself_is_never_imported() -> None:
    """Its Python takes half a second; its library is all that is used."""
    code = "import sys, holdall.format.planes as p; p.find_shuffler(); print([m for m in sys.modules if 'blosc2' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
