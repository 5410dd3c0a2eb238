"""A file on its way to the local disk.

Threads write its pieces in any order into `<name>.<random>.partial`. Reading
it all again at the end, for its SHA-256, would take half a second for each
GiB; so it is hashed while the rest still comes:

    written   ##########..##..#.....
    hashed    #######---                  read back from the disk, so that what is there is what is checked

The thread that makes the beginning longer hashes on, unless another is at it.
No thread waits for another, none is kept for hashing, and the one that hashes
the last byte compares the digest and gives the file its name. It replaces what
is there in one step, never half; a folder never gives way to a file: that is a
`DestinationError`, as is all that the local disk refuses.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Final

from holdall.errors import DestinationError, IntegrityError
from holdall.format import digest
from holdall.format.digest import Bytes
from holdall.format.tree import Entry
from holdall.trees.destination import Place, refusals_named, removed_on_failure, unfinished
from holdall.trees.lent_file import LentFile
from holdall.trees.positioned import write_parts

_BLOCK: Final = 256 << 10  # bytes hashed at a time, which a processor's cache holds
_BEHIND: Final = 1 << 20  # bytes that may be behind before it pays to begin
_buffers = threading.local()  # one for each thread that hashes: fresh memory would cost more than reading


class IncrementalHasher:
    """The SHA-256 of bytes that arrive in pieces, by many threads.

    Args:
        size: How many there will be.
        read: Gives the bytes `[start, stop)` of those that are there, or the first of them.
    """

    def __init__(self, size: int, read: Callable[[int, int], Bytes]) -> None:
        self._size, self._read = size, read
        self._hasher = digest.file_hash()
        self._pieces: dict[int, int] = {}  # start -> stop of what is there beyond the beginning
        self._there = self._hashed = 0
        self._lock, self._turn = threading.Lock(), threading.Lock()

    def add(self, start: int, stop: int) -> bool:
        """Note that a piece is there. Returns whether this call hashed the last byte of all."""
        with self._lock:
            self._pieces[start] = stop
            while (end := self._pieces.pop(self._there, None)) is not None:
                self._there = end
        ended = False
        while not ended and self._due and self._turn.acquire(blocking=False):
            # A thread that finds the turn taken may leave: its holder looks once more after giving it back.
            try:
                ended = self._go_on()
            finally:
                self._turn.release()
        return ended

    def digest(self) -> bytes:
        """Return the digest of all that was hashed."""
        return self._hasher.digest()

    @property
    def _due(self) -> bool:
        behind = self._there - self._hashed
        return behind >= _BEHIND or (behind > 0 and self._there == self._size)

    def _go_on(self) -> bool:
        """Hash all that is there without a gap. Returns whether this reached the end."""
        before, stop = self._hashed, self._there
        while self._hashed < stop:
            data = self._read(self._hashed, min(stop, self._hashed + _BLOCK))
            self._hasher.update(data)
            self._hashed += len(data)
        return before < stop == self._size


class PartialFile:
    """A file that threads write at once, each where its bytes belong.

    Once it is closed, its descriptor's number may be another file's: a
    late write, such as that of a request that outlived the failure of its
    neighbour, is refused here rather than let loose on that one.

    Args:
        entry: What it is to be; not empty.
        target: Where, once all of it is there and is what was logged; its folder is there.

    Attributes: path (within the run), closed (whether it came to its end, good or bad).
    """

    def __init__(self, entry: Entry, target: Place) -> None:
        self.path = entry.path
        self._entry, self._target, self._name = entry, target, unfinished(target.name)
        self._hasher = IncrementalHasher(entry.size, self._read)
        self._lock = threading.Lock()
        self._descriptor = -1  # opened by the first write, closed by the last of those that use it
        self._users, self.closed = 0, False

    def write(self, at: int, *parts: Bytes) -> None:
        """Write bytes at an offset, in parts that follow one another; with the last bytes the file gets its name.

        Raises:
            ValueError: It is closed.
            IntegrityError: All is there, and has another SHA-256 than was logged.
            DestinationError: The disk does not take it.
        """
        descriptor = self._take()
        try:
            with refusals_named(str(self._target)):
                stop = at + write_parts(descriptor, at, parts)
            ended = self._hasher.add(at, stop)
        finally:
            self._give_back()
        if ended:
            self._settle()

    def lend(self) -> LentFile:
        """Return what a worker process opens the file by, as long as it is not closed.

        Raises:
            DestinationError: The disk does not take it.
        """
        descriptor = self._take()
        try:
            return LentFile.of(descriptor, self.path, str(self._target))
        finally:
            self._give_back()

    def note_written(self, start: int, stop: int) -> None:
        """Take note of bytes that a worker has written. Raises: as `write`."""
        self._take()
        try:
            ended = self._hasher.add(start, stop)
        finally:
            self._give_back()
        if ended:
            self._settle()

    def discard(self) -> None:
        """Delete what was written of an unfinished file. A second call does nothing."""
        if not self.closed:
            self._close()
            with suppress(OSError, DestinationError), self._target.folder() as folder:
                os.unlink(self._name, dir_fd=folder)

    def _settle(self) -> None:
        if self._hasher.digest() != self._entry.sha256:
            raise other_content(self._entry, self._target)
        self._close()
        with self._target.folder() as folder, removed_on_failure(self._name, folder):
            self._target.rename(self._name, folder)

    def _read(self, start: int, stop: int) -> memoryview:
        """Return bytes that were written, until this thread reads again."""
        try:
            buffer: memoryview = _buffers.buffer
        except AttributeError:
            buffer = _buffers.buffer = memoryview(bytearray(_BLOCK))
        with refusals_named(str(self._target)):
            if count := os.preadv(self._descriptor, [buffer[: stop - start]], start):
                return buffer[:count]
        raise DestinationError(str(self._target), "it was cut off while it was written")

    def _take(self) -> int:
        with self._lock:
            if self.closed:
                raise ValueError(f"write to closed file {self._target}")
            if self._descriptor < 0:
                with self._target.folder() as folder:
                    self._descriptor = open_new(self._name, folder, executable=self._entry.executable)
            self._users += 1
            return self._descriptor

    def _give_back(self) -> None:
        with self._lock:
            self._users -= 1
            self._close_if_unused()

    def _close(self) -> None:
        with self._lock:
            self.closed = True
            self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self.closed and not self._users and self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with refusals_named(str(self._target)):
                os.close(descriptor)


def write_whole(entry: Entry, target: Place, data: Bytes) -> None:
    """Write a file whose bytes are all at hand. Raises: as `PartialFile.write`."""
    if digest.sha256(data) != entry.sha256:
        raise other_content(entry, target)
    with replacing(target) as (name, folder):
        descriptor = open_new(name, folder, executable=entry.executable)
        try:
            write_parts(descriptor, 0, [data])
        finally:
            os.close(descriptor)


def open_new(name: str, folder: int, *, executable: bool) -> int:
    """Create a file in a folder and return its descriptor."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.open(name, flags, 0o777 if executable else 0o666, dir_fd=folder)


def other_content(entry: Entry, target: Place) -> IntegrityError:
    """Return the error to raise if a file is not the one that was logged."""
    return IntegrityError(str(target), "its content has another SHA-256 than was logged", entry.path)


@contextmanager
def written(target: Place, *, executable: bool = False) -> Iterator[BinaryIO]:
    """Return a context with a new file to write, which replaces the target if all goes well."""
    with replacing(target) as (name, folder), os.fdopen(open_new(name, folder, executable=executable), "w+b") as file:
        yield file


@contextmanager
def replacing(target: Place) -> Iterator[tuple[str, int]]:
    """Return a context with a free name beside the target; what has it then replaces the target if all goes well."""
    name = unfinished(target.name)
    with target.folder() as folder, removed_on_failure(name, folder):
        yield name, folder
        target.rename(name, folder)
