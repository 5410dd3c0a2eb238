"""The directory of a zip archive, read from its end: what entries there are, and where.

Only the directory counts, as for every reader of such archives. What it says is held
against the file: entries may not overlap, nor lie behind the directory.

https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from holdall.errors import ContentError
from holdall.tensors.stored import MAX_TENSORS, Member, RangedFile

MAGIC: Final = b"PK\3\4"
_TAIL: Final = 128 << 10  # bytes read at first: the end, and most directories
_MAX_DIRECTORY: Final = 32 << 20
_END: Final = struct.Struct("<4s4H2IH")
_END64: Final = struct.Struct("<4sQ2H2I4Q")
_LOCATOR: Final = struct.Struct("<4sIQI")
_ENTRY: Final = struct.Struct("<4s6H3I5H2I")
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_WIDE: Final = 0xFFFFFFFF  # the number is in the zip64 field
_STORED, _DEFLATED = 0, 8
_ENCRYPTED: Final = 1
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of an archive: its name, and where it is."""

    name: str
    member: Member


def read_directory(file: RangedFile, what: str) -> list[Entry]:
    """Return the entries of an archive, without directories, in the order in which they lie.

    Raises:
        ContentError: It is no archive (`what` says what it should have been), or its directory is wrong or too long.

    Cost: one request, and one more where the directory has more than 128 KiB.
    """
    (tail,) = file.read_ranges([(max(file.size - _TAIL, 0), file.size)])
    base = file.size - len(tail)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise ContentError(file.path, what, "it is no zip archive, or its end is missing")
    count, size, start = _bounds(file, what, tail, at)
    if size > _MAX_DIRECTORY or count > 2 * MAX_TENSORS:
        raise ContentError(file.path, what, f"its directory has {size:,} bytes and {count:,} entries")
    if start + size > base + at:
        raise ContentError(file.path, what, "its directory is said to be behind its end")
    table = tail[start - base : start - base + size] if start >= base else file.read_ranges([(start, start + size)])[0]
    return _checked(file, what, list(_entries(file, what, table, count)), start)


def _bounds(file: RangedFile, what: str, tail: bytes, at: int) -> tuple[int, int, int]:
    """Return how many entries the directory has, its length, and where it begins."""
    *_, count, size, start, _ = _END.unpack_from(tail, at)
    if count != 0xFFFF and size != _WIDE and start != _WIDE:
        return count, size, start
    locator = at - _LOCATOR.size
    if locator >= 0 and tail.startswith(b"PK\6\7", locator):
        where = _LOCATOR.unpack_from(tail, locator)[2] - (file.size - len(tail))
        if 0 <= where <= locator - _END64.size and tail.startswith(b"PK\6\6", where):
            *_, count, size, start = _END64.unpack_from(tail, where)
            return count, size, start
    raise ContentError(file.path, what, "the end of its directory is damaged")


def _entries(file: RangedFile, what: str, table: bytes, count: int) -> Iterator[tuple[str, int, Member]]:
    at = 0
    for _ in range(count):
        if len(table) - at < _ENTRY.size or not table.startswith(b"PK\1\2", at):
            raise ContentError(file.path, what, "its directory is damaged")
        _, _, _, flags, method, _, _, _, stored, size, *lengths, _, _, _, header = _ENTRY.unpack_from(table, at)
        name, extra, comment = lengths
        at += _ENTRY.size
        text = table[at : at + name].decode("utf-8" if flags & 0x800 else "cp437", "replace")
        wide = _wide(table[at + name : at + name + extra], [size, stored, header])
        at += name + extra + comment
        if text.endswith("/"):
            continue
        if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED):
            raise ContentError(file.path, what, f"its entry {text[:100]!r} is encrypted, or compressed in another way")
        size, stored, header = wide
        yield text, header, Member(file.path, header, 0, stored, size, deflated=method == _DEFLATED)


def _wide(extra: bytes, numbers: list[int]) -> list[int]:
    """Return the numbers, those that do not fit 32 bits from the zip64 field."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == 1:
            field = extra[4 : 4 + length]
            wide = iter(struct.unpack_from(f"<{len(field) // 8}Q", field))
            return [next(wide, number) if number == _WIDE else number for number in numbers]
        extra = extra[4 + length :]
    return numbers


def _checked(file: RangedFile, what: str, found: list[tuple[str, int, Member]], directory: int) -> list[Entry]:
    """Return the entries with their ends; refuse those that overlap or are not in front of the directory."""
    found.sort(key=lambda each: each[1])
    entries = []
    for (name, header, member), (_, end, _) in pairwise([*found, ("", directory, None)]):
        assert isinstance(member, Member)
        if header + _LOCAL.size + member.stored > end:
            raise ContentError(file.path, what, f"its entry {name[:100]!r} overlaps what follows it")
        if not member.deflated and member.stored != member.size:
            raise ContentError(file.path, what, f"its entry {name[:100]!r} has two sizes")
        entries.append(
            Entry(name, Member(file.path, header, end, member.stored, member.size, deflated=member.deflated))
        )
    if len({entry.name for entry in entries}) < len(entries):
        raise ContentError(file.path, what, "two of its entries have one name")
    return entries


def content_starts(file: RangedFile, what: str, members: Sequence[Member]) -> list[int]:
    """Return where the content of each entry begins, as its local header says.

    Raises:
        ContentError: There is no such header, or the content would not fit in front of the next entry.

    Cost: as reading 30 bytes of each, all planned together.
    """
    heads = file.read_ranges([(member.header, member.header + _LOCAL.size) for member in members])
    return [start_of(file, what, member, head) for member, head in zip(members, heads, strict=True)]


def start_of(file: RangedFile, what: str, member: Member, head: bytes) -> int:
    """Return where an entry's content begins, by the bytes of its local header. Raises: as `content_starts`."""
    magic, *_, name, extra = _LOCAL.unpack_from(head)
    start = member.header + _LOCAL.size + name + extra
    if magic != MAGIC or start + member.stored > member.end:
        raise ContentError(file.path, what, f"the header at {member.header} is not that of an entry")
    return int(start)


def inflate(pieces: Iterable[bytes], member: Member, path: str, what: str) -> Iterator[bytes]:
    """Yield what the pieces of a compressed entry say, at most 1 MiB at a time, and no more than its size.

    Raises:
        ContentError: It is damaged, or has another size than its directory says.
    """
    unpacker, left = zlib.decompressobj(-zlib.MAX_WBITS), member.size
    for piece in pieces:
        while piece and not unpacker.eof:
            found = _inflated(unpacker, piece, path, what)
            piece, left = unpacker.unconsumed_tail, left - len(found)
            if left < 0:
                raise ContentError(path, what, "a compressed entry is longer than is said of it")
            yield found
    if left:
        raise ContentError(path, what, "a compressed entry is shorter than is said of it")


def inflate_head(data: bytes, most: int, path: str, what: str) -> bytes:
    """Return what the first bytes of a compressed entry say, at most so much. Raises: ContentError: It is damaged."""
    return _inflated(zlib.decompressobj(-zlib.MAX_WBITS), data, path, what, most)


def _inflated(unpacker: Any, piece: bytes, path: str, what: str, most: int = _PIECE) -> bytes:
    try:
        return bytes(unpacker.decompress(piece, most))
    except zlib.error as error:
        raise ContentError(path, what, f"a compressed entry is damaged: {error}") from error
