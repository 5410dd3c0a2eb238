"""Tensors of a safetensors file: u64 length, so many bytes of JSON, then the tensors' bytes.

https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from holdall.format.numbers.cursor import LIMIT, Cursor, Span, Steps

# fmt: off
_ITEMS: Final = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "C64": 4,  # C64: two F32
    "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F4": 1,
}
# fmt: on


def follow(cursor: Cursor) -> Steps[bool]:
    """Mark the header and every tensor; return False where it is no such file, or its header is too long."""
    length = int.from_bytes((yield from cursor.need(8))[:8], "little")
    if length > LIMIT or not cursor.afford(length):
        return False
    held = yield from cursor.need(8 + length)
    header = _json(bytes(held[8 : 8 + length]))
    if not isinstance(header, dict):
        return False
    cursor.mark(8 + length, 1)
    cursor.mark_all(_tensors(header, cursor.at))
    return True


def _json(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _tensors(header: dict[str, object], base: int) -> Iterator[Span]:
    for entry in header.values():
        match entry:
            case {"dtype": str(dtype), "data_offsets": [int(start), int(stop)]}:
                yield Span(base + start, base + stop, _item(dtype))


def _item(dtype: str) -> int | None:
    return 1 if dtype.startswith(("F8_", "F6_")) else _ITEMS.get(dtype)
