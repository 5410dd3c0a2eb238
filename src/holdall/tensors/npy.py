"""The array of an npy file, and those of an npz archive.

A header is a Python literal. It is read by pattern, not evaluated: a literal that is
nested deeply enough ends the interpreter.

https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

from holdall.errors import ContentError
from holdall.tensors.archive import Entry, inflate_head, read_directory, start_of
from holdall.tensors.dtypes import DTYPES, DType, as_bytes
from holdall.tensors.stored import Extent, Header, Member, Nowhere, Place, RangedFile, Stored, checked_names
from holdall.tensors.stored import checked_shape as shape_of

NPY, NPZ = "an npy file", "an npz archive"
MAGIC: Final = b"\x93NUMPY"
_HEAD: Final = 4096  # bytes of an array read at first: numpy pads a header to 64 or 128
_MAX_HEADER: Final = 64 << 10  # numpy itself reads 10,000 bytes unless told otherwise
_DESCR: Final = re.compile(rb"'descr': *'([<>|=]?)([a-zA-Z])(\d{0,9})((?:\[[\w ]{1,30}\])?)' *,")
_FORTRAN: Final = re.compile(rb"'fortran_order': *(True|False)")
_SHAPE: Final = re.compile(rb"'shape': *\(([\d, ]{0,1000})\)")
_LETTERS: Final = {"f": "float", "i": "int", "u": "uint", "c": "complex"}
_OBJECTS: Final = "it holds pickled Python objects, which are not read"


@dataclass(frozen=True, slots=True)
class _Array:
    """What a header says. Attributes: begin (of its numbers in the file)."""

    dtype: DType | None  # None: Python objects
    big_endian: bool
    shape: tuple[int, ...]
    fortran: bool
    begin: int


def read_npy(file: RangedFile, _: Callable[[str], RangedFile]) -> Header:
    """Return the one array of an npy file, whose name is "".

    Raises:
        ContentError: It is none, or its header does not fit the file.

    Cost: one request.
    """
    (head,) = file.read_ranges([(0, min(file.size, _MAX_HEADER))])
    array = _parse(file, NPY, "", head, file.size)
    return Header([_stored("", array, Extent(file.path, array.begin))])


def read_npz(file: RangedFile, _: Callable[[str], RangedFile]) -> Header:
    """Return the arrays of an npz archive.

    Raises:
        ContentError: It is none, or a header in it does not fit.

    Cost: one or two requests for the directory, and one for each array, planned together.
    """
    entries = read_directory(file, NPZ)
    checked_names(file, NPZ, [_name(entry) for entry in entries])
    heads = file.read_ranges([_head(entry.member) for entry in entries])
    return Header([_member(file, entry, head) for entry, head in zip(entries, heads, strict=True)])


def _head(member: Member) -> tuple[int, int]:
    return member.header, min(member.header + _HEAD, member.end)


def _name(entry: Entry) -> str:
    return entry.name.removesuffix(".npy")


def _member(file: RangedFile, entry: Entry, head: bytes) -> Stored:
    member, name = entry.member, _name(entry)
    start = start_of(file, NPZ, member, head)
    content = head[start - member.header : start - member.header + member.stored]
    if member.deflated:
        content = inflate_head(content, min(member.size, _MAX_HEADER), file.path, NPZ)
    array = _parse(file, NPZ, name, content, member.size)
    place = replace(member, skip=array.begin) if member.deflated else Extent(file.path, start + array.begin)
    return _stored(name, array, place)


def _parse(file: RangedFile, what: str, name: str, head: bytes, size: int) -> _Array:
    """Return what the header of an array of so many bytes says. Raises: ContentError."""
    at = f"the array {name[:100]!r}" if name else "it"
    if not head.startswith(MAGIC) or len(head) < 12:
        raise ContentError(file.path, what, f"{at} does not begin as an npy file does")
    wide = 2 if head[6] == 1 else 4
    begin = 8 + wide + int.from_bytes(head[8 : 8 + wide], "little")
    if head[6] not in (1, 2, 3) or begin > min(len(head), size, _MAX_HEADER):
        raise ContentError(file.path, what, f"{at} has a header of another version, or of {begin:,} bytes")
    text = head[8 + wide : begin]
    order, shape = _FORTRAN.search(text), _SHAPE.search(text)
    if order is None or shape is None:
        raise ContentError(file.path, what, f"{at} has a header without shape and order")
    sizes = shape_of(file, what, name, [int(n) for n in re.findall(rb"\d{1,19}", shape[1])])
    dtype, big = _dtype(text, size - begin, math.prod(sizes))
    length = -(-math.prod(sizes) * dtype.bits // 8) if dtype else 0
    if length > size - begin:
        raise ContentError(file.path, what, f"{at} needs {length:,} bytes and has {size - begin:,}")
    return _Array(dtype, big, sizes, order[1] == b"True" and len(sizes) > 1, begin)


def _dtype(text: bytes, size: int, count: int) -> tuple[DType | None, bool]:
    """Return the type of an array's numbers and whether they are big-endian; None as type of Python objects."""
    found = _DESCR.search(text)
    if found is None:  # a record of several fields
        return as_bytes("record", size // count if count else 1), False
    order, kind, digits, unit = (part.decode() for part in found.groups())
    item = int(digits or 0)
    if kind == "O":
        return None, False
    known = "bool" if kind == "b" else f"{_LETTERS[kind]}{8 * item}" if kind in _LETTERS else ""
    if known in DTYPES and not unit:
        return DTYPES[known], order == ">"
    return as_bytes(f"{order}{kind}{digits}{unit}".lstrip("|"), item * (4 if kind == "U" else 1)), False


def _stored(name: str, array: _Array, place: Place) -> Stored:
    if array.dtype is None:
        return Stored(name, as_bytes("object", 0), array.shape, Nowhere(_OBJECTS))
    strides = _fortran(array.shape) if array.fortran else None
    return Stored(name, array.dtype, array.shape, place, strides, array.big_endian)


def _fortran(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the strides of an array whose columns follow each other."""
    return tuple(accumulate(shape[:-1], lambda stride, size: stride * size, initial=1))
