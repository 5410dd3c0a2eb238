"""Bytes of numbers taken apart and put together by a library that is made for it, where there is one.

numpy does both at 5 to 8 GB/s, in several passes; C-Blosc2 uses the widest
instructions that a processor has and makes 20 to 50 in one. It comes with the
package blosc2 (`pip install 'holdall[fast]'`), whose Python is never imported:
its shared library is opened where it lies, and trusted once it did to some
numbers what SPEC.md ("Byte-stream split") asks for. Where it is not installed,
or does something else, callers do without.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final, NamedTuple, TypeAlias

_PACKAGE: Final = "blosc2"
_NAMES: Final = ("libblosc2.so", "libblosc2.dylib", "libblosc2.dll")
_TRIED: Final = tuple((item, count) for item in (2, 4, 8) for count in (1, 31, 4099))

# (bytes of a number, bytes in all, address of the source, address of the result) -> bytes in all
Transpose: TypeAlias = Callable[[int, int, int, int], int]


class Shuffler(NamedTuple):
    """Takes numbers apart into planes that lie behind one another (`split`), and puts them together (`join`)."""

    split: Transpose
    join: Transpose


@cache
def find_shuffler() -> Shuffler | None:
    """Return the library's two functions, if it is installed and does what is asked for."""
    for path in _places():
        try:
            library = ctypes.PyDLL(path)  # keeps the GIL: to let it go takes as long as the call, and then some
            found = Shuffler(_function(library.blosc2_shuffle), _function(library.blosc2_unshuffle))
        except (OSError, AttributeError):
            continue
        if all(_is_right(found, item, count) for item, count in _TRIED):
            return found
    return None


def _places() -> Iterator[str]:
    try:
        spec = importlib.util.find_spec(_PACKAGE)
    except (ImportError, ValueError):
        return
    for folder in (spec and spec.submodule_search_locations) or ():
        for name in _NAMES:
            yield f"{folder}/lib/{name}"


def _function(found: ctypes._NamedFuncPointer) -> Transpose:
    found.argtypes = [ctypes.c_int32, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p]
    found.restype = ctypes.c_int32
    return found


def _is_right(shuffler: Shuffler, item: int, count: int) -> bool:
    numbers = bytes(7 * at % 251 for at in range(item * count))
    planes = b"".join(numbers[p::item] for p in range(item))
    return _done(shuffler.split, item, numbers) == planes and _done(shuffler.join, item, planes) == numbers


def _done(act: Transpose, item: int, data: bytes) -> bytes:
    source, result = ctypes.create_string_buffer(data, len(data)), ctypes.create_string_buffer(len(data))
    act(item, len(data), ctypes.addressof(source), ctypes.addressof(result))
    return result.raw
