"""What owners of stretches have together, alone, and before others; and how many blobs lie in them.

A rule without I/O: an owner is a number, and a stretch some bytes of one pack.
Its cost is that of sorting; a byte is not looked at, only the ends of stretches.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush


def overlaps(stretches: Iterable[tuple[int, int, int]]) -> tuple[int, dict[int, int], dict[int, int]]:
    """Return what owners of some stretches of a pack have, together and alone.

    Args:
        stretches: Owner, first byte, byte after the last; in any order, an owner's own perhaps overlapping.

    Returns:
        Bytes that anyone has; bytes by owner; bytes that no other has, by owner.
    """
    has, alone, edges = Counter[int](), Counter[int](), list[tuple[int, int, int]]()
    for owner, start, stop in _merged(stretches):
        has[owner] += stop - start
        edges += [(start, 1, owner), (stop, -1, owner)]
    union = owners = numbers = before = 0
    for at, step, owner in sorted(edges):
        union += at - before if owners else 0
        if owners == 1:  # then the sum of the owners' numbers is the owner
            alone[numbers] += at - before
        owners, numbers, before = owners + step, numbers + step * owner, at
    return union, dict(has), dict(alone)


def first_of(stretches: Iterable[tuple[int, int, int]], rank: Mapping[int, int]) -> Counter[int]:
    """Return the bytes of each owner that no owner of a lower rank has: in order of time, what was new with it.

    Args:
        stretches: As those of `overlaps`.
        rank: Of each owner, no two alike.
    """
    edges: list[tuple[int, int, int]] = []
    for owner, start, stop in _merged(stretches):
        edges += [(start, 1, owner), (stop, -1, owner)]
    found, there, before = Counter[int](), set[int](), 0
    waiting: list[tuple[int, int]] = []
    edges.sort()
    for at, step, owner in edges:
        while waiting and waiting[0][1] not in there:
            heappop(waiting)
        if waiting:
            found[waiting[0][1]] += at - before
        before = at
        if step > 0:
            there.add(owner)
            heappush(waiting, (rank[owner], owner))
        else:
            there.discard(owner)
    return found


def union(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the same bytes by the fewest stretches, ascending."""
    return [(start, stop) for _, start, stop in _merged((0, start, stop) for start, stop in stretches)]


def length(stretches: Iterable[tuple[int, int]]) -> int:
    """Return how many bytes some stretches have that do not overlap."""
    return sum(stop - start for start, stop in stretches)


def within(stretches: Iterable[tuple[int, int, int]], cover: Sequence[tuple[int, int]]) -> Counter[int]:
    """Return the bytes that each owner has of a cover.

    Args:
        stretches: As those of `overlaps`.
        cover: Ascending stretches that do not overlap.
    """
    found, starts = Counter[int](), [start for start, _ in cover]
    for owner, start, stop in _merged(stretches):
        at = max(0, bisect_right(starts, start) - 1)
        while at < len(cover) and cover[at][0] < stop:
            found[owner] += max(0, min(stop, cover[at][1]) - max(start, cover[at][0]))
            at += 1
    return found


def count_blobs(stretches: Iterable[tuple[int, int, int]]) -> int | None:
    """Return how many blobs some stretches of a pack hold together; None where only the pack's footer tells it.

    Args:
        stretches: First byte, byte after the last, blobs in between; each begins and ends with a blob.

    A stretch inside of others adds nothing. One that is partly inside has some blobs more, and nothing tells how many.
    """
    blobs = end = 0
    for start, stop, count in sorted(stretches, key=lambda each: (each[0], -each[1])):
        if stop <= end:
            continue
        if start < end:
            return None
        blobs, end = blobs + count, stop
    return blobs


def _merged(stretches: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Yield the same bytes of each owner by the fewest stretches."""
    current: tuple[int, int, int] | None = None
    for owner, start, stop in sorted(stretches):
        if current and current[0] == owner and start <= current[2]:
            current = (owner, current[1], max(stop, current[2]))
            continue
        if current:
            yield current
        current = (owner, start, stop)
    if current:
        yield current
