"""Which bytes of two files are the same, told by their chunks: nothing is read.

A chunk's id is the hash of its content. So where a chunk of one file and a chunk of
the other have one id, and two ranges begin at the same place in these, they are the
same that far. What chunks cannot prove may be the same all the same: those at the
ends of a tensor hold bytes of its neighbours too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from holdall.format.chunk_table import Chunks

Range = tuple[int, int]


def unproven(a: Chunks | None, start_a: int, b: Chunks | None, start_b: int, length: int) -> list[Range]:
    """Return which parts of two ranges of so many bytes are not proven to be the same, counted from their beginnings.

    Args:
        a: The chunks of one file; None where these are not known.
        start_a: Where the range begins in it.
        b: The chunks of the other file.
        start_b: Where its range begins.
        length: Bytes of both.
    """
    if not length or (a is b and a is not None and start_a == start_b):
        return []
    if a is None or b is None:
        return [(0, length)]
    found: list[Range] = []
    for at, step, same in _steps(a, start_a, b, start_b, length):
        if same:
            continue
        if found and found[-1][1] == at:
            found[-1] = found[-1][0], at + step
        else:
            found.append((at, at + step))
    return found


def _steps(a: Chunks, start_a: int, b: Chunks, start_b: int, length: int) -> Iterator[tuple[int, int, bool]]:
    """Yield stretches that lie in one chunk of each file: where, how long, and whether they are proven the same."""
    at, i, j = 0, a.at(start_a), b.at(start_b)
    begin_a, begin_b = a.start(i), b.start(j)
    while at < length:
        one, other = a[i], b[j]
        left_a, left_b = begin_a + one.raw - start_a - at, begin_b + other.raw - start_b - at
        step = min(left_a, left_b, length - at)
        yield at, step, one.id == other.id and start_a - begin_a == start_b - begin_b
        at += step
        if step == left_a:
            i, begin_a = i + 1, begin_a + one.raw
        if step == left_b:
            j, begin_b = j + 1, begin_b + other.raw


def inside(chunks: Chunks, start: int, length: int) -> Iterator[tuple[bytes, int]]:
    """Yield the chunks that lie wholly in a range: the id of each, and where it begins in the range."""
    stop = start + length
    i = chunks.at(start)
    begin = chunks.start(i)
    while begin < stop and i < len(chunks):
        ref = chunks[i]
        if start <= begin and begin + ref.raw <= stop:
            yield ref.id, begin - start
        i, begin = i + 1, begin + ref.raw


def shared_bytes(a: Iterable[Chunks], b: Iterable[Chunks]) -> int:
    """Return the bytes of the chunks that both of two sets of files have, each as often as both have it."""
    return sum(raw * count for (_, raw), count in (_counted(a) & _counted(b)).items())


def _counted(files: Iterable[Chunks]) -> Counter[tuple[bytes, int]]:
    return Counter((ref.id, ref.raw) for chunks in files for ref in chunks)
