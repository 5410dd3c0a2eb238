"""Does a host with many cores use them? Ours against Xet on all of them, and on fewer of the same.

    python -m benchmarks.cores --size 4G --rounds 2        eight shards of 512 MiB, and one file of 4 GiB

Each measured process is kept to the first so many cores that this one may use,
as `taskset` does it. Store, files and downloads belong into memory (`--scratch`
and `--data` below /dev/shm): a disk would be what is measured.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.data import shards, weights_file
from benchmarks.measured import Taken
from benchmarks.peers.on_disk import Kind, holdall_in, on_disk
from benchmarks.peers.xet_local import Xet
from benchmarks.rounds import Options, Question, Side, Work, main, shown_size

CORES = (2, 4, 8, 16)
ASKED = {  # theirs / ours on sixteen cores, and ours on two of them / ours on all
    "shards, fresh": (1.5, 5.0),
    "shards, again": (1.0, 5.0),
    "shards, get": (2.0, 5.0),
    "one file, fresh": (1.5, None),
    "one file, again": (1.2, None),
    "one file, get": (1.3, None),
}


class OnCores:
    """A side whose processes are kept to some cores."""

    def __init__(self, side: Kind, cores: list[int]) -> None:
        self._side, self._cores = side, cores

    def log(self, path: Path) -> Taken:
        """As the side does it."""
        return self._kept_to_cores(self._side.log, path)

    def fetch(self, path: Path) -> Taken:
        """As the side does it."""
        return self._kept_to_cores(self._side.fetch, path)

    def _kept_to_cores(self, act: Callable[[Path], Taken], path: Path) -> Taken:
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self._cores)  # which the process that is measured inherits
        try:
            return act(path)
        finally:
            os.sched_setaffinity(0, before)


def limited(kind: Callable[[Path], Kind], cores: list[int]) -> Side:
    """How a side of this kind starts a round, on some cores."""

    @contextmanager
    def start(scratch: Path) -> Iterator[OnCores]:
        with on_disk(kind)(scratch) as side:
            yield OnCores(side, cores)

    return start


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """Shards and one file, on as many cores as there are, and on two, four and eight of them."""
    mine = sorted(os.sched_getaffinity(0))
    counts = [count for count in CORES if count <= len(mine)] or [len(mine)]
    folder, file = shards(options.data, options.size), weights_file(options.data, options.size, "fp32")
    sides: dict[str, Side] = {}
    for count in reversed(counts):
        sides[f"holdall, {count} cores"] = limited(holdall_in, mine[:count])
        sides[f"xet, {count} cores"] = limited(Xet, mine[:count])

    yield Question(
        text=f"Does a host with many cores use them? This one has {len(mine)}.",
        works=(*_works("shards", folder, counts), *_works("one file", file, counts)),
        sides=sides,
        peers=("hf_xet",),
        notes=(
            f"Shards: eight of {shown_size(options.size / 8)}. One file: {shown_size(options.size)}. All fp32.",
            "Cores: the first so many that it may use. Workers are started before the clock, as Xet's threads are.",
            "Ours waits until packs are on the disk (fsync), which Xet's local store does not promise.",
        ),
    )


def _works(what: str, path: Path, counts: list[int]) -> Iterator[Work]:
    """What is done with some files: logged, logged again, and fetched."""
    for how in ("fresh", "again", "get"):
        against, ourselves = ASKED[f"{what}, {how}"]
        floors = {f"xet, {counts[-1]} cores": against}
        if ourselves is not None and len(counts) > 1:
            floors[f"holdall, {counts[0]} cores"] = ourselves
        yield Work(
            f"{what}, {how}", lambda side, how=how: (side.fetch if how == "get" else side.log)(path), floors=floors
        )


if __name__ == "__main__":
    main(ask)
