"""A store in one file: an uncompressed ZIP whose members are the objects.

For machines without a network. Any tool lists and unpacks it, and a folder that
it is unpacked to is a store. It is written once, in the order in which a copy
puts its objects, and then only read: by offsets, as objects of a bucket are.

    BundleBucket   reads one; refuses to write
    BundleWriter   makes one, beside its name, and gives it the name when it is whole
"""

from __future__ import annotations

import bisect
import os
import secrets
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from holdall.errors import (
    DestinationError,
    FormatError,
    ObjectExistsError,
    ObjectNotFoundError,
    ObjectTooShortError,
    StorageError,
)
from holdall.storage.bucket import Bytes, ObjectInfo, adapter_of, check_range, check_size
from holdall.storage.renaming import rename_if_free
from holdall.storage.zip_directory import MAX_MEMBERS, Member, begin_of, read_directory
from holdall.storage.zip_stream import zip_info
from holdall.workers.per_process import PerProcess

SUFFIX: Final = ".zip"
_READ_ONLY: Final = "a bundle is only read"
_READ_IT: Final = "copy it into a store with `holdall store bundle read FILE DESTINATION`, and write there"
_NOTHING_DELETED: Final = "nothing is deleted from a bundle"


def is_bundle(path: Path) -> bool:
    """Return whether a path names a bundle: it ends in `.zip`, and is no folder."""
    return path.suffix.lower() == SUFFIX and not path.is_dir()


def bundle_path(bucket: object) -> Path | None:
    """Return the path of the bundle that a bucket reads, whatever is wrapped around it; None if it is none."""
    adapter = adapter_of(bucket)
    return adapter.path if isinstance(adapter, BundleBucket) else None


class _Opened:
    """A ZIP file that is open for reading, in one process."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("rb")
        self.size = os.fstat(self.file.fileno()).st_size
        self.what = f"bundle {path}"
        self.members = read_directory(self.read, self.size, self.what)
        self.names = sorted(self.members, key=str.encode)

    def read(self, start: int, length: int) -> bytes:
        """Return bytes from an offset on; fewer at the end of the file."""
        return read_at(self.file, start, length)


class BundleBucket:
    """The objects of a bundle, to be read. Safe between threads, picklable, opened when it is first asked."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._opened: PerProcess[_Opened] = PerProcess()

    def __reduce__(self) -> tuple[type[BundleBucket], tuple[str]]:
        return BundleBucket, (str(self.path),)

    @property
    def url(self) -> str:
        return str(self.path)

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        found = self._member(key)
        check_size(self.url, key, found.size, limit)
        return self._read(key, found, 0, found.size)

    def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        check_range(start, stop)
        found = self._member(key)
        if stop is not None and stop > found.size:
            raise ObjectTooShortError(self.url, key, f"the object ends before byte {stop}")
        begin = start if start >= 0 else max(found.size + start, 0)
        return self._read(key, found, begin, found.size if stop is None else stop)

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        try:
            opened = self._open("")
        except ObjectNotFoundError:  # as of a folder that is not there
            return
        first = bisect.bisect_left(opened.names, prefix.encode(), key=str.encode)
        for count, name in enumerate(opened.names[first:]):
            if not name.startswith(prefix) or count == limit:
                return
            yield ObjectInfo(name, opened.members[name].size)

    def put(self, key: str, data: Bytes) -> None:  # noqa: ARG002  # a bucket has it
        raise self._read_only(key)

    def delete(self, key: str) -> None:
        raise self._read_only(key)

    def delete_many(self, keys: Sequence[str]) -> None:
        raise self._read_only(next(iter(keys), ""))

    def _read_only(self, key: str) -> StorageError:
        error = StorageError(self.url, key, _READ_ONLY)
        error.hint = _READ_IT
        return error

    def _open(self, key: str) -> _Opened:
        try:
            return self._opened.get(lambda: _Opened(self.path))
        except FileNotFoundError as error:
            raise ObjectNotFoundError(self.url, key, "there is no such file") from error
        except OSError as error:
            raise StorageError(self.url, key, str(error)) from error

    def _member(self, key: str) -> Member:
        found = self._open(key).members.get(key)
        if found is None:
            raise ObjectNotFoundError(self.url, key, "there is no such object in the bundle")
        return found

    def _read(self, key: str, member: Member, start: int, stop: int) -> bytes:
        opened = self._open(key)
        begin = begin_of(opened.read, member, opened.what)
        data = opened.read(begin + start, stop - start)
        if len(data) != stop - start:
            raise FormatError(opened.what, f"it ends in the middle of {key}")
        return data


class BundleWriter:
    """A bucket whose objects become a bundle: a context, which leaves nothing behind if it fails.

    Args:
        path: The bundle; nothing may be there.

    Raises:
        DestinationError: Something is there, or no file can be made beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path.with_name(f".{path.name}.partial-{secrets.token_hex(4)}")
        if path.exists():
            raise DestinationError(str(path), "something is there already; a bundle is made once")
        try:
            self._file = self._partial.open("x+b")
        except OSError as error:
            raise DestinationError(str(path), str(error)) from error
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._lock = threading.Lock()
        self._members: dict[str, Member] = {}

    @property
    def url(self) -> str:
        return str(self.path)

    def __enter__(self) -> BundleWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, at: object) -> None:
        with suppress(OSError, ValueError):
            self._zip.close()
        self._file.close()
        self._partial.unlink(missing_ok=True)

    def finish(self) -> int:
        """Write the directory, and give the file its name once it is on the disk. Returns: its bytes.

        Raises:
            DestinationError: Something has the name by now, or the disk is full.
        """
        try:
            self._zip.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            size = self._file.tell()
            give_name(self._partial, self.path)
        except OSError as error:
            raise DestinationError(str(self.path), str(error)) from error
        return size

    def put(self, key: str, data: Bytes) -> None:
        with self._lock:
            if key in self._members:
                raise ObjectExistsError(self.url, key, "there is an object already")
            if len(self._members) >= MAX_MEMBERS:
                raise StorageError(self.url, key, f"a bundle has at most {MAX_MEMBERS} objects")
            info = zip_info(key, 0o644)
            try:
                self._zip.writestr(info, bytes(data))
                self._file.flush()  # others read it by its offset
            except OSError as error:
                raise DestinationError(str(self.path), str(error)) from error
            self._members[key] = Member(info.header_offset, len(data))

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        found = self._member(key)
        check_size(self.url, key, found.size, limit)
        return self._read(found, 0, found.size)

    def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        check_range(start, stop)
        found = self._member(key)
        if stop is not None and stop > found.size:
            raise ObjectTooShortError(self.url, key, f"the object ends before byte {stop}")
        return self._read(found, *slice(start, stop).indices(found.size)[:2])

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        with self._lock:
            found = {key: member.size for key, member in self._members.items() if key.startswith(prefix)}
        for key in sorted(found, key=str.encode)[:limit]:
            yield ObjectInfo(key, found[key])

    def delete(self, key: str) -> None:
        raise StorageError(self.url, key, _NOTHING_DELETED)

    def delete_many(self, keys: Sequence[str]) -> None:
        raise StorageError(self.url, next(iter(keys), ""), _NOTHING_DELETED)

    def _member(self, key: str) -> Member:
        found = self._members.get(key)
        if found is None:
            raise ObjectNotFoundError(self.url, key, "there is no such object in the bundle")
        return found

    def _read(self, member: Member, start: int, stop: int) -> bytes:
        begin = begin_of(lambda at, length: read_at(self._file, at, length), member, f"bundle {self.path}")
        return read_at(self._file, begin + start, stop - start)


def read_at(file: BinaryIO, start: int, length: int) -> bytes:
    """Return bytes of a file from an offset on, whoever else reads it; fewer at its end."""
    parts, left = [], length
    while left and (part := os.pread(file.fileno(), left, start + length - left)):
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def give_name(partial: Path, path: Path) -> None:
    """Give a file its name, if that is free. Raises: OSError."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        rename_if_free(partial, path)
