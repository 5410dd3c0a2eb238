"""UBJSON as XGBoost writes it: objects, lists, texts, numbers, and lists of numbers of one kind.

{  L<8 bytes> name value  ...  }         [#L<8 bytes> value ...         S L<8 bytes> text
[  $<kind> #L<8 bytes> numbers           i U I l L d D number           T F Z
"""

from __future__ import annotations

import struct
from typing import Any, Final

from holdall.libraries import library

_KINDS: Final = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_WORDS: Final = {b"T": True, b"F": False, b"Z": None}
_DEEPEST: Final = 64


def parse_ubjson(data: bytes) -> Any:
    """Return what it says; lists of numbers of one kind as arrays.

    Raises:
        ValueError: It is none, or has a name twice.
    """
    reader = _Reader(data)
    try:
        found = reader.value(reader.taken(1), 0)
    except struct.error as error:
        raise ValueError("it is cut short") from error
    if reader.at != len(data):
        raise ValueError("something follows it")
    return found


class _Reader:
    """Where one is in it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def taken(self, size: int) -> bytes:
        if size < 0 or size > len(self.data) - self.at:
            raise ValueError("it is cut short")
        self.at += size
        return self.data[self.at - size : self.at]

    def size(self) -> int:
        if self.taken(1) != b"L":
            raise ValueError("a size is of an unknown kind")
        return int(struct.unpack(">q", self.taken(8))[0])

    def value(self, kind: bytes, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("it is nested too deep")
        if kind == b"{":
            return self._object(depth)
        if kind == b"[":
            return self._list(depth)
        if kind == b"S":
            return self.taken(self.size()).decode()
        if kind in _WORDS:
            return _WORDS[kind]
        return self._numbers(kind, 1)[0].item()

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.data[self.at : self.at + 1] != b"}":
            name = self.taken(self.size()).decode()
            if name in found:
                raise ValueError(f"{name!r} is there twice")
            found[name] = self.value(self.taken(1), depth + 1)
        self.at += 1
        return found

    def _list(self, depth: int) -> Any:
        mark = self.taken(1)
        if mark == b"$":
            kind, mark = self.taken(1), self.taken(1)
            if mark == b"#":
                return self._numbers(kind, self.size())
        if mark != b"#":
            raise ValueError("a list does not say how long it is")
        size = self.size()
        if size > len(self.data) - self.at:
            raise ValueError("it is cut short")
        return [self.value(self.taken(1), depth + 1) for _ in range(size)]

    def _numbers(self, kind: bytes, count: int) -> Any:
        if kind not in _KINDS:
            raise ValueError(f"{kind!r} is no kind of value")
        numpy = library("numpy", "reading UBJSON")
        dtype = numpy.dtype(_KINDS[kind])
        return numpy.frombuffer(self.taken(count * dtype.itemsize), dtype)
