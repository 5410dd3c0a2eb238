"""One run of an encrypted store as a collector without a key must know it: what it may need, and who may be writing.

It believes no entry that takes something away, since it cannot tell who made it (`trees/public_references.py`).
SPEC.md, "Without a key".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from holdall.errors import FormatError, LogGapError
from holdall.format.entry import UNKNOWN, LogEntry
from holdall.format.layout import PackName
from holdall.format.sealed_blob import PublicRef
from holdall.trees.heads import entry_keys
from holdall.trees.journal import Journal, check_chain
from holdall.trees.location import Location
from holdall.trees.public_journal import PublicJournal, is_sealed
from holdall.trees.public_references import PublicWalk, roots_of


@dataclass(slots=True)
class PublicState:
    """What collectors ask of a run's state. Attributes: sessions and fences that writers know, purged."""

    sessions: set[str] = field(default_factory=set)
    fences: set[int] = field(default_factory=set)
    purged: bool = False
    deleted: bool = False
    groups: dict[str, object] = field(default_factory=dict)


class PublicRun:
    """A run's log, followed without a key.

    Sessions are open until an entry closes them that no writer passes over: behind a damaged entry, as one that was
    made up is to whoever has the key, a sealed `close` counts for nothing. Of fences only plain ones count.

    Attributes: head, state, active (the number of the newest sealed entry; -1), roots (what each entry refers to).
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.head: LogEntry | None = None
        self.state = PublicState()
        self.active = -1
        self.roots: list[tuple[int, list[PublicRef]]] = []
        self._closed: set[str] = set()  # by sealed entries
        self._broken: FormatError | None = None  # where the chain is

    @classmethod
    def read(cls, location: Location, log: str) -> PublicRun:
        """Return a run as all of its entries say it.

        Raises:
            DamageError, UnsupportedFeatureError: It cannot be told.

        Cost: a listing, and a GET for each entry, side by side.
        """
        run = cls(PublicJournal(location.bucket, location.pool, log))
        listed = sorted(key.number for key in entry_keys(location.bucket.list(f"{log}/log/")))
        if not listed:
            raise LogGapError(log, 0)
        for entry in run.journal.each(listed):
            run.absorb(entry)
        run._check_whole()
        there = set(listed)
        gap = next((n for n in range(len(listed)) if n not in there), None)
        if gap is not None and not run.state.purged:
            raise LogGapError(log, gap)
        return run

    def _check_whole(self) -> None:
        """Raise a FormatError if some entry does not continue the one before, as below a purge late ones may not."""
        if self._broken and not self.state.purged:
            raise self._broken

    @property
    def next(self) -> int:
        """Return the number of the next entry."""
        return self.head.n + 1 if self.head else 0

    @property
    def prev(self) -> str | None:
        """Return what the next entry says of the one before it."""
        return self.head.sha256 if self.head else None

    def follow(self) -> None:
        """Take in all new entries. Cost: one listing, and a GET for each of them."""
        for entry in self.journal.read_after(self.next):
            self.absorb(entry)
        self._check_whole()

    def absorb(self, entry: LogEntry) -> None:
        """Take in the next entry; one that is known already changes nothing. Raises: FormatError."""
        if self.head and entry.n <= self.head.n:
            return
        try:
            check_chain(self.head, entry)
        except FormatError as error:
            self._broken = self._broken or error
        if entry.prev == UNKNOWN:  # its writer passed over the one before, and what that closed
            self.state.sessions |= self._closed
        sealed = is_sealed(entry)
        for op in entry.ops:
            match op["op"]:
                case "open":
                    self.state.sessions.add(op["session"])
                case "close":
                    self._close(op["session"], sealed=sealed)
                case "fence" if not sealed:
                    self.state.fences.add(op["generation"])
        self.state.purged = entry.purges
        self.active = entry.n if sealed else self.active
        self.roots.append((entry.n, roots_of(entry)))
        self.head = entry

    def _close(self, session: str, *, sealed: bool) -> None:
        if sealed and session in self.state.sessions:
            self._closed.add(session)
        self.state.sessions.discard(session)

    def packs(self, location: Location) -> frozenset[PackName]:
        """Return the packs that it may need.

        Raises:
            IntegrityError, FormatError: That cannot be told.

        Cost: reading each node and recipe that any entry names.
        """
        walk = PublicWalk(location, self.journal)
        self.newest_packs(walk)
        for n, roots in reversed(self.roots):
            if n < self._newest:
                walk.add(roots, whole=False)
        return frozenset(walk.packs)

    def newest_packs(self, walk: PublicWalk) -> frozenset[PackName]:
        """Return the packs that its entries from the newest checkpoint on refer to. Raises, cost: as `packs`."""
        for n, roots in reversed(self.roots):
            if n >= self._newest:
                walk.add(roots, whole=True)
        return frozenset(walk.packs)

    @property
    def _newest(self) -> int:
        """Return the number of the first entry that is needed, if all are what they say."""
        assert self.head, "it was read"
        return self.head.n if self.state.purged else self.head.state_at or 0
