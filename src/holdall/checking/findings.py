"""What a check saw: values to look at, to print, to compare."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong.

    Attributes:
        where: The object's key, or a run and path.
        detail: What is wrong with it.
        touches: What depends on it, as `runs:/<id>/<path>`.
        harmless: Whether nothing can be lost by it.
    """

    where: str
    detail: str
    touches: tuple[str, ...] = ()
    harmless: bool = False


@dataclass(slots=True)
class Findings:
    """What a check saw.

    Attributes:
        objects, packs, blobs, runs, entries: How many there are.
        files, bytes: As the runs' paths count them, shared content each time.
        problems: What is wrong.
        orphans: Packs that no run refers to, such as a killed writer leaves, or has
            not yet committed. Neither is damage; the same upload reuses them.
        foreign: Keys that are not holdall's, or left by a probe.
        reserved: Keys that a later version may have made; left alone.
        missing: Keys of packs that runs refer to and that are not there.
        torn: Whether that is all that is wrong with packs: then this looks like a copy of a store that was made while
            packs were being written. Copying `packs/` again completes it.
        recorded: Keys of the records of damaged packs that this check made, or found made.
        unseen: What was not checked, as no key of the encrypted store was given; empty where all was.
    """

    objects: int = 0
    packs: int = 0
    blobs: int = 0
    runs: int = 0
    entries: int = 0
    files: int = 0
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    reserved: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    torn: bool = False
    recorded: list[str] = field(default_factory=list)
    unseen: str = ""

    @property
    def intact(self) -> bool:
        """Return whether nothing is wrong that could lose anything."""
        return all(problem.harmless for problem in self.problems)
