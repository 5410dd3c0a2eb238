"""Tensors of a GGUF file: metadata, then a table of tensors, then the tensors, aligned.

The metadata holds the vocabulary, some hundred thousand strings, so it is
walked as it comes and never held as a whole.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from typing import Final

from holdall.format.numbers.cursor import Cursor, Span, Steps

MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_STRING, _ARRAY, _U32 = 8, 9, 4
_SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # type of value -> bytes
_ITEMS: Final = {0: 4, 1: 2, 25: 2, 26: 4, 27: 8, 28: 8, 30: 2}  # type of tensor -> bytes; all others are quantised
_HEADER: Final = 32 << 20  # bytes; a vocabulary of 260,000 words takes 10 MB
_TENSORS: Final = 1 << 14  # a mixture of experts has some thousand
_PAIRS: Final = 1 << 12  # a model has fewer than a hundred
_NAME: Final = 1 << 16  # bytes
_DIMENSIONS: Final = 8
_LENGTH: Final = struct.Struct("<Q")
_ENDLESS: Final = 1 << 64  # behind the end of every file


class _OddError(Exception):
    """The file makes no sense from here on, or is larger than is followed."""


def follow(cursor: Cursor) -> Steps[bool]:
    """Mark the header and every tensor; False where the header is not one that we know."""
    try:
        yield from _file(cursor)
    except _OddError:
        return False
    return True


def _file(cursor: Cursor) -> Steps[None]:
    version, tensors, pairs = struct.unpack_from("<4xIQQ", (yield from cursor.need(24)))
    if cursor.at or version not in _VERSIONS or tensors > _TENSORS or pairs > _PAIRS:
        raise _OddError  # nothing is ever put in front of one, so offsets are the file's
    alignment = 32
    _pass(cursor, 24)
    for _ in range(pairs):
        alignment = (yield from _pair(cursor)) or alignment
    table = []
    for _ in range(tensors):
        tensor = yield from _tensor(cursor)
        table.append(tensor)
    cursor.mark(-cursor.at % alignment, 1)
    _lay(cursor, sorted(table))


def _lay(cursor: Cursor, table: list[tuple[int, int, int]]) -> None:
    """Mark the tensors of plain numbers; what is quantised reaches to the next one, or to the end."""
    base = cursor.at
    cursor.mark_all(
        Span(base + start, base + start + length, item_size) for start, length, item_size in table if item_size > 1
    )
    if table and table[-1][2] == 1:
        cursor.mark(_ENDLESS, 1)


def _tensor(cursor: Cursor) -> Steps[tuple[int, int, int]]:
    """Pass an entry of the table: its offset, its bytes, and those of a number."""
    yield from _string(cursor)
    dimensions = yield from _number(cursor, 4)
    if dimensions > _DIMENSIONS:
        raise _OddError
    count = 1
    for _ in range(dimensions):
        count *= yield from _number(cursor, 8)
    item_size = _ITEMS.get((yield from _number(cursor, 4)), 1)
    return (yield from _number(cursor, 8)), count * item_size, item_size


def _pair(cursor: Cursor) -> Steps[int]:
    """Pass a key and its value: the alignment if it says that, else 0."""
    key = yield from _string(cursor)
    kind = yield from _number(cursor, 4)
    if key == b"general.alignment" and kind == _U32:
        return (yield from _number(cursor, 4))
    if kind == _STRING:
        yield from _strings(cursor, 1)
    elif kind == _ARRAY:
        yield from _array(cursor)
    else:
        _pass(cursor, _size(kind))
    return 0


def _array(cursor: Cursor) -> Steps[None]:
    kind = yield from _number(cursor, 4)
    count = yield from _number(cursor, 8)
    if kind == _STRING:
        yield from _strings(cursor, count)
    else:
        _pass(cursor, count * _size(kind))


def _strings(cursor: Cursor, count: int) -> Steps[None]:
    """Pass strings, many of them at a time: a vocabulary has hundreds of thousands."""
    while count:
        held = yield from cursor.need(8)
        at, end = 0, len(held) - 8
        while count and at <= end:
            at += 8 + _LENGTH.unpack_from(held, at)[0]
            count -= 1
        _pass(cursor, at)


def _string(cursor: Cursor) -> Steps[bytes]:
    length = yield from _number(cursor, 8)
    if length > _NAME:
        raise _OddError
    name = bytes((yield from cursor.need(length))[:length])
    _pass(cursor, length)
    return name


def _number(cursor: Cursor, size: int) -> Steps[int]:
    number = int.from_bytes((yield from cursor.need(size))[:size], "little")
    _pass(cursor, size)
    return number


def _size(kind: int) -> int:
    if kind not in _SIZES:
        raise _OddError  # an array of arrays too: the format allows them, and nobody writes them
    return _SIZES[kind]


def _pass(cursor: Cursor, count: int) -> None:
    if cursor.at + count > _HEADER:
        raise _OddError
    cursor.mark(count, 1)
