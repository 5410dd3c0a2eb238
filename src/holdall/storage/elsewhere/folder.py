"""Files of this machine, `file:///path`: regular ones alone, told from others by size and time of change.

A file that is changed through a memory map within a tick of the clock is not
noticed by its time: who wants to be sure has it referenced by its SHA-256.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from holdall.errors import AccessDeniedError, ObjectNotFoundError, ReferenceChangedError, StorageError
from holdall.storage.bucket import Bytes
from holdall.storage.elsewhere.seen import Seen, check_same


class FolderElsewhere:
    """The files of a disk, by their absolute paths without the first slash.

    Args:
        admit: Is called with the address that a path really has, links followed, before it is read; raises if that
            may not be read.
    """

    url = "file://"

    def __init__(self, admit: Callable[[str], object]) -> None:
        self._admit = admit

    def stat(self, key: str) -> Seen:
        """Return a file as it is now. Raises: ObjectNotFoundError, AccessDeniedError."""
        with self._named(key):
            return self._seen(key, self._path(key).stat())

    def list(self, prefix: str) -> Iterator[Seen]:
        """Yield all files at or below a folder, links to files among them; folders that are links are not followed."""
        top = "/" + prefix.rstrip("/")
        for folder, folders, names in os.walk(top, onerror=self._refuse):
            folders.sort()
            for name in sorted(names):
                key = f"{folder.rstrip('/')}/{name}".lstrip("/")
                with self._named(key):
                    regular = stat.S_ISREG(self._path(key).stat().st_mode)
                if regular:
                    yield self.stat(key)

    def read(self, seen: Seen, start: int, stop: int) -> Bytes:
        """Return some bytes of the file that was seen. Raises: ReferenceChangedError."""
        try:
            with self._named(seen.key):
                descriptor = os.open(self._path(seen.key), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    return self._read(descriptor, seen, start, stop)
                finally:
                    os.close(descriptor)
        except ObjectNotFoundError as error:
            raise ReferenceChangedError(f"{self.url}/{seen.key}", "it is gone") from error

    def _read(self, descriptor: int, seen: Seen, start: int, stop: int) -> bytes:
        check_same(self.url, seen, self._seen(seen.key, os.fstat(descriptor)))
        found = b""
        while len(found) < stop - start:
            if not (more := os.pread(descriptor, stop - start - len(found), start + len(found))):
                break
            found += more
        check_same(self.url, seen, self._seen(seen.key, os.fstat(descriptor)))
        return found

    def _path(self, key: str) -> Path:
        path = Path("/", key).resolve()
        self._admit(path.as_uri())
        return path

    def _seen(self, key: str, status: os.stat_result) -> Seen:
        if not stat.S_ISREG(status.st_mode):
            raise ObjectNotFoundError(self.url, key, "it is no regular file")
        return Seen(key, status.st_size, f"mtime-{status.st_mtime_ns}", None, status.st_mtime_ns // 1_000_000)

    @contextmanager
    def _named(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectNotFoundError(self.url, key, "there is no such file") from error
        except PermissionError as error:
            raise AccessDeniedError(self.url, key, error.strerror or str(error)) from error
        except OSError as error:
            raise StorageError(self.url, key, error.strerror or str(error)) from error

    def _refuse(self, error: OSError) -> None:
        with self._named(str(error.filename).lstrip("/")):
            raise error
