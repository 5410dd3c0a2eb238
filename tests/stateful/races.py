"""A writer beside a collector that is after the very packs which the writer is about to refer to.

Packs that nobody refers to are made, a writer comes upon them, and each goes on to where it matters: to the request
before which the other does its work. What they do at random meets there once in some thousand steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st
from tests.stateful.clients import Held
from tests.support.stepped import AtOnce, Stepped
from tests.support.stores import Serial, entropy, tiny_location

from holdall.collecting.collector import Collector, Policy
from holdall.errors import FencedOffError
from holdall.format.layout import GARBAGE, HINTS, PACKS, RUNS
from holdall.retention.performing import append_purge
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.location import Location

FICKLE: Final = [entropy(seed)(70_000) for seed in (54, 55, 56)]  # more than an entry carries; races alone log it
PATH: Final = "raced"
# The request before which one stops, as its verb and the beginning of its key, and how often it lets such pass.
WRITER: Final = {
    "comes": ("get", "", 0),
    "opens": ("put", RUNS, 0),
    "has opened": ("list", GARBAGE, 0),
    "has looked": ("get", HINTS, 0),
    "knows footers": ("get_range", PACKS, 1),
    "commits": ("put", RUNS, 1),
    "commits again": ("put", RUNS, 2),
    "commits a third time": ("put", RUNS, 3),
}
COLLECTOR: Final = {
    "condemns": ("put", GARBAGE, 0),
    "has condemned": ("list", RUNS, 1),
    "marks again": ("list", RUNS, 2),
    "decides": ("put", GARBAGE, 1),
    "deletes hints": ("delete_many", HINTS, 0),
    "deletes": ("delete_many", PACKS, 0),
    "says so": ("put", GARBAGE, 2),
}


@dataclass(frozen=True)
class Course:
    """How a race goes.

    Attributes:
        content: What it is about, of `FICKLE`.
        again: Whether the writer has held it before and given it up since, so that it knows the packs.
        known: Whether its earlier packs are in the store before the writer comes.
        stops: Where writer, collector, writer and collector stop in turn.
        killed: Whether the collector dies at its last stop, and another one goes on.
        rival: Whether another collector comes at the first one's last stop.
    """

    content: int
    again: bool
    stops: tuple[str, str, str, str]
    killed: bool
    rival: bool


COURSES = st.builds(
    Course,
    st.integers(0, len(FICKLE) - 1),
    st.booleans(),
    st.tuples(*[st.sampled_from(list(WRITER)), st.sampled_from(list(COLLECTOR))] * 2),
    st.booleans(),
    st.booleans(),
)


class Race:
    """One race in a store.

    Attributes:
        run_id: The run that is written to.
        may_hold: What its path may show in the end.
    """

    def __init__(
        self, bucket: MemoryBucket, seeds: Iterator[int], run_id: str, course: Course, *, sealed: bool = False
    ) -> None:
        self.run_id, self._bucket, self._seeds, self._course = run_id, bucket, seeds, course
        self._sealed = sealed
        self.may_hold: list[Held] = [Held()]

    def go(self) -> None:
        """Run it to its end."""
        course = self._course
        doomed = self._log_elsewhere()
        writer, first, second = Stepped(self._bucket, self._write), *(self._stop(WRITER, n) for n in (0, 2))
        writer.until(first)
        self._give_up(doomed)
        collector = Stepped(self._bucket, self.collect)
        collector.until(self._stop(COLLECTOR, 1))
        writer.until(second)
        collector.until(self._stop(COLLECTOR, 3))
        if course.rival:
            self.collect(self._bucket)
        if course.killed:
            collector.kill()
        writer.finish()
        collector.finish()
        if course.killed:
            self.collect(self._bucket)

    def collect(self, bucket: Bucket) -> None:
        """Collect whatever is garbage now."""
        Collector(self._location(bucket), AtOnce(), Policy(delay=0)).perform()

    def _location(self, bucket: Bucket) -> Location:
        return tiny_location(bucket, seed=next(self._seeds), create=False, pool=Serial(), sealed=self._sealed)

    def _log_elsewhere(self) -> str:
        """Log the content in a run that is deleted: what only it holds is garbage once it is purged."""
        run = Store(self._location(self._bucket)).runs.start(experiment="races")
        run.log_bytes(FICKLE[self._course.content], "f")
        run.finish()
        run.delete()
        return run.run_id

    def _give_up(self, run_id: str) -> None:
        assert append_purge(self._location(self._bucket), run_id, lambda _: True)

    def _write(self, bucket: Bucket) -> None:
        run = Store(self._location(bucket)).runs.get(self.run_id)
        content = FICKLE[self._course.content]
        for data in [content, b"small", content] if self._course.again else [content]:
            self.may_hold = [self.may_hold[-1], Held(data)]
            with suppress(FencedOffError):
                run.log_bytes(data, PATH, on_conflict="replace", keep_last=1)
                self.may_hold = [Held(data)]

    def _stop(self, table: dict[str, tuple[str, str, int]], n: int) -> Callable[[str, str], bool]:
        verb, prefix, passes = table[self._course.stops[n]]
        left = passes

        def reached(now: str, key: str) -> bool:
            nonlocal left
            left -= now == verb and key.startswith(prefix)
            return left < 0

        return reached
