"""The catalogs of a store: the newest is found and read in ranges, others are superseded.

What a catalog says may be old, and is its writer's word: `runs/cataloged` sees to both. SPEC.md, "Catalog".
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from holdall.errors import FormatError, HoldallError, ObjectExistsError, ObjectNotFoundError, ObjectTooShortError
from holdall.format.catalog import (
    HEAD,
    Block,
    Catalog,
    CatalogBuilder,
    CatalogRow,
    header_length,
    parse_block,
    parse_header,
)
from holdall.format.layout import CATALOG, catalog_key, parse_key
from holdall.keys.sealed_bucket import sealing_of
from holdall.storage.bucket import Bucket, ObjectInfo

BEGINNING: Final = 256 << 10  # bytes that are asked for first: the header of 100,000 runs, and the first block
TOGETHER: Final = 4 << 20  # bytes of blocks that one request asks for
_TRIES: Final = 3  # of catalogs that were superseded while they were read
_log = logging.getLogger("holdall")


@dataclass(slots=True)
class CatalogObject:
    """A catalog in a bucket.

    Attributes:
        bucket, key, size: Where it is.
        header: What it says of itself.
        begun: Its first bytes, which came with the header.
        held: Where the last other bytes begin that were asked for, and these.
        fetched: How often some were.
    """

    bucket: Bucket
    key: str
    size: int
    header: Catalog
    begun: bytes = field(repr=False)
    held: tuple[int, bytes] = field(default=(0, b""), repr=False)
    fetched: int = 1

    @classmethod
    def open(cls, bucket: Bucket, info: ObjectInfo) -> CatalogObject:
        """Read the beginning of a catalog.

        Raises:
            ObjectNotFoundError: It was superseded.
            FormatError: It is none that this version reads.

        Cost: a request; one more where its header is long.
        """
        begun = bytes(bucket.get_range(info.key, 0, min(info.size, BEGINNING))) if info.size else b""
        length = header_length(begun[:HEAD], info.key)
        if length > min(len(begun), info.size):
            if length > info.size:
                raise FormatError(info.key, "its header is cut off")
            begun = bytes(bucket.get_range(info.key, 0, length))
        header = parse_header(begun, info.key)
        if header.blocks and header.blocks[-1].stop != info.size:
            raise FormatError(info.key, f"it has {info.size} bytes, and its header says {header.blocks[-1].stop}")
        return cls(bucket, info.key, info.size, header, begun)

    def rows(self, block: Block) -> list[CatalogRow]:
        """Return the rows of a block.

        Raises: as `open`.

        Cost: a request, which brings 4 MiB with it of the blocks behind; none for what the last one brought.
        """
        for start, held in ((0, self.begun), self.held):
            if start <= block.start and block.stop <= start + len(held):
                return parse_block(held[block.start - start : block.stop - start], block, self.key)
        behind = [each.stop for each in self.header.blocks if block.start < each.stop <= block.start + TOGETHER]
        stop = max([block.stop, *behind])
        self.held = block.start, bytes(self.bucket.get_range(self.key, block.start, stop))
        self.fetched += 1
        return self.rows(block)


def newest_catalog(bucket: Bucket) -> CatalogObject | None:
    """Return the newest catalog; None where there is none, or none that can be read, which a warning says.

    An encrypted store has none: what lies there would be in the open, and nobody could tell who wrote it.

    Cost: a listing of one key, and a request or two.
    """
    for _ in range(0 if sealing_of(bucket).sealed else _TRIES):
        info = next(iter(_listed(bucket, limit=1)), None)
        if info is None:
            return None
        try:
            return CatalogObject.open(bucket, info)
        except ObjectNotFoundError:
            continue  # superseded just now
        except (FormatError, ObjectTooShortError) as error:
            _log.warning("searching without the catalog: %s", error)
            return None
    return None


def next_number(bucket: Bucket) -> int:
    """Return the number of the next catalog. To be asked before runs are listed. Cost: a listing of one key."""
    return max((_number(info) for info in _listed(bucket, limit=1)), default=-1) + 1


def supersede(bucket: Bucket, number: int, data: bytes) -> bool:
    """Create a catalog of this number, and delete all older ones.

    Returns:
        Whether it is there: not if another has this number, or a higher one. Then nothing of this one stays.

    Cost: a PUT, a listing, and a DELETE for each older one.
    """
    try:
        bucket.put(catalog_key(number), data)
    except ObjectExistsError:
        if not _is_ours(bucket, catalog_key(number), data):
            return False
    numbers = [_number(info) for info in _listed(bucket)]
    if max(numbers, default=number) > number:
        bucket.delete(catalog_key(number))
        return False
    with suppress(HoldallError):  # who may not delete leaves them: the newest counts
        bucket.delete_many([catalog_key(each) for each in numbers if each < number])
    return True


def forget_catalogs(bucket: Bucket, time: int, writer: str) -> None:
    """See to it that no catalog tells of what was purged before this was called: an empty one takes their place.

    Cost: as `supersede`, and a listing of one key.
    """
    empty = CatalogBuilder().finish((), time, writer, None)
    while not sealing_of(bucket).sealed and not supersede(bucket, next_number(bucket), empty):
        pass  # another wrote one just now, which may tell of it


def catalog_tells_of(bucket: Bucket, run: str) -> bool:
    """Return whether the newest catalog may tell of a run. Cost: as `newest_catalog`, and a request or two."""
    try:
        found = newest_catalog(bucket)
        some = [block for block in found.header.blocks if block.first <= run <= block.last] if found else []
        return any(row.run == run for block in some if found for row in found.rows(block))
    except HoldallError:
        return True


def _is_ours(bucket: Bucket, key: str, data: bytes) -> bool:
    """Return whether an object is what was sent before, whose answer was lost."""
    with suppress(ObjectNotFoundError, ObjectTooShortError):
        return bytes(bucket.get_range(key, 0, len(data))) == data
    return False


def _listed(bucket: Bucket, limit: int | None = None) -> Iterator[ObjectInfo]:
    keys = ((parse_key(info.key), info) for info in bucket.list(CATALOG, limit=limit))
    return (info for key, info in keys if key and key.kind == "catalog")


def _number(info: ObjectInfo) -> int:
    key = parse_key(info.key)
    return key.number if key else -1
