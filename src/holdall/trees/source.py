"""Walking local files on their way into a run.

What cannot be kept exactly is an error, and nothing is dropped in silence:
links that leave the folder, sockets, names that are not UTF-8, files that
change while they are read. The policies are those of SPEC.md, "Trees".

A link is kept as a link, or followed where its user asks: then what it leads to
is taken in its place, wherever that lies, as the `../../blobs` of a Hugging
Face cache. A link that leads back to a folder that it is in is an error.
"""

from __future__ import annotations

import io
import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias

from holdall.chunks.cutter import Readable
from holdall.errors import (
    FormatError,
    InvalidArgumentError,
    InvalidPathError,
    SourceChangedError,
    SourceUnreadableError,
    UnsupportedFeatureError,
    UnsupportedFileError,
)
from holdall.format.layout import DESCRIPTOR
from holdall.format.paths import check_link, check_path
from holdall.format.records import parse_descriptor
from holdall.format.tree import Kind
from holdall.trees.native import named

_DESCRIPTOR: Final = 1 << 20  # bytes of a descriptor that are looked at, far more than it has
_log = logging.getLogger("holdall")

Links: TypeAlias = Literal["keep", "follow"]
Opener: TypeAlias = Callable[[], AbstractContextManager[Readable]]
_Folders: TypeAlias = tuple[
    tuple[int, int], ...
]  # device and inode of each folder on the way, where links are followed
_Child: TypeAlias = tuple["os.DirEntry[str]", str, str, _Folders]


@dataclass(frozen=True, slots=True)
class Item:
    """Something local that is to be logged at a path of a run.

    Attributes:
        path: Where in the run.
        kind: File, link or directory.
        open: Opens the file's bytes; anew each time it is called.
        size: Bytes of the file, as far as is known beforehand.
        executable: Whether its owner may run it.
        target: Where a link leads.
        local: The local file that the bytes are those of, if they are.
    """

    path: str
    kind: Kind
    open: Opener
    size: int = 0
    executable: bool = False
    target: str = ""
    local: str | os.PathLike[str] | None = None


def bytes_item(path: str, data: bytes) -> Item:
    """Return an item that is a file with these bytes."""

    @contextmanager
    def opened() -> Iterator[Readable]:
        yield io.BytesIO(data)

    return Item(check_path(path), Kind.FILE, opened, len(data))


def stream_item(stream: BinaryIO, path: str) -> Item:
    """Return an item that is a file with what a binary stream still gives, which is read once."""

    @contextmanager
    def opened() -> Iterator[Readable]:
        yield _Stream(stream)

    length = 1 << 62  # unknown, so nothing is held back to travel inside an entry
    return Item(check_path(path), Kind.FILE, opened, length)


def local_items(local: str | os.PathLike[str], path: str, *, links: Links = "keep") -> list[Item]:
    """Return a local file, or all that a local folder holds, as items at a path of a run.

    Args:
        local: A file or folder. If it is itself a link, what it leads to is meant.
        path: Where it goes; "" is the run's root, and then it must be a folder.
        links: "keep" for links in the folder as links, "follow" for what they lead to instead.

    A store that lies in the folder, such as the default one in the working folder, is left out with a warning.

    Raises:
        SourceUnreadableError: It is not there, or cannot be read; or a link that is followed leads nowhere.
        UnsupportedFileError: It holds something that cannot be kept exactly, or is a store itself.
        InvalidPathError: A name in it makes no valid path.
        InvalidArgumentError: `links` is neither.
    """
    if links not in ("keep", "follow"):
        raise InvalidArgumentError(f"links is 'keep' or 'follow', not {links!r}")
    top = Path(local)
    with named_errors(top):
        status = top.stat()
    if not stat.S_ISDIR(status.st_mode):
        return [_file(str(top), check_path(path), status)]
    if _is_store(str(top)):
        raise UnsupportedFileError(str(top), "it is a holdall store; log an archive of it, or a run of it")
    stores: list[str] = []
    items = list(_folder(str(top), path, stores, follow=links == "follow"))
    if stores:
        _log.warning("not logged, since a store is not an artifact: %s", ", ".join(stores))
    return items


def _folder(top: str, path: str, stores: list[str], *, follow: bool) -> Iterator[Item]:
    """Return the items of a folder, but for stores in it, whose paths are added to a list."""
    pending = list(reversed(_children(top, path, "", _entered(top, ()) if follow else ())))
    if not pending and path:
        yield Item(check_path(path), Kind.DIRECTORY, _nothing)
    while pending:
        child, at, below, above = pending.pop()
        with named_errors(child.path):
            status = child.stat(follow_symlinks=follow)
        if stat.S_ISLNK(status.st_mode):
            yield _link(child.path, at, below)
        elif not stat.S_ISDIR(status.st_mode):
            yield _file(child.path, at, status)
        elif children := _children(child.path, at, below, _entered(child.path, above) if follow else ()):
            if any(other.name == DESCRIPTOR for other, *_ in children) and _is_store(child.path):
                stores.append(child.path)
            else:
                pending += reversed(children)
        else:
            yield Item(at, Kind.DIRECTORY, _nothing)


def _entered(folder: str, above: _Folders) -> _Folders:
    """Return the folders on the way to here, with this one. Raises: UnsupportedFileError if it is one of them."""
    with named_errors(folder):
        status = Path(folder).stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        raise UnsupportedFileError(folder, "the link leads back to a folder that it is in, and would never end")
    return (*above, here)


def _children(folder: str, path: str, below: str, above: _Folders) -> list[_Child]:
    """Return what is in a folder, in order, each with its path in the run and below the first folder."""
    with named_errors(folder), os.scandir(folder) as found:
        children = sorted(found, key=lambda child: child.name)
    prefix, inside = path and f"{path}/", below and f"{below}/"
    return [
        (child, _checked(child.path, prefix + named(child.name)), inside + named(child.name), above)
        for child in children
    ]


def _is_store(folder: str) -> bool:
    """Return whether a folder is itself a store, with its descriptor."""
    try:
        with Path(folder, DESCRIPTOR).open("rb") as file:
            parse_descriptor(file.read(_DESCRIPTOR))
    except UnsupportedFeatureError:
        return True
    except (OSError, FormatError):
        return False
    return True


def _file(place: str, path: str, status: os.stat_result) -> Item:
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedFileError(place, f"a {_kind(status.st_mode)} has no content that could be kept")
    executable = bool(status.st_mode & stat.S_IXUSR)
    return Item(path, Kind.FILE, partial(Unchanging, place), status.st_size, executable, local=place)


def _link(place: str, path: str, inside: str) -> Item:
    with named_errors(place):
        target = named(str(Path(place).readlink()))
    try:
        check_link(inside, target)
    except InvalidPathError as error:
        reason = f"{error.reason}; links='follow' logs what it leads to instead"
        raise UnsupportedFileError(place, reason) from error
    return Item(path, Kind.LINK, _nothing, target=target)


def _checked(place: str, path: str) -> str:
    try:
        return check_path(path)
    except InvalidPathError as error:
        raise UnsupportedFileError(repr(place), f"its name cannot be kept: {error.reason}") from error


class Unchanging:
    """A local file, opened unbuffered by `with`, that must not change until it is closed.

    Raises:
        SourceUnreadableError: It cannot be opened or read.
        SourceChangedError: It is not what it was when it was opened.
    """

    __slots__ = ("_before", "_count", "_file", "_place")

    def __init__(self, place: str | Path) -> None:
        self._place, self._count = place, 0

    def __enter__(self) -> Readable:
        try:
            self._file = io.FileIO(self._place)
            self._before = os.fstat(self._file.fileno())
        except OSError as error:
            raise unreadable(self._place, error) from error
        return self

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill some of the buffer, and return how much; 0 at the end."""
        count = self._file.readinto(buffer) or 0
        self._count += count
        return count

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        with self._file as file:
            if isinstance(error, OSError):
                raise unreadable(self._place, error) from error
            if kind is None:
                after = os.fstat(file.fileno())
                if _stamp(self._before) != _stamp(after):
                    raise SourceChangedError(str(self._place), "it changed while it was read")
                if self._count != after.st_size:
                    self._other_size(after)

    def _other_size(self, status: os.stat_result) -> None:
        """Refuse a file whose size is another than was read; /proc, /sys and some FUSE systems only get a warning."""
        if status.st_size and getattr(status, "st_blocks", 0):
            raise SourceChangedError(str(self._place), "it changed while it was read")
        told = "%s says that it has %d bytes and was read to its end, which are %d"
        _log.warning(told, self._place, status.st_size, self._count)


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@contextmanager
def named_errors(place: str | Path) -> Iterator[None]:
    """Turn an OSError in this block into an error that names the file and the reason."""
    try:
        yield
    except OSError as error:
        raise unreadable(place, error) from error


def unreadable(place: str | Path, error: OSError) -> SourceUnreadableError:
    return SourceUnreadableError(str(place), f"cannot be read: {error.strerror or str(error) or type(error).__name__}")


@contextmanager
def _nothing() -> Iterator[Readable]:
    yield io.BytesIO()


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}
    return kinds.get(stat.S_IFMT(mode), "special file")


class _Stream:
    """A binary stream that may only know how to `read`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readinto(self, buffer: memoryview, /) -> int:
        data = self._stream.read(len(buffer))
        if not isinstance(data, bytes):
            raise TypeError(f"a binary stream is needed; this one gave {type(data).__name__}")
        buffer[: len(data)] = data
        return len(data)
