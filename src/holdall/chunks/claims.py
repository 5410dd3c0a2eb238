"""Which of several workers stores a chunk that more than one of them meets: whoever says so first.

Copies of one file in a folder (the best checkpoint, which is the last one too)
are dealt to different workers, who would each store all of it. So they share a
table in memory, one word for a chunk: the beginning of its id and the number of
the worker that stores it. Who finds another's word leaves the chunk to him, and
is told where it is when all are done.

    word    7 bytes of the id | the worker's number, from 1
    place   by the id; where that is taken by another chunk, one of the seven behind it

There is no lock. Two who come at the same moment may both store a chunk, which
costs space. So does a commit of far more than 84 GiB: the table grows no more,
and a chunk that finds its eight places taken is stored by each worker that
meets it. What was left to somebody who has it not, since the words of two
chunks were alike, is found out at the end: then all is done in one process.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_WORD: Final = 8
_PLACES: Final = 8  # that are tried
_LEAST: Final = 1 << 12  # words
_MOST: Final = 1 << 22  # 32 MiB of them: half full of 84 GiB, at 42 KiB a chunk
MOST_WORKERS: Final = 255


class ClaimTable:
    """The table, as the process that commits makes it. A context manager, after which it is gone.

    Args:
        chunks: How many there are, about.

    Attributes:
        path: Where workers find it; None where no such file can be made.
    """

    def __init__(self, chunks: int) -> None:
        words = min(_MOST, max(_LEAST, 1 << (2 * chunks).bit_length()))
        self.path: str | None = None
        with suppress(OSError):
            self._descriptor, self.path = _new_file()
            try:
                _allocate(self._descriptor, words * _WORD)
            except OSError:
                self.unlink()

    def __enter__(self) -> ClaimTable:
        return self

    def __exit__(self, *_: object) -> None:
        self.unlink()

    def unlink(self) -> None:
        """Take its name away: who has opened it goes on."""
        path, self.path = self.path, None
        if path is not None:
            with suppress(OSError):  # one in memory has no name to take away
                Path(path).unlink()
            os.close(self._descriptor)


class Claims:
    """The table as one worker has it. For one thread.

    Args:
        path: Where it is; without one all that is new is its own.
        worker: The worker's number, from 1 to 255.
    """

    def __init__(self, path: str | None, worker: int) -> None:
        self._worker, self._words = worker, memoryview(b"").cast("Q")
        self.left: dict[bytes, int] = {}  # chunks that were left to others, and to whom
        if path is not None and worker <= MOST_WORKERS:
            with suppress(OSError, ValueError, TypeError), Path(path).open("r+b") as file:
                self._words = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")  # not of half a word

    def claim(self, chunk: bytes) -> bool:
        """Return whether this worker is to store a chunk, which is new to it; if not, it is another's."""
        words = self._words
        if not len(words):
            return True
        word = int.from_bytes(chunk[:7], "little") << 8
        at = int.from_bytes(chunk[8:16], "little")
        for place in range(at, at + _PLACES):
            place %= len(words)
            found = words[place]
            if not found:
                words[place] = word | self._worker
                return True
            if found & ~0xFF == word:
                if found & 0xFF != self._worker:
                    self.left[chunk] = found & 0xFF
                return found & 0xFF == self._worker
        return True


def _new_file() -> tuple[int, str]:
    """Return a new file, open, and where workers find it: in memory where that can be, so that no kill leaves it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("holdall-claims")
        return descriptor, f"/proc/{os.getpid()}/fd/{descriptor}"
    return tempfile.mkstemp(prefix="holdall-claims-")


def _allocate(descriptor: int, size: int) -> None:
    """Make a file so long, with its space: on a full disk a page that is mapped and has none ends its process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.write(descriptor, bytes(size))
