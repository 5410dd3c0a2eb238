"""What a collection would do, and what it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from holdall.format.layout import PackName

_NAME: Final = 20  # bytes of a pack's name, as it is kept here


@dataclass(slots=True)
class Amount:
    """Some packs, and the bytes that they take."""

    packs: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """Count one more pack."""
        self.packs += 1
        self.bytes += size


class PackList:
    """Names of packs with their sizes, in 28 bytes each: there may be millions. Attributes: amount."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.amount = Amount()

    def add(self, pack: PackName, size: int) -> None:
        """Add a pack."""
        self._data += pack.session + pack.number.to_bytes(4, "big") + size.to_bytes(8, "big")
        self.amount.add(size)

    def __iter__(self) -> Iterator[tuple[PackName, int]]:
        for at in range(0, len(self._data), _NAME + 8):
            row = self._data[at : at + _NAME + 8]
            yield PackName(bytes(row[:16]), int.from_bytes(row[16:20], "big")), int.from_bytes(row[20:], "big")


@dataclass(slots=True)
class GenerationReport:
    """A generation, and what comes of it.

    Attributes:
        number: Which.
        condemned: Packs that it may delete.
        deleted: Packs that it deleted, or would delete if nothing refers to them by then.
        spared: Packs of it that something refers to after all.
        until: Until when it waits, in ms by the server's clock, where it was condemned with a quarantine; 0 if not.
        waiting: Whether it still waits.
        done: Whether it is finished.
    """

    number: int
    condemned: Amount = field(default_factory=Amount)
    deleted: Amount = field(default_factory=Amount)
    spared: int = 0
    until: int = 0
    waiting: bool = False
    done: bool = False


@dataclass(slots=True)
class Collection:
    """What a collection did; of a dry run, what it would do now.

    Attributes:
        dry_run: Whether nothing was written.
        now: When, in ms by the server's clock; of a dry run by this machine's, if that is later than all it saw.
        expired: Runs that were deleted, as no rule of their experiment's policy keeps them: why, by id.
        retired: Deleted runs that were purged, as they can be restored no longer: why, by id.
        deleted: Deleted runs that were not purged yet: why, by id.
        cataloged: How many runs the catalog tells of that was written; None if that was not needed.
        runs, purged: How many runs there are, and of these how many are purged.
        all: All packs, as a listing showed them.
        garbage: Those that nothing refers to and that are old enough.
        young: Those that nothing refers to and that are younger than the delay.
        unfinished: Those that nothing refers to, of sessions that are open.
        waiting: Those that are condemned by a generation whose quarantine is not over.
        freed: Those that were deleted.
        generations: What came of each that was incomplete, or was begun.
        closed: Sessions that had no entry for seven days and were closed, by run.
        abandoned: Groups whose parts were all seven days old and were given up, by run.
        fenced: Logs that were given a fence.
        hints, entries: Hints of deleted packs, and entries of purged runs, that were deleted.
        shares, share_bytes: Keys of shares whose link has ended or whose run was purged, which were deleted, and
            what those took.
        refused: What the bucket refused to delete, and why, by key.
        versioned: Whether the bucket was seen to keep versions of what is deleted.
        requests: About how many requests the rest of a dry run would take.
        unseen: What was neither seen nor done, as no key of the encrypted store was given; empty where it could be.
    """

    dry_run: bool = False
    now: int = 0
    expired: dict[str, str] = field(default_factory=dict)
    retired: dict[str, str] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    cataloged: int | None = None
    runs: int = 0
    purged: int = 0
    all: Amount = field(default_factory=Amount)
    garbage: Amount = field(default_factory=Amount)
    young: Amount = field(default_factory=Amount)
    unfinished: Amount = field(default_factory=Amount)
    waiting: Amount = field(default_factory=Amount)
    freed: Amount = field(default_factory=Amount)
    generations: list[GenerationReport] = field(default_factory=list)
    closed: dict[str, Sequence[str]] = field(default_factory=dict)
    abandoned: dict[str, Sequence[str]] = field(default_factory=dict)
    fenced: int = 0
    hints: int = 0
    entries: int = 0
    shares: tuple[str, ...] = ()
    share_bytes: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    versioned: bool = False
    requests: int = 0
    unseen: str = ""

    @property
    def complete(self) -> bool:
        """Return whether nothing was refused."""
        return not self.refused
