"""How many seconds of processor does holdall take from a training job?

    python -m benchmarks.cpu                       for each GiB of each kind: logged, logged again, fetched
    python -m benchmarks.cpu --against ../before   the same beside another checkout, or `--against old/bin/python`
    python -m benchmarks.cpu --threads             noise and fp32, by thread, beside what each part takes alone

Seconds of processor, user's and system's, do not depend on how many processors
there are, nor much on who else runs: each figure is the best of several fresh
processes, and two versions take turns. No peer: `--threads` is the profile behind
the figures that were asked for and not reached. What the parts take alone is
their bound: SHA-256 is one chain for a file.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from blake3 import blake3

from benchmarks.data import emptied, random_file, same, small_files, text_file, weights_file
from benchmarks.rounds import PLAIN, parse_size
from benchmarks.spent import Side, spent
from holdall.format.chunking import Chunker
from holdall.store import Store

KINDS: dict[str, Callable[[argparse.Namespace], Path]] = {
    "noise": lambda given: random_file(given.data, given.size),
    "fp32": lambda given: weights_file(given.data, given.size, "fp32"),
    "bf16": lambda given: weights_file(given.data, given.size, "bf16"),
    "text": lambda given: text_file(given.data, given.size),
    "files": lambda given: small_files(given.data, given.files),
}


class Watch:
    """Seconds of CPU by the names of threads, looked at often enough to see short ones."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[str, float]] = {}
        self._before: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch")

    def __enter__(self) -> Watch:
        self._before = {thread.native_id or 0: _spent(thread.native_id) for thread in threading.enumerate()}
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def spent(self) -> dict[str, float]:
        """Of all threads of a name together, most first."""
        found: dict[str, float] = {}
        for thread, (name, seconds) in self._seen.items():
            found[name] = found.get(name, 0.0) + seconds - self._before.get(thread, 0.0)
        return dict(sorted(found.items(), key=lambda one: -one[1]))

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            for thread in threading.enumerate():
                if thread is not self._thread:
                    seconds = _spent(thread.native_id)
                    if thread.native_id and seconds:
                        self._seen[thread.native_id] = (thread.name.rpartition("_")[0] or thread.name, seconds)


def _spent(thread: int | None) -> float:
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[0]) / 1e9
    except OSError:  # it has ended
        return 0.0


def _alone(path: Path) -> Iterator[tuple[str, float]]:
    block, size, chunker = memoryview(bytearray(4 << 20)), path.stat().st_size, Chunker()
    with path.open("rb", buffering=0) as file:
        parts: dict[str, Callable[[], object]] = {
            "reading": lambda: file.readinto(block),
            "SHA-256": lambda: hashlib.sha256(block).digest(),
            "BLAKE3": lambda: blake3(block).digest(),
            "cutting": lambda: chunker.cut_points(block, final=True),
        }
        for name, act in parts.items():
            start = time.perf_counter()
            for _ in range(size // len(block)):
                act()
            yield name, time.perf_counter() - start


def main() -> None:
    """Prints totals by kind, or what each thread takes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cpu", description=__doc__)
    parser.add_argument("--size", type=parse_size, default=PLAIN.size, help="of the file: 64M, 1G")
    parser.add_argument("--files", type=int, default=PLAIN.files, help="how many small files of 4 KB")
    parser.add_argument("--rounds", type=int, default=PLAIN.rounds)
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=tuple(KINDS))
    parser.add_argument("--against", type=Path, help="another checkout, or an interpreter that has holdall installed")
    parser.add_argument("--threads", action="store_true", help="by thread, of noise and fp32")
    parser.add_argument("--scratch", type=Path, default=PLAIN.scratch, help="where stores and downloads go")
    parser.add_argument("--data", type=Path, default=PLAIN.data, help="where the data is kept between runs")
    given = parser.parse_args()
    if given.threads:
        _print_threads(given)
    else:
        sides = [Side("here"), *([Side.at("against", given.against)] if given.against else [])]
        _print_totals(given, sides)


def _print_totals(given: argparse.Namespace, sides: list[Side]) -> None:
    print(f"best of {given.rounds}; s of processor for 1 GiB, and us for each of {given.files} small files of 4 KB")
    print(f"{'':10}{'':8}" + "".join(f"{side.name:>10}" for side in sides) + ("     ratio" if len(sides) > 1 else ""))
    for kind in given.kinds:
        path = KINDS[kind](given)
        unit = 1e6 / given.files if path.is_dir() else (1 << 30) / path.stat().st_size
        for verb, found in _totals(path, sides, given).items():
            best = [min(found[side.name]) * unit for side in sides]
            ratio = f"{best[0] / best[1]:10.2f}" if len(best) > 1 else ""
            print(
                f"{kind:10}{verb:8}" + "".join(f"{one:10.0f}" if one > 20 else f"{one:10.2f}" for one in best) + ratio
            )
            sys.stdout.flush()


def _totals(path: Path, sides: list[Side], given: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Seconds by verb and side, one for each round; the sides take turns."""
    found: dict[str, dict[str, list[float]]] = {verb: {s.name: [] for s in sides} for verb in ("fresh", "again", "get")}
    for turn in range(given.rounds):
        for side in sides if turn % 2 else reversed(sides):
            with emptied(given.scratch.resolve() / "cpu") as scratch:
                url = f"file://{scratch}/store"
                for verb in ("fresh", "again"):
                    logged = spent(side, "log", url=url, path=str(path))
                    found[verb][side.name].append(logged.seconds)
                got = spent(side, "get", url=url, run=logged.facts, into=str(scratch / "got"))
                found["get"][side.name].append(got.seconds)
                if not same(path, Path(got.facts) if path.is_dir() else Path(got.facts, path.name)):
                    raise ValueError(f"{side.name}: {path} did not come back as it was")
    return found


def _print_threads(given: argparse.Namespace) -> None:
    os.environ["HOLDALL_PROGRESS"] = "off"
    for path in (random_file(given.data, given.size), weights_file(given.data, given.size, "fp32")):
        print(f"{path.name}, {given.size >> 20} MiB; each part alone, in s:")
        for part, seconds in _alone(path):
            print(f"  {part:24}{seconds:6.2f}")
        with emptied(given.scratch / "cpu") as scratch:
            store = Store.open(f"file://{scratch}/store")
            for work in ("fresh", "again"):
                print(f"  {work}: {_log(store, path)}")


def _log(store: Store, path: Path) -> str:
    run = store.runs.start()
    start = time.perf_counter()
    with Watch() as watch:
        run.log_artifact(path)
    wall = time.perf_counter() - start
    run.finish()
    spent = watch.spent()
    threads = "".join(f"\n    {name:22}{seconds:6.2f}" for name, seconds in spent.items() if seconds >= 0.001)
    return f"{wall:.2f} s, CPU {sum(spent.values()):.2f} s, by threads:{threads}"


if __name__ == "__main__":
    main()
