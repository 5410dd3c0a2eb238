"""What comparing two checkpoints tensor by tensor reads, where few tensors differ: requests, bytes, processor, memory.

    python -m benchmarks.tensors [--size 1G] [--tensors 200] [--changed 0.01] [--scratch DIR]

Both checkpoints are float32 as safetensors, in one store in a folder. `headers` lists the tensors of one; `chunks`
compares without reading a number; `values` reads what chunks leave open; `all` is as if nothing were known of chunks:
both files are read whole. Bytes are those that the bucket gave, compressed as they are stored.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tests.support.peak import growth

from holdall.chunks.pool import Pool
from holdall.sizes import format_size, parse_size
from holdall.storage.local import LocalBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store
from holdall.workers.cores import default_memory, memory_limit


def write(path: Path, size: int, tensors: int, changed: int) -> None:
    """Write a checkpoint; so many of its tensors are changed, evenly."""
    each = size // tensors // 4
    names = {f"layers.{n:04}.weight": n for n in range(tensors)}
    offsets = {name: [n * each * 4, (n + 1) * each * 4] for name, n in names.items()}
    told = {name: {"dtype": "F32", "shape": [each], "data_offsets": at} for name, at in offsets.items()}
    head = json.dumps(told).encode()
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for n in names.values():
            numbers = np.random.default_rng(n).standard_normal(each, dtype=np.float32)
            if n * changed // tensors != (n + 1) * changed // tensors:
                numbers += np.float32(0.001)
            file.write(numbers.data)


def ask(folder: Path, work: Callable[[Store], Any]) -> str:
    """Do a piece of work with a store that is opened anew, and tell what it took."""
    counter = RequestCounter()
    memory = default_memory(0, memory_limit())
    store = Store._over(TraceBucket(LocalBucket(folder), counter), Pool(memory=memory))
    told: list[Any] = []
    began = time.process_time()
    grown = growth([os.getpid()], lambda: told.append(work(store)))
    spent = time.process_time() - began
    given = format_size(sum(counter.bytes.values()))
    return f"{counter.total:>8} requests {given:>12} {spent:>7.1f} CPU s  +{format_size(grown['peak']):>10}  {told[0]}"


def main() -> None:
    """Ask all of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]  # it is there
    parser.add_argument("--size", default="1G")
    parser.add_argument("--tensors", type=int, default=200)
    parser.add_argument("--changed", type=float, default=0.01)
    parser.add_argument("--scratch", type=Path)
    given = parser.parse_args()
    size, changed = parse_size("--size", given.size), round(given.tensors * given.changed)
    with tempfile.TemporaryDirectory(dir=given.scratch) as scratch:
        folder = Path(scratch, "store")
        with Store.open(str(folder), environment=False).runs.start() as run:
            for side, count in (("a", 0), ("b", changed)):
                write(Path(scratch, "model.safetensors"), size, given.tensors, count)
                run.log_artifact(Path(scratch, "model.safetensors"), side)
                Path(scratch, "model.safetensors").unlink()
        a, b = (f"runs:/{run.id}/{side}/model.safetensors" for side in "ab")
        print(f"{given.size} of {given.tensors} tensors, {changed} of them changed")
        print("headers", ask(folder, lambda store: f"{len(store.artifacts.tensors(a))} tensors"))
        print("chunks ", ask(folder, lambda store: store.artifacts.diff_tensors(a, b, values=False).counts))
        print("values ", ask(folder, lambda store: store.artifacts.diff_tensors(a, b).counts))
        print("all    ", ask(folder, lambda store: [len(store.artifacts.read(uri)) for uri in (a, b)]))


if __name__ == "__main__":
    main()
