"""The content of one file of a run: its chunks, fetched when they are needed, the last ones kept.

Threads may share one: what it keeps is behind a lock, which nobody holds while the bucket is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Final, TypeAlias

from holdall.chunks.delivery import OnChunk
from holdall.format.chunk_table import Chunks, OneChunk
from holdall.format.digest import Bytes
from holdall.format.layout import PackName
from holdall.format.reference import Ref
from holdall.format.tree import Entry
from holdall.trees.blobs import RunBlobReader
from holdall.trees.checkout import recipes
from holdall.trees.lru import LruCache
from holdall.workers.per_process import PerProcess

_KEPT: Final = 32 << 20
OnRange: TypeAlias = Callable[[int, int], object]


class FileContent:
    """The chunks of a file, by their numbers. Keeps at most about 32 MiB of them.

    Attributes: size (bytes of the file), chunks (in order).
    """

    def __init__(self, blobs: RunBlobReader, entry: Entry) -> None:
        cut = entry.content and not entry.whole
        chunks = recipes(blobs, [entry])[0].chunks if cut else OneChunk([entry.content] if entry.content else [])
        assert isinstance(chunks, Chunks), "a recipe that was read knows where its chunks begin"
        self._blobs, self._entry, self.chunks, self.size = blobs, entry, chunks, entry.size
        self._kept: LruCache[int, bytes] = LruCache(_KEPT, len)
        self._locks: PerProcess[threading.Lock] = PerProcess()  # of a child its own: a fork may copy one that is held

    def has(self, start: int, stop: int) -> bool:
        """Return whether some bytes of the file are kept. Cost: no request."""
        touched = self._touched(start, stop)
        return len(self._held(touched)) == len(touched)

    def fill(self, view: memoryview, start: int, *, further: int = 0) -> None:
        """Fill a view with the file's bytes from `start` on; where some are missing, fetch `further` bytes along.

        Raises:
            IntegrityError: A chunk is not what was written.
        """
        stop = start + len(view)
        touched = self._touched(start, stop)
        found, new = self._held(touched), dict[int, bytes]()
        if len(found) < len(touched):
            wanted = self._touched(start, min(stop + further, self.size))
            held = self._held(wanted)
            new = self._fetch([i for i in wanted if i not in held])
            found = held | new
        for i in touched:
            _put(view, self.chunks.start(i) - start, found[i])
        self._keep(new, spare=further)

    def fill_many(self, views: Iterable[tuple[memoryview, int]]) -> None:
        """Fill views, each with the bytes from an offset on, all planned together. What comes is not kept."""
        self._deliver(
            (i, partial(_put, view, self.chunks.start(i) - start))
            for view, start in views
            for i in self._touched(start, start + len(view))
        )

    def fill_all(self, view: memoryview, came: OnRange) -> None:
        """Fill a view with the whole file; `came(start, stop)` is told of each stretch, in no order, by some thread."""

        def take(i: int, data: Bytes) -> None:
            start, stop = self.chunks.start(i), self.chunks.start(i + 1)
            view[start:stop] = data
            came(start, stop)

        self._deliver((i, partial(take, i)) for i in range(len(self.chunks)))

    # --- inside ---

    def _touched(self, start: int, stop: int) -> range:
        """Return the chunks that hold some of these bytes, by their numbers."""
        return range(self.chunks.at(start), self.chunks.at(stop - 1) + 1) if stop > start else range(0)

    @property
    def _lock(self) -> threading.Lock:
        return self._locks.get(threading.Lock)

    def _held(self, wanted: Iterable[int]) -> dict[int, bytes]:
        with self._lock:
            return self._kept.get_all(wanted)

    def _keep(self, found: Mapping[int, bytes], spare: int) -> None:
        with self._lock:
            for i, data in found.items():
                self._kept.add(i, data)
            self._kept.evict(spare=spare)

    def _fetch(self, missing: list[int]) -> dict[int, bytes]:
        found = self._blobs.read([self.chunks[i] for i in missing], path=self._entry.path)
        return dict(zip(missing, found, strict=True))

    def _deliver(self, wanted: Iterable[tuple[int, OnChunk]]) -> None:
        """Give chunks to functions: those in memory at once, the others as they come."""
        self._blobs.packs.deliver(self._missing(wanted), path=self._entry.path)

    def _missing(self, wanted: Iterable[tuple[int, OnChunk]]) -> Iterator[tuple[Ref, OnChunk]]:
        for i, function in wanted:
            held = self._held([i]).get(i) or self._blobs.at_hand(self.chunks[i])
            if held is not None or not isinstance(self.chunks[i].location, PackName):
                function(self._blobs.read([self.chunks[i]])[0] if held is None else held)
            else:
                yield self.chunks[i], function


def _put(view: memoryview, at: int, data: Bytes) -> None:
    """Copy what fits of a chunk into a view; it begins `at` bytes behind the view's beginning, or before it."""
    part = memoryview(data)[max(-at, 0) : len(view) - at]
    view[max(at, 0) : max(at, 0) + len(part)] = part
