"""The real code as actors of a schedule: writers, collectors, purges; and what must hold after each request."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

from tests.protocol.schedule import Request, Schedule, ScheduledBucket, TurnLock
from tests.support.stores import Serial, TrustingVerifier, tiny_location

from holdall.collecting.collector import Collector, Policy
from holdall.collecting.compaction import Compactor
from holdall.collecting.generations import list_garbage, read_condemned, settle
from holdall.engines.mapping import Engine, S, T
from holdall.errors import FencedOffError, IntegrityError, ReloadError, RunNotFoundError, TransientStorageError
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.layout import PACKS, RUNS, PackName, generation_key, parse_key, run_log
from holdall.runs.run import Run
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.log import append_entry, next_entry
from holdall.trees.references import packs_needed
from holdall.trees.session import Session
from holdall.trees.source import bytes_item
from holdall.trees.transaction import Transaction
from holdall.trees.view import View

OLD = random.Random(0).randbytes(5_000)  # what run D holds, in packs P0


def content(name: str, n: int) -> bytes:
    """Bytes that nobody else has."""
    return random.Random(f"{name}{n}").randbytes(3_000)


class InOrder(Engine):
    """An engine without workers: the caller does it all, so that its requests are its own."""

    def __init__(self) -> None:
        super().__init__(1)

    def map(self, function: Callable[[S], T], shards: Iterable[S]) -> Iterable[T]:  # type: ignore[override]  # enough
        return map(function, shards)


class World:
    """A store with a run D, which is deleted, and actors that come to it.

    Attributes:
        runs: The id of each run, by its name.
        kept: What each run holds for sure, as it was acknowledged: by run and path.
        versioned: The names of runs that are to be versioned.
        schedule: The actors' turns.
    """

    def __init__(self, seed: int) -> None:
        self.bucket, self.schedule, self.seed = MemoryBucket(), Schedule(), seed
        self.scheduled = ScheduledBucket(self.bucket, self.schedule)
        self._location = tiny_location(self.bucket, seed=seed, pool=Serial())
        self.runs: dict[str, str] = {}
        self.kept: dict[tuple[str, str], bytes] = {}
        self.versioned: set[str] = set()
        self._needed: dict[str, tuple[int, frozenset[PackName]]] = {}
        run = Store(self._location).runs.start()
        run.log_bytes(OLD, "old.bin")
        run.finish()
        run.delete()
        self.runs["D"] = run.id

    def location(self, name: str) -> Location:
        """A location of an actor's own."""
        seed = self.seed * 1000 + sum(map(ord, name))
        return tiny_location(self.scheduled, seed=seed, create=False, pool=Serial())

    # --- programs ---

    def shared_run(self, name: str) -> None:
        """A run that is there before the writers come."""
        run = Store(self._location).runs.start(paths="versioned" if name in self.versioned else None)
        run.finish()
        self.runs[name] = run.id

    def shared_session(self, name: str) -> Session:
        """A session in a run that is there, for several actors as its threads."""
        location = self.location(name)
        location.verifier = TrustingVerifier()  # which asks for nothing while it holds a lock
        session = Session.resume(location, run_log(self.runs[name]))
        assert session is not None
        session.lock = session.chunk_index._looking = TurnLock(self.schedule)  # type: ignore[assignment]  # as a lock is
        return session

    def write_as_thread(self, session: Session, name: str, parts: Sequence[bytes]) -> None:
        """The program of one thread of a session: a commit for each of these."""
        run_id = session.journal.log.rpartition("/")[2]
        for n, data in enumerate(parts):
            try:
                transaction = Transaction(session)
                transaction.stage([bytes_item(f"{name}{n}.bin", data)])
                transaction.publish()
                self.kept[run_id, f"{name}{n}.bin"] = data
            except FencedOffError:
                continue

    def write(self, name: str, run_name: str, parts: Sequence[bytes]) -> None:
        """A writer's program: logs each of these as a file, and ends the run. What fails is tried once more.

        In a versioned run it is one file, whose earlier versions are given up.
        """
        store = Store(self.location(name))
        versioned = run_name in self.versioned
        if run_name in self.runs:
            run: Run = store.runs.get(self.runs[run_name])
        else:
            run = store.runs.start(paths="versioned" if versioned else None)
            self.runs[run_name] = run.id
        for n, data in enumerate(parts):
            path = f"{name}.bin" if versioned else f"{name}{n}.bin"
            for _ in range(3):
                try:
                    if versioned:
                        self.kept.pop((run.id, path), None)  # until it is acknowledged, either may be there
                        run.log_bytes(data, path, on_conflict="replace", keep_last=1)
                    else:
                        run.log_bytes(data, path)
                    self.kept[run.id, path] = data
                    break
                except (FencedOffError, TransientStorageError):
                    continue
                except (ReloadError, RunNotFoundError):
                    return
        try:
            run.finish()
        except (ReloadError, RunNotFoundError):
            return

    def collect(self, name: str) -> None:
        """A collector's program, that of `holdall gc` without a delay."""
        Collector(self.location(name), InOrder(), Policy(delay=0)).perform()

    def compact(self, name: str, chosen: Callable[[PackName], bool]) -> None:
        """A compactor's program: empties some packs, and leaves them to a collector."""
        location = self.location(name)
        packs = frozenset(filter(chosen, _packs_in(location.bucket)))
        Compactor(location, packs).move(list(self.runs.values()))

    def purge(self, run_name: str) -> None:
        """Purge a deleted run."""
        self.append(run_name, {"op": "purge"})

    def append(self, run_name: str, *ops: Json) -> None:
        """Append an entry to a run's log, whoever the caller is."""
        append_ops(self._location, run_log(self.runs[run_name]), lambda _: list(ops))

    def objects(self, generation: int) -> list[str]:
        """The keys of a generation."""
        return [generation_key(generation, word) for word in ("condemn", "verdict", "done")]

    # --- what must hold ---

    def check(self, request: Request | None) -> None:
        """Hold the bucket against the law, after a request that may have broken it."""
        if request is None or request.verb not in ("put", "delete") or not request.key.startswith((RUNS, PACKS)):
            return
        there = {key.pack for name in self.bucket.objects if (key := parse_key(name)) and key.pack}
        for name, run_id in self.runs.items():
            missing = self._packs(run_log(run_id)) - there
            assert not missing, f"run {name} refers to {sorted(map(str, missing))}, after {request.verb} {request.key}"

    def check_contents(self) -> None:
        """Read back every commit that was acknowledged."""
        store = Store(tiny_location(self.bucket, seed=self.seed + 1, create=False, pool=Serial()))
        for (run_id, path), data in self.kept.items():
            assert store.runs.get(run_id).read(path) == data, f"{path} of run {run_id}"

    def _packs(self, log: str) -> frozenset[PackName]:
        newest = Journal(self.bucket, self._location.pool, log).newest()
        if newest is None:
            return frozenset()
        if (known := self._needed.get(log)) and known[0] == newest:
            return known[1]
        view = load(self._location, log)
        try:
            found = frozenset() if view.state.purged else frozenset(packs_needed(view))
        except IntegrityError as error:
            raise AssertionError(f"{log} refers to what is gone: {error}") from error
        self._needed[log] = newest, found
        return found


def load(location: Location, log: str) -> View:
    """A run as it is now."""
    journal = Journal(location.bucket, location.pool, log)
    view = View.load(RunBlobReader(location.bucket, location.pool, journal))
    assert view is not None
    return view


def append_ops(location: Location, log: str, ops: Callable[[View], list[Json]]) -> None:
    """Append an entry, built anew after each lost race."""
    view = load(location, log)
    journal = Journal(location.bucket, location.pool, log)

    def build() -> LogEntry | None:
        wanted = [] if view.state.purged else ops(view)
        return next_entry(location, log, view, wanted) if wanted else None

    append_entry(location, journal.create, build, view.absorb, view.follow)


class PlayedCollector:
    """A collector that condemns what it is told to, in the order that it is told; rules of it may be dropped.

    Args:
        world: Where.
        name: Of the actor.
        chosen: Whether a pack is to be condemned.
        fences: The order of runs in which it fences; all others follow.
        marks: The order in which it marks.
        closes: Whether it closes sessions instead of fencing them.
        off: Rules that it does not keep.
    """

    def __init__(
        self,
        world: World,
        name: str,
        chosen: Callable[[PackName], bool],
        *,
        fences: Sequence[str] = (),
        marks: Sequence[str] = (),
        closes: bool = False,
        off: frozenset[str] = frozenset(),
    ) -> None:
        self._world, self._location, self._chosen = world, world.location(name), chosen
        self._fences, self._marks, self._closes, self._off = fences, marks, closes, off

    def __call__(self) -> None:
        """Collect once."""
        bucket = self._location.bucket
        state = list_garbage(bucket)
        incomplete = [one.number for one in state.generations if one.incomplete]
        g = incomplete[0] if incomplete else state.next
        if incomplete:
            condemned, _ = read_condemned(bucket, g)
        else:
            condemned, _ = settle(bucket, g, "condemn", filter(self._chosen, _packs_in(bucket)))
        for log in self._listed(self._fences) if "G5" not in self._off else ():
            append_ops(self._location, log, lambda view: self._fence(view, g))
        needed: set[PackName] = set()
        for log in self._listed(self._marks) if "G6" not in self._off else ():
            view = load(self._location, log)
            needed.update(() if view.state.purged else packs_needed(view))
        doomed, _ = settle(bucket, g, "verdict", condemned - needed)
        if "G8" in self._off:
            settle(bucket, g, "done", doomed)
        for pack in sorted(doomed):
            bucket.delete(pack.key)
        settle(bucket, g, "done", doomed)

    def _fence(self, view: View, g: int) -> list[Json]:
        state = view.state
        if not state.sessions or g in state.fences:
            return []
        if self._closes:
            return [{"op": "close", "session": session} for session in sorted(state.sessions)]
        return [{"op": "fence", "generation": g}]

    def _listed(self, order: Sequence[str]) -> list[str]:
        keys = (parse_key(info.key) for info in self._location.bucket.list(RUNS))
        there = {key.log for key in keys if key}
        first = [run_log(self._world.runs[name]) for name in order if name in self._world.runs]
        return [log for log in dict.fromkeys([*first, *sorted(there)]) if log in there]


def _packs_in(bucket: Bucket) -> list[PackName]:
    return [key.pack for info in bucket.list(PACKS) if (key := parse_key(info.key)) and key.pack]
