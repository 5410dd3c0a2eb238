"""The directory of a ZIP file: which members there are, and where their bytes lie.

Of a file that may come from anybody. Only members that are stored as they are
are taken, so no byte of it means more than itself: nothing is unpacked, and
there is nothing to blow up. Everything is checked against the length of the
file before memory is taken for it.

    local header | name | extra | bytes          for each member
    central directory                            a row for each: lengths, offset, name
    (zip64 end, its locator)                     where numbers do not fit 32 bits
    end                                          where the directory is

APPNOTE.TXT of PKWARE, 4.3. Rules without I/O: a reader of bytes is given.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, NoReturn

from holdall.errors import FormatError

MAX_MEMBERS: Final = 1_000_000
_MAX_DIRECTORY: Final = 256 << 20  # bytes, which are parsed at once
_MAX_NAME: Final = 512
_END: Final = struct.Struct("<4s4H2IH")
_LOCATOR: Final = struct.Struct("<4sIQI")
_END64: Final = struct.Struct("<4sQ2H2I4Q")
_ROW: Final = struct.Struct("<4s6H3I5H2I")
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_FULL: Final = 0xFFFFFFFF
_ZIP64: Final = 1  # the sort of extra field that has the numbers which do not fit

ReadAt = Callable[[int, int], bytes]
"""Returns so many bytes from an offset on, fewer at the end of the file."""


class Member(NamedTuple):
    """A member: where its local header is, and how many bytes it has."""

    header: int
    size: int


class _Row(NamedTuple):
    name: str
    member: Member


def read_directory(read: ReadAt, size: int, what: str) -> dict[str, Member]:
    """Return the members of a ZIP file of `size` bytes, by name.

    Raises:
        FormatError: It is none, is cut off, or has members that are compressed, encrypted, named twice or nowhere.
    """
    count, length, offset = _find_end(read, size, what)
    if offset + length > size or count > MAX_MEMBERS or length > _MAX_DIRECTORY or length < _ROW.size * count:
        _refuse(what, f"a directory of {count} members in {length} bytes at {offset} cannot be")
    found: dict[str, Member] = {}
    room = offset
    for name, member in _rows(read(offset, length), count, what):
        if name in found:
            _refuse(what, f"it has two members of the name {name!r}")
        if member.header + _LOCAL.size + member.size > offset:
            _refuse(what, f"{name!r} does not lie before its directory")
        room -= _LOCAL.size + member.size
        if room < 0:  # else a small file could hold any number of bytes
            _refuse(what, f"{name!r} lies where another member does")
        found[name] = member
    return found


def begin_of(read: ReadAt, member: Member, what: str) -> int:
    """Return the offset of a member's bytes. Raises: FormatError. Cost: one read."""
    header = read(member.header, _LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\3\4":
        _refuse(what, f"no member begins at {member.header}")
    *_, name, extra = _LOCAL.unpack(header)
    return member.header + _LOCAL.size + int(name) + int(extra)


def _find_end(read: ReadAt, size: int, what: str) -> tuple[int, int, int]:
    """Return the number of members, and the length and the offset of the directory."""
    start = max(size - _END.size - 0xFFFF, 0)
    tail = read(start, size - start)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        _refuse(what, "it does not end as a ZIP file does: it is none, or was cut off")
    _, disk, first, _, count, length, offset, comment = _END.unpack_from(tail, at)
    if comment != len(tail) - at - _END.size:
        _refuse(what, "something follows its end, or it was cut off")
    if 0xFFFF in (count, disk) or _FULL in (length, offset):
        return _find_end64(read, start + at, what)
    if disk or first:
        _refuse(what, "it is one part of several")
    return count, length, offset


def _find_end64(read: ReadAt, end: int, what: str) -> tuple[int, int, int]:
    locator = read(max(end - _LOCATOR.size, 0), _LOCATOR.size)
    if len(locator) < _LOCATOR.size or locator[:4] != b"PK\6\7":
        _refuse(what, "its zip64 locator is missing")
    at = _LOCATOR.unpack(locator)[2]
    record = read(at, _END64.size) if at <= end else b""
    if len(record) < _END64.size or record[:4] != b"PK\6\6":
        _refuse(what, "its zip64 end is missing")
    *_, count, length, offset = _END64.unpack(record)
    return count, length, offset


def _rows(directory: bytes, count: int, what: str) -> Iterator[_Row]:
    at = 0
    for _ in range(count):
        if at + _ROW.size > len(directory) or directory[at : at + 4] != b"PK\1\2":
            _refuse(what, "its directory ends early")
        row = _ROW.unpack_from(directory, at)
        flags, method, stored, size = row[3], row[4], row[8], row[9]
        name_length, extra_length, comment_length, offset = row[10], row[11], row[12], row[16]
        end = at + _ROW.size + name_length
        name = _name(directory[at + _ROW.size : end], what)
        size, stored, offset = _full(directory[end : end + extra_length], size, stored, offset, name, what)
        if flags & 1 or method or stored != size:
            _refuse(what, f"{name!r} is compressed or encrypted: in a bundle everything is stored as it is")
        if not name.endswith("/"):
            yield _Row(name, Member(offset, size))
        at = end + extra_length + comment_length


def _name(raw: bytes, what: str) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        _refuse(what, f"{raw[:40]!r} is not the name of an object")
    inner = name.removesuffix("/").split("/")
    if not 0 < len(raw) <= _MAX_NAME or any(part in ("", ".", "..") for part in inner) or not name.isprintable():
        _refuse(what, f"{name[:40]!r} is not the name of an object")
    if "\\" in name or ":" in name:
        _refuse(what, f"{name[:40]!r} is not the name of an object")
    return name


def _full(extra: bytes, size: int, stored: int, offset: int, name: str, what: str) -> tuple[int, int, int]:
    """Return lengths and offset of a row; those that do not fit it are in an extra field."""
    numbers = [size, stored, offset]
    if _FULL not in numbers:
        return size, stored, offset
    wide = _extra(extra)
    for i, number in enumerate(numbers):
        if number == _FULL:
            if len(wide) < 8:
                _refuse(what, f"{name!r} lacks a length")
            numbers[i], wide = int.from_bytes(wide[:8], "little"), wide[8:]
    return numbers[0], numbers[1], numbers[2]


def _extra(extra: bytes) -> bytes:
    while len(extra) >= 4:
        sort, length = struct.unpack_from("<HH", extra)
        if sort == _ZIP64:
            return extra[4 : 4 + length]
        extra = extra[4 + length :]
    return b""


def _refuse(what: str, detail: str) -> NoReturn:
    error = FormatError(what, detail)
    error.hint = "bring the file again, or make it again with open(url).maintenance.copy_to('name.zip')"
    error.shell_hint = "bring the file again, or make it again with `holdall store bundle write`"
    raise error
