"""A bucket in a folder, with creation that is really exclusive.

Checking for a file and then writing it lets two writers win; so does renaming
over it. A hard link is the one thing that a file system creates only if the
name is free, and that it never shows half written:

    write   <root>/.tmp/<random>        every byte, then fsync
    link    -> <root>/<key>             fails if the name is taken: that is the promise
    fsync   the folder of the key       and, once per process, those above it
    unlink  <root>/.tmp/<random>

A file system without hard links is asked to rename instead, if the name is
free: that is as exclusive, and shows nothing half written either. One that can
do neither is refused.

A key is a path below the root. Folders that became empty stay (removing one
could take it from under a writer), and are no objects. This module does not
keep two keys of which one is a folder of the other: `a` and `a/b`; no store does.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from holdall.errors import (
    AccessDeniedError,
    ObjectExistsError,
    ObjectNotFoundError,
    ObjectTooShortError,
    StorageError,
    StorageFullError,
    TransientStorageError,
    UnsafeBucketError,
)
from holdall.storage.bucket import Bytes, ObjectInfo, check_range, check_size
from holdall.storage.deleting import delete_each
from holdall.storage.direct import write_durably
from holdall.storage.renaming import rename_if_free

TEMPORARY = ".tmp"
ABANDONED_NS = 24 * 3600 * 10**9  # a temporary file this old belongs to a writer that died

_NOTHING_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}
_KINDS: dict[int, type[StorageError]] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), StorageFullError),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), AccessDeniedError),
    **dict.fromkeys((errno.EAGAIN, errno.EINTR, errno.ESTALE, errno.ETIMEDOUT), TransientStorageError),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.EBUSY), TransientStorageError),
}
# What says that there are no links, or no such rename.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EINVAL}


class LocalBucket:
    """Objects as files below a folder; safe between threads and processes of one machine.

    The folder is made by the first `put`. On network file systems the promise is
    as good as their `link`.
    """

    shared = True  # by every process that opens it

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).resolve()
        self._durable: set[Path] = set()  # folders whose own names are known to be on disk
        self._swept = False
        self._links = True  # until the file system says that it has none

    @property
    def url(self) -> str:
        """Return the folder's absolute path."""
        return str(self.root)

    def __repr__(self) -> str:
        return f"LocalBucket({self.url!r})"

    def level_above(self) -> tuple[str, ...]:
        """Return what is beside the folder. Cost: one listing of the folder above it."""
        try:
            return tuple(found.name for found in self.root.parent.iterdir())
        except OSError as error:
            raise self._error("", error) from error

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """Read all bytes of an object, if it is not too long. Cost: one open and read."""
        try:
            with self._path(key).open("rb") as file:
                if limit is not None:
                    check_size(self.url, key, os.fstat(file.fileno()).st_size, limit)
                return file.read()
        except OSError as error:
            raise self._error(key, error) from error

    def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        """Read the bytes `[start, stop)`, or the last `-start`. Cost: one open, seek and read."""
        check_range(start, stop)
        try:
            with self._path(key).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                first = max(0, size + start) if stop is None else start
                file.seek(first)
                found = file.read((size if stop is None else stop) - first)
        except OSError as error:
            raise self._error(key, error) from error
        if stop is not None and len(found) != stop - start:
            raise ObjectTooShortError(self.url, key, f"the object ends at byte {size}, before {stop}")
        return found

    def put(self, key: str, data: Bytes) -> None:
        """Create an object, only if there is none, durably. Cost: two fsyncs and a link."""
        path = self._path(key)
        try:
            temporary = self._write_temporary(data)
        except OSError as error:
            raise self._error(key, error, writing=True) from error
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._link(key, temporary, path)
            self._make_durable(path.parent)
        except OSError as error:
            raise self._error(key, error, writing=True) from error
        finally:
            with suppress(OSError):
                temporary.unlink()

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """List what is there, in ascending order; folder by folder, as it is consumed.

        Names that are not UTF-8, symbolic links and special files are no objects.
        """
        base = prefix.rpartition("/")[0]
        if base and any(part in ("", ".", "..") for part in base.split("/")):
            return
        left = limit
        for found in self._walk(base + "/" if base else "", prefix):
            if left is not None and left <= 0:
                return
            yield found
            left = None if left is None else left - 1

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error. Cost: one unlink."""
        path = self._path(key)
        try:
            path.unlink()
        except OSError as error:
            if error.errno not in _NOTHING_THERE and not path.is_dir():
                raise self._error(key, error, writing=True) from error

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove objects, one after the other. Cost: an unlink each."""
        delete_each(self, keys)

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if any(part in ("", ".", "..") for part in parts) or "\0" in key or parts[0] == TEMPORARY:
            raise ValueError(f"not a key: {key!r}")
        return self.root.joinpath(*parts)

    def _write_temporary(self, data: Bytes) -> Path:
        folder = self.root / TEMPORARY
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / secrets.token_hex(16)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            try:
                write_durably(descriptor, data)
            finally:
                os.close(descriptor)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise
        if not self._swept:
            self._swept = True
            _sweep(path)
        return path

    def _link(self, key: str, temporary: Path, path: Path) -> None:
        try:
            self._name(key, temporary, path)
        except FileExistsError as error:
            if path.is_dir():
                raise StorageError(self.url, key, "a folder of other objects has this name") from error
            # Its writer may have died before this fsync, and our caller may find that it was ours.
            self._make_durable(path.parent)
            raise ObjectExistsError(self.url, key, "there is an object already") from error

    def _name(self, key: str, temporary: Path, path: Path) -> None:
        """Give what was written its name if that is free: by a link, or where there are none by renaming."""
        if self._links:
            try:
                os.link(temporary, path)
                return
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._links = False
        try:
            rename_if_free(temporary, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            reason = (
                "this file system has neither hard links nor a rename that replaces nothing "
                f"({error.strerror}): creation cannot be exclusive"
            )
            refusal = UnsafeBucketError(self.url, key, reason)
            refusal.hint = "keep the store on another file system (ext4, xfs, btrfs, APFS, tmpfs), or in a bucket"
            raise refusal from error

    def _make_durable(self, folder: Path) -> None:
        """Make a folder's entries survive a power cut, and those that lead to it."""
        _fsync_folder(folder)
        done = set()
        while folder not in self._durable:
            done.add(folder)
            if folder.is_mount():
                break
            folder = folder.parent
            with suppress(PermissionError):  # of the folders above the root, not all are ours to open
                _fsync_folder(folder)
        self._durable |= done  # not before all that leads there is: a failure must not end the next attempt early

    def _walk(self, base: str, prefix: str) -> Iterator[ObjectInfo]:
        try:
            with os.scandir(self.root / base) as entries:
                found = [(_sort_name(entry), entry) for entry in entries if _is_utf8(entry.name)]
        except OSError as error:
            if error.errno in _NOTHING_THERE:
                return
            raise self._error(base, error) from error
        for _, entry in sorted(found, key=lambda item: item[0]):
            key = base + entry.name
            if key == TEMPORARY or not (key + "/").startswith(prefix[: len(key) + 1]):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(key + "/", prefix)
            elif key.startswith(prefix):
                yield from _info(key, entry)

    def _error(self, key: str, error: OSError, *, writing: bool = False) -> StorageError:
        if isinstance(error, StorageError):
            return error
        reason = error.strerror or str(error)
        if error.errno in _NOTHING_THERE:
            if not writing:
                return ObjectNotFoundError(self.url, key, "there is no such object")
            if error.errno == errno.ENOENT and self.root.is_dir():  # something below was removed meanwhile
                return TransientStorageError(self.url, key, reason)
        kind = _KINDS.get(error.errno or 0, StorageError)
        found = kind(self.url, key, reason)
        if kind is AccessDeniedError:
            found.hint = (
                "this user may not do that here: check the folder's owner and mode, or a mount that is read-only"
            )
        return found


def _sort_name(entry: os.DirEntry[str]) -> bytes:
    """Return what to sort a name by, so that whole keys come out sorted: a folder counts with its slash."""
    return os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b"")


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _info(key: str, entry: os.DirEntry[str]) -> Iterator[ObjectInfo]:
    with suppress(FileNotFoundError):  # deleted since the folder was read
        found = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(found.st_mode):
            yield ObjectInfo(key, found.st_size, found.st_mtime_ns // 1_000_000)


def _fsync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows cannot open a folder; NTFS journals its names by itself
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(newest: Path) -> None:
    """Remove what writers that died left behind; ages by the file system's clock, not ours."""
    with suppress(OSError):
        now = newest.stat().st_mtime_ns
        for path in newest.parent.iterdir():
            with suppress(OSError):
                if now - path.stat().st_mtime_ns > ABANDONED_NS:
                    path.unlink()
