"""Packs, one shard of them: is each what its footer says, down to every blob?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final, TypeAlias

from holdall.chunks.delivery import decode_verified
from holdall.chunks.pool import gather
from holdall.chunks.reader import ChunkReader
from holdall.errors import DamageError, FormatError, HoldallError, IntegrityError, ObjectNotFoundError
from holdall.format.digest import Bytes
from holdall.format.layout import PACKS, PackName, parse_key
from holdall.format.pack import MAX_PACK, TAIL, Footer, Row, parse_pack
from holdall.format.sealing import read_public
from holdall.trees.location import Location
from holdall.trees.lru import LruCache

Rows: TypeAlias = Mapping[int, Row]  # of a pack, by their offsets
_Read: TypeAlias = Sequence[Row] | HoldallError
_AT_ONCE: Final = 256  # packs whose rows are held until all of them are read
_FOOTERS: Final = 256  # that a shard remembers
MISSING: Final = "the pack is missing"


@dataclass(frozen=True, slots=True)
class PackShard:
    """Packs whose sessions begin so. Attributes: listed (names and sizes, where they are known; else it is listed)."""

    prefix: str = ""
    listed: tuple[tuple[PackName, int], ...] | None = None

    def __str__(self) -> str:
        return f"{PACKS}{self.prefix}"

    def names(self, location: Location) -> Iterator[tuple[PackName, int]]:
        """Yield the name and size of each pack. Cost: a listing, where it was not listed."""
        if self.listed is not None:
            yield from self.listed
            return
        for info in location.bucket.list(f"{PACKS}{self.prefix}"):
            if (key := parse_key(info.key)) and key.pack:
                yield key.pack, info.size


@dataclass(slots=True)
class PacksSeen:
    """What was seen of packs.

    Attributes:
        good: How many blobs each whole one has.
        bad: What is wrong with the others.
        wrong: Those of them whose bytes are not what was written.
        rows: What each whole one holds, where that is to be kept.
    """

    good: dict[PackName, int] = field(default_factory=dict)
    bad: dict[PackName, str] = field(default_factory=dict)
    wrong: dict[PackName, str] = field(default_factory=dict)
    rows: dict[PackName, Rows] = field(default_factory=dict)

    def add(self, other: PacksSeen) -> None:
        """Add what was seen of other packs."""
        self.good |= other.good
        self.bad |= other.bad
        self.wrong |= other.wrong
        self.rows |= other.rows


def check_packs(location: Location, quick: bool, keep: bool, shard: PackShard) -> PacksSeen:
    """Read packs, side by side as far as there is room.

    Args:
        location: The store.
        quick: Read footers only.
        keep: Whether to keep the rows of all: about 300 bytes for each blob.
        shard: Which packs.

    Cost: a GET each; a few hundred packs' rows at once.
    """
    seen, reader = PacksSeen(), ChunkReader(location.bucket, location.pool)
    names = shard.names(location)
    while some := list(islice(names, _AT_ONCE)):
        tasks = [(TAIL if quick else size, partial(_pack, location, reader, quick, pack)) for pack, size in some]
        _see(seen, [pack for pack, _ in some], [location.pool.submit_with_budget(*task) for task in tasks], keep)
    return seen


def _see(seen: PacksSeen, packs: Sequence[PackName], reading: Sequence[Future[_Read]], keep: bool) -> None:
    for pack, rows in zip(packs, gather(reading), strict=True):
        if isinstance(rows, HoldallError):
            seen.bad[pack] = str(rows)
            if isinstance(rows, DamageError):
                seen.wrong[pack] = str(rows)
            continue
        seen.good[pack] = len(rows)
        if keep:
            seen.rows[pack] = {row.offset: row for row in rows}


def _pack(location: Location, reader: ChunkReader, quick: bool, pack: PackName) -> _Read:
    """Return the rows of a pack, or what is wrong with it twice over: networks err more often than disks."""
    try:
        try:
            return _rows_of(location, reader, quick, pack)
        except DamageError:
            return _rows_of(location, reader, quick, pack)
    except HoldallError as error:
        return error


def _rows_of(location: Location, reader: ChunkReader, quick: bool, pack: PackName) -> Sequence[Row]:
    return (reader.footer(pack) if quick else _whole(location, pack)).rows


def _whole(location: Location, pack: PackName) -> Footer:
    data = memoryview(location.bucket.get(pack.key, limit=MAX_PACK))
    footer = parse_pack(data, f"pack {pack}")
    failures = []
    for row in footer.rows:
        stored, where = data[row.offset : row.offset + row.stored], f"pack {pack}, offset {row.offset}"
        try:
            if location.keyless:
                _check_public(row, stored, where)
            else:
                decode_verified(row.ref(pack), stored, location.sealing, where)
        except DamageError as error:
            failures.append(error)
    if failures and not (len(failures) == len(footer.rows) and _may_be_shredded(location)):
        raise failures[0]
    return footer


def _check_public(row: Row, stored: Bytes, where: str) -> None:
    """Hold what can be read of a sealed blob without a key against its digest. Raises: IntegrityError."""
    try:
        read_public(stored, row.raw)
    except FormatError as error:
        raise IntegrityError(where, error.detail) from error


def _may_be_shredded(location: Location) -> bool:
    """Return whether a pack of which nothing opens may be of an experiment whose own keys were destroyed.

    Were it damage after all, whoever reads the files of a run that needs the pack meets it.
    """
    ring = location.ring() if location.unlock is not None else None
    return ring is not None and ring.has_destroyed


class Footers:
    """What packs hold, for who holds references against it.

    Args:
        location: The store.
        known: The rows of all whole packs, if they were kept; else footers are fetched, and a few remembered.
    """

    def __init__(self, location: Location, known: Mapping[PackName, Rows] | None = None) -> None:
        self._pool, self._known = location.pool, known
        self._reader = ChunkReader(location.bucket, location.pool)
        self._kept: LruCache[PackName, Rows | str] = LruCache(_FOOTERS)

    def rows(self, packs: Iterable[PackName]) -> Iterator[tuple[PackName, Rows | str]]:
        """Yield packs with their rows, or what is wrong with each. Cost: a request each, side by side, if not known."""
        left = iter(packs)
        while some := list(islice(left, _FOOTERS)):
            found = self._kept.get_all(some) if self._known is None else self._of_known(some)
            lacking = [pack for pack in some if pack not in found]
            for pack, rows in zip(lacking, self._pool.map(self._fetch, lacking), strict=True):
                self._kept.put(pack, rows)
                found[pack] = rows
            yield from ((pack, found[pack]) for pack in some)

    def _of_known(self, packs: Sequence[PackName]) -> dict[PackName, Rows | str]:
        assert self._known is not None
        return {pack: self._known.get(pack, MISSING) for pack in packs}

    def _fetch(self, pack: PackName) -> Rows | str:
        try:
            return {row.offset: row for row in self._reader.footer(pack).rows}
        except ObjectNotFoundError:
            return MISSING
        except HoldallError as error:
            return str(error)
