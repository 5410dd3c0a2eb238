"""The pages of a Parquet file, as their own headers have them.

The footer may say anything: what a reader allocates and decodes is what stands
before each page. So every header is read here (a struct in Thrift's compact
protocol), and where the values say once more how many they are, that as well.
Nothing is made of a page before it is known how much that would be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow

from holdall.errors import PayloadError

DICTIONARY: Final = {2, 8}  # encodings, by their numbers in Parquet
_LENGTHS: Final = 6
BEGINNINGS: Final = 7
_RLE: Final = 3
_MOST: Final = 100_000  # pages of a request
_DEPTH: Final = 6  # of a header's structs; honest ones have three
_V1, _INDEX, _KEYS, _V2 = range(4)  # kinds of pages
_HEADERS: Final = {_V1: 5, _KEYS: 7, _V2: 8}  # the field that tells of each kind
_ENCODED_BY: Final = {_V1: 2, _KEYS: 2, _V2: 4}


@dataclass(frozen=True, slots=True)
class Page:
    """The header of one page.

    Attributes:
        kind: Of which of Parquet's.
        values: How many, those of a dictionary likewise.
        bytes: Without its codec.
        encoding: Its number in Parquet.
        stored: Its bytes in the file, with it.
        said: The rest.
    """

    kind: int
    values: int
    bytes: int
    encoding: int
    stored: memoryview
    said: dict[int, Any]

    @property
    def is_dictionary(self) -> bool:
        """Return whether it is a dictionary page, whose values others refer to."""
        return self.kind == _KEYS


def pages_of(body: bytes, said: pyarrow.parquet.FileMetaData) -> Iterator[tuple[int, int, Page]]:
    """Yield every page, with its row group and column. Raises: PayloadError."""
    count = 0
    for group in range(said.num_row_groups):
        for n in range(said.num_columns):
            column = said.row_group(group).column(n)
            starts = [column.data_page_offset, column.dictionary_page_offset or column.data_page_offset]
            at, end, left = min(starts), min(starts) + column.total_compressed_size, column.num_values
            if not 0 <= at <= end <= len(body):
                raise PayloadError("a column is outside of the file")
            while left > 0 and at < end:
                page, at = _page(memoryview(body)[:end], at)
                left -= 0 if page.is_dictionary else page.values
                count += page.kind != _INDEX
                if count > _MOST:
                    raise PayloadError(f"it has more than {_MOST} pages; write larger ones")
                if page.kind != _INDEX:
                    yield group, n, page


def check_counts(page: Page, codec: str, levels: tuple[int, int]) -> None:
    """Refuse a page whose values say that they are more than its header does.

    Args:
        page: Of any encoding; only two say it.
        codec: Of its column.
        levels: The deepest repetition and definition of its column.
    """
    if page.is_dictionary or page.encoding not in (_LENGTHS, BEGINNINGS):
        return
    values = _values(page, codec, levels)
    at = _delta(values, 0, page.values, walk=page.encoding == BEGINNINGS)
    if page.encoding == BEGINNINGS:
        _delta(values, at, page.values)


# --- inside ---


def _page(data: memoryview, at: int) -> tuple[Page, int]:
    try:
        header, start = _struct(data, at, 0)
        kind, size, stored = header[1], header[2], header[3]
        said = header[_HEADERS[kind]] if kind in _HEADERS else {}
        values, encoding = (said[1], said[_ENCODED_BY[kind]]) if said else (0, 0)
    except (KeyError, IndexError, TypeError) as error:
        raise PayloadError("a page has no header") from error
    if min(size, stored, values) < 0 or start + stored > len(data) or (kind not in _HEADERS and kind != _INDEX):
        raise PayloadError("a page's header says what cannot be")
    return Page(kind, values, size, encoding, data[start : start + stored], said), start + stored


def _struct(data: memoryview, at: int, depth: int) -> tuple[dict[int, Any], int]:
    """Return a struct's fields by number, without texts, and its end."""
    if depth > _DEPTH:
        raise PayloadError("a page's header is too deep")
    found: dict[int, Any] = {}
    field = 0
    while head := data[at]:
        at += 1
        if head >> 4:
            field += head >> 4
        else:
            field, at = _signed(data, at)
        if head & 15 in (1, 2):
            found[field] = head & 15 == 1
        else:
            found[field], at = _value(data, at, head & 15, depth)
    return found, at + 1


def _value(data: memoryview, at: int, kind: int, depth: int) -> tuple[Any, int]:
    match kind:
        case 3:
            return data[at], at + 1
        case 4 | 5 | 6:
            return _signed(data, at)
        case 7:
            return None, at + 8
        case 8:
            size, at = _varint(data, at)
            return None, at + size
        case 12:
            return _struct(data, at, depth + 1)
    raise PayloadError("a page's header has fields that no writer gives it")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for n in range(10):
        value |= (data[at + n] & 0x7F) << 7 * n
        if data[at + n] < 0x80:
            return value, at + n + 1
    raise PayloadError("a page has a number without end")


def _signed(data: memoryview, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _values(page: Page, codec: str, levels: tuple[int, int]) -> memoryview:
    """Return a page's decompressed values, without its levels."""
    if page.kind == _V2:
        before = page.said.get(5, 0) + page.said.get(6, 0)
        if not 0 <= before <= min(page.bytes, len(page.stored)):
            raise PayloadError("a page's header says what cannot be")
        packed = page.said.get(7, True)
        return _plain(page.stored[before:], page.bytes - before, codec if packed else "UNCOMPRESSED")
    data, at = _plain(page.stored, page.bytes, codec), 0
    for deepest, encoding in zip(levels, (page.said.get(4), page.said.get(3)), strict=True):
        if deepest and encoding != _RLE:
            raise PayloadError("its levels are written as nobody writes them any more")
        at += 4 + int.from_bytes(data[at : at + 4], "little") if deepest else 0
    return data[at:]


def _plain(stored: memoryview, size: int, codec: str) -> memoryview:
    if codec == "UNCOMPRESSED" or not stored:
        return stored
    try:
        unpacked = pyarrow.Codec("lz4_raw" if codec == "LZ4" else codec.lower()).decompress(stored, size)
    except (OSError, ValueError) as error:
        raise PayloadError(f"a page is no {codec}") from error
    return memoryview(unpacked).cast("B")  # pyarrow has its bytes signed


def _delta(data: memoryview, at: int, most: int, *, walk: bool = False) -> int:
    """Check a block of delta-encoded numbers; return their count, and where they end if asked to."""
    try:
        block, at = _varint(data, at)
        parts, at = _varint(data, at)
        count, at = _varint(data, at)
        _, at = _varint(data, at)
        if count > most:
            raise PayloadError(f"a page of {most} values says that it has {count}")
        if not walk:
            return at
        if not 0 < parts <= block <= 1 << 20 or block % parts:
            raise PayloadError("a page has blocks of no size")
        left = count - 1
        while left > 0:
            _, at = _varint(data, at)
            widths, at = data[at : at + parts].tolist(), at + parts
            for width in widths[: -(-left // (block // parts))]:
                at += block // parts * width // 8
            left -= block
    except IndexError as error:
        raise PayloadError("a page ends too early") from error
    return at
