"""A process that logs and fetches a file, and says how much memory each took at its peak and kept afterwards.

    python -m tests.support.peak '{"url": ..., "options": ..., "memory": ..., "path": ..., "into": ...}'

Prints a line of JSON: bytes above what the process had before, by work. It warms up first, since imports are no
transfer. Linux alone tells a peak that can be set back.
"""

from __future__ import annotations

import array
import json
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdall.store import Store


def resident(name: str) -> int:
    """Bytes of this process: VmHWM at its peak, VmRSS now."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found, name
    return int(found[1]) << 10


def growth(work: Callable[[], object]) -> dict[str, int]:
    """What a piece of work takes: at its peak, and still when it is done."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    work()
    return {"peak": resident("VmHWM") - before, "kept": resident("VmRSS") - before}


def main(*, url: str, options: dict[str, Any], memory: int, path: str, into: str) -> dict[str, dict[str, int]]:
    """Log, then fetch; both in one store, by one process."""
    store = Store.open(url, options, memory=memory, workers=0)
    with store.runs.start() as run:
        warm = Path(into, "in", "warm.bin")
        warm.parent.mkdir(parents=True)
        warm.write_bytes(array.array("f", [random.gauss(0, 1) for _ in range(50_000)]))
        run.log_artifact(warm)
        store.artifacts.download(f"runs:/{run.id}/warm.bin", into)
        logged = growth(lambda: run.log_artifact(path))
        fetched = growth(lambda: store.artifacts.download(f"runs:/{run.id}/{Path(path).name}", into))
    return {"log": logged, "fetch": fetched}


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
