"""What does logging cost as the store grows? The same file, into stores that hold 0, 10^4 and 10^6 other chunks.

The large stores are made of real packs, footers and hints, whose chunks are a
byte long: what a writer meets of a store of 64 GB, in 60 MB. Every round logs
into copies of them, made of hard links, as nothing in a store ever changes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from benchmarks.data import emptied, random_file
from benchmarks.measured import Clock, Taken, measure
from benchmarks.peers.ours import QUIET, Holdall, warm_up
from benchmarks.rounds import Options, Question, Side, Work, main, shown_size

SIZES = {"empty store": 0, "10^4 chunks": 10**4, "10^6 chunks": 10**6}
LARGEST = 200_000_000  # bytes of the file


class Grown:
    """A store that held something before the round began."""

    def __init__(self, folder: Path) -> None:
        self._url = f"file://{folder}"
        self.last = Taken(0.0)

    def log(self, path: Path) -> Taken:
        """A run that logs a file; its requests are counted."""
        self.last = measure("benchmarks.growth:log", env=QUIET, url=self._url, path=str(path))
        return self.last


def log(clock: Clock, *, url: str, path: str) -> dict[str, Any]:
    """As a user logs, with a counter between the store and its bucket."""
    from holdall import Store
    from holdall.chunks.pool import Pool
    from holdall.storage.schemes import bucket_at
    from holdall.storage.wrappers import RequestCounter, TraceBucket
    from holdall.store import MEMORY

    warm_up(url, {})
    counter = RequestCounter()
    store = Store._over(TraceBucket(bucket_at(url, {}), counter), Pool(memory=MEMORY))
    with clock:
        run = store.runs.start()
        run.log_artifact(path)
        run.finish()
    return {"requests": counter.total, "by verb": dict(counter.requests)}


class Plainly:
    """Writes objects where a local bucket looks for them, and waits for no disk: ten thousand of them take a while."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, data: bytes) -> None:
        """One object."""
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def filled(folder: Path, chunks: int) -> Path:
    """A store that holds so many chunks of other content."""
    from tests.support.bigstore import fill

    import holdall

    Holdall(f"file://{folder}", folder)
    fill(cast("Any", Plainly(folder)), chunks=chunks)
    found = holdall.open(str(folder)).maintenance.stats().packs
    if found != -(-chunks // 512):
        raise ValueError(f"{folder} holds {found} packs, which is not {chunks} chunks")
    return folder


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """A file that no store holds; how many times as much as in an empty store it costs."""
    size = min(options.size, LARGEST)
    file, named = random_file(options.data, size), shown_size(size)
    with emptied(options.scratch / "filled") as stores:
        yield Question(
            text=f"What does logging {named} cost as the store grows?",
            works=(
                Work(f"log {named}, fresh", lambda store: store.log(file)),
                Work("its requests", lambda store: store.last, of="requests"),
                Work("its peak memory", lambda store: store.last, of="memory"),
                Work(f"log the same {named} again", lambda store: store.log(file)),
                Work("its requests, again", lambda store: store.last, of="requests"),
                Work("its peak memory, again", lambda store: store.last, of="memory"),
            ),
            sides={name: _side(filled(stores / str(chunks), chunks)) for name, chunks in SIZES.items()},
            notes=(
                "All sides are holdall, on a local disk. A ratio is how many times an empty store's cost: 1 is flat.",
            ),
        )


def _side(store: Path) -> Side:
    @contextmanager
    def start(scratch: Path) -> Iterator[Grown]:
        shutil.copytree(store, scratch / "store", copy_function=os.link)
        yield Grown(scratch / "store")

    return start


if __name__ == "__main__":
    main(ask)
