"""A run as its log tells it, up to some entry."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from holdall.errors import FormatError
from holdall.format.entry import LogEntry
from holdall.format.reference import ref_from_json
from holdall.format.state import State, state_from_json
from holdall.trees.journal import Journal, check_chain
from holdall.trees.location import Location
from holdall.trees.tree import Blobs, Paths


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
    def up_to(cls, head: LogEntry, blobs: Blobs) -> View:
        """The run as of an entry. Cost: a GET for each entry since the last state."""
        view = cls(blobs)
        start = head.state_at if head.state_at is not None else 0
        for entry in [*(blobs.journal.read_many(range(start, head.n)) if start < head.n else []), head]:
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
            self.paths.add(root)
        self.head = entry

    def _carried(self, entry: LogEntry, body: dict[str, Any]) -> State:
        what = f"{entry.log} entry {entry.n}"
        facts = None
        if body.get("facts") is not None:
            ref = ref_from_json(body["facts"], what).carried_by(entry.n)
            try:
                facts = json.loads(self._blobs.read([ref])[0])
            except (ValueError, RecursionError) as error:
                raise FormatError(what, f"the facts of its state are not JSON: {error}") from error
            if not isinstance(facts, dict):
                raise FormatError(what, "the facts of its state are not an object")
        state = state_from_json(body, facts, what)
        state.tree = state.tree and state.tree.carried_by(entry.n)
        return state


def read_states(location: Location, logs: Sequence[str]) -> list[State]:
    """The states of many runs, their newest entries read side by side. Cost: two requests each, if they have ended."""
    journals = [Journal(location.bucket, location.pool, log) for log in logs]
    heads = location.pool.map(Journal.head, journals)
    blobs = [Blobs(location.bucket, location.pool, journal, location.damage) for journal in journals]
    return [View.up_to(head, blob).state for head, blob in zip(heads, blobs, strict=True) if head]
