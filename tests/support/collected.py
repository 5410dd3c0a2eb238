"""A store, a run that is written to, and a collector that the test plays by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.support.faulty import FaultyBucket
from tests.support.logs import entries_of, ops_of, packs_in
from tests.support.stores import Serial, tiny_location

from holdall.chunks.pool import Pool
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.layout import PackName, generation_key, parse_key, run_log
from holdall.format.records import encode_generation
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.journal import Journal
from holdall.trees.session import Session
from holdall.trees.transaction import Transaction

BIG = random.Random(1).randbytes(70_000)
OTHER = random.Random(2).randbytes(70_000)


class World:
    """A store whose first run holds BIG and has ended, and a second run that is open."""

    def __init__(self) -> None:
        self.bucket = MemoryBucket()
        first = Store(tiny_location(self.bucket))
        run = first.runs.start()
        run.log_bytes(BIG, "first.bin")
        run.finish()
        self.old = self.packs()
        self.seen = FaultyBucket(self.bucket)
        self.location = tiny_location(self.seen, seed=1, create=False, pool=Serial())
        self.store = Store(self.location)
        self.run: Run = self.store.runs.start()

    def packs(self) -> list[PackName]:
        return [key.pack for name in packs_in(self.bucket) if (key := parse_key(name)) and key.pack]

    def declare(self, word: str, packs: Sequence[PackName], generation: int = 0) -> None:
        """As the collector: `condemn`, or `done`."""
        self.bucket.put(generation_key(generation, word), encode_generation(generation, word, packs))

    def fence(self, generation: int = 0) -> None:
        """As the collector: a fence in the open run's log."""
        self.append({"op": "fence", "generation": generation})

    def close_sessions(self) -> list[str]:
        """As the collector: close what is open in the run's log. Returns the sessions."""
        entries = entries_of(self.bucket, self.run.id)
        closed = [op["session"] for op in ops_of(entries, "close")]
        left = [op["session"] for op in ops_of(entries, "open") if op["session"] not in closed]
        self.append(*({"op": "close", "session": session} for session in left))
        return left

    def append(self, *ops: Json) -> None:
        """As another: an entry in the open run's log."""
        last = entries_of(self.bucket, self.run.id)[-1]
        entry = LogEntry(last.log, last.n + 1, f"{last.n:032x}", last.sha256, 0, "collector", last.state_at, ops)
        assert Journal(self.bucket, Pool(workers=1), last.log).create(entry).write_id == entry.write_id

    def sweep(self, packs: Sequence[PackName]) -> None:
        """As the collector: delete."""
        for pack in packs:
            self.bucket.delete(pack.key)

    def transaction(self) -> Transaction:
        """A commit in the making, whose session the test holds."""
        session = Session.resume(self.location, run_log(self.run.id))
        assert session is not None
        self.seen.requests.clear()
        return Transaction(session)

    def commits(self) -> int:
        return len(ops_of(entries_of(self.bucket, self.run.id), "commit"))

    def requests(self, verb: str, prefix: str) -> list[int]:
        """Which requests were of this kind."""
        return [n for n, (asked, key) in enumerate(self.seen.requests) if asked == verb and key.startswith(prefix)]
