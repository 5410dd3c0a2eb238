"""A local folder that is written into, and never out of.

A path's letters say where it leads only while no folder on the way is a link,
and a link may have been there before, may come from the same run, or may take
a folder's place at any moment. So no path below the destination is ever looked
up as a whole: each folder is opened by its name in the descriptor of the one
above it, and not if it is a link; what is made, is made in such a descriptor.

    destination (as its user named it)   open
      `- models                          mkdir, open: never through a link
           `- w.bin.1f2e3d4c.partial     create, write, rename: within that descriptor

The descriptors used last stay open, since files come folder by folder: then a
file costs what it would cost by its path. Nothing here is longer than a name,
however long the whole path is.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from holdall.errors import DestinationError
from holdall.trees.native import native

_KEPT: Final = 64  # descriptors of unused folders that stay open
_STEM: Final = 100  # bytes of its name that an unfinished file bears; some file systems end at 143
# A folder that may be written to but not listed can be opened for its names alone, where the system knows that.
_FOLDER: Final = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)


class _Held:
    """A folder's descriptor, and how many are using it."""

    __slots__ = ("descriptor", "users")

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.users = descriptor, 0


class Destination:
    """A folder to write below, as a context; made if it is not there. Threads may share it.

    Raises:
        DestinationError: It cannot be made, or is none.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._held: OrderedDict[str, _Held] = OrderedDict()  # all but the root
        with refusals_named(str(root)):
            root.mkdir(parents=True, exist_ok=True)
            self._root = os.open(root, _FOLDER)

    def __enter__(self) -> Destination:
        return self

    def __exit__(self, *error: Any) -> None:
        with self._lock:
            root, self._root = self._root, -1
            for held in self._held.values():
                os.close(held.descriptor)
            self._held.clear()
            os.close(root)

    def make_folder(self, path: str) -> None:
        """Create a folder, and those above it, unless they are there.

        Raises:
            DestinationError: There is a file or a link in its place or above it, or the disk refuses it.
        """
        with self.folder(path, make=True):
            pass

    @contextmanager
    def folder(self, path: str, *, make: bool = False) -> Iterator[int]:
        """Return a context in which a folder's descriptor is open; "" is the destination itself."""
        with self._lock:
            if self._root < 0:
                raise ValueError(f"write to closed destination {self.root}")
            held = self._opened(path, make=make) if path else None
            if held:
                held.users += 1
        try:
            yield held.descriptor if held else self._root
        finally:
            if held:
                with self._lock:
                    held.users -= 1
                    self._close_surplus()

    def _opened(self, path: str, *, make: bool) -> _Held:
        """Open what is not open yet, from the innermost open folder on."""
        missing, inner = [], path
        while inner and inner not in self._held:
            missing.append(inner)
            inner = inner.rpartition("/")[0]
        above = self._held[inner].descriptor if inner else self._root
        for folder in reversed(missing):
            above = self._open(above, folder, make=make)
            self._held[folder] = _Held(above)
            self._close_surplus()  # a path may have five hundred folders
        self._held.move_to_end(path)
        return self._held[path]

    def _open(self, above: int, path: str, *, make: bool) -> int:
        name = native(path.rpartition("/")[2])
        with refusals_named(f"{self.root}/{path}"):
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=above)
            try:
                return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
            except OSError:
                if _is_link(name, above):
                    raise _link_there(f"{self.root}/{path}") from None
                raise

    def _close_surplus(self) -> None:
        idle = [path for path, held in self._held.items() if not held.users] if len(self._held) > _KEPT else []
        for path in idle[: max(len(idle) - _KEPT, 0)]:
            os.close(self._held.pop(path).descriptor)


class Place:
    """Where a path of a run is to be, below a destination. As text: its local path.

    Attributes: name (the last of the path's), written (whether something got it since this was made).
    """

    __slots__ = ("_destination", "_folder", "name", "written")

    def __init__(self, destination: Destination, path: str) -> None:
        self._destination = destination
        self._folder, _, name = path.rpartition("/")
        self.name = native(name)
        self.written = False

    def __str__(self) -> str:
        return "/".join(part for part in (str(self._destination.root), self._folder, self.name) if part)

    @contextmanager
    def folder(self) -> Iterator[int]:
        """Return a context in which the descriptor of its folder is open; the disk's errors in it name this place."""
        with self._destination.folder(self._folder) as descriptor, refusals_named(str(self)):
            yield descriptor

    def rename(self, name: str, folder: int) -> None:
        """Rename a file of its folder to this place's name, in one step."""
        os.replace(name, self.name, src_dir_fd=folder, dst_dir_fd=folder)
        self.written = True


def unfinished(name: str) -> str:
    """Return a free name for a file while it is written, no longer than a disk takes."""
    stem = os.fsencode(name)[:_STEM].decode(errors="ignore")
    return f"{native(stem)}.{secrets.token_hex(4)}.partial"


@contextmanager
def removed_on_failure(name: str, folder: int) -> Iterator[None]:
    """Delete a file of a folder if this block ends with any exception."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise


@contextmanager
def refusals_named(place: str) -> Iterator[None]:
    """Turn an OSError in this block into a `DestinationError` that names the place."""
    try:
        yield
    except OSError as error:
        raise _refusal(Path(place), error) from error


def _refusal(path: Path, error: OSError) -> DestinationError:
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        standing = next((above for above in (path, *path.parents) if os.path.lexists(above)), path)
        return DestinationError(str(standing), "a folder must be here, and this is none")
    if error.errno == errno.EISDIR:
        return DestinationError(str(path), "a file must be here, and a folder stands here")
    if error.errno == errno.ENAMETOOLONG:
        return DestinationError(str(path), "a name in it is longer than this disk takes, which is mostly 255 bytes")
    return DestinationError(str(path), error.strerror or str(error))


def _is_link(name: str, above: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _link_there(place: str) -> DestinationError:
    error = DestinationError(place, "a folder must be here, and a link stands here: nothing is written below a link")
    error.hint = "fetch into another folder, or remove the link; what it leads to was not touched"
    return error
