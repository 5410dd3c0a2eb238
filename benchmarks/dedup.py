"""What do chains of versions take, and what was stored again although it was there? Ours, Xet's, an exact index's.

    python -m benchmarks.dedup                      all kinds, against Xet
    python -m benchmarks.dedup --sets               against ourselves with other chunks, hints, no run before
    python -m benchmarks.dedup SQLite tar           kinds whose name begins so

Each of eight versions is logged as a run of one experiment by a process of its
own that knows nothing (a new handle), into a bucket in memory: bytes and
requests are counted, no time is. An exact index of all chunks, read from the
packs' footers, tells what was stored again although the bucket had it.
"""

from __future__ import annotations

import argparse
import heapq
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from benchmarks.data import emptied
from benchmarks.peers.xet_local import Xet
from benchmarks.rounds import PLAIN, parse_size
from benchmarks.versions import KINDS, MIB, VERSIONS, Folder
from holdall.chunks import defrag, hints
from holdall.chunks.pool import Pool
from holdall.format.chunking import Chunker
from holdall.format.entry import parse_entry
from holdall.format.layout import parse_key
from holdall.format.pack import parse_pack
from holdall.format.records import Descriptor
from holdall.format.reference import CHUNK, RECIPE
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store
from holdall.trees.previous import PreviousVersions


@dataclass(frozen=True, slots=True)
class Parameters:
    """What may be chosen.

    Attributes:
        chunks: Their sizes, in KiB.
        hints: Of a pack from 1 MiB on, and of a smaller one; None: today's.
        previous: Whether the version before is asked for.
        pieces: That a file may have beside the usual ones.
    """

    chunks: tuple[int, int, int] = (16, 32, 128)
    hints: tuple[int, int] | None = None
    previous: bool = True
    pieces: int = defrag.MORE


SETS = {
    "as it is": Parameters(),
    "chunks of 16, 64, 256": Parameters((16, 64, 256)),
    "chunks of 8, 32, 128": Parameters((8, 32, 128)),
    "2 hints, and 1": Parameters(hints=(2, 1)),
    "no run before": Parameters(previous=False),
    "no pieces beside": Parameters(pieces=1),
    "all as it was in November 2026": Parameters((16, 64, 256), (2, 1), previous=False, pieces=1),
}


@dataclass
class Chain:
    """What versions of one kind took.

    Attributes:
        logical: Bytes of all versions.
        stored: Bytes in the bucket after each of them.
        again: Bytes of chunks that were stored although a pack before had them.
        refused: Those of them that were refused as fragments.
        recipes: Bytes of recipes, as stored.
    """

    logical: int = 0
    stored: list[int] = field(default_factory=list)
    again: int = 0
    refused: int = 0
    recipes: int = 0
    requests: Counter[str] = field(default_factory=Counter)

    def add(self, other: Chain) -> None:
        """Add another kind's."""
        self.stored = [mine + more for mine, more in zip(self.stored, other.stored or self.stored, strict=True)]
        for name in ("logical", "again", "refused", "recipes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.requests += other.requests


class Ours:
    """A store in memory that is opened anew for each version."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters, self._bucket, self.chain = parameters, MemoryBucket(), Chain()
        self._seen: set[bytes] = set()
        self._read: set[str] = set()
        low, middle, high = (int(1024 * size) for size in parameters.chunks)
        self._store(self._bucket)._location.create(Descriptor("0" * 32, 0, Chunker(low, middle, high)))

    def log(self, top: Path) -> None:
        """A version, which is all that a folder holds."""
        counter = RequestCounter()
        with _parameters(self._parameters), self._store(TraceBucket(self._bucket, counter)).runs.start() as run:
            run.log_artifacts(top)
        chain = self.chain
        chain.requests += counter.requests
        chain.stored.append(sum(map(len, self._bucket.objects.values())))
        for key in sorted(self._bucket.objects.keys() - self._read):
            self._take_stock(key, self._bucket.objects[key])
        self._read |= self._bucket.objects.keys()

    def _take_stock(self, key: str, data: bytes) -> None:
        """Hold a new object against an index of all chunks that were in a pack before."""
        found = parse_key(key)
        if found and found.pack:
            for row in parse_pack(data, key).rows:
                if row.kind == CHUNK:
                    self.chain.again += row.raw if row.id in self._seen else 0
                    self._seen.add(row.id)
                self.chain.recipes += row.stored if row.kind == RECIPE else 0
        elif found and key.startswith("runs/"):
            ops = parse_entry(data, found.log, found.number).ops
            self.chain.refused += sum(op.get("again_bytes", 0) for op in ops if op["op"] == "commit")

    @staticmethod
    def _store(bucket: MemoryBucket | TraceBucket) -> Store:
        return Store._over(bucket, Pool(memory=256 * MIB), trusted=True)


@contextmanager
def _parameters(chosen: Parameters) -> Iterator[None]:
    """Log by other rules than today's."""

    def fewer(ids: Iterable[bytes], payload: int) -> list[bytes]:
        large, small = chosen.hints or (0, 0)
        return heapq.nsmallest(max(-(-4 * payload // (32 << 20)), large if payload >= MIB else small), ids)

    with ExitStack() as patches:
        patches.enter_context(patch.object(defrag, "MORE", chosen.pieces))
        if chosen.hints:
            patches.enter_context(patch.object(hints, "smallest_ids", fewer))
        if not chosen.previous:
            patches.enter_context(patch.object(PreviousVersions, "packs_of", lambda self, chunks, *, ask: []))
        yield


def chain_of(name: str, parameters: Parameters, scratch: Path, size: int, peer: bool) -> tuple[Chain, Chain]:
    """Log all versions of a kind, ours and Xet's."""
    kind, times = KINDS[name]
    ours, tops = Ours(parameters), []
    for number, folder in enumerate(kind(int(size * times))):
        tops.append(scratch / str(number))
        _write(folder, tops[-1])
        ours.log(tops[-1])
        ours.chain.logical += sum(map(len, folder.values()))
    return ours.chain, Chain(stored=Xet(scratch).log_versions(tops) if peer else [])


def _write(folder: Folder, top: Path) -> None:
    for name, data in folder.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(data)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dedup", description=__doc__)
    parser.add_argument("kinds", nargs="*", help="kinds whose name begins so; all when none")
    parser.add_argument("--size", type=parse_size, default=8 * MIB, help="of the smallest kinds")
    parser.add_argument("--sets", nargs="?", const="", help="ours with other parameters instead of Xet: those so named")
    given = parser.parse_args()
    os.environ["HOLDALL_PROGRESS"] = "off"
    wanted = [name for name in KINDS if name.startswith(tuple(given.kinds or [""]))]
    alone = given.sets is not None
    for name, parameters in SETS.items():
        if name.startswith(given.sets if alone else "as it is"):
            print(f"{name}:\n" if alone else "", flush=True)
            _table(wanted, parameters, given.size, peer=not alone)


def _table(wanted: list[str], parameters: Parameters, size: int, *, peer: bool) -> None:
    """Two versions, then eight: MB stored, and how many times what Xet stores; shares are of all versions' bytes."""
    print("| kind | MB | two stored | of Xet's | eight | of Xet's | again, % | as fragments | recipes, % | requests |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    sums = [Chain(stored=[0] * VERSIONS), Chain(stored=[0] * VERSIONS)]
    for name in wanted:
        with emptied(PLAIN.scratch / "dedup") as scratch:
            found = chain_of(name, parameters, scratch, size, peer)
        for total, chain in zip(sums, found, strict=True):
            total.add(chain)
        print(_row(name, *found), flush=True)
    print(_row("all", *sums))


def _row(name: str, ours: Chain, theirs: Chain) -> str:
    def ratio(version: int) -> str:
        return f"{ours.stored[version] / theirs.stored[version]:.2f}" if any(theirs.stored) else ""

    pair, chain = ours.stored[1], ours.stored[-1]
    shares = [f"{100 * part / ours.logical:.1f}" for part in (ours.again, ours.refused)]
    return (
        f"| {name} | {ours.logical / 1e6:.0f} | {pair / 1e6:.1f} | {ratio(1)} | {chain / 1e6:.1f} | {ratio(-1)} "
        f"| {' | '.join(shares)} | {100 * ours.recipes / ours.logical:.2f} | {ours.requests.total()} |"
    )


if __name__ == "__main__":
    main()
