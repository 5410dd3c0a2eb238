"""What is in a share: the bytes of a file, or a ZIP of all that a folder holds, as they are read.

A file's SHA-256 is computed while it passes, and compared at its end: a share
of which one file is not what was logged never comes to be. Links stay links, and
nothing is read through them; one that leads out of the folder is left out, and so
are pointers to content elsewhere, which name places that are nobody's business.
"""

from __future__ import annotations

import hashlib
import posixpath
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from holdall.chunks.beside import side_by_side
from holdall.errors import IntegrityError
from holdall.format.paths import stands_for
from holdall.format.tree import Entry, Kind
from holdall.runs.snapshot import RunSnapshot
from holdall.storage.bucket import Bytes
from holdall.storage.links import BLOCK
from holdall.storage.zip_stream import ZipMember, zip_room, zip_stream

ZIP: Final = "application/zip"
ANY: Final = "application/octet-stream"  # nothing that a browser would show, whatever the file says that it is
_SMALL: Final = 1 << 20  # bytes of a file that is read whole, beside others,
_TOGETHER: Final = 64  # at most so many
_END: Final = 1024  # bytes of a ZIP's end


@dataclass(frozen=True, slots=True)
class Content:
    """What a share is made of. Attributes: name, kind (its media type), most (bytes), blocks, left_out (paths)."""

    name: str
    kind: str
    most: int
    blocks: Iterable[Bytes]
    left_out: Sequence[str] = ()


def file_content(run: RunSnapshot, path: str, version: int | None = None) -> Content:
    """Return a file's content, to be read once. Raises: ArtifactNotFoundError."""
    file = run.open(path, version=version)
    entry = file.raw.entry

    def read() -> Iterator[Bytes]:
        with file:
            yield from _verified(entry, iter(lambda: file.read(BLOCK), b""))

    return Content(path.rpartition("/")[2], ANY, entry.size, read())


def folder_content(run: RunSnapshot, path: str, top: str) -> Content:
    """Return all that is below a path of a run as a ZIP whose members lie in a folder `top`, to be read once."""
    chosen: list[tuple[str, Entry]] = []
    left_out: list[str] = []
    for entry in run.entries(path or None):
        below = entry.path[len(path) :].lstrip("/")
        if (entry.kind is Kind.FILE and stands_for(entry.path)) or (entry.kind is Kind.LINK and _leaves(below, entry)):
            left_out.append(entry.path)
        else:
            chosen.append((f"{top}/{below}", entry))
    chosen.sort(key=lambda each: each[0].encode())
    most = _END + sum(zip_room(name, entry.size) for name, entry in chosen)
    return Content(f"{top}.zip", ZIP, most, zip_stream(_members(run, chosen)), left_out)


def _members(run: RunSnapshot, chosen: Sequence[tuple[str, Entry]]) -> Iterator[ZipMember]:
    """Yield the members, small files of some that follow each other read side by side."""
    for some in _handfuls(chosen):
        small = [entry for _, entry in some if entry.kind is Kind.FILE and entry.size <= _SMALL]
        read = dict(
            zip((entry.path for entry in small), side_by_side(lambda each: _whole(run, each), small), strict=True)
        )
        for name, entry in some:
            yield _member(run, name, entry, read.pop(entry.path, None))


def _handfuls(chosen: Sequence[tuple[str, Entry]]) -> Iterator[list[tuple[str, Entry]]]:
    """Yield runs of what is chosen, whose small files are of `BLOCK` bytes together or little more."""
    some: list[tuple[str, Entry]] = []
    size = 0
    for each in chosen:
        some.append(each)
        size += each[1].size if each[1].size <= _SMALL else 0
        if size >= BLOCK or len(some) >= _TOGETHER:
            yield some
            some, size = [], 0
    if some:
        yield some


def _member(run: RunSnapshot, name: str, entry: Entry, whole: bytes | None) -> ZipMember:
    if entry.kind is Kind.DIRECTORY:
        return ZipMember(f"{name}/", stat.S_IFDIR | 0o755)
    if entry.kind is Kind.LINK:
        target = entry.target.encode()
        return ZipMember(name, stat.S_IFLNK | 0o777, len(target), (target,))
    mode = stat.S_IFREG | (0o755 if entry.executable else 0o644)
    if whole is not None:
        return ZipMember(name, mode, entry.size, (whole,))
    return ZipMember(name, mode, entry.size, _large(run, entry))


def _large(run: RunSnapshot, entry: Entry) -> Iterator[Bytes]:
    with run.open(entry.path) as file:
        yield from _verified(entry, iter(lambda: file.read(BLOCK), b""))


def _whole(run: RunSnapshot, entry: Entry) -> bytes:
    with run.open(entry.path) as file:
        return b"".join(_verified(entry, iter([file.read()])))


def _verified(entry: Entry, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same blocks. Raises: IntegrityError, at the end: they are not the file that was logged."""
    seen, size = hashlib.sha256(), 0
    for block in blocks:
        seen.update(block)
        size += len(block)
        yield block
    if seen.digest() != entry.sha256 or size != entry.size:
        detail = f"its SHA-256 is {seen.hexdigest()}, where {entry.sha256.hex()} was logged"
        raise IntegrityError("what is to be shared", detail, entry.path)


def _leaves(below: str, entry: Entry) -> bool:
    """Return whether a link leads out of the folder that it lies `below`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(below), entry.target)).startswith("..")
