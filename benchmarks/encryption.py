"""What does encryption cost beside a plain store, in seconds of processor and in bytes?

    python -m benchmarks.encryption                    of each kind: logged, logged again, fetched; what is stored
    python -m benchmarks.encryption --workers 2        the same with worker processes
    python -m benchmarks.encryption --size 200M --kinds noise --rounds 3

Both stores are in folders below `--scratch`. The encrypted one is opened by an identity, as a passphrase costs 0.3 s
whatever is moved. The sides take turns, every verb is a process of its own, and medians are compared. Asked
for: at most 1.25 times the seconds of a plain store, stored bytes within 0.1 %, and nothing stored when the same is
logged again.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import holdall
from benchmarks.cpu import KINDS
from benchmarks.data import emptied, real_model, same
from benchmarks.rounds import PLAIN, parse_size
from benchmarks.spent import Side, spent
from holdall.keys.identities import new_identity

SIDES = ("plain", "encrypted")
VERBS = ("fresh", "again", "get")


def main() -> None:
    """Prints the medians of both sides, and their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encryption", description=__doc__)
    parser.add_argument("--size", type=parse_size, default=PLAIN.size, help="of the file: 64M, 1G")
    parser.add_argument("--files", type=int, default=PLAIN.files, help="how many small files of 4 KB")
    parser.add_argument("--rounds", type=int, default=PLAIN.rounds)
    parser.add_argument("--kinds", nargs="+", choices=(*KINDS, "model"), default=tuple(KINDS))
    parser.add_argument("--workers", type=int, default=0, help="processes that share the work")
    parser.add_argument("--scratch", type=Path, default=PLAIN.scratch, help="where stores and downloads go")
    parser.add_argument("--data", type=Path, default=PLAIN.data, help="where the data is kept between runs")
    given = parser.parse_args()
    os.environ["HOLDALL_WORKERS"] = str(given.workers)
    print(
        f"medians of {given.rounds}; s of processor for 1 GiB, us for each small file of 4 KB; {given.workers} workers"
    )
    print(f"{'':10}{'':8}{'plain':>10}{'encrypted':>11}{'ratio':>8}")
    for kind in given.kinds:
        path = real_model() if kind == "model" else KINDS[kind](given)
        _print(kind, path, *_measured(path, given))


def _print(kind: str, path: Path, seconds: dict[str, list[float]], stored: dict[str, list[int]]) -> None:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    unit = 1e6 / len(files) if path.is_dir() else (1 << 30) / path.stat().st_size
    for verb in VERBS:
        plain, closed = (statistics.median(seconds[f"{side} {verb}"]) * unit for side in SIDES)
        print(f"{kind:10}{verb:8}{plain:10.2f}{closed:11.2f}{closed / plain:8.2f}", flush=True)
    for verb in VERBS[:2]:
        plain, closed = (statistics.median(stored[f"{side} {verb}"]) for side in SIDES)
        print(f"{kind:10}{'bytes':8}{plain:10.0f}{closed:11.0f}{closed / plain:8.4f}  {verb}", flush=True)


def _measured(path: Path, given: argparse.Namespace) -> tuple[dict[str, list[float]], dict[str, list[int]]]:
    """Return seconds by side and verb, and bytes in the store after each logging: one for each round."""
    seconds: dict[str, list[float]] = {f"{side} {verb}": [] for side in SIDES for verb in VERBS}
    stored: dict[str, list[int]] = {f"{side} {verb}": [] for side in SIDES for verb in VERBS[:2]}
    for turn in range(given.rounds):
        for side in SIDES if turn % 2 else reversed(SIDES):
            with emptied(given.scratch.resolve() / "encryption") as scratch, _stores(scratch, side) as url:
                for verb in VERBS[:2]:
                    logged = spent(Side(side), "log", url=url, path=str(path))
                    seconds[f"{side} {verb}"].append(logged.seconds)
                    stored[f"{side} {verb}"].append(_bytes_below(scratch / "store"))
                got = spent(Side(side), "get", url=url, run=logged.facts, into=str(scratch / "got"))
                seconds[f"{side} get"].append(got.seconds)
                if not same(path, Path(got.facts) if path.is_dir() else Path(got.facts, path.name)):
                    raise ValueError(f"{side}: {path} did not come back as it was")
    return seconds, stored


@contextmanager
def _stores(scratch: Path, side: str) -> Iterator[str]:
    """Make the store that is measured, and the one beside it that warms up; yield the address."""
    url = f"file://{scratch}/store"
    if side == "plain":
        yield url
        return
    with tempfile.TemporaryDirectory() as folder:
        new_identity(Path(folder, "key"), os.urandom(32))
        unlock = holdall.Unlock(identities=(Path(folder, "key"),))
        for address in (url, f"{url}-warm"):
            holdall.open(address, unlock=unlock).maintenance.create(encrypt=True)
        os.environ["HOLDALL_IDENTITY"] = str(Path(folder, "key"))
        try:
            yield url
        finally:
            del os.environ["HOLDALL_IDENTITY"]


def _bytes_below(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    sys.exit(main())
