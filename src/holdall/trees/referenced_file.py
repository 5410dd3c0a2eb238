"""A file that is elsewhere, read as a run's own: the bytes that are wanted, and some beyond while reading goes on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from holdall.chunks.pool import Batch, Pool
from holdall.errors import ReferenceChangedError
from holdall.format.digest import Bytes, file_hash
from holdall.format.tree import Entry
from holdall.trees.artifact_file import ArtifactFile, Ranges
from holdall.trees.destination import Destination, Place
from holdall.trees.elsewhere import PART, PinnedObject, parts
from holdall.trees.partial_file import written
from holdall.trees.positioned import write_parts
from holdall.workers.per_process import PerProcess

_BLOCK: Final = 1 << 20  # bytes that are hashed at a time


class ReferencedContent:
    """The bytes of one object elsewhere; the stretch that was read last is kept, of some 16 MiB at most.

    Attributes: size (bytes of the file).
    """

    def __init__(self, there: PinnedObject, pool: Pool) -> None:
        self._there, self._pool, self.size = there, pool, there.pinned.size
        self._kept: tuple[int, Bytes] = 0, b""
        self._locks: PerProcess[threading.Lock] = PerProcess()

    def has(self, start: int, stop: int) -> bool:
        """Return whether some bytes of the file are kept. Cost: no request."""
        at, kept = self._kept
        return at <= start and stop <= at + len(kept)

    def fill(self, view: memoryview, start: int, *, further: int = 0) -> None:
        """Fill a view with the file's bytes from `start` on; if they are not kept, fetch `further` bytes along.

        Raises:
            ReferenceChangedError: It is another object now.
        """
        stop = start + len(view)
        at, kept = self._kept
        if not (at <= start and stop <= at + len(kept)):
            if stop - start > PART:
                self.fill_many([(view, start)])
                return
            at, kept = self._kept = start, self._there.read(start, min(stop + further, self.size))
        view[:] = memoryview(kept)[start - at : stop - at]

    def fill_many(self, views: Iterable[tuple[memoryview, int]]) -> None:
        """Fill views, each with the bytes from an offset on, side by side. What comes is not kept."""
        with Batch(self._pool) as batch:
            for view, start in views:
                for first, last in parts(len(view)) if len(view) else ():
                    batch.submit_with_budget(last - first, partial(self._copy, view[first:last], start + first))

    def fill_all(self, view: memoryview, came: Callable[[int, int], object]) -> None:
        """Fill a view with the whole file; `came(start, stop)` is told of each stretch, in no order, by some thread."""

        def take(start: int, stop: int) -> None:
            self._copy(view[start:stop], start)
            if stop > start:
                came(start, stop)

        with Batch(self._pool) as batch:
            for start, stop in parts(self.size):
                batch.submit_with_budget(stop - start, partial(take, start, stop))

    def _copy(self, view: memoryview, start: int) -> None:
        view[:] = self._there.read(start, start + len(view))


class ReferencedFile(ArtifactFile):
    """An object elsewhere as a file of the run that refers to it.

    What a pointer says of its size is believed for large reads only after the place said the same.
    """

    def __init__(self, there: PinnedObject, pool: Pool) -> None:
        self._there = there
        self._begin(Entry(there.artifact, size=there.pinned.size, sha256=there.pinned.sha256))
        self._source = ReferencedContent(there, pool), None

    def rest_at(self, start: int) -> bytes:
        """Return all from `start` on; all of a file whose SHA-256 is known is held against it."""
        if self.entry.size - start > PART:
            self._there.check()
        return super().rest_at(start)

    def read_ranges(self, ranges: Ranges) -> list[bytes]:
        """Read many ranges at once, each `(start, stop)`. Raises: ValueError, ReferenceChangedError."""
        wanted = [self._range(*each) for each in ranges]
        if sum(stop - start for start, stop in wanted) > PART:
            self._there.check()
        return super().read_ranges(wanted)


def fetch_referenced(found: Iterable[PinnedObject], destination: Path, pool: Pool) -> list[ReferenceChangedError]:
    """Write objects elsewhere into a local folder, each at the path that stands for it.

    Returns:
        Why some are not there: they changed. No file has wrong bytes.

    Raises:
        DestinationError: The disk does not take one, or a link stands where a folder must be.
    """
    failed: list[ReferenceChangedError] = []
    with Destination(destination) as below:
        large = []
        with Batch(pool) as batch:  # small ones side by side, large ones in parts that are
            for there in found:
                if folder := there.artifact.rpartition("/")[0]:
                    below.make_folder(folder)
                target = Place(below, there.artifact)
                if there.pinned.size > PART:
                    large.append((there, target))
                else:
                    batch.submit_with_budget(there.pinned.size, partial(_try_fetch, there, target, None, failed))
        for there, target in large:
            _try_fetch(there, target, pool, failed)
    return sorted(failed, key=str)


def _try_fetch(there: PinnedObject, target: Place, pool: Pool | None, failed: list[ReferenceChangedError]) -> None:
    """Write an object, its parts side by side if there is a pool; note that it changed."""
    try:
        with written(target) as file:
            take = partial(_copy_part, there, file.fileno())
            if pool is None:
                for start, stop in parts(there.pinned.size):
                    take(start, stop)
            else:
                with Batch(pool) as batch:
                    for start, stop in parts(there.pinned.size):
                        batch.submit_with_budget(stop - start, partial(take, start, stop))
            if there.pinned.sha256 and _hash_of(file.fileno()) != there.pinned.sha256:
                reason = "its content has another SHA-256 than was referenced"
                raise ReferenceChangedError(there.uri, reason, there.artifact)
    except ReferenceChangedError as error:
        failed.append(error)


def _copy_part(there: PinnedObject, descriptor: int, start: int, stop: int) -> None:
    write_parts(descriptor, start, [there.read(start, stop)])


def _hash_of(descriptor: int) -> bytes:
    hasher, at = file_hash(), 0
    while data := os.pread(descriptor, _BLOCK, at):
        hasher.update(data)
        at += len(data)
    return hasher.digest()
