"""What a repair would do, or did: values to look at, to print, to compare."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileRepair:
    """A file whose content lies in damaged or missing packs.

    Attributes:
        path: Where it is in its run.
        copies: Packs that have whole copies of what it lacks; a damaged one where the copy is there, a log entry where
            that has it; those of another store after its address.
        lost: Why it cannot be healed; empty if it can.
        version: Of an earlier version in a versioned run, the entry until which the path held it.
    """

    path: str
    copies: tuple[str, ...] = ()
    lost: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True)
class EntryRepair:
    """A log entry that is missing or damaged.

    Attributes:
        n: Its number.
        proof: What proves that the copy's is the one that was written, such as "entry 6"; empty where that is on the
            copy's word.
        stays: Whether a damaged object stays in its place, so that what it said is said again behind it. Once that
            object is removed by hand, another repair puts the entry itself back.
        lost: Why it cannot be healed; empty if it can.
    """

    n: int
    proof: str = ""
    stays: bool = False
    lost: str = ""


@dataclass(frozen=True, slots=True)
class RunRepair:
    """A run that needs damaged or missing packs, or lost entries of its log.

    Attributes:
        run_id: Which.
        files: Those of its files that lie there.
        listing: Whether the listing of its paths, or facts of it, do.
        lost: Why none of it can be healed; empty if that is not so.
        entries: What becomes of lost entries of its log.
        word: What is taken on the copy's word, since nothing here proves it.
    """

    run_id: str
    files: tuple[FileRepair, ...] = ()
    listing: bool = False
    lost: str = ""
    entries: tuple[EntryRepair, ...] = ()
    word: tuple[str, ...] = ()

    @property
    def healable(self) -> bool:
        """Return whether something can be healed."""
        restated = not self.lost and (self.listing or any(not file.lost for file in self.files))
        return restated or any(not entry.lost and not entry.stays for entry in self.entries)

    @property
    def whole(self) -> bool:
        """Return whether nothing is lost."""
        return not (self.lost or any(file.lost for file in self.files) or any(entry.lost for entry in self.entries))


@dataclass(frozen=True, slots=True)
class LogRepair:
    """A log of an experiment, a registered model or a name of which entries are missing or damaged.

    Attributes:
        log: Which, such as `models/<id>`.
        entries: What becomes of them.
    """

    log: str
    entries: tuple[EntryRepair, ...]

    @property
    def whole(self) -> bool:
        """Return whether nothing is lost. A damaged entry is, while its object stands in the way of the copy's."""
        return not any(entry.lost or entry.stays for entry in self.entries)
