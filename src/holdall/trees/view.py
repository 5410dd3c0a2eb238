"""A run as its log tells it, up to some entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, Final

from holdall.errors import FormatError
from holdall.format.document import parse_object
from holdall.format.entry import LogEntry
from holdall.format.layout import RUNS
from holdall.format.reference import ref_from_json
from holdall.format.state import State, state_from_json
from holdall.trees.journal import Head, Journal, check_chain
from holdall.trees.location import Location
from holdall.trees.paths import Paths
from holdall.trees.salvage import left_out, map_sound
from holdall.trees.tree import Blobs

_AT_ONCE: Final = 128  # runs whose newest entries are fetched side by side


class View:
    """The state and the paths of a run, as of its entry `head`.

    Attributes:
        head: The newest entry taken in.
        state: What all entries to there amount to.
        paths: What the run holds.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.head: LogEntry | None = None
        self.state = State()
        self.paths = Paths(blobs, [])

    @classmethod
    def load(cls, blobs: Blobs) -> View | None:
        """The run as it is now; None where there is no such log.

        Cost: one listing and one GET, and a GET for each entry since the last state.
        """
        head = blobs.journal.head()
        return cls.up_to(head, blobs) if head else None

    @classmethod
    def up_to(cls, head: LogEntry, blobs: Blobs, listed: Head | None = None) -> View:
        """The run as of an entry; a listing may tell which others there are. Cost: a GET for each since the last state.

        Raises:
            DamageError: An entry is missing or damaged, or is not what the others say.
        """
        view = cls(blobs)
        start = head.state_at or 0
        if listed:
            listed.check_reaches(head.log, start)
        for entry in chain(blobs.journal.each(range(start, head.n)), [head]):
            if entry.n == start != 0 and entry.state is None:
                raise FormatError(f"{head.log} entry {head.n}", f"it says that entry {start} carries a state")
            view.absorb(entry)
        return view

    @property
    def next(self) -> int:
        """The number of the entry after the head."""
        return 0 if self.head is None else self.head.n + 1

    def absorb(self, entry: LogEntry) -> None:
        """Take in the next entry.

        Raises:
            FormatError: It does not continue the head.
        """
        check_chain(self.head, entry)
        self._blobs.remember(entry)
        if entry.state is not None:
            self.state = self._carried(entry, entry.state)
            self.paths = Paths(self._blobs, [self.state.tree] if self.state.tree else [])
        known = len(self.state.deltas)
        self.state.apply(entry)
        for root in self.state.deltas[known:]:
            self.paths.add(root, f"entry {entry.n}")
        self.head = entry

    def _carried(self, entry: LogEntry, body: dict[str, Any]) -> State:
        what = f"{entry.log} entry {entry.n}"
        facts = None
        if body.get("facts") is not None:
            ref = ref_from_json(body["facts"], what).carried_by(entry.n)
            facts = parse_object(self._blobs.read([ref])[0], what, "the facts of its state")
        state = state_from_json(body, facts, what)
        state.tree = state.tree and state.tree.carried_by(entry.n)
        return state


def read_views(location: Location, heads: Mapping[str, Head], name: Callable[[str], str]) -> Iterator[View]:
    """Runs as of the heads that a listing showed, in their order. What is damaged is named and left out.

    Args:
        location: The store.
        heads: The head of each log.
        name: What people call a log, for the warning.

    Cost: a GET each, side by side, if they have ended; else one for each entry since the last state.
    """
    bucket, pool = location.bucket, location.pool
    left = iter(heads.items())
    while some := [(Journal(bucket, pool, log), head) for log, head in islice(left, _AT_ONCE)]:
        newest = map_sound(pool, lambda pair: pair[0].read(pair[1].n), some, lambda pair: name(pair[0].log))
        for (journal, head), entry in zip(some, newest, strict=True):
            if entry is None:
                continue
            view = None
            with left_out(name(journal.log)):
                view = View.up_to(entry, Blobs(bucket, pool, journal, location.damage), head)
            if view:
                yield view


def run_name(log: str) -> str:
    """What people call the run of a log."""
    return f"run {log.removeprefix(RUNS)}"


def read_states(location: Location, heads: Mapping[str, Head]) -> list[State]:
    """The states of many runs; what is damaged is named and left out. Cost: as `read_views`."""
    return [view.state for view in read_views(location, heads, run_name)]
