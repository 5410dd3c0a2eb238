"""Many blobs in one object.

A pack exists because a bucket charges by the request: ten thousand small
objects cost ten thousand round trips, one pack costs one. It is written once,
never changed, and its name is never used again.

    0          "HOLDPAK1"
    8          blob 0 | blob 1 | ... | blob n-1
    B          footer: n, B, BLAKE3 of [0, B), then a row of 48 bytes for each blob
    last 48    SHA-256 of the footer | footer length | "HOLDPAK1"

SPEC.md, "Packs", is the law. This module only turns values into bytes and back.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from holdall.errors import FormatError, UnsupportedFeatureError
from holdall.format.digest import Bytes, blob_id, sha256
from holdall.format.layout import PackName
from holdall.format.reference import Ref, check_lengths

MAGIC: Final = b"HOLDPAK1"
MAX_PACK: Final = 1 << 30
MAX_ROWS: Final = 1 << 18  # a footer of 12 MiB
_ROOM: Final = 64 << 10
_HEAD: Final = struct.Struct("<II32s")
_ROW: Final = struct.Struct("<32sIIIBBH")
_TRAILER: Final = struct.Struct("<32sQ8s")
TRAILER: Final = _TRAILER.size
TAIL: Final = 64 << 10  # holds the footer of a pack of usual chunks: one request instead of two


class Row(NamedTuple):
    """One blob of a pack: its id, offset, lengths in bytes, codec and kind."""

    id: bytes
    offset: int
    stored: int
    raw: int
    codec: int
    kind: int

    def ref(self, pack: PackName) -> Ref:
        """Return the reference to this blob in the pack of this name."""
        return Ref(self.id, pack, self.offset, self.stored, self.raw, self.codec)


@dataclass(frozen=True, slots=True)
class Footer:
    """The footer of a pack: where its body ends, the BLAKE3 of that body, and its rows."""

    body: int
    body_id: bytes
    rows: tuple[Row, ...]


class PackBuilder:
    """Builds a pack. `size` is the length of its body so far, in bytes.

    Args:
        room: The memory to build it in, such as a buffer that is reused; a larger one is allocated when it is full.
    """

    def __init__(self, room: memoryview | None = None) -> None:
        self._room = memoryview(bytearray(_ROOM)) if room is None else room
        self._room[: len(MAGIC)] = MAGIC
        self.rows: list[Row] = []
        self.size = len(MAGIC)

    def add(self, blob: bytes, kind: int, codec: int, stored: Bytes | Sequence[Bytes], raw: int) -> Row:
        """Append an encoded blob, given whole or in parts; return its row."""
        parts = (stored,) if isinstance(stored, bytes | bytearray | memoryview) else stored
        start = self.size
        self.size = self._write(start, parts)
        row = Row(blob, start, self.size - start, raw, codec, kind)
        self.rows.append(row)
        return row

    def fits(self, stored: int) -> bool:
        """Return whether the memory has space for one more blob of so many bytes, and the footer for one more row."""
        footer = _HEAD.size + _ROW.size * (len(self.rows) + 1) + TRAILER
        return len(self.rows) < MAX_ROWS and self.size + stored + footer <= len(self._room)

    def finish(self) -> memoryview:
        """Return the whole object, in the memory that it was built in."""
        head = _HEAD.pack(len(self.rows), self.size, blob_id(self._room[: self.size]))
        rows = (_ROW.pack(r.id, r.offset, r.stored, r.raw, r.codec, r.kind, 0) for r in self.rows)
        footer = head + b"".join(rows)
        end = footer + _TRAILER.pack(sha256(footer), len(footer), MAGIC)
        self._write(self.size, (end,))
        return self._room[: self.size + len(end)]

    def _write(self, at: int, parts: Sequence[Bytes]) -> int:
        """Write parts one after the other, and return where they end."""
        end = at + sum(map(len, parts))
        if end > len(self._room):
            larger = memoryview(bytearray(max(end, 2 * len(self._room))))
            larger[:at] = self._room[:at]
            self._room = larger
        room = self._room
        for part in parts:
            stop = at + len(part)
            room[at:stop] = part
            at = stop
        return end


def size_of_rest(blobs: int) -> int:
    """Return how many bytes of a pack are no blob: its magic, its trailer, and a footer of so many rows."""
    return len(MAGIC) + _HEAD.size + _ROW.size * blobs + TRAILER


def footer_length(tail: Bytes, what: str) -> int:
    """Return the length of the footer that the last 48 bytes of a pack tell.

    Raises:
        FormatError: These are not the last bytes of a pack.
    """
    if len(tail) < TRAILER:
        raise FormatError(what, "it is shorter than the end of a pack")
    _, length, magic = _TRAILER.unpack(bytes(tail[-TRAILER:]))
    if magic != MAGIC:
        if magic == b"HOLDPAKS":
            raise UnsupportedFeatureError(what, "sealed packs")
        raise FormatError(what, "it does not end like a pack")
    if not _HEAD.size + _ROW.size <= length <= _HEAD.size + _ROW.size * MAX_ROWS or (length - _HEAD.size) % _ROW.size:
        raise FormatError(what, f"a footer of {length} bytes cannot be")
    return int(length)


def parse_footer(tail: Bytes, what: str) -> Footer:
    """Return the footer in the last bytes of a pack, of which at least `footer_length + 48` are given.

    Raises:
        FormatError: The footer is not what was written, or not what any writer writes.
    """
    length = footer_length(tail, what)
    footer = bytes(tail[-TRAILER - length : -TRAILER])
    if len(footer) != length or sha256(footer) != bytes(tail[-TRAILER : -TRAILER + 32]):
        raise FormatError(what, "its footer does not match its digest")
    count, body, body_id = _HEAD.unpack_from(footer)
    rows: list[Row] = []
    end = len(MAGIC)
    for blob, offset, stored, raw, codec, kind, zero in _ROW.iter_unpack(footer[_HEAD.size :]):
        check_lengths(stored, raw, what, kind)
        if offset != end or zero:
            raise FormatError(what, f"row {len(rows)} of its footer is wrong")
        rows.append(Row(blob, offset, stored, raw, codec, kind))
        end += stored
    if count != len(rows) or body != end or end > MAX_PACK:
        raise FormatError(what, "its footer does not add up")
    return Footer(body, body_id, tuple(rows))


def parse_pack(data: Bytes, what: str) -> Footer:
    """Return the footer of a whole pack, after checking every byte of it against its digests.

    Raises:
        FormatError: Some byte is not what was written.
    """
    footer = parse_footer(data, what)
    if len(data) != footer.body + _HEAD.size + _ROW.size * len(footer.rows) + TRAILER or bytes(data[:8]) != MAGIC:
        raise FormatError(what, f"it has {len(data)} bytes, which its footer does not say")
    if blob_id(memoryview(data)[: footer.body]) != footer.body_id:
        raise FormatError(what, "its body does not match its digest")
    return footer
