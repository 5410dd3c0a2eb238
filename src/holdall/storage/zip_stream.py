"""A ZIP file as a stream: members go in as they are read, bytes come out as they are to be sent.

The same members make the same bytes, on every machine: they are stored as they
are, since what deflating makes depends on the library, and what models are made
of hardly gets smaller. A member's CRC follows it, because it is known only then.
Sizes beyond 4 GiB are written as zip64. No more is held than what was handed in last.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from holdall.storage.bucket import Bytes

_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)  # so that the same content makes the same file
_UNIX: Final = 3
_AROUND: Final = 256  # bytes that a member takes at most beside its content and two times its name


class ZipMember(NamedTuple):
    """A member that is to be written.

    Attributes:
        name: Its path, with a slash at its end if it is a folder.
        mode: As `os.stat` says it: the kind and the permissions.
        size: How many bytes its content has.
        content: These bytes.
    """

    name: str
    mode: int
    size: int = 0
    content: Iterable[Bytes] = ()


def zip_info(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    """Return what a ZIP file says of a member, the same whenever and wherever it is made."""
    info = zipfile.ZipInfo(name, _LONG_AGO)
    info.create_system = _UNIX
    info.external_attr = mode << 16 | (0x10 if stat.S_ISDIR(mode) else 0)
    return info


def zip_stream(members: Iterable[ZipMember]) -> Iterator[Bytes]:
    """Yield the bytes of a ZIP file of these members, in their order.

    Raises: what reading their content raises; then the file is not whole, and says so by having no directory.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as file:  # type: ignore[call-overload]
        for member in members:
            info = zip_info(member.name, member.mode)
            info.file_size = member.size
            with file.open(info, "w") as target:
                for block in member.content:
                    target.write(block)
                    yield from sink.taken()
            yield from sink.taken()
    yield from sink.taken()


def zip_room(name: str, size: int) -> int:
    """Return how many bytes a member takes at most in the file."""
    return size + 2 * len(name.encode()) + _AROUND


class _Sink:
    """A file that is only written to, and cannot be sought in: what it was given is taken from it."""

    def __init__(self) -> None:
        self._blocks: list[Bytes] = []

    def write(self, data: Bytes) -> int:
        self._blocks.append(data)
        return len(data)

    def flush(self) -> None:
        """Behave as a file does."""

    def taken(self) -> list[Bytes]:
        taken, self._blocks = self._blocks, []
        return taken
