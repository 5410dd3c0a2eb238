"""Thrift's compact protocol, as far as Parquet's footers and page headers have it: bytes of anybody to plain values.

A structure becomes a mapping from the numbers of its fields to their values, a list a list. What is too deep or too
much, or ends too early, is a ValueError: nothing is allocated because a length says so.
"""

from __future__ import annotations

from typing import Any, Final

DEEPEST: Final = 12
MOST: Final = 400_000
"""Values of one structure, those in it counted."""

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _TEXT, _LIST, _SET, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS: Final = (4, 5, 6)


def read_struct(data: bytes, at: int = 0) -> tuple[dict[int, Any], int]:
    """Return a structure and where it ends. Raises: ValueError: It is none.

    Example:
        >>> read_struct(bytes([0x15, 0x04, 0x18, 0x02]) + b"hi" + bytes(1))
        ({1: 2, 2: b'hi'}, 7)
    """
    reader = _Reader(data, at)
    try:
        return reader.struct(0), reader.at
    except IndexError as error:
        raise ValueError("it ends too early") from error


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self._data, self.at, self._left = data, at, MOST

    def struct(self, depth: int) -> dict[int, Any]:
        if depth > DEEPEST:
            raise ValueError("it is too deep")
        found: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) & 0x0F != _STOP:
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 0x0F
            found[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError("it has too many values")
        if kind in _INTEGERS:
            return self._signed()
        if kind == _TEXT:
            return self._take(self._unsigned())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth)
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind == _DOUBLE:
            return self._take(8)
        raise ValueError(f"it has a value of kind {kind}")

    def _list(self, depth: int) -> list[Any]:
        if depth > DEEPEST:
            raise ValueError("it is too deep")
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._unsigned()
        if count > len(self._data) - self.at:
            raise ValueError("a list is longer than what there is")
        return [self._value(head & 0x0F, depth + 1) for _ in range(count)]

    def _take(self, count: int) -> bytes:
        found = self._data[self.at : self.at + count]
        if len(found) < count:
            raise ValueError("a text is longer than what there is")
        self.at += count
        return found

    def _byte(self) -> int:
        found = self._data[self.at]
        self.at += 1
        return found

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("a number is too long")

    def _signed(self) -> int:
        found = self._unsigned()
        return (found >> 1) ^ -(found & 1)
