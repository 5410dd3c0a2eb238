"""Who of several workers writes which files, and which parts of them.

Neighbours in a folder, and in a file, should be neighbours in a pack: they are
read together, and a stream that runs along known packs asks for less. So each
worker is dealt a stretch of all there is, of about the same size, and does it
from its beginning; who has finished takes the last job of whoever has most left.

A file is cut into parts only where workers would wait for one another without
that: its SHA-256 then needs another reading of it (`shared_writing.py`).

A rule without I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

_FILES: Final = 256  # in one job
_BALANCED: Final = 1.25  # how much longer than its share a worker may take


class Job(NamedTuple):
    """Some files from `first` to before `last`, or of one file the part from `start` to `stop`.

    Attributes:
        size: Bytes of it.
        part: The number of the part; None: it is whole files.
    """

    first: int
    last: int
    start: int
    stop: int
    size: int
    part: int | None


class Deal:
    """Jobs for workers, by their numbers from 0. For one thread.

    Args:
        sizes: Bytes of each file.
        workers: How many there are.
        least: Bytes of a part at least, and of files that are one job; and `most` of a part at most.
    """

    def __init__(self, sizes: Sequence[int], workers: int, *, least: int, most: int) -> None:
        piece = max(least, min(most, sum(sizes) // (4 * workers)))
        jobs = _jobs(sizes, piece, least, _too_long(sizes, workers))
        self.split: dict[int, list[Job]] = {}  # of each file that is cut, its parts
        for job in jobs:
            if job.part is not None:
                self.split.setdefault(job.first, []).append(job)
        self._hands = _stretches(jobs, workers)

    def take(self, worker: int) -> Job | None:
        """Return what a worker is to do next; None when all is taken."""
        if self._hands[worker]:
            return self._hands[worker].popleft()
        fullest = max(self._hands, key=lambda hand: (sum(job.size for job in hand), len(hand)))
        return fullest.pop() if fullest else None


def _too_long(sizes: Sequence[int], workers: int) -> int:
    """Return from how many bytes on a file is cut into parts: none is where all are done at about the same time."""
    loads = [0] * workers
    for size in sorted(sizes, reverse=True):
        at = loads.index(min(loads))
        loads[at] += size
    share = sum(sizes) / workers
    return max(sizes, default=0) + 1 if max(loads) <= _BALANCED * share else max(1, int(share / 4))


def _jobs(sizes: Sequence[int], piece: int, least: int, too_long: int) -> list[Job]:
    jobs: list[Job] = []
    for file, size in enumerate(sizes):
        if size >= too_long and size >= 2 * least:
            count = -(-size // piece)
            cuts = [size * at // count // 8 * 8 for at in range(count)] + [size]
            jobs += [Job(file, file + 1, a, b, b - a, n) for n, (a, b) in enumerate(pairwise(cuts))]
        elif jobs and _has_room(jobs[-1], size, least):
            jobs[-1] = jobs[-1]._replace(last=file + 1, size=jobs[-1].size + size)
        else:
            jobs.append(Job(file, file + 1, 0, size, size, None))
    return jobs


def _has_room(job: Job, size: int, least: int) -> bool:
    return job.part is None and job.size + size <= least and job.last - job.first < _FILES


def _stretches(jobs: Sequence[Job], workers: int) -> list[deque[Job]]:
    """Deal jobs in their order: whoever's share begins or ends in a job has it if more than half of it is his."""
    hands: list[deque[Job]] = [deque() for _ in range(workers)]
    total, before = max(1, sum(job.size for job in jobs)), 0
    for job in jobs:
        hands[min((2 * before + job.size) * workers // (2 * total), workers - 1)].append(job)
        before += job.size
    return hands
