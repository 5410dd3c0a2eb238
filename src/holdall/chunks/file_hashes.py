"""The SHA-256 of files whose parts are written by workers: another reading, by threads of this process.

SHA-256 is a chain, so each file has a thread. These hold the GIL for some
microseconds of each megabyte and leave it to others for the rest. Along with
the file's hash goes the BLAKE3 of all that the writer of each part takes chunks
from, against which its own is held: that reaches into the next part.
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
        self,
        files: Mapping[int, Callable[[], AbstractContextManager[Readable]]],
        spans: Mapping[int, Sequence[tuple[int, int]]],
    ) -> None:
        """Begin to read these files; `spans` are what the writers of their parts read, in order, together all of it."""
        self._found = {file: self._threads.submit(self._read, opening, spans[file]) for file, opening in files.items()}

    def result(self, file: int) -> Hashes:
        """Return a file's SHA-256 and the BLAKE3 of each of its spans, when they are there.

        Raises:
            SourceError: It cannot be read, or changed meanwhile.
        """
        return self._found[file].result()

    def _read(
        self, opening: Callable[[], AbstractContextManager[Readable]], spans: Sequence[tuple[int, int]]
    ) -> Hashes:
        sha256, at, first, parts = digest.file_hash(), 0, 0, [digest.blob_hash() for _ in spans]
        view = memoryview(bytearray(_BLOCK))
        size = max(stop for _, stop in spans)
        with opening() as stream:
            while at < size and not self._over.is_set():
                count = stream.readinto(view[: min(_BLOCK, size - at)])
                if not count:
                    break
                sha256.update(view[:count])
                for part, (start, stop) in zip(parts[first:], spans[first:], strict=True):
                    if start >= at + count:
                        break
                    part.update(view[max(start - at, 0) : max(min(stop - at, count), 0)])
                    first += stop <= at
                at += count
            while not self._over.is_set() and stream.readinto(view):  # it has grown: whoever opened it tells
                pass
        return sha256.digest(), [part.digest() for part in parts]
