"""The entries of a zip archive, followed from local header to local header.

The directory at a zip's end comes too late for bytes that arrive in order. The
headers in front of the entries say as much, but for writers that did not know
an entry's size yet (flag bit 3) and put it behind the entry: torch.save does
so for every entry, numpy for a stream that cannot seek. Then the content says
where it ends, as an npy or a storage of known length does; a small entry ends
where a size behind it fits. What ends nowhere ends the walk.

https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from holdall.format.numbers import npy
from holdall.format.numbers.cursor import LIMIT, Cursor, Steps
from holdall.format.numbers.torch_pickle import Storages, storages

MAGIC: Final = b"PK\3\4"
_DESCRIPTOR: Final = b"PK\7\x08"
_DIRECTORY: Final = b"PK\1\2"
_END: Final = b"PK\5\6"
_TAIL: Final = {  # after the entries: length of a record, and where its variable lengths are
    _DIRECTORY: (46, "<28x3H"),
    b"PK\6\6": (12, "<4xQ"),
    b"PK\6\7": (20, ""),
    _END: (22, "<20xH"),
}
_STREAMED: Final = 8  # the flag of an entry whose sizes follow it
_PICKLE: Final = "data.pkl"
_IN_EXTRA: Final = 0xFFFFFFFF  # the size is in the zip64 field


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    stored: bool  # as it is, not deflated
    streamed: bool  # its size follows it
    stop: int | None  # where it ends in the file, where the local header says so


def follow(cursor: Cursor) -> Steps[bool]:
    """Mark an archive's entries and records; return False where they stop making sense."""
    known: Storages = {}
    while cursor.afford():
        kind = bytes((yield from cursor.need(4))[:4])
        if kind in _TAIL:
            yield from _record(cursor, *_TAIL[kind])
            if kind == _END:
                return True
        elif kind != MAGIC or not (yield from _entry(cursor, known)):
            return False
    return False


def _record(cursor: Cursor, fixed: int, lengths: str) -> Steps[None]:
    held = yield from cursor.need(fixed)
    cursor.mark(fixed + sum(struct.unpack_from(lengths, held)), 1)


def _entry(cursor: Cursor, known: Storages) -> Steps[bool]:
    entry = yield from _header(cursor)
    if not (yield from _content(cursor, entry, known)):
        return False
    if entry.streamed:
        held = yield from cursor.need(20)
        if held.startswith(_DESCRIPTOR):
            cursor.mark(16 if held.startswith((MAGIC, _DIRECTORY), 16) else 24, 1)
    return True


def _header(cursor: Cursor) -> Steps[_Entry]:
    held = yield from cursor.need(30)
    flags, method, size, original, name, extra = struct.unpack_from("<6xHH8xIIHH", held)
    length = 30 + name + extra
    held = yield from cursor.need(length)
    path = held[30 : 30 + name].decode("utf-8", "replace")
    streamed = bool(flags & _STREAMED)
    if size == _IN_EXTRA:
        size = _wide_size(bytes(held[30 + name : length]), skip=8 * (original == _IN_EXTRA))
    cursor.mark(length, 1)
    return _Entry(path, method == 0, streamed, cursor.at + size if size or not streamed else None)


def _wide_size(extra: bytes, *, skip: int) -> int:
    """Return the stored size in a zip64 field, after the original one where that is there too; else 0."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == 1:
            return int.from_bytes(extra[4 : 4 + length][skip : skip + 8], "little")
        extra = extra[4 + length :]
    return 0


def _content(cursor: Cursor, entry: _Entry, known: Storages) -> Steps[bool]:
    """Mark what an entry holds; return False where its end is not known."""
    if not entry.stored:
        return (yield from _whole(cursor, entry, 1))
    if entry.name in known:
        length, item_size = known[entry.name]
        cursor.mark(length if entry.stop is None else min(length, entry.stop - cursor.at), item_size)
        ends = True
    elif entry.name.endswith(_PICKLE):
        return (yield from _pickle(cursor, entry, known))
    elif (yield from cursor.need(len(npy.MAGIC))).startswith(npy.MAGIC):
        ends = yield from npy.follow(cursor, entry.stop)
    else:
        return (yield from _whole(cursor, entry, None))
    if entry.stop is None:
        return ends
    cursor.mark(entry.stop - cursor.at, None)
    return True


def _whole(cursor: Cursor, entry: _Entry, item_size: int | None) -> Steps[bool]:
    """Mark an entry whose end is known and whose numbers are not."""
    size = yield from _size(cursor, entry)
    cursor.mark(size or 0, item_size)
    return size is not None


def _pickle(cursor: Cursor, entry: _Entry, known: Storages) -> Steps[bool]:
    """Mark a checkpoint's pickle, and learn from it of the entries `data/<key>` beside it."""
    size = yield from _size(cursor, entry)
    if size is not None and size <= LIMIT and cursor.afford(size):
        folder = entry.name.removesuffix(_PICKLE) + "data/"
        pickle = bytes((yield from cursor.need(size))[:size])
        known.update((folder + key, told) for key, told in storages(pickle).items())
    cursor.mark(size or 0, 1)
    return size is not None


def _size(cursor: Cursor, entry: _Entry) -> Steps[int | None]:
    """Return the size of an entry: from its header, or a data descriptor at just this distance; None if neither."""
    if entry.stop is not None:
        return entry.stop - cursor.at
    seen = 0
    held = yield from cursor.need(0)
    while seen < LIMIT and cursor.afford():
        at = held.find(_DESCRIPTOR, seen)
        if at < 0:
            seen = max(seen, len(held) - 3)
            held = yield from cursor.need(len(held) + 1)
        elif int.from_bytes((yield from cursor.need(at + 12))[at + 8 : at + 12], "little") == at:
            return at
        else:
            seen = at + 1
    return None
