"""A blob that is parsed, of any size, decoded while it comes: its stored bytes are never together.

The recipe of a file of 64 GB has 41 MB, and as many are stored of it. Who read
one kilobyte of the file held both, and a table made of them. Here its range
comes in parts, a few ahead, which are decoded into the one buffer that is kept:

    parts of 4 MiB  ->  zstd, or as they are  ->  a buffer of `raw` bytes  ->  BLAKE3 over all of it

The decoder writes into that buffer and nowhere else, so no frame makes more
than its reference promised. What is wrong in any way is no answer: whoever
reads the blob as others are read then says what it is.
"""

from __future__ import annotations

import io
from collections import deque
from concurrent.futures import Future
from typing import IO, Final, cast

from holdall.chunks.pool import Pool
from holdall.errors import FormatError, ObjectNotFoundError, ObjectTooShortError
from holdall.format.codec import UNCOMPRESSED, ZSTD
from holdall.format.digest import Bytes, blob_id
from holdall.format.frames import decompress_into
from holdall.format.layout import PackName
from holdall.format.reference import Ref
from holdall.keys.sealed_bucket import sealing_of
from holdall.storage.bucket import Bucket

LARGE: Final = 4 << 20  # stored bytes from which on a blob is decoded while it comes; of those that come together
_AHEAD: Final = 2  # parts that are on their way while one is decoded


def read_streamed(bucket: Bucket, pool: Pool, ref: Ref) -> bytearray | None:
    """Return the decoded bytes of a blob in a pack, verified; None if it has to be read as others are.

    Cost: a request for each 4 MiB that are stored. Holds its decoded bytes, and three of these parts.
    """
    if ref.codec not in (UNCOMPRESSED, ZSTD) or sealing_of(bucket).sealed:  # what is sealed is opened as a whole
        return None
    data = bytearray(ref.raw)
    parts = _Parts(bucket, pool, ref)
    try:
        if ref.codec == ZSTD:
            decompress_into(data, cast("IO[bytes]", parts), parts.peek(), step=LARGE)
        whole = ref.codec == ZSTD or parts.readinto(data) == ref.raw == ref.stored
    except (FormatError, ObjectNotFoundError, ObjectTooShortError):
        whole = False
    finally:
        parts.close()
    return data if whole and blob_id(data) == ref.id else None


class _Parts(io.RawIOBase):
    """The stored bytes of a blob, fetched in parts, some ahead."""

    def __init__(self, bucket: Bucket, pool: Pool, ref: Ref) -> None:
        pack = ref.location
        assert isinstance(pack, PackName), "inline blobs are small"
        self._bucket, self._pool, self._key = bucket, pool, pack.key
        self._at, self._end = ref.offset, ref.offset + ref.stored
        self._coming: deque[Future[Bytes]] = deque()
        self._part = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # any writable buffer
        view, at = memoryview(buffer), 0
        while at < len(view) and self.peek():
            count = min(len(view) - at, len(self._part))
            view[at : at + count] = self._part[:count]
            self._part, at = self._part[count:], at + count
        return at

    def peek(self) -> memoryview:
        """Return bytes that were not read yet; none at the end."""
        while not self._part and (self._coming or self._at < self._end):
            while len(self._coming) <= _AHEAD and self._at < self._end:
                self._coming.append(self._ask(self._at, min(self._at + LARGE, self._end)))
                self._at = min(self._at + LARGE, self._end)
            self._part = memoryview(self._coming.popleft().result())
        return self._part

    def _ask(self, start: int, stop: int) -> Future[Bytes]:
        return self._pool.submit_with_budget(stop - start, lambda: self._bucket.get_range(self._key, start, stop))

    def close(self) -> None:
        """Wait for what is on its way, which nobody wants any more."""
        while self._coming:
            future = self._coming.popleft()
            if not future.cancel():
                future.exception()
        super().close()
