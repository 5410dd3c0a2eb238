"""The array of an npy file: magic, version, length, a Python literal that says dtype and shape, then the array.

https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import re
from typing import Final

from holdall.format.numbers.cursor import Cursor, Steps

MAGIC: Final = b"\x93NUMPY"
_HEADER: Final = 64 << 10  # numpy itself reads 10,000 bytes unless told otherwise
# Read by pattern, not evaluated: a literal nested deeply enough ends the interpreter.
_DESCR: Final = re.compile(rb"'descr': *'[<>|=]?([a-zA-Z])(\d{1,9})(?:\[\w{1,20}\])?'")
_SHAPE: Final = re.compile(rb"'shape': *\(([\d, ]{0,1000})\)")


def follow(cursor: Cursor, stop: int | None = None) -> Steps[bool]:
    """Mark the header and the array, up to `stop` at most; return False where the array's end is not known."""
    wide = 2 if (yield from cursor.need(12))[6] == 1 else 4
    held = yield from cursor.need(12)
    begin = 8 + wide + int.from_bytes(held[8 : 8 + wide], "little")
    if begin > _HEADER or (stop is not None and cursor.at + begin > stop):
        return False
    header = bytes((yield from cursor.need(begin))[8 + wide : begin])
    descr, shape = _DESCR.search(header), _SHAPE.search(header)
    cursor.mark(begin, 1)
    if descr is None or shape is None:
        return False
    size = int(descr[2]) * (4 if descr[1] == b"U" else 1)
    length = size * math.prod(int(n) for n in re.findall(rb"\d{1,19}", shape[1]))
    cursor.mark(length if stop is None else min(length, stop - cursor.at), _item(descr[1], size))
    return True


def _item(kind: bytes, size: int) -> int | None:
    if kind == b"U":
        return 4  # a character is a u32
    if kind == b"c":
        size //= 2
    if kind in b"Sab" or size == 1:
        return 1
    if kind == b"V":
        return 2 if size == 2 else None  # how numpy writes bfloat16, which it does not know
    return min(size, 8) if size in (2, 4, 8, 16) else None  # long doubles come in 16
