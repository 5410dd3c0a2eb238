"""Zip and tar: what they say that they hold. Nothing is unpacked."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from typing import Final

from holdall.sizes import format_size
from holdall.surfaces.web.previews.sample import NoPreview, Preview, Sample
from holdall.terminal import printable

_MEMBERS: Final = 500
_TAR: Final = 512 << 10  # bytes of an archive among which its members are looked for
_LONGEST: Final = 300


def fits(sample: Sample) -> bool:
    """Return whether it begins as such an archive."""
    return sample.head.startswith(b"PK\x03\x04") or sample.head[257:262] == b"ustar"


def show(sample: Sample) -> Preview:
    """Show names and sizes of what is in it, as it says itself."""
    try:
        return _zip(sample) if sample.head.startswith(b"PK") else _tar(sample)
    except (zipfile.BadZipFile, tarfile.TarError, NotImplementedError, OSError) as error:
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
    rows = [[_cut(name), format_size(size)] for name, size in _members(data)]
    cut = len(data) < sample.size or len(rows) == _MEMBERS
    note = (f"these are those that begin in its first {format_size(len(data))}, at most {_MEMBERS}",) if cut else ()
    return Preview("tar", "table.html", {"columns": ["member", "size"], "rows": rows, "numbers": [1]}, note)


def _members(data: bytes) -> Iterator[tuple[str, int]]:
    """Yield the members whose headers are among some bytes."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for _ in range(_MEMBERS):
            try:
                found = archive.next()
            except tarfile.ReadError:  # the data of the last one goes on behind what was read
                return
            if found is None:
                return
            yield found.name, found.size


def _cut(text: str) -> str:
    return printable(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
