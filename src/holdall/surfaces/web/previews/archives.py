"""Zip and tar: what they say that they hold. Nothing is unpacked.

A tar's headers are read here, a block after the other: `tarfile` looks for patterns in what headers say of others,
in a time that grows with the square of their length in some versions of Python, and goes backwards where a size is
negative.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import islice
from typing import Final

from holdall.sizes import format_size
from holdall.surfaces.web.previews.sample import NoPreview, Preview, Sample
from holdall.terminal import printable

_MEMBERS: Final = 500
_TAR: Final = 512 << 10  # bytes of an archive among which its members are looked for
_BLOCK: Final = 512
_HEADERS: Final = 2 * _MEMBERS  # many members have one more, that says their name
_LONGEST: Final = 300
_NAME: Final = 64 << 10  # bytes of a header of another that are looked at
_OF_OTHERS: Final = (b"L", b"K", b"x", b"g")  # headers that say something of the member behind them, or of all


def fits(sample: Sample) -> bool:
    """Return whether it begins as such an archive."""
    return sample.head.startswith(b"PK\x03\x04") or sample.head[257:262] == b"ustar"


def show(sample: Sample) -> Preview:
    """Show names and sizes of what is in it, as it says itself."""
    try:
        return _zip(sample) if sample.head.startswith(b"PK") else _tar(sample)
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise NoPreview(f"its list of members cannot be read: {printable(str(error))[:200]}") from error


def _zip(sample: Sample) -> Preview:
    with zipfile.ZipFile(sample.stream()) as archive:
        members = archive.infolist()
        rows = [
            [_cut(one.filename), format_size(one.file_size), format_size(one.compress_size)]
            for one in members[:_MEMBERS]
        ]
    note = (f"these are the first {_MEMBERS} of {len(members)} members",) if len(members) > _MEMBERS else ()
    facts = {"columns": ["member", "size", "packed"], "rows": rows, "numbers": [1, 2]}
    return Preview(f"zip of {len(members)}", "table.html", facts, note)


def _tar(sample: Sample) -> Preview:
    data = sample.prefix(_TAR)
    rows = [[_cut(name), format_size(size)] for name, size in islice(_members(data), _MEMBERS)]
    cut = len(data) < sample.size or len(rows) == _MEMBERS
    note = (f"these are those that begin in its first {format_size(len(data))}, at most {_MEMBERS}",) if cut else ()
    return Preview("tar", "table.html", {"columns": ["member", "size"], "rows": rows, "numbers": [1]}, note)


def _members(data: bytes) -> Iterator[tuple[str, int]]:
    """Yield the members whose headers are among some bytes."""
    at, said = 0, ""
    for _ in range(_HEADERS):
        block = data[at : at + _BLOCK]
        size = _number(block[124:136])
        if len(block) < _BLOCK or not block[0] or size is None or block[257:262] != b"ustar":
            return
        content, kind = data[at + _BLOCK : at + _BLOCK + min(size, _NAME)], block[156:157]
        at += _BLOCK + -(-size // _BLOCK) * _BLOCK
        if kind in _OF_OTHERS:
            said = _said(content, kind) or said
        else:
            prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
            name = _text(block[:100])
            yield said or (f"{prefix}/{name}" if prefix else name), size
            said = ""


def _said(content: bytes, kind: bytes) -> str:
    """Return the name that a header says of the member behind it; "" where it says none."""
    if kind == b"L":
        return _text(content)
    if kind == b"x":
        found = (line.partition(b" ")[2].partition(b"=") for line in content.split(b"\n"))
        return next((_text(value) for key, _, value in found if key == b"path"), "")
    return ""


def _number(field: bytes) -> int | None:
    """Return a number in octal digits, or of 95 bits behind a byte 0x80; None where it is neither."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    return int(digits, 8) if digits.isdigit() and not digits.strip(b"01234567") else None


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="replace")


def _cut(text: str) -> str:
    return printable(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
