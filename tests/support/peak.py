"""A process that logs and fetches a file, and says how much memory each took at its peak and kept afterwards.

    python -m tests.support.peak '{"url": ..., "options": ..., "memory": ..., "workers": ..., "path": ..., "into": ...}'

Prints a line of JSON: bytes above what the process had before, by work. It warms up first, since imports are no
transfer. Linux alone tells a peak that can be set back.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holdall.store import Store
from holdall.trees.location import Sharing


def resident(pid: int, name: str) -> int:
    """Bytes of a process: VmHWM at its peak, VmRSS now."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found, name
    return int(found[1]) << 10


def growth(pids: Sequence[int], work: Callable[[], object]) -> dict[str, int]:
    """What a piece of work takes of some processes together: at their peaks, and still when it is done."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
    before = sum(resident(pid, "VmRSS") for pid in pids)
    work()
    peak, kept = (sum(resident(pid, name) for pid in pids) - before for name in ("VmHWM", "VmRSS"))
    return {"peak": peak, "kept": kept}


def main(
    *, url: str, options: dict[str, Any], memory: int, workers: int, path: str, into: str
) -> dict[str, dict[str, int]]:
    """Log, then fetch; both in one store, by one process or by workers."""
    store = Store.open(url, options, memory=memory, workers=workers)
    store._location.sharing = Sharing(least=0, part=1)
    with store.runs.start() as run:
        warm = Path(into, "in", "warm.bin")
        warm.parent.mkdir(parents=True)
        warm.write_bytes(np.random.default_rng(2).standard_normal(1 << 20, dtype=np.float32).data)
        run.log_artifact(warm)
        store.artifacts.download(f"runs:/{run.id}/warm.bin", into)
        with store._location.crew.claim(workers) as claimed:
            pids = [os.getpid(), *(worker.pid for worker in claimed)]
        assert len(pids) == 1 + workers
        logged = growth(pids, lambda: run.log_artifact(path))
        fetched = growth(pids, lambda: store.artifacts.download(f"runs:/{run.id}/{Path(path).name}", into))
    return {"log": logged, "fetch": fetched}


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
