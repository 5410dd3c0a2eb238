"""What does looking at a store cost as its runs grow? 10^3 to 10^5 of them, made without logging anything.

    python -m benchmarks.scale                          each verb, in a process of its own; a table
    python -m benchmarks.scale --runs 1000              a quick try of it
    python -m benchmarks.scale --against ../before      the same beside another checkout

The runs have 12 parameters, 10 metrics and 13 tags each; their entries are read from a file
as they are asked for, so that the memory is what the engine holds and the seconds of processor
hold no network. What S3 adds is a line of its own: a page of 1,000 keys, as botocore reads it. Waves, the longest
chain of requests, are counted for a hundred runs, where 32 are under way at once.
"""

from __future__ import annotations

import argparse
import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from benchmarks.data import emptied
from benchmarks.measured import ROOT, Clock, PeerFailedError, Taken, measure
from holdall.storage.bucket import Bucket, Bytes, ObjectInfo

T = TypeVar("T")
VERBS: Final[dict[str, Callable[[Any], object]]] = {
    "search, cold": lambda store: store.runs.search(order_by=["metrics.metric0 DESC"], limit=100),
    "search, warm": lambda store: store.runs.search(order_by=["metrics.metric0 DESC"], limit=100),
    "search, warm, a filter": lambda store: store.runs.search("params.param3 = '1' and metrics.metric1 > 90"),
    "run list of all, warm": lambda store: (store.experiments.all(), store.runs.search()),
    "stats": lambda store: store.maintenance.stats(),
    "du": lambda store: store.maintenance.du(),
    "check --quick": lambda store: store.maintenance.check(quick=True),
}
PAGES: Final = "S3: a page of 1,000 keys"


class Counting:
    """Counts the requests that come to a bucket, and how many are under way at once at most."""

    def __init__(self, inner: Bucket) -> None:
        self.inner, self.url = inner, inner.url
        self.requests = self.most = self._now = 0
        self._lock = threading.Lock()

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """One request."""
        return self._ask(lambda: self.inner.get(key, limit=limit))

    def get_range(self, key: str, start: int, stop: int | None = None) -> Bytes:
        """One request."""
        return self._ask(lambda: self.inner.get_range(key, start, stop))

    def put(self, key: str, data: Bytes) -> None:
        """One request."""
        self._ask(lambda: self.inner.put(key, data))

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """A request for each thousand keys."""
        for n, info in enumerate(self.inner.list(prefix, limit=limit)):
            if n % 1000 == 0:
                self._ask(int)
            yield info

    def delete(self, key: str) -> None:
        """One request."""
        self._ask(lambda: self.inner.delete(key))

    def delete_many(self, keys: Sequence[str]) -> None:
        """One request for each thousand keys."""
        self._ask(lambda: self.inner.delete_many(keys))

    def _ask(self, ask: Callable[[], T]) -> T:
        with self._lock:
            self.requests, self._now = self.requests + 1, self._now + 1
            self.most = max(self.most, self._now)
        try:
            return ask()
        finally:
            with self._lock:
                self._now -= 1


def fill(clock: Clock, *, path: str, runs: int) -> None:
    """Make the runs."""
    from tests.support.runlogs import RunsInAFile

    RunsInAFile(Path(path)).fill(runs)


def look(clock: Clock, *, path: str, verb: str, cache: str) -> dict[str, Any]:
    """One verb, in a process that has done nothing yet."""
    from tests.support.runlogs import RunsInAFile

    bucket = Counting(RunsInAFile(Path(path)).open())
    _store(bucket, cache).experiments.create("Default")
    before = _memory()
    bucket.requests = bucket.most = 0
    store = _store(bucket, cache, create=False)
    with clock:
        VERBS[verb](store)
    return {"requests": bucket.requests, "most": bucket.most, "before": before}


def page(clock: Clock, *, path: str, verb: str, cache: str) -> dict[str, Any]:
    """Pages of a listing as our client of S3 reads them."""
    import io

    from botocore.awsrequest import AWSResponse

    from holdall.storage.s3_boto import BotoClient

    keys = [f"runs/21b111cb{n:024x}/log/{2**64 - 1 - n % 3:016x}" for n in range(1000)]
    lines = [
        f"<Contents><Key>{key}</Key><LastModified>2026-11-27T19:30:00.000Z</LastModified><ETag>&quot;{n:032x}&quot;"
        f"</ETag><Size>2500</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for n, key in enumerate(keys)
    ]
    begin = '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    body = f"{begin}<IsTruncated>false</IsTruncated>{''.join(lines)}</ListBucketResult>".encode()

    class Raw(io.BytesIO):
        def stream(self, **_: object) -> Iterator[bytes]:
            yield body

    options = {"endpoint_url": "http://127.0.0.1:9", "key": "k", "secret": "s"}
    client = BotoClient("s3://bucket", options)
    client.botocore_client().meta.events.register_first(
        "before-send.s3", lambda request, **_: AWSResponse(request.url, 200, {}, Raw())
    )
    for times in (1, 50):
        if times > 1:
            with clock:
                for _ in range(times):
                    client.call("ListObjectsV2", {"Bucket": "bucket"})
        else:
            assert len(client.call("ListObjectsV2", {"Bucket": "bucket"})["Contents"]) == 1000
    clock.cpu /= 50
    return {"requests": 1, "most": 1, "before": _memory()}


def _store(bucket: Counting, cache: str, *, create: bool = True) -> Any:
    from holdall.chunks.pool import Pool
    from holdall.store import Store
    from holdall.trees.location import Location

    same = random.Random(5).randbytes  # each process finds the same store
    at = Location(bucket, Pool(), lambda: 0, same, lambda _: None, "benchmark", trusted=True, cache=Path(cache))
    if create:
        at.ready_to_write()
    return Store(at)


def _memory() -> int:
    """Bytes resident now."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) << 10


def main() -> None:
    """Fill, look, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--scratch", type=Path, default=Path("/tmp"))
    parser.add_argument("--against", type=Path, help="another checkout; its engine, this command")
    parser.add_argument("--verbs", nargs="+", default=[*VERBS, PAGES])
    given = parser.parse_args()
    sides = {"ours": ROOT, **({"theirs": given.against.resolve()} if given.against else {})}
    print("| runs | verb | side | requests | at once | CPU s | peak MB | of it the engine's |")
    print("|" + "---|" * 8)
    with emptied(given.scratch / "holdall-scale") as folder:
        for runs in given.runs:
            measure("benchmarks.scale:fill", path=str(folder / "runs"), runs=runs)
            for verb in given.verbs:
                for side, root in sides.items():
                    print(f"| {runs:,} | {verb} | {side} | {_row(folder, verb, side, root, runs)} |", flush=True)


def _row(folder: Path, verb: str, side: str, root: Path, runs: int) -> str:
    env = {"PYTHONPATH": os.pathsep.join([str(root / "src"), str(ROOT)])}
    what = "page" if verb == PAGES else "look"
    try:
        arguments = {"path": str(folder / "runs"), "verb": verb, "cache": str(folder / f"cache-{side}-{runs}")}
        taken: Taken = measure(f"benchmarks.scale:{what}", env=env, **arguments)
    except PeerFailedError as error:
        return f"failed: {error}"
    own = taken.memory - taken.facts["before"]
    return f"{taken.requests:,} | {taken.facts['most']} | {taken.cpu:.3f} | {taken.memory / 1e6:.0f} | {own / 1e6:.0f}"


if __name__ == "__main__":
    main()
