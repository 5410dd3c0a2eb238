"""A run as its log tells it, up to some entry."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Final

from holdall.errors import DamageError, FormatError, HoldallError, IntegrityError, LogGapError, RegisteredPathError
from holdall.format.document import parse_object
from holdall.format.entry import UNKNOWN, LogEntry
from holdall.format.reference import Ref, ref_from_json
from holdall.format.series import check_before
from holdall.format.state import State, parse_checkpoint
from holdall.trees.blobs import RunBlobReader
from holdall.trees.heads import Head, KnownState
from holdall.trees.journal import check_chain
from holdall.trees.paths import Paths
from holdall.trees.tree import Tree
from holdall.trees.versioned_paths import VersionedPaths

_log = logging.getLogger("holdall")
_STATES_TRIED: Final = 4  # that cannot be read, one before the other, before all entries are read without any


class View:
    """The state and the paths of a run, as of its entry `head`.

    Attributes:
        head: The newest entry taken in.
        lost: The number of the newest entry that was passed over, as it cannot be read; -1 if none was.
        state: What all entries to there amount to.
        paths: What the run holds.
        facts: Where the facts of its checkpoint are, if they are a blob.
        unread: Why the newest checkpoint could not be taken in, where the entries before it were instead: the paths
            are the same then, and their places may be older ones.
    """

    def __init__(self, blobs: RunBlobReader, tries: int = _STATES_TRIED) -> None:
        self._blobs, self._tries = blobs, tries
        self.head: LogEntry | None = None
        self.lost = -1
        self.state = State()
        self.paths = Paths(blobs, [])
        self.facts: Ref | None = None
        self.unread: IntegrityError | None = None

    @classmethod
    def load(cls, blobs: RunBlobReader) -> View | None:
        """Return the run as it is now; None if there is no such log.

        Cost: one listing and one GET, and a GET for each entry since the last state.
        """
        return cls.as_of(blobs.journal.newest(), blobs)

    @classmethod
    def as_of(cls, newest: int | None, blobs: RunBlobReader) -> View | None:
        """Return the run as of the newest entry, given its number; None if there is none. Cost: as `load`'s GETs."""
        if newest is None:
            return None
        try:
            return cls.up_to(blobs.journal.read(newest), blobs)
        except (LogGapError, FormatError) as error:
            return cls._purged_meanwhile(blobs, error) or cls._around(newest, blobs, error)

    @classmethod
    def _purged(cls, purge: LogEntry, blobs: RunBlobReader) -> View:
        """Return the run as an entry tells it that purges it; nothing else of the log is taken."""
        view = cls(blobs)
        view.head, view.state = purge, State(purged=True)
        return view

    @classmethod
    def _purged_meanwhile(cls, blobs: RunBlobReader, error: DamageError) -> View | None:
        """Return the run as purged if entries were missing because it was purged while they were read; else None."""
        purge = blobs.journal.purge() if isinstance(error, LogGapError) else None
        return cls._purged(purge, blobs) if purge else None

    @classmethod
    def _around(cls, newest: int, blobs: RunBlobReader, error: DamageError, tries: int = _STATES_TRIED) -> View:
        """Return the run as told by its readable entries; raise the error if none was lost."""
        journal = blobs.journal
        head = journal.read_if_whole(newest)
        start = head.state_at or 0 if isinstance(head, LogEntry) else 0
        before = journal.read_around(start, newest)
        if before is None or all(isinstance(each, LogEntry) for each in (*before, head)):
            raise error
        found = [*before, head]
        view = cls(blobs, tries)
        if start and not isinstance(found[0], LogEntry):
            view = cls._around_or_to(start - 1, blobs, tries - 1)
        for n, each in enumerate(found, start):
            if isinstance(each, LogEntry):
                view.absorb(each)
            else:
                view._pass_over(n, each)
        if view.head is None and not isinstance(head, LogEntry):
            view.head = next((each for each in reversed(found) if isinstance(each, LogEntry)), None)
        return view

    @classmethod
    def _around_or_to(cls, n: int, blobs: RunBlobReader, tries: int) -> View:
        """Return the run as of entry n, by a state before it; by all operations, if many states are lost."""
        if tries < 0:
            return cls._by_operations(n, blobs)
        try:
            return cls.up_to(blobs.journal.read(n), blobs, tries=tries)
        except (LogGapError, FormatError) as error:
            return cls._around(n, blobs, error, tries)

    @classmethod
    def _by_operations(cls, n: int, blobs: RunBlobReader) -> View:
        entries = blobs.journal.read_around(0, n + 1)
        if entries is None:
            raise LogGapError(blobs.journal.log, 0)
        view = cls(blobs)
        for at, each in enumerate(entries):
            if isinstance(each, LogEntry):
                view.absorb(replace(each, state=None))
            else:
                view._pass_over(at, each)
        return view

    def _pass_over(self, n: int, error: IntegrityError) -> None:
        """Go on behind an entry that cannot be read; what follows it continues nothing that is known."""
        if n == 0:
            self.paths = VersionedPaths(self._blobs)  # what it may be, as far as is known
        self.paths.lose(f"entry {n}", error)
        self.head, self.lost = None, n

    @classmethod
    def up_to(
        cls,
        head: LogEntry,
        blobs: RunBlobReader,
        listed: Head | None = None,
        *,
        tries: int = _STATES_TRIED,
        before: Sequence[LogEntry | HoldallError] | None = None,
    ) -> View:
        """Return the run as of an entry.

        Args:
            head: The entry.
            blobs: Reads the run.
            listed: Tells which other entries exist, where they were listed.
            tries: States that may be tried.
            before: The entries from the last state on to `head`, or what is wrong with them, if they were fetched.

        Raises:
            DamageError: An entry is missing or damaged, or is not what the others say.

        Cost: a GET for each entry since the last state, unless they are given.
        """
        if head.purges:
            return cls._purged(head, blobs)
        view = cls(blobs, tries)
        start = head.state_at or 0
        if listed:
            listed.check_reaches(head.log, start)
        older = blobs.journal.each(range(start, head.n)) if before is None else map(_readable, before)
        for entry in chain(older, [head]):
            if entry.n == start != 0 and entry.state is None:
                raise FormatError(f"{head.log} entry {head.n}", f"it says that entry {start} carries a state")
            view.absorb(entry)
        return view

    @classmethod
    def as_listed(
        cls,
        head: Head,
        newest: LogEntry | HoldallError,
        blobs: RunBlobReader,
        before: Sequence[LogEntry | HoldallError] | None = None,
    ) -> View:
        """Return the run as of the head that a listing showed; a warning names what cannot be read. Args: as `up_to`.

        Raises:
            DamageError: Nothing of it can be read, or it is whole and not what a writer makes.
        """
        try:
            if isinstance(newest, HoldallError):
                raise newest
            return cls.up_to(newest, blobs, head, before=before)
        except (LogGapError, FormatError) as error:
            view = cls._purged_meanwhile(blobs, error) or cls._around(head.n, blobs, error)
            if view.head is None:
                raise
            _log.warning("%s is told by what can be read of it: %s", f"run {view.run_id}", error)
            return view

    @classmethod
    def resumed(cls, known: KnownState, entries: Sequence[LogEntry], blobs: RunBlobReader) -> View:
        """Return a run as of the last of the entries behind a state that was remembered; its paths are not known.

        Raises:
            FormatError: The entries do not continue just that state.
        """
        if entries[0].prev != known.sha256:
            raise FormatError(f"{entries[0].log} entry {entries[0].n}", "it does not continue what was remembered")
        view = cls(blobs)
        view.state = known.state
        for entry in entries:
            view.absorb(entry)
        return view

    @property
    def next(self) -> int:
        """Return the number of the next entry: after the head, and after damaged entries behind it."""
        return 0 if self.head is None else max(self.head.n, self.lost) + 1

    @property
    def prev(self) -> str | None:
        """Return what the next entry says of the one before it: its digest, or that it is unknown."""
        if self.head is None:
            return None
        return self.head.sha256 if self.head.n >= self.lost else UNKNOWN

    def refuse_registered(self, paths: Sequence[str]) -> None:
        """Raise RegisteredPathError for a path that would be new where a pin keeps what is there as it is."""
        there = self.paths.lookup(paths).there if self.state.pinned else {}
        self.refuse_changes(path for path in paths if path not in there)

    def refuse_changes(self, paths: Iterable[str]) -> None:
        """Raise RegisteredPathError for a path where a pin keeps what is there as it is."""
        for path in paths if self.state.pinned else ():
            if pin := self.state.pin_above(path):
                raise RegisteredPathError(self.run_id, path, self.state.pins[pin])

    def refuse_removal(self, path: str) -> None:
        """Raise RegisteredPathError for a path below which a pin keeps something as it is."""
        for pin, kept in self.state.pinned.items():
            if kept.startswith(f"{path}/"):
                raise RegisteredPathError(self.run_id, path, self.state.pins[pin])

    @property
    def run_id(self) -> str:
        """Return the id of the run."""
        return self._blobs.journal.log.rpartition("/")[2]

    @property
    def part_trees(self) -> list[Tree]:
        """Return the trees of the parts that are kept of groups, which are shown to nobody, and needed."""
        parts = [part for group in self.state.groups.values() for part in group.parts.values()]
        return [Tree(self._blobs, part.tree) for part in parts if part.tree]

    def follow(self) -> None:
        """Take in all new entries. Cost: one listing, and a GET for each of them."""
        for entry in self._blobs.journal.read_after(self.next):
            self.absorb(entry)

    def absorb(self, entry: LogEntry) -> None:
        """Take in the next entry.

        Raises:
            FormatError: It does not continue the head.
        """
        try:
            check_chain(self.head, entry)
        except FormatError:  # where a purge has removed entries others may have come late
            purge = self._blobs.journal.purge()
            if purge is None:
                raise
            entry = purge
        if entry.purges and not self.state.purged:
            self.head, self.state, self.paths = entry, State(purged=True), Paths(self._blobs, [])
            return
        self._blobs.remember(entry)
        if entry.state is not None:
            self._begin_with(entry, entry.state)
        known, changed = len(self.state.deltas), len(self.state.changes)
        self.state.apply(entry)
        if entry.n == 0 and self.state.versioned:
            self.paths = VersionedPaths(self._blobs)
        if isinstance(self.paths, VersionedPaths):
            for change in self.state.changes[changed:]:
                self.paths.change(change)
        else:
            for root in self.state.deltas[known:]:
                self.paths.add(root, f"entry {entry.n}")
        self.head = entry

    def _begin_with(self, entry: LogEntry, body: dict[str, Any]) -> None:
        """Begin with the state that an entry carries; if it cannot be read, with the entries before it."""
        try:
            state = self._carried(entry, body)
        except IntegrityError as error:
            self.unread = error
            if self.head is None:
                before = self._around_or_to(entry.n - 1, self._blobs, self._tries - 1)
                self.state, self.paths, self.lost = before.state, before.paths, before.lost
            return
        self.state, self.unread, n = state, None, entry.n
        roots, older = [state.tree] if state.tree else [], lambda: self._before(n)
        self.paths = (
            VersionedPaths(self._blobs, roots, versions=state.versions, older=older)
            if state.versioned
            else Paths(self._blobs, roots, older=older)
        )

    def _before(self, n: int) -> Paths:
        return self._around_or_to(n - 1, self._blobs, self._tries - 1).paths

    def _carried(self, entry: LogEntry, body: dict[str, Any]) -> State:
        what = f"{entry.log} entry {entry.n}"
        facts = ref = None
        if body.get("facts") is not None:
            ref = ref_from_json(body["facts"], what).carried_by(entry.n)
            facts = parse_object(self._blobs.read([ref])[0], what, "the facts of its state")
        state = parse_checkpoint(body, facts, what)
        check_before(state.series, entry.n, what)
        state.tree = state.tree and state.tree.carried_by(entry.n)
        state.versions = state.versions and state.versions.carried_by(entry.n)
        self.facts = ref
        return state


def _readable(entry: LogEntry | HoldallError) -> LogEntry:
    if isinstance(entry, HoldallError):
        raise entry
    return entry
