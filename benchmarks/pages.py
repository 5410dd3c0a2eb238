"""What does the first page of a store's runs cost? 10^5 of them, on a fresh machine and on one that knows the store.

    python -m benchmarks.pages                     each step in a process of its own; a table
    python -m benchmarks.pages --runs 1000         a quick try of it

The runs are those of `benchmarks.scale`, with ids that tell the time. Requests are counted until the step's answer is
there; what goes on behind a page is a step of its own. Seconds hold no network.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from benchmarks.data import emptied
from benchmarks.measured import Clock, Taken, measure
from benchmarks.scale import Counting, _memory, _store

FILTER: Final = "params.param3 = '1' and metrics.metric1 > 90"


def _first_page(store: Any, index: Any) -> int:
    return len(index.page().records)


def _all_listed(store: Any, index: Any) -> int:
    index.refresh()
    return int(index.page().listed)


def _filtered(store: Any, index: Any) -> int:
    return int(index.page(FILTER, order_by=["metrics.metric0 DESC"]).total)


STEPS: Final[dict[str, Callable[[Any, Any], int]]] = {
    "search, cold, no catalog": lambda store, _: len(store.runs.search(limit=100)),
    "write a catalog, cold": lambda store, _: int(store.maintenance.catalog().runs),
    "search, cold, by the catalog": lambda store, _: len(store.runs.search(limit=100)),
    "first page, cold": _first_page,
    "all listed, cold": _all_listed,
    "first page, warm": _first_page,
    "first page with a filter and an order, warm": _filtered,
    "all listed, warm": _all_listed,
}
KNOWN: Final = "a page with another filter, all listed"


def step(clock: Clock, *, path: str, name: str, cache: str) -> dict[str, Any]:
    """One step, in a process that has done nothing yet; the catalog is kept beside the runs."""
    from tests.support.runlogs import RunsInAFile

    inner, kept = RunsInAFile(Path(path)).open(), Path(path).with_suffix(".catalog")
    bucket = Counting(inner)
    _store(bucket, cache).experiments.create("Default")
    if kept.exists() and "no catalog" not in name:
        inner.small.put(f"catalog/{'0' * 16}/log/{'f' * 16}", kept.read_bytes())
    store = _store(bucket, cache, create=False)
    index = store.runs.index()
    before, bucket.requests = _memory(), 0
    with clock:
        begun = perf_counter()
        found = STEPS[name](store, index)
        waited, requests = perf_counter() - begun, bucket.requests
    index.close()
    for key, data in inner.small.objects.items():
        if key.startswith("catalog/"):
            kept.write_bytes(data)
    size = kept.stat().st_size if kept.exists() else 0
    return {"requests": requests, "before": before, "waited": waited, "found": found, "catalog": size}


def page_again(clock: Clock, *, path: str, name: str, cache: str) -> dict[str, Any]:
    """A page of runs that are known, by another filter."""
    from tests.support.runlogs import RunsInAFile

    bucket = Counting(RunsInAFile(Path(path)).open())
    _store(bucket, cache).experiments.create("Default")
    store = _store(bucket, cache, create=False)
    before = _memory()
    with store.runs.index() as index:
        index.refresh()
        bucket.requests = 0
        with clock:
            begun = perf_counter()
            found = _filtered(store, index)
            waited = perf_counter() - begun
        return {"requests": bucket.requests, "before": before, "waited": waited, "found": found, "catalog": 0}


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp"))
    parser.add_argument("--steps", nargs="+", default=[*STEPS, KNOWN])
    given = parser.parse_args()
    print("| step | requests | seconds | CPU s | engine's MB at most | found |")
    print("|" + "---|" * 6)
    with emptied(given.scratch / "holdall-pages") as folder:
        path = str(folder / "runs")
        measure("benchmarks.scale:fill", path=path, runs=given.runs)
        for number, name in enumerate(given.steps):
            cold = "cold" in name and name != "all listed, cold"
            cache = str(folder / (f"cache-{number}" if cold else "cache"))
            what = "page_again" if name == KNOWN else "step"
            _print(name, measure(f"benchmarks.pages:{what}", path=path, name=name, cache=cache))


def _print(name: str, taken: Taken) -> None:
    facts, own = taken.facts, (taken.memory - taken.facts["before"]) / 1e6
    said = f"{taken.requests:,} | {facts['waited']:.2f} | {taken.cpu:.2f} | {own:.0f} | {facts['found']:,}"
    print(f"| {name} | {said} |" + (f" catalog {facts['catalog']:,}" if facts["catalog"] else ""), flush=True)


if __name__ == "__main__":
    main()
