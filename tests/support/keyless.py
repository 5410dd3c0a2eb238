"""An encrypted store with runs of all kinds, and somebody who looks after it without a key."""

from __future__ import annotations

import random
from functools import cache
from typing import Final

from tests.support.garbage import DAY, Clock
from tests.support.stores import Serial, tiny_location

from holdall.collecting.collector import Collector, Policy
from holdall.collecting.compaction import Compactor
from holdall.collecting.following import Look, list_runs, look_at
from holdall.collecting.plan import Collection
from holdall.engines.threads import ThreadEngine
from holdall.format.layout import PackName, parse_key, run_log
from holdall.runs.run import Run
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.location import Location
from holdall.trees.session import Draft, Session

BIG: Final = 66_000  # bytes, of more packs than one
KINDS: Final = (
    "plain", "inline", "many", "versioned", "parts", "deleted", "purged", "folded", "moved", "open", "killed"
)  # fmt: skip


@cache
def _built(kinds: tuple[str, ...]) -> KeylessWorld:
    """One world of some kinds, of which all others are copies."""
    world = object.__new__(KeylessWorld)
    world.build(*kinds)
    return world


class KeylessWorld:
    """An encrypted store whose packs are two days old. Attributes: inner (its objects), content (of runs' files)."""

    clock: Clock
    content: dict[tuple[str, str], bytes]
    inner: MemoryBucket
    runs: dict[str, Run]

    def __init__(self, *kinds: str) -> None:
        built = _built(kinds)
        self.clock, self.content = Clock(), dict(built.content)
        self.inner = MemoryBucket(objects=dict(built.inner.objects), clock=self.clock)
        self.inner.modified = dict(built.inner.modified)
        self.clock.now = built.clock.now
        self.store = Store(self.location(keyless=False, seed=6))
        self.runs = dict(built.runs)
        if "open" in kinds:  # a writer that goes on needs a store of its own
            self.runs["open"] = self._open(self.store.runs.start(name="open"))
            self.clock.now += 2 * DAY

    def build(self, *kinds: str) -> None:
        """Make its runs."""
        self.clock = Clock()
        self.inner = MemoryBucket(clock=self.clock)
        self.store = Store(tiny_location(self.inner, pool=Serial(), sealed=True))
        self.store._location.writer = "holdall 9.9"
        self.content = {}
        self.runs = {}
        for kind in (kind for kind in kinds if kind != "open"):
            run = self.store.runs.start(name=kind, paths="versioned" if kind == "versioned" else None)
            self.runs[kind] = getattr(self, f"_{kind}")(run)
        self.clock.now += 2 * DAY

    # --- kinds ---

    def _log(self, run: Run, path: str, size: int = BIG, seed: str = "") -> None:
        self.content[run.id, path] = random.Random(seed or f"{run.id} {path}").randbytes(size)
        run.log_bytes(self.content[run.id, path], path)

    def _plain(self, run: Run) -> Run:
        self._log(run, "own.bin")
        self._log(run, "shared.bin", seed="shared")
        run.finish()
        return run

    def _inline(self, run: Run) -> Run:
        for n in range(3):
            self._log(run, f"dir/{n}.txt", 100)
        run.finish()
        return run

    def _many(self, run: Run) -> Run:
        with run.group(step=1, rank=0, world_size=1) as part:
            for n in range(40):
                self.content[run.id, f"{n % 3}/{n}.bin"] = data = random.Random(n).randbytes(5_000)
                part.log_bytes(data, f"{n % 3}/{n}.bin")
        run.finish()
        return run

    def _versioned(self, run: Run) -> Run:
        for n in range(3):
            self.content[run.id, "last.bin"] = random.Random(n).randbytes(BIG)
            run.log_bytes(self.content[run.id, "last.bin"], "last.bin", on_conflict="replace", keep_last=1)
        run.finish()
        return run

    def _deleted(self, run: Run) -> Run:
        self._log(run, "own.bin")
        run.finish()
        run.delete()
        return run

    def _purged(self, run: Run) -> Run:
        self._log(run, "purged.bin")
        del self.content[run.id, "purged.bin"]
        run.finish()
        run.delete()
        session = Session.resume(self.store._location, run_log(run.id), deleted=True)
        assert session is not None
        session.append(lambda: Draft([{"op": "purge"}]), closing=True)
        older = [info.key for info in self.inner.list(f"{run_log(run.id)}/log/")][1:]
        self.inner.delete_many(older)
        return run

    def _folded(self, run: Run) -> Run:
        for n in range(60):
            self._log(run, f"{n}.txt", 2_500)
        run.finish()
        return run

    def _parts(self, run: Run) -> Run:
        """One of two ranks has logged its part, and the other is still at it."""
        with run.group(step=1, rank=0, world_size=2) as part:
            part.log_bytes(random.Random("part").randbytes(BIG), "0.bin")
        run.finish()
        return run

    def _moved(self, run: Run) -> Run:
        """A compaction has copied what lived, and a collection has taken the packs that it lived in."""
        self._log(run, "own.bin")
        self._log(run, "shared.bin", seed="shared")
        run.finish()
        Compactor(self.store._location, frozenset(self.packs())).move([run.id])
        self.clock.now += 2 * DAY
        self.collect(keyless=False, seed=3)
        return run

    def _killed(self, run: Run) -> Run:
        """The writer died with content that no entry refers to."""
        before = {pack.session for pack in self.packs()}
        self._log(run, "own.bin")
        session = next(pack for pack in self.packs() if pack.session not in before).session
        for n in range(900, 903):
            self.inner.put(PackName(session, n).key, self.inner.get(PackName(session, 0).key))
        return run

    def _open(self, run: Run) -> Run:
        self._log(run, "own.bin")
        return run

    # --- looks ---

    def location(self, *, keyless: bool, bucket: Bucket | None = None, seed: int = 7) -> Location:
        """The store as somebody else has it."""
        location = tiny_location(bucket or self.inner, seed=seed, create=False, pool=Serial(), sealed=not keyless)
        location.writer = "holdall 9.9"
        return location.or_without_keys()

    def looks(self, *, keyless: bool) -> dict[str, Look]:
        """What a collector sees of each run."""
        location = self.location(keyless=keyless)
        location.descriptor  # noqa: B018
        return {look.log: look for look in look_at(location, list(list_runs(self.inner)))}

    def collect(self, *, keyless: bool, bucket: Bucket | None = None, seed: int = 7) -> Collection:
        """One collection by somebody else."""
        with ThreadEngine(1) as engine:
            return Collector(self.location(keyless=keyless, bucket=bucket, seed=seed), engine, Policy()).perform()

    def packs(self) -> set[PackName]:
        """All packs there are."""
        keys = [parse_key(info.key) for info in self.inner.list("packs/")]
        return {key.pack for key in keys if key and key.pack}

    def check(self) -> None:
        """Everything that is kept can be read by somebody with the key, and nothing is wrong."""
        store = Store(tiny_location(self.inner, seed=99, create=False, pool=Serial(), sealed=True))
        assert not store.maintenance.check().problems
        for (run_id, path), data in self.content.items():
            assert store.runs.get(run_id).read(path) == data, (run_id, path)
