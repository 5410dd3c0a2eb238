"""A small store with garbage in it, and a clock that stamps its objects."""

from __future__ import annotations

import random
from functools import cache
from typing import Final

from tests.support.faulty import FaultyBucket
from tests.support.logs import packs_in
from tests.support.stores import Serial, tiny_location

from holdall.collecting.collector import Collector, Policy
from holdall.collecting.plan import Collection
from holdall.engines.threads import ThreadEngine
from holdall.format.layout import PackName, parse_key, run_log
from holdall.runs.run import Run
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.session import Draft, Session

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
NOW: Final = 1_800_000_000_000


class Clock:
    """The clock of a bucket's server, in ms since 1970 UTC; it stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@cache
def _built(purged: int, kept: int) -> GarbageWorld:
    """One world of a kind, of which all others are copies."""
    return GarbageWorld(purged=purged, kept=kept, build=True)


class GarbageWorld:
    """A store with runs that live and runs that are purged, whose packs are all a week old.

    Attributes:
        inner: What keeps the objects.
        seen: The bucket that collectors use, with the requests that they made.
        clock: The server's.
    """

    def __init__(self, *, purged: int = 2, kept: int = 2, build: bool = False) -> None:
        self.clock = Clock()
        self.content: dict[str, bytes] = {}
        if build:
            self.inner = MemoryBucket(clock=self.clock)
            self.store = Store(tiny_location(self.inner, pool=Serial()))
            self.kept = [self.log(f"kept {n}") for n in range(kept)]
            self.purged = [self.log(f"purged {n}") for n in range(purged)]
            for run in self.purged:
                self.purge(run)
        else:
            built = _built(purged, kept)
            self.inner = MemoryBucket(objects=dict(built.inner.objects), clock=self.clock)
            self.inner.modified = dict(built.inner.modified)
            self.store = Store(tiny_location(self.inner, seed=1, create=False, pool=Serial()))
            self.kept = [self.store.runs.get(run.id) for run in built.kept]
            self.purged = built.purged
            self.content = dict(built.content)
            self.clock.now = NOW + 7 * DAY
        self.seen = FaultyBucket(self.inner)

    def log(self, name: str, *, finish: bool = True, content: str | None = None) -> Run:
        """A run with two large files: one of its own, or of this name, and one that all runs share."""
        run = self.store.runs.start(name=name)
        self.content[run.id] = random.Random(content or name).randbytes(66_000)
        run.log_bytes(self.content[run.id], "own.bin")
        run.log_bytes(random.Random("shared").randbytes(66_000), "shared.bin")
        if finish:
            run.finish()
        return run

    def purge(self, run: Run) -> None:
        """Delete a run, and give it up for good."""
        run.delete()
        session = Session.resume(self.store._location, run_log(run.id), deleted=True)
        assert session is not None
        session.append(lambda: Draft([{"op": "purge"}]), closing=True)

    def packs(self) -> set[PackName]:
        """All packs there are."""
        return {key.pack for name in packs_in(self.inner) if (key := parse_key(name)) and key.pack}

    def collect(
        self, *, bucket: Bucket | None = None, seed: int = 7, dry_run: bool = False, **policy: int
    ) -> Collection:
        """One collection by another process."""
        location = tiny_location(bucket or self.seen, seed=seed, create=False, pool=Serial())
        with ThreadEngine(1) as engine:
            collector = Collector(location, engine, Policy(**policy))
            return collector.plan() if dry_run else collector.perform()

    def check(self) -> None:
        """Everything that is kept can be read, and nothing is wrong."""
        store = Store(tiny_location(self.inner, seed=99, create=False, pool=Serial()))
        found = store.maintenance.check()
        assert not found.problems
        for run in self.kept:
            assert store.runs.get(run.id).read("own.bin") == self.content[run.id]
