"""Logs of an encrypted store, as far as they can be checked without a key: is everything there, and as it was written?

Every object has a digest that needs no key: packs and footers, entries, what is public of nodes and recipes. What is
sealed is not opened, so what it says is not held against anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from holdall.checking.check_packs import MISSING
from holdall.checking.findings import Problem
from holdall.checking.listed_entries import each_listed
from holdall.errors import DamageError, UnsupportedFeatureError
from holdall.format.layout import RUNS, PackName
from holdall.trees.location import Location
from holdall.trees.public_journal import journal_of
from holdall.trees.public_references import PublicWalk
from holdall.trees.public_run import PublicRun

UNSEEN: Final = (
    "no key was given: what is sealed was not opened, so contents were not held against their ids, files not against "
    "their SHA-256, and what entries and hints say not against one another"
)
_TRIES: Final = 3  # of a run that is purged while it is read


@dataclass(slots=True)
class LogsSeen:
    """What was seen of logs. Attributes: problems, entries, runs, used (packs), missing (packs, with runs)."""

    problems: list[Problem] = field(default_factory=list)
    entries: int = 0
    runs: int = 0
    used: set[PackName] = field(default_factory=set)
    missing: dict[PackName, set[str]] = field(default_factory=dict)

    def note(self, where: str, detail: str) -> None:
        """Note what is wrong with a log."""
        self.problems.append(Problem(where, detail))


def check_public_logs(location: Location, logs: Mapping[str, Sequence[int]], there: Iterable[PackName]) -> LogsSeen:
    """Check all logs.

    Args:
        location: The store.
        logs: The numbers of their entries, as they were listed.
        there: The packs that were listed after them.

    Cost: a GET for each entry, and each node and recipe that one names once for each run.
    """
    seen, packs = LogsSeen(), frozenset(there)
    for log, listed in logs.items():
        seen.entries += len(listed)
        if log.startswith(RUNS):
            seen.runs += 1
            _check_run(location, log, packs, seen)
        else:
            for _ in each_listed(journal_of(location, log), listed, partial(seen.note, log)):
                pass
    return seen


def _check_run(location: Location, log: str, packs: frozenset[PackName], seen: LogsSeen) -> None:
    for left in reversed(range(_TRIES)):
        try:
            run = PublicRun.read(location, log)
            needed = run.newest_packs(PublicWalk(location, run.journal))
            seen.used |= needed | run.packs(location)
            for pack in needed - packs:
                if not any(location.bucket.list(pack.key, limit=1)):  # it may have come after packs were listed
                    seen.missing.setdefault(pack, set()).add(log)
            return
        except (DamageError, UnsupportedFeatureError) as error:
            if not left:
                seen.note(log, str(error))


def missing_packs(seen: LogsSeen) -> list[Problem]:
    """Return what is wrong with packs that are not there."""
    return [Problem(pack.key, MISSING, tuple(sorted(seen.missing[pack]))) for pack in sorted(seen.missing)]
