"""What a bucket's bytes are for, each of them counted once.

    packs that runs refer to    stored, listings, deleted, deleted_inside, dead
    packs that none refers to   quarantine, reclaimable, recent, unknown
    other objects               logs, hints, other, foreign

A pack that is partly referred to stays as long as that is so. Its dead bytes
are the blobs that nothing refers to, with their rows in the pack's footer: what remains
of its size, so nothing needs to be read for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Final, TypeAlias

from holdall.chunks.reader import ChunkReader
from holdall.errors import DamageError, ObjectNotFoundError
from holdall.format.layout import RUNS, PackName
from holdall.format.pack import size_of_rest
from holdall.measuring.census import FOREIGN, Census
from holdall.measuring.overlaps import count_blobs, length, union
from holdall.measuring.survey import Row, Survey

Collectable: TypeAlias = Callable[[PackName, int | None], bool]
HELD_FOR: Final[Mapping[str, str]] = {
    "stored": "content of runs, in packs",
    "listings": "lists of the runs' paths, and of what is in packs",
    "logs": "logs of runs, experiments and models, with the small files that they carry",
    "hints": "hints: which pack has a chunk",
    "other": "what says what the store is, and what collections did",
    "deleted": "only deleted runs need it: comes back when they are purged and collected",
    "deleted_inside": "only deleted runs need it, in packs that others need as well: dead once they are purged",
    "dead": "dead: nothing refers to it, in packs that runs need",
    "reclaimable": "reclaimable: packs that the next `holdall gc` takes",
    "quarantine": "in quarantine: packs that a collection has condemned and not yet deleted",
    "recent": "packs that nothing refers to, too new to be collected, or of a run that is being written",
    "unknown": "nothing that can be read refers to it; a damaged run perhaps does",
    "foreign": "foreign: not holdall's",
}
"""What people are told that each part of `Holdings` is; all of them add up to its `total`."""
_NAMED: Final = ("pack", "log", "hint", FOREIGN)


@dataclass(frozen=True, slots=True)
class Holdings:
    """The bytes of all objects of a store's bucket, by what they are for. They add up to `total`.

    Attributes:
        stored: Content of runs, in packs; what several runs refer to is counted once.
        listings: What lists the paths of runs and the blobs of packs: nodes of trees, environments, footers.
        deleted: What only deleted runs need: whole packs, and their logs. Comes back when they are purged.
        deleted_inside: The same, in packs that other runs need as well: is dead when they are purged.
        dead: In packs that are needed otherwise; nothing refers to it.
        reclaimable: Packs that nothing refers to, which the next collection condemns.
        quarantine: Packs that a collection has condemned and not deleted yet.
        recent: Packs that nothing refers to yet: they are new, or a run that may refer to them is being written.
        unknown: In packs, and perhaps referred to by what cannot be read.
        logs: The logs of runs, experiments and models, with what small files they carry.
        hints: What tells writers which packs have a chunk.
        other: What says what the store is, and what its collections did.
        foreign: Objects that are not holdall's.
        folded: Of `logs` and `deleted`: entries of runs' logs that are told again by a later checkpoint, but for those
            with measurements. The small files that they carried are in a pack since, and so there twice.
        again: Decoded bytes of content that runs stored again though the bucket had them, to keep files in few pieces.
        objects: How many there are.
    """

    stored: int = 0
    listings: int = 0
    deleted: int = 0
    deleted_inside: int = 0
    dead: int = 0
    reclaimable: int = 0
    quarantine: int = 0
    recent: int = 0
    unknown: int = 0
    logs: int = 0
    hints: int = 0
    other: int = 0
    foreign: int = 0
    folded: int = 0
    again: int = 0
    objects: int = 0

    @property
    def total(self) -> int:
        """Return the sum of the sizes of all objects."""
        besides = ("folded", "again", "objects")
        return sum(getattr(self, each.name) for each in fields(self) if each.name not in besides)


def holdings(census: Census, survey: Survey, collectable: Collectable, reader: ChunkReader) -> Holdings:
    """Return what the bytes of a bucket are for.

    Args:
        census: Its objects, with the packs.
        survey: Of the same runs.
        collectable: Whether the next collection condemns a pack that nothing refers to, by its name and age.
        reader: Of the bucket.

    Cost: a GET for each pack of which some runs refer to parts that overlap without one being in the other.
    """
    sums = Counter[str]()
    gone = {number for number, run in enumerate(survey.runs) if run.deleted}
    for pack, (size, modified) in census.packs.items():
        if rows := list(survey.rows(pack)):
            footer = _footer(pack, rows, reader)
            sums.update(_parts(rows, gone, size, footer, sound=survey.sound))
        else:
            sums[_fate(pack, modified, census, survey, collectable)] += size
    logs = sum(sum(census.logs[RUNS + run.id]) for run in survey.runs if run.deleted)
    sums["deleted"] += logs
    return Holdings(
        **sums,
        logs=census.sizes["log"] - logs,
        hints=census.sizes["hint"],
        foreign=census.sizes[FOREIGN],
        other=sum(size for kind, size in census.sizes.items() if kind not in _NAMED),
        folded=sum(run.folded for run in survey.runs),
        again=sum(run.again for run in survey.runs),
        objects=census.counts.total(),
    )


def _fate(pack: PackName, modified: int | None, census: Census, survey: Survey, collectable: Collectable) -> str:
    """Return what a pack is that no run refers to, as far as they could be read."""
    if pack in census.condemned:
        return "quarantine"
    if not survey.sound:
        return "unknown"
    return "reclaimable" if collectable(pack, modified) else "recent"


def _parts(rows: list[Row], gone: set[int], size: int, footer: int, *, sound: bool) -> dict[str, int]:
    """Return what the bytes of a pack are for. They add up to its size, whatever runs claim of it."""
    there = [(start, stop) for run, _, start, stop, _ in rows if run not in gone]
    content = union((start, stop) for run, lists, start, stop, _ in rows if run not in gone and not lists)
    stored, needed = length(content), length(union(there))
    every = length(union((start, stop) for _, _, start, stop, _ in rows))
    claims = {"stored": stored, "listings": needed - stored + footer, "deleted_inside": every - needed}
    if not there:
        claims = {"deleted": size if sound else every + footer}
    left = size
    for name, count in claims.items():
        claims[name] = min(count, left)
        left -= claims[name]
    return claims | {"dead" if sound else "unknown": left}


def _footer(pack: PackName, rows: list[Row], reader: ChunkReader) -> int:
    """Return how much of a pack is magic, trailer, and the footer's rows of the blobs that runs refer to."""
    blobs = count_blobs((start, stop, blobs) for _, _, start, stop, blobs in rows)
    if blobs is None:
        blobs = _count_in_footer(pack, rows, reader)
    return size_of_rest(blobs)


def _count_in_footer(pack: PackName, rows: list[Row], reader: ChunkReader) -> int:
    """Return how many blobs of a pack runs refer to, as its footer tells; 0 where that cannot be read."""
    try:
        footer = reader.footer(pack)
    except (DamageError, ObjectNotFoundError):
        return 0
    needed = iter(union((start, stop) for _, _, start, stop, _ in rows))
    blobs, (start, stop) = 0, next(needed)
    for row in footer.rows:
        while row.offset >= stop:
            start, stop = next(needed, (1 << 32, 1 << 33))
        blobs += start <= row.offset
    return blobs
