"""Byte-stream split: numbers split into planes of bytes, and joined again.

Plane p holds byte p of every number. Shifting whole numbers and keeping their
lowest byte is what numpy does fastest: 5 to 8 GB/s a core where a strided copy
byte by byte makes 3. Where it is installed, a library does it faster still
(`shuffling.py`). This is the one module of the format that imports numpy, and
it is itself imported when the first planes are met.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from holdall.format.digest import Bytes
from holdall.format.shuffling import Shuffler, find_shuffler

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
_DTYPES: Final[dict[int, np.dtype[Any]]] = {2: np.dtype("<u2"), 4: np.dtype("<u4"), 8: np.dtype("<u8")}
_BYTE: Final = np.dtype(np.uint8)
_SHARED: Final = np.zeros(1, _BYTE)  # stands for the bytes of a number that lies half in one blob and half in the next

PlanarBlob: TypeAlias = tuple[int, Bytes, Sequence[Bytes], Bytes]  # bytes of a number; what is before, in, behind them


class ScratchBuffers:
    """Reused memory for intermediate arrays: fresh pages cost as much as the arithmetic.

    For one thread at a time. What a name lends is good until the same name lends again.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, bytearray] = {}

    def get(self, name: str, count: int, dtype: np.dtype[Any] = _BYTE) -> Array:
        """Return an array of shape (count,), uninitialised."""
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < count * dtype.itemsize:
            buffer = self._buffers[name] = bytearray(count * dtype.itemsize)
        return np.frombuffer(buffer, dtype, count)


def numbers(data: Bytes, item_size: int, phase: int, scratch: ScratchBuffers) -> Array:
    """Return the whole numbers of `item_size` bytes, the first of which begins at `phase`; shape (n,), unsigned.

    Where they do not begin at an address that suits them they are copied, since arithmetic is slower than that.
    """
    count = (len(data) - phase) // item_size
    found = np.frombuffer(data, _DTYPES[item_size], count, phase)
    if found.flags.aligned:
        return found
    copy = scratch.get("numbers", count, _DTYPES[item_size])
    np.copyto(copy, found)
    return copy


def split(whole: Array, planes: Array, scratch: ScratchBuffers) -> None:
    """Fill planes of shape (bytes of a number, n), least significant first, from unsigned numbers of shape (n,)."""
    together = planes.flags.c_contiguous and whole.flags.c_contiguous and planes.nbytes == whole.nbytes
    if together and (shuffler := find_shuffler()):  # which sees addresses alone, and would go beyond their memory
        shuffler.split(len(planes), planes.nbytes, whole.ctypes.data, planes.ctypes.data)
    else:
        _split_by_halves(whole, planes, scratch)


def _split_by_halves(whole: Array, planes: Array, scratch: ScratchBuffers) -> None:
    """Split numbers into halves, and these again: narrow numbers are shifted and cut off faster than wide ones."""
    middle = len(planes) // 2
    if middle == 1:
        low, high = planes
    else:
        low, high = (scratch.get(f"half {middle} {at}", len(whole), _DTYPES[middle]) for at in (0, 1))
    np.copyto(low, whole, casting="unsafe")
    np.right_shift(whole, 8 * middle, out=high, dtype=whole.dtype, casting="unsafe")
    if middle > 1:
        _split_by_halves(low, planes[:middle], scratch)
        _split_by_halves(high, planes[middle:], scratch)


def join_pieces(planes: Sequence[Sequence[Array]], scratch: ScratchBuffers) -> Array:
    """Return the numbers of these planes, least significant first, each given in pieces; in scratch memory."""
    joined = scratch.get("joined", sum(map(len, planes[0])), _DTYPES[len(planes)])
    _fill(joined, planes, scratch)
    return joined


def join_all(blobs: Sequence[PlanarBlob], scratch: ScratchBuffers) -> list[memoryview]:
    """Return the bytes of many blobs, in scratch memory until it lends again."""
    shuffler = find_shuffler()
    return _join_each(blobs, shuffler, scratch) if shuffler else _join_in_runs(blobs, scratch)


def _join_each(blobs: Sequence[PlanarBlob], shuffler: Shuffler, scratch: ScratchBuffers) -> list[memoryview]:
    """Join one blob after the other: the library takes some microseconds for each, and cares for no alignment."""
    sizes = [item_size * len(planes[0]) for item_size, _, planes, _ in blobs]
    whole = scratch.get("blobs", sum(size + 2 * blob[0] for size, blob in zip(sizes, blobs, strict=True)))
    apart = scratch.get("planes", max(sizes))
    memory, room, base, source = whole.data, apart.data, whole.ctypes.data, apart.ctypes.data
    found: list[memoryview] = []
    at = 0
    for (item_size, head, planes, tail), size in zip(blobs, sizes, strict=True):
        count, done = len(planes[0]), 0
        for plane in planes:
            room[done : done + count] = plane
            done += count
        start, begin = at, at + len(head)
        end = begin + size
        at = end + len(tail)
        memory[start:begin], memory[end:at] = head, tail
        shuffler.join(item_size, size, source, base + begin)
        found.append(memory[start:at])
    return found


def _join_in_runs(blobs: Sequence[PlanarBlob], scratch: ScratchBuffers) -> list[memoryview]:
    """Join many blobs in one pass.

    Blobs that were cut out of one file lie in it as they did there: a number that a cut went through lies in both of
    its halves' blobs.
    """
    runs, length = _lay_out(blobs)
    memory = scratch.get("blobs", length).data.cast("B")
    found: list[memoryview] = []
    for run in runs:
        pieces: list[list[Array]] = [[] for _ in range(run[0].item_size)]
        count = 0  # of the numbers so far
        for blob in run:
            if blob.first_number > count:
                for plane in pieces:
                    plane.append(_SHARED)
            for plane, piece in zip(pieces, blob.planes, strict=True):
                plane.append(np.frombuffer(piece, _BYTE))
            count = blob.first_number + len(blob.planes[0])
        base = run[0].start + len(run[0].head)
        _fill(np.frombuffer(memory, _DTYPES[run[0].item_size], count, base), pieces, scratch)
        for blob in run:  # not before: a number that two share was filled with zeros
            memory[blob.start : blob.start + len(blob.head)] = blob.head
            memory[blob.stop - len(blob.tail) : blob.stop] = blob.tail
            found.append(memory[blob.start : blob.stop])
    return found


class _Placed(NamedTuple):
    """A blob's place in the memory of many: its bytes, and which of its run's numbers is its first."""

    start: int
    stop: int
    first_number: int
    item_size: int
    head: Bytes
    planes: Sequence[Bytes]
    tail: Bytes


def _lay_out(blobs: Iterable[PlanarBlob]) -> tuple[list[list[_Placed]], int]:
    """Return blobs in runs that lie back to back with their numbers in step, and the bytes that all of them take."""
    runs: list[list[_Placed]] = []
    at, base, width = 0, 0, 0
    for item_size, head, planes, tail in blobs:
        begin = at + len(head)
        if item_size != width or (begin - base) % width:
            begin += -begin % 8
            base, width = begin, item_size
            runs.append([])
        start, stop = begin - len(head), begin + item_size * len(planes[0]) + len(tail)
        runs[-1].append(_Placed(start, stop, (begin - base) // width, item_size, head, planes, tail))
        at = stop
    return runs, at


def _fill(whole: Array, pieces: Sequence[Sequence[Array]], scratch: ScratchBuffers) -> None:
    """Fill unsigned numbers from their planes, each given in pieces that follow one another."""
    if shuffler := find_shuffler():
        planes = scratch.get("planes", whole.nbytes).reshape(len(pieces), len(whole))
        for plane, some in zip(planes, pieces, strict=True):
            np.concatenate(some, out=plane)
        shuffler.join(len(planes), planes.nbytes, planes.ctypes.data, whole.ctypes.data)
    else:
        _fill_by_pairs(whole, pieces, scratch)


def _fill_by_pairs(whole: Array, pieces: Sequence[Sequence[Array]], scratch: ScratchBuffers) -> None:
    """Make numbers of two bytes, and of these numbers of four: half the memory that adding byte to byte would touch."""
    count, item_size = len(whole), len(pieces)
    level = [whole] if item_size == 2 else [scratch.get(f"2 {at}", count, _DTYPES[2]) for at in range(item_size // 2)]
    low = scratch.get("low", count, _DTYPES[2])
    for at, found in enumerate(level):
        np.concatenate(pieces[2 * at + 1], out=found)
        np.left_shift(found, 8, out=found)
        np.bitwise_or(found, np.concatenate(pieces[2 * at], out=low), out=found)
    while len(level) > 1:
        width = 2 * item_size // len(level)
        wider = [
            whole if width == item_size else scratch.get(f"{width} {at}", count, _DTYPES[width])
            for at in range(len(level) // 2)
        ]
        for found, less, more in zip(wider, level[::2], level[1::2], strict=True):
            np.copyto(found, more)
            np.left_shift(found, 4 * width, out=found)
            np.bitwise_or(found, less, out=found)
        level = wider


def view(data: Bytes) -> Array:
    """Return bytes as an array of shape (n,), not copied."""
    return np.frombuffer(data, _BYTE)


def equal(some: Array, other: Array) -> bool:
    """Return whether two arrays of one shape hold the same numbers."""
    return bool((some == other).all())
