"""Two small stores, and what is the same in both."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import Any

from tests.support.faulty import FaultyBucket
from tests.support.stores import Serial, tiny_store

from holdall.runs.run import Run
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.store import CopyReport, Store

_seeds = itertools.count(1000)


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def opened(bucket: Bucket) -> Store:
    """A store as another process opens it, all of whose requests come one after the other."""
    return tiny_store(bucket, seed=next(_seeds), create=False, pool=Serial())


@dataclass
class Pair:
    """A store with something in it, and a place for its copy. Both count their requests."""

    here: FaultyBucket
    there: FaultyBucket

    @property
    def source(self) -> Store:
        return opened(self.here)

    @property
    def copy(self) -> Store:
        return opened(self.there)

    def run(self, **given: Any) -> CopyReport:
        """Copy, by processes that have seen neither store before."""
        return self.source.maintenance.copy_to(self.copy, workers=1, **given)

    def outcomes(self, **given: Any) -> list[str]:
        return [run.outcome for run in self.run(**given).runs]

    def sent(self) -> int:
        """Bytes of the objects below packs/ of the copy."""
        inner = self.there.inner
        assert isinstance(inner, MemoryBucket)
        return sum(len(data) for key, data in inner.objects.items() if key.startswith("packs/"))


def pair() -> Pair:
    """Two empty buckets, the first of which has a store."""
    here, there = FaultyBucket(MemoryBucket("here")), FaultyBucket(MemoryBucket("there"))
    tiny_store(here.inner)
    return Pair(here, there)


def known(run: Run) -> tuple[object, ...]:
    """All that users are told of a run, but for the tags of copies."""
    data = run.data
    tags = {key: value for key, value in data.tags.items() if key != "holdall.copied"}
    series = {key: [(repr(m.value), m.step, m.timestamp) for m in run.history(key)] for key in data.metrics}
    content = {path: run.read(path) for path in run.manifest}
    entries = [(str(entry), entry.path, entry.executable) for entry in run.entries()]
    return str(run.info), data.params, tags, repr(data.metrics), series, content, entries


def intact(store: Store) -> bool:
    """Whether nothing is wrong with a store, and nothing is left over."""
    found = store.maintenance.check()
    assert found.problems == []
    assert found.foreign == []
    return not found.orphans
