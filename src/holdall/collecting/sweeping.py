"""Deleting what a verdict names, and what lies around of it (SPEC.md, G7 and G8)."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from holdall.collecting.generations import is_done
from holdall.collecting.hints_of import hints_of
from holdall.errors import NotDeletedError
from holdall.format.layout import PackName, damage_key, log_key
from holdall.trees.heads import entry_keys
from holdall.trees.journal import Journal
from holdall.trees.location import Location

_BATCH: Final = 1000  # packs between two looks whether somebody else was done
_NEEDED: Final = "a run refers to it, though the verdict of generation {} names it"
_MAY_BE_NEEDED: Final = "a run may refer to it, though the verdict of generation {} names it; who has the key can tell"


@dataclass(slots=True)
class Swept:
    """What was deleted. Attributes: done (whether all of it), hints, refused (why, by key)."""

    done: bool = True
    hints: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def sweep(
    location: Location, generation: int, packs: Set[PackName], damaged: Set[PackName], needed: Set[PackName]
) -> Swept:
    """Delete the packs of a verdict, their hints before them, and records of damage after them.

    What runs need of them stays, and counts as refused: no collector that keeps the rules makes such a verdict.
    Stops where another collector finished the generation meanwhile: then a request of this one may come so late that
    it must not come at all.

    Cost: one listing for each thousand packs, and their deletion; five reads for the hints of each pack.
    """
    kept, why = packs & needed, (_MAY_BE_NEEDED if location.keyless else _NEEDED).format(generation)
    swept = Swept(not kept, refused={pack.key: why for pack in kept})
    left = iter(sorted(packs - kept))
    while some := list(islice(left, _BATCH)):
        if is_done(location.bucket, generation):
            return swept
        hints = [key for found in location.pool.map(lambda pack: hints_of(location, pack), some) for key in found]
        swept.hints += len(hints) - len(_delete(location, hints, swept))
        refused = _delete(location, [pack.key for pack in some], swept)
        gone = [damage_key(pack) for pack in some if pack in damaged and pack.key not in refused]
        _delete(location, gone, swept)
    return swept


def purge_entries(location: Location, log: str) -> tuple[int, dict[str, str]]:
    """Delete the entries of a purged log before its purge, also those that came late.

    Returns:
        How many, and why some were refused, by key.

    Cost: a listing of the log, a GET, and the deletion.
    """
    older, swept = older_entries(location, log), Swept()
    refused = _delete(location, older, swept)
    return len(older) - len(refused), swept.refused


def older_entries(location: Location, log: str) -> list[str]:
    """Return the keys of a purged log's entries before its purge; none if it is not purged.

    Cost: a listing of the log, and a GET.
    """
    purge = Journal(location.bucket, location.pool, log).purge()
    if purge is None:
        return []
    return [log_key(log, key.number) for key in entry_keys(location.bucket.list(f"{log}/log/")) if key.number < purge.n]


def _delete(location: Location, keys: Sequence[str], swept: Swept) -> set[str]:
    """Delete keys; return those that were refused, and note why."""
    try:
        if keys:
            location.bucket.delete_many(keys)
    except NotDeletedError as error:
        swept.refused |= {key: why.reason for key, why in error.failed.items()}
        swept.done = False
        return set(error.failed)
    return set()
