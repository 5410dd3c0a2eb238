"""Log entries that are missing or damaged, as a mirror of the store has them.

Each entry says the digest of the one before it, so what follows a lost entry
proves which bytes were there: those of the mirror are they, or are not used.
Behind the newest entry that is left nothing proves anything, not even that more
was there: what a mirror has behind it is taken on its word, if it continues the log.

    ours      0  1  -  3  -  5            mirror   0 1 2 3 4 5 6
    entry 2 is proven by entry 3, entry 4 by entry 5; that there was an entry 6 the mirror says

A missing entry is put back, byte by byte. One that is damaged has its object
still, which nothing here overwrites: its bytes then stand in for it in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from holdall.checking.donor import Donor
from holdall.checking.plans import EntryRepair
from holdall.errors import HoldallError, ObjectExistsError, ObjectNotFoundError
from holdall.format.entry import MAX_ENTRY, UNKNOWN, LogEntry, parse_entry
from holdall.format.layout import log_key
from holdall.trees.heads import entry_keys
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.salvage import UNREADABLE

_AT_ONCE: Final = 128  # entries read side by side
_STANDS: Final = "a damaged object is in its place: remove that by hand and repair again, which puts the copy's back"
_MISSING: Final = "neither this store nor {url} has it"
_OTHER: Final = "that of {url} is another one, or nothing here proves that it is not"


@dataclass(frozen=True, slots=True)
class _Theirs:
    """An entry as the mirror has it, and the bytes that it is made of."""

    entry: LogEntry
    data: bytes
    proof: str = ""


@dataclass(slots=True)
class LostEntries:
    """What becomes of the lost entries of a log.

    Attributes:
        log: Which log.
        plan: Each, in the order of the log.
        missing: The bytes of those that are put back, by number.
        damaged: Those that stand in memory for objects that are damaged.
    """

    log: str
    plan: list[EntryRepair] = field(default_factory=list)
    missing: dict[int, bytes] = field(default_factory=dict)
    damaged: dict[int, LogEntry] = field(default_factory=dict)

    @property
    def journal_entries(self) -> dict[int, LogEntry]:
        """Return all entries that the log's own objects do not tell."""
        return self.damaged | {n: parse_entry(data, self.log, n) for n, data in self.missing.items()}

    def put_back(self, location: Location) -> None:
        """Create the missing entries anew, as they were. Cost: one PUT each."""
        for n in sorted(self.missing):
            with suppress(ObjectExistsError):  # another repair was here
                location.bucket.put(log_key(self.log, n), self.missing[n])


class MendedJournal(Journal):
    """A log, with entries of a mirror where its own are lost."""

    def __init__(self, location: Location, log: str, entries: Mapping[int, LogEntry]) -> None:
        super().__init__(location.bucket, location.pool, log)
        self._entries = entries

    def read(self, n: int) -> LogEntry:
        """Return entry n; as the mirror has it, if it is one of those."""
        return self._entries[n] if n in self._entries else super().read(n)

    def newest(self) -> int | None:
        """Return the number of the newest entry, the mirror's counted."""
        own = super().newest()
        return max([*self._entries, *(() if own is None else (own,))], default=None)


def lost_entries(here: Location, donor: Donor, log: str) -> LostEntries:
    """Return what becomes of a log's lost entries; nothing of one that was purged, or where the donor is no mirror.

    Cost: a listing of the log here and there, a GET for each entry here and for each lost one there.
    """
    found = LostEntries(log)
    if not donor.mirror:
        return found
    numbers = _listed(here, log)
    ours = _read(Journal(here.bucket, here.pool, log), numbers)
    newest = max(numbers, default=-1)
    if isinstance(head := ours.get(newest), LogEntry) and head.purges:
        return found
    there = set(_listed(donor.location, log))
    wanted = sorted(n for n in there | ours.keys() if not isinstance(ours.get(n), LogEntry))
    for stretch in _stretches(wanted):
        _mend(here, donor, found, ours, stretch)
    _name_gaps(found, donor, {*numbers, *there}, newest)
    found.plan.sort(key=lambda entry: entry.n)
    return found


def _listed(location: Location, log: str) -> list[int]:
    return [key.number for key in entry_keys(location.bucket.list(f"{log}/log/"))]


def _read(journal: Journal, numbers: Sequence[int]) -> dict[int, LogEntry | HoldallError]:
    left, found = iter(numbers), dict[int, LogEntry | HoldallError]()
    while some := list(islice(left, _AT_ONCE)):
        found |= zip(some, journal.try_many(some), strict=True)
    return found


def _stretches(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Yield numbers that follow one another together, the newest of them first."""
    some: list[int] = []
    for n in numbers:
        if some and n != some[0] + 1:
            yield some
            some = []
        some.insert(0, n)
    if some:
        yield some


def _mend(
    here: Location,
    donor: Donor,
    found: LostEntries,
    ours: Mapping[int, LogEntry | HoldallError],
    stretch: Sequence[int],
) -> None:
    """Decide on a stretch of lost entries, whose neighbours are there, or are its ends."""
    theirs = {n: entry for n in stretch if (entry := _get(donor, found.log, n))}
    proven = _proven(here, theirs, ours, stretch)
    continuing = _continuing(theirs, ours, stretch[::-1])
    for n in stretch:
        damaged = n in ours
        if n in proven:
            _take(found, n, proven[n], damaged=damaged)
        elif n in continuing and not damaged:
            _take(found, n, theirs[n], damaged=False)
        else:
            why = _MISSING if n not in theirs else _OTHER
            found.plan.append(EntryRepair(n, lost=_STANDS if n in continuing else why.format(url=donor.url)))


def _take(found: LostEntries, n: int, theirs: _Theirs, *, damaged: bool) -> None:
    if damaged:
        found.damaged[n] = theirs.entry
    else:
        found.missing[n] = theirs.data
    found.plan.append(EntryRepair(n, theirs.proof, stays=damaged))


def _get(donor: Donor, log: str, n: int) -> _Theirs | None:
    """Return an entry as the mirror has it, if it is whole there."""
    try:
        data = donor.location.bucket.get(log_key(log, n), limit=MAX_ENTRY)
        return _Theirs(parse_entry(data, log, n), data)
    except (*UNREADABLE, ObjectNotFoundError):
        return None


def _proven(
    here: Location,
    theirs: Mapping[int, _Theirs],
    ours: Mapping[int, LogEntry | HoldallError],
    stretch: Sequence[int],
) -> dict[int, _Theirs]:
    """Return the entries that the next one proves, or what is left of the damaged object."""
    found: dict[int, _Theirs] = {}
    after = ours.get(stretch[0] + 1)
    for n in stretch:
        entry = theirs.get(n)
        if entry and isinstance(after, LogEntry) and after.prev == entry.entry.sha256:
            found[n] = _Theirs(entry.entry, entry.data, f"entry {n + 1}")
        elif entry and n in ours and _is_left(here, entry, n):
            found[n] = _Theirs(entry.entry, entry.data, "what is left of it")
        after = found[n].entry if n in found else None
    return found


def _is_left(here: Location, theirs: _Theirs, n: int) -> bool:
    """Return whether one of a damaged document's two lines is as the mirror has it: each tells the other."""
    try:
        data = here.bucket.get(log_key(theirs.entry.log, n), limit=MAX_ENTRY)
    except HoldallError:
        return False
    return any(line in theirs.data.splitlines() for line in data.splitlines()[:2] if len(line) > len(UNKNOWN))


def _continuing(
    theirs: Mapping[int, _Theirs], ours: Mapping[int, LogEntry | HoldallError], stretch: Sequence[int]
) -> set[int]:
    """Return the entries that continue what is before them, one after the other.

    Of those that something follows here, only where that says that it was written while the one before was damaged.
    """
    after = ours.get(stretch[-1] + 1)
    if any(n > stretch[-1] for n in ours) and not (isinstance(after, LogEntry) and after.prev == UNKNOWN):
        return set()  # what follows them would have proven them
    found: set[int] = set()
    before = ours.get(stretch[0] - 1)
    expected = before.sha256 if isinstance(before, LogEntry) else None
    if (before is None) != (stretch[0] == 0):
        return found
    for n in stretch:
        if n not in theirs or theirs[n].entry.prev != expected:
            break
        found.add(n)
        expected = theirs[n].entry.sha256
    return found


def _name_gaps(found: LostEntries, donor: Donor, known: set[int], newest: int) -> None:
    """Name what neither store has: the first of each gap, as numbers are only claims."""
    for n in sorted(known):
        if n and n <= newest and n - 1 not in known:
            found.plan.append(EntryRepair(n - 1, lost=_MISSING.format(url=donor.url)))
