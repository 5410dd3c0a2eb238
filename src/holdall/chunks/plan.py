"""Which ranges of which packs to fetch, for a set of blobs.

A request costs as much as a megabyte, so ranges whose gap is smaller are
joined; a single stream is slower than several, so long stretches are split
into balanced parts. A rule without I/O.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from holdall.format.layout import PackName
from holdall.format.reference import BlobLocation, Ref

GAP: Final = 1 << 20
LIMIT: Final = (16 << 20) + (256 << 10)  # half of a full pack, and the chunk that lies across its middle


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes `[start, stop)` of a pack, and the blobs in them by offset."""

    pack: PackName
    refs: Sequence[Ref]
    start: int
    stop: int

    @classmethod
    def over(cls, refs: Sequence[Ref]) -> Range:
        """Return the range of blobs of one pack that ascend."""
        place = refs[0].location
        assert isinstance(place, PackName), "inline blobs are not fetched from packs"
        return cls(place, refs, refs[0].offset, max(ref.offset + ref.stored for ref in refs))


def plan_ranges(refs: Iterable[Ref], *, gap: int = GAP, limit: int = LIMIT) -> list[Range]:
    """Plan the ranges to fetch for blobs in packs, each blob once.

    Args:
        refs: Blobs in packs, in any order, repeated or not. Packs are fetched in the order of their first blobs.
        gap: Bytes between two blobs that are fetched along rather than skipped.
        limit: Bytes that a range has at most, unless one blob is longer.
    """
    by_pack: defaultdict[BlobLocation, dict[Ref, None]] = defaultdict(dict)
    for ref in refs:
        by_pack[ref.location][ref] = None
    ranges = []
    for wanted in by_pack.values():
        for stretch in _stretches(sorted(wanted, key=attrgetter("offset")), gap):
            ranges += [Range.over(part) for part in _balanced(stretch, limit)]
    return ranges


def _stretches(refs: list[Ref], gap: int) -> list[list[Ref]]:
    stretches: list[list[Ref]] = []
    end = -1
    for ref in refs:
        if not stretches or ref.offset - end > gap:
            stretches.append([])
        stretches[-1].append(ref)
        end = max(end, ref.offset + ref.stored)
    return stretches


def _balanced(stretch: list[Ref], limit: int) -> list[list[Ref]]:
    """Split a stretch into as few parts as the limit allows, of about equal length."""
    start = stretch[0].offset
    length = max(ref.offset + ref.stored for ref in stretch) - start
    size = length / -(-length // limit)
    parts: list[list[Ref]] = []
    for ref in stretch:
        first = parts[-1][0].offset if parts else start
        if not parts or (ref.offset + ref.stored - first > limit) or ref.offset - start >= size * len(parts):
            parts.append([])
        parts[-1].append(ref)
    return parts
