"""Which ranges of which packs to fetch, for a set of blobs.

A request costs as much as a megabyte, so ranges whose gap is smaller are
joined; a single stream is slower than several, so long stretches are split
into balanced parts. A rule without I/O.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from holdfast.format.layout import PackName
from holdfast.format.reference import Ref

GAP: Final = 1 << 20
LIMIT: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes `[start, stop)` of a pack, and the blobs in them."""

    pack: PackName
    refs: tuple[Ref, ...]

    @property
    def start(self) -> int:
        """The first byte."""
        return self.refs[0].offset

    @property
    def stop(self) -> int:
        """The byte after the last."""
        return max(ref.offset + ref.stored for ref in self.refs)


def plan_ranges(refs: Iterable[Ref], *, gap: int = GAP, limit: int = LIMIT) -> list[Range]:
    """The ranges to fetch for blobs in packs, each blob once.

    Args:
        refs: Blobs in packs, in any order, repeated or not.
        gap: Bytes between two blobs that are fetched along rather than skipped.
        limit: Bytes that a range has at most, unless one blob is longer.
    """
    by_pack: defaultdict[PackName, set[Ref]] = defaultdict(set)
    for ref in refs:
        assert isinstance(ref.place, PackName), "inline blobs are not fetched from packs"
        by_pack[ref.place].add(ref)
    ranges = []
    for pack, wanted in by_pack.items():
        for stretch in _stretches(sorted(wanted, key=lambda ref: ref.offset), gap):
            ranges += [Range(pack, tuple(part)) for part in _balanced(stretch, limit)]
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
    """A stretch in as few parts as the limit allows, of about equal length."""
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
