"""What does logging spend its processors on? Seconds of CPU by thread, beside what each part takes alone.

    python -m benchmarks.cpu                 1 GiB into a folder, fresh and again: noise, then fp32

No peer: this is the profile behind the figures that were asked for and not
reached. What the parts take alone is their bound: SHA-256 is one chain for a
file, and two processors cannot do in half of the sum what one of them must do.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from blake3 import blake3

from benchmarks.data import emptied, random_file, weights_file
from benchmarks.rounds import PLAIN, parse_size
from holdall.format.chunking import Chunker
from holdall.store import Store


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
    """Prints, for noise and for fp32."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cpu", description=__doc__)
    parser.add_argument("--size", default="1G", help="of the file")
    size = parse_size(parser.parse_args().size)
    os.environ["HOLDALL_PROGRESS"] = "off"
    for path in (random_file(PLAIN.data, size), weights_file(PLAIN.data, size, "fp32")):
        print(f"{path.name}, {size >> 20} MiB; each part alone, in s:")
        for part, seconds in _alone(path):
            print(f"  {part:24}{seconds:6.2f}")
        with emptied(PLAIN.scratch / "cpu") as scratch:
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
