"""Deletes packs that nothing refers to, while others write. SPEC.md, "Garbage", G0 to G9; GARBAGE.md says why.

    survey    what gc/ says, what runs refer to, which packs there are            (G0 to G3)
    finish    of generations that are due: fence, mark again, verdict, delete     (G5 to G8)
    condemn   of what is left, as many packs as a generation may name             (G4)

Each step may be the last one that this process lives to make: what it left is
finished by the next collection. Workers read runs and write fences; what is
said of a generation, only this coordinator says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from holdall.collecting.fencing import close_idle, end_abandoned, fence_all
from holdall.collecting.following import RunHead, list_runs
from holdall.collecting.generations import decide, list_garbage, read_condemned, settle
from holdall.collecting.marks import Marks, mark
from holdall.collecting.plan import Amount, Collection, GenerationReport, PackList
from holdall.collecting.sweeping import Swept, purge_entries, sweep
from holdall.engines.mapping import Engine
from holdall.errors import UnknownAgeError
from holdall.format.layout import PACKS, RUNS, PackName, parse_key
from holdall.format.records import MOST_CONDEMNED
from holdall.storage.bucket import ObjectInfo
from holdall.storage.deleting import BATCH as PAGE
from holdall.storage.server_clock import keeps_versions, server_time
from holdall.trees.location import Location

DELAY: Final = 24 * 3600 * 1000  # ms that a pack is left alone, however useless it looks
_FOLDERS: Final = 256  # of packs, by the first byte of their session
_ALWAYS: Final = 7  # requests: the descriptor, the canary, the time, generations, a sample of packs
_FOR_A_RUN: Final = 3  # its newest entry, its tree, a recipe
_FOR_A_FENCE: Final = 6  # a listing, reading, the fence, and reading again
_FOR_A_PACK: Final = 5  # its footer, and four hints
_DOUBTFUL: Final = 2  # times as many packs as a guess says


@dataclass(frozen=True, slots=True)
class Policy:
    """How to collect.

    Attributes:
        delay: Ms that an unreferenced pack must be old.
        quarantine: Ms between `condemn` and `verdict`.
        most: Packs of one generation.
    """

    delay: int = DELAY
    quarantine: int = 0
    most: int = MOST_CONDEMNED


@dataclass(slots=True)
class _Work:
    """An incomplete generation. Attributes: number, packs (those condemned), report."""

    number: int
    packs: frozenset[PackName]
    report: GenerationReport


class Collector:
    """One collection of a store.

    Args:
        location: The store.
        engine: Who reads the runs.
        policy: What is garbage, and when it goes.
    """

    def __init__(self, location: Location, engine: Engine, policy: Policy | None = None) -> None:
        self._location, self._engine, self._policy = location, engine, policy or Policy()
        self._bucket = location.bucket
        self._found = Collection()
        self._garbage = PackList()
        self._sizes: dict[PackName, int] = {}
        self._work: list[_Work] = []
        self._next = 0
        self._damaged: frozenset[PackName] = frozenset()
        self._marks = Marks(0, b"")
        self._doomed: frozenset[str] = frozenset()
        self._entries = 0  # of runs' logs

    def plan(self, doomed: Iterable[str] = ()) -> Collection:
        """Return what a collection would do now; nothing is written.

        Args:
            doomed: The logs of runs that it would purge before.

        Raises:
            LiveContentError: What runs refer to cannot be told.
        """
        self._found.dry_run = True
        self._found.now = self._location.clock()
        self._doomed = frozenset(doomed)
        self._survey()
        for work in self._work:
            self._foresee(work)
        self._found.requests = self._requests()
        return self._found

    def perform(self) -> Collection:
        """Collect: first what is due, then what is new.

        Raises:
            LiveContentError: What runs refer to cannot be told.
            UnknownAgeError: The bucket tells no times, and there is a delay or a quarantine.
        """
        self._location.ready_to_write()
        self._found.now = self._server_time()
        self._survey()
        self._purge_entries()
        self._finish([work for work in self._work if not work.report.waiting])
        left = ((pack, size) for pack, size in self._garbage if pack not in self._marks.live)
        while some := dict(islice(left, self._policy.most)):
            self._sizes |= some
            work = self._condemn(frozenset(some))
            if not work.report.waiting:
                self._finish([work])
        self._found.versioned = keeps_versions(self._bucket)
        return self._found

    def _server_time(self) -> int:
        try:
            return server_time(self._bucket, self._location.entropy(16).hex())
        except UnknownAgeError:
            if self._policy.delay or self._policy.quarantine:
                raise
            return 0

    # --- G0 to G3 ---

    def _survey(self) -> None:
        state = list_garbage(self._bucket)
        self._next, self._damaged = state.next, state.damaged
        for one in state.generations:
            if one.incomplete:
                packs, until = read_condemned(self._bucket, one.number)
                report = GenerationReport(one.number, Amount(len(packs)), until=until)
                self._work.append(_Work(one.number, packs, report))
                self._found.generations.append(report)
        watched = frozenset[PackName]().union(*(work.packs for work in self._work))
        self._marks = Marks(self._expected(), self._location.entropy(16), watched)
        mark(self._location, self._engine, self._marks, self._runs())
        self._found.runs = len(self._marks.seen) + len(self._doomed)
        self._found.purged = self._marks.purged
        if not self._found.dry_run:
            self._close_idle()
        self._packs(watched)
        for work in self._work:
            work.report.condemned.bytes = sum(self._sizes.get(pack, 0) for pack in work.packs)
            work.report.waiting = work.report.until > self._found.now

    def _runs(self) -> Iterator[RunHead]:
        """Yield the runs; of a dry run, it is at least as late as the newest entry says."""
        for run in list_runs(self._bucket):
            self._entries += run.head.n - run.head.first + 1
            if self._found.dry_run:
                self._found.now = max(self._found.now, run.head.modified or 0)
            if run.log not in self._doomed:
                yield run

    def _expected(self) -> int:
        """Return about how many packs there are, by one of their 256 folders."""
        return _DOUBTFUL * _FOLDERS * sum(1 for _ in self._bucket.list(f"{PACKS}00/"))

    def _close_idle(self) -> None:
        for run in list(self._marks.open.values()):
            if closed := close_idle(self._location, run, self._found.now):
                self._found.closed[run.log.removeprefix(RUNS)] = closed
                left = tuple(session for session in run.sessions if session not in closed)
                self._marks.forget_sessions(run.log, left)
        for log, groups in self._marks.groups.items():
            if ended := end_abandoned(self._location, log, groups, self._found.now):
                self._found.abandoned[log.removeprefix(RUNS)] = ended

    def _packs(self, watched: frozenset[PackName]) -> None:
        """List the packs, and find what nothing refers to."""
        sessions = self._marks.sessions
        under_way: list[tuple[PackName, ObjectInfo]] = []  # the last packs of an open session so far
        for info in self._bucket.list(PACKS):
            key = parse_key(info.key)
            if key is None or key.pack is None:
                continue
            self._found.all.add(info.size)
            if under_way and under_way[0][0].session != key.pack.session:
                self._not_committed(under_way)
            if key.pack in watched:
                self._sizes[key.pack] = info.size
                self._found.waiting.add(info.size)
            elif key.pack in self._marks.live:
                self._given_up(under_way)
            elif key.pack.session in sessions:
                under_way.append((key.pack, info))
            else:
                self._unreferenced(info, key.pack)
        self._not_committed(under_way)

    def _not_committed(self, packs: list[tuple[PackName, ObjectInfo]]) -> None:
        """Leave the newest packs of an open session alone: they are likely to be committed next."""
        for _, info in packs:
            self._found.unfinished.add(info.size)
        packs.clear()

    def _given_up(self, packs: list[tuple[PackName, ObjectInfo]]) -> None:
        """Judge packs of an open session that has committed later ones: what it held there was replaced since."""
        for pack, info in packs:
            self._unreferenced(info, pack)
        packs.clear()

    def _unreferenced(self, info: ObjectInfo, pack: PackName) -> None:
        if self._is_young(info):
            self._found.young.add(info.size)
        else:
            self._found.garbage.add(info.size)
            self._garbage.add(pack, info.size)

    def _is_young(self, info: ObjectInfo) -> bool:
        if not self._policy.delay:
            return False
        return info.modified is None or self._found.now - info.modified < self._policy.delay

    # --- G4 ---

    def _condemn(self, packs: frozenset[PackName]) -> _Work:
        """Create the next generation; if another collector was first, take its."""
        until = self._found.now + self._policy.quarantine if self._policy.quarantine else 0
        number, self._next = self._next, self._next + 1
        named, ours = settle(self._bucket, number, "condemn", packs, until)
        if not ours:
            named, until = read_condemned(self._bucket, number)
            self._marks.look_anew()
        report = GenerationReport(number, Amount(len(named)), until=until, waiting=until > self._found.now)
        self._found.generations.append(report)
        return _Work(number, named, report)

    # --- G5 to G8 ---

    def _finish(self, works: Sequence[_Work]) -> None:
        if not works:
            return
        numbers = [work.number for work in works]
        logs = (run.log for run in list_runs(self._bucket) if self._marks.may_be_open(run))
        self._found.fenced += fence_all(self._location, self._engine, logs, numbers)
        self._marks.watched = frozenset[PackName]().union(*(work.packs for work in works))
        mark(self._location, self._engine, self._marks, list_runs(self._bucket))
        for work in works:
            self._sweep(work)

    def _sweep(self, work: _Work) -> None:
        verdict = decide(self._bucket, work.number, work.packs, self._marks.needed)
        swept = sweep(self._location, work.number, verdict, self._damaged, self._marks.needed)
        if swept.done:
            settle(self._bucket, work.number, "done", verdict)
        self._report(work, verdict, swept)

    def _report(self, work: _Work, verdict: frozenset[PackName], swept: Swept) -> None:
        work.report.done, work.report.spared = swept.done, len(work.packs - verdict)
        for pack in verdict:
            if pack.key not in swept.refused:
                work.report.deleted.add(self._sizes.get(pack, 0))
                self._found.freed.add(self._sizes.get(pack, 0))
        self._found.hints += swept.hints
        self._found.refused |= swept.refused

    def _purge_entries(self) -> None:
        for log in sorted(self._marks.stale):
            count, refused = purge_entries(self._location, log)
            self._found.entries += count
            self._found.refused |= refused

    # --- a dry run ---

    def _foresee(self, work: _Work) -> None:
        gone = work.packs - self._marks.needed
        work.report.spared = len(work.packs) - len(gone)
        work.report.deleted = Amount(len(gone), sum(self._sizes.get(pack, 0) for pack in gone))

    def _requests(self) -> int:
        """Return about how many requests a collection would take: what this one took, and what it did not do."""
        due = [work for work in self._work if not work.report.waiting]
        deleted = sum(work.report.deleted.packs for work in due)
        generations = len(due) + -(-self._found.garbage.packs // self._policy.most)
        if not self._policy.quarantine:
            deleted += self._found.garbage.packs
        pages = -(-self._found.all.packs // PAGE) + (3 if generations else 1) * -(-self._entries // PAGE)
        runs = _FOR_A_RUN * self._found.runs + (_FOR_A_FENCE * len(self._marks.open) if generations else 0)
        return _ALWAYS + pages + runs + 3 * generations + _FOR_A_PACK * deleted + 3 * -(-deleted // PAGE)
