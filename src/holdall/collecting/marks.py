"""What runs refer to, as far as a collector has looked: the mark of a collection (SPEC.md, G2 and G6).

The first look goes into a filter of ten bits a pack, which finds candidates and
errs only towards keeping. Where it matters, before a verdict, marks are exact:
of all packs only those that are condemned are held against what runs need. A
run whose newest entry is the one that was looked at needs no second look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

from holdall.collecting.bloom import BloomFilter
from holdall.collecting.following import Look, RunHead, look_at
from holdall.engines.mapping import Engine
from holdall.errors import LiveContentError
from holdall.format.layout import RUNS, PackName
from holdall.trees.location import Location

_SHARD: Final = 64  # runs


@dataclass(frozen=True, slots=True)
class Shard:
    """Some runs for one worker."""

    runs: Sequence[RunHead]

    def __str__(self) -> str:
        return f"runs {self.runs[0].log} to {self.runs[-1].log}"


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run with open sessions. Attributes: log, n (its newest entry), sessions (hex), active (as `Look`)."""

    log: str
    n: int
    sessions: tuple[str, ...]
    active: int


class Marks:
    """What was seen of the runs so far.

    Args:
        expected: About how many packs runs refer to.
        salt: Random bytes.
        watched: Packs of which it is told exactly whether a run refers to them: those that are condemned.

    Attributes:
        live: A filter of the packs that runs refer to.
        needed: Those of the watched ones that runs refer to.
        open: The runs with open sessions, by log.
        groups: Those of which runs keep parts, as `Look` has them, by log.
        purged: How many runs are.
        stale: The logs of purged runs that have entries before the one that purged them.
        seen: The newest entry of each run that was looked at.
    """

    def __init__(self, expected: int, salt: bytes, watched: frozenset[PackName] = frozenset()) -> None:
        self.live = BloomFilter(expected, salt)
        self.watched = watched
        self.needed: set[PackName] = set()
        self.open: dict[str, LiveRun] = {}
        self.groups: dict[str, tuple[tuple[str, tuple[int, ...]], ...]] = {}
        self.purged = 0
        self.stale: set[str] = set()
        self.seen: dict[str, int] = {}
        self.problems: dict[str, str] = {}

    @property
    def sessions(self) -> set[bytes]:
        """Return the sessions that are open."""
        return {bytes.fromhex(session) for run in self.open.values() for session in run.sessions}

    def is_new(self, run: RunHead) -> bool:
        """Return whether a run was not looked at as it is now."""
        return self.seen.get(run.log) != run.head.n

    def may_be_open(self, run: RunHead) -> bool:
        """Return whether a run may have an open session now."""
        return run.log in self.open or self.is_new(run)

    def forget_sessions(self, log: str, left: tuple[str, ...]) -> None:
        """Note that sessions of a run were closed, and which are left."""
        run = self.open.pop(log)
        if left:
            self.open[log] = LiveRun(log, run.n, left, run.active)

    def look_anew(self) -> None:
        """Take no run as looked at: what is watched from now on was not when they were."""
        self.seen.clear()

    def add(self, looks: Iterable[Look]) -> None:
        """Take in what was seen of some runs."""
        for look in looks:
            self.seen[look.log] = look.n
            self.open.pop(look.log, None)
            self.groups.pop(look.log, None)
            if look.groups:
                self.groups[look.log] = look.groups
            self.problems.pop(look.log.removeprefix(RUNS), None)
            if look.problem:
                self.problems[look.log.removeprefix(RUNS)] = look.problem
            self.purged += look.purged
            if look.stale:
                self.stale.add(look.log)
            if look.sessions:
                self.open[look.log] = LiveRun(look.log, look.n, look.sessions, look.active)
            for pack in look.packs:
                self.live.add(pack)
            self.needed |= look.packs & self.watched

    def check(self) -> None:
        """Raise a LiveContentError if what some run needs is not known."""
        if self.problems:
            raise LiveContentError(self.problems)


def mark(location: Location, engine: Engine, marks: Marks, runs: Iterable[RunHead]) -> None:
    """Look at those of some runs that were not looked at as they are, by shards.

    Raises:
        LiveContentError: What some of them need cannot be told; none of them was left out silently.
    """
    new = (run for run in runs if marks.is_new(run))
    for looks in engine.map(partial(_look_at, location), shards(new)):
        marks.add(looks)
    marks.check()


def _look_at(location: Location, shard: Shard) -> list[Look]:
    return look_at(location, shard.runs)


def shards(runs: Iterable[RunHead]) -> Iterator[Shard]:
    """Yield runs as pieces of work."""
    left = iter(runs)
    while some := list(islice(left, _SHARD)):
        yield Shard(some)
