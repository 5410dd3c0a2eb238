"""What owners of stretches have together, and what each has alone.

A rule without I/O: an owner is a number, and a stretch some bytes of one pack.
Its cost is that of sorting; a byte is not looked at, only the ends of stretches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator


def overlaps(stretches: Iterable[tuple[int, int, int]]) -> tuple[int, dict[int, int], dict[int, int]]:
    """Yield each stretch of a pack with the owners that have it.

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
