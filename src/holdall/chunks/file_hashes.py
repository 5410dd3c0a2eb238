"""The SHA-256 of files whose parts are written by workers: another reading, by threads of this process.

SHA-256 is a chain, so each file has a thread. These hold the GIL for some
microseconds of each megabyte and leave it to others for the rest. Along with
the file's hash goes the BLAKE3 of each part, against which its writer's is held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Final

from holdall.chunks.cutter import Readable
from holdall.format import digest

_BLOCK: Final = 1 << 20
Hashes = tuple[bytes, list[bytes]]


class FileHashes:
    """Hashes of some files. A context manager: its threads end with it.

    Args:
        threads: How many files are read at once.
    """

    def __init__(self, threads: int) -> None:
        self._threads, self._over = ThreadPoolExecutor(threads, "holdall-sha256"), threading.Event()
        self._found: dict[int, Future[Hashes]] = {}

    def __enter__(self) -> FileHashes:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._threads.shutdown(cancel_futures=True)

    def start(
        self, files: Mapping[int, Callable[[], AbstractContextManager[Readable]]], stops: Mapping[int, Sequence[int]]
    ) -> None:
        """Begin to read these files; `stops` are the ends of their parts."""
        self._found = {file: self._threads.submit(self._read, opening, stops[file]) for file, opening in files.items()}

    def result(self, file: int) -> Hashes:
        """Return a file's SHA-256 and the BLAKE3 of each of its parts, when they are there.

        Raises:
            SourceError: It cannot be read, or changed meanwhile.
        """
        return self._found[file].result()

    def _read(self, opening: Callable[[], AbstractContextManager[Readable]], stops: Sequence[int]) -> Hashes:
        sha256, at, found = digest.file_hash(), 0, []
        view = memoryview(bytearray(_BLOCK))
        with opening() as stream:
            for stop in stops:
                part = digest.blob_hash()
                while at < stop and not self._over.is_set():
                    count = stream.readinto(view[: min(_BLOCK, stop - at)])
                    if not count:
                        break
                    sha256.update(view[:count])
                    part.update(view[:count])
                    at += count
                found.append(part.digest())
            while not self._over.is_set() and stream.readinto(view):  # it has grown: whoever opened it tells
                pass
        return sha256.digest(), found
