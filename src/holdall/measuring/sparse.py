"""Which packs are worth emptying: those with most dead bytes, until little is dead in all of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from holdall.format.layout import PackName
from holdall.format.pack import size_of_rest
from holdall.measuring.census import Census
from holdall.measuring.overlaps import count_blobs, length, union
from holdall.measuring.survey import Survey


@dataclass(frozen=True, slots=True)
class Sparse:
    """Packs that are partly dead, and what emptying them takes. Attributes in bytes, but for `packs` and `run_ids`.

    Attributes:
        packs: Which should be emptied.
        run_ids: The runs that refer to them.
        live: What these need of the packs, and would be written again.
        dead: What would be freed, once the packs are collected.
        left: What stays dead in other packs.
        needed: What runs need of all packs.
    """

    packs: tuple[PackName, ...] = ()
    run_ids: tuple[str, ...] = ()
    live: int = 0
    dead: int = 0
    left: int = 0
    needed: int = 0


def sparse_packs(census: Census, survey: Survey, share: float, busy: Collection[bytes]) -> Sparse:
    """Return the packs to empty so that at most a share of what runs need in packs is dead beside it.

    Args:
        census: With the packs.
        survey: Of the same runs.
        share: Dead bytes / needed bytes that may stay.
        busy: Sessions whose packs stay as they are, since they may be written to.

    Those with most dead bytes for each byte that must be copied come first, so as little as possible is written.
    """
    found: list[tuple[float, int, int, PackName]] = []
    needed = dead = 0
    for pack in survey.packs:
        size, live = census.packs.get(pack, (0, None))[0], _live(survey, pack)
        needed += live
        dead += max(0, size - live)
        if live < size and pack not in census.condemned and pack.session not in busy:
            found.append((live / size, size, live, pack))
    chosen: list[tuple[PackName, int, int]] = []
    left = dead
    for _, size, live, pack in sorted(found):
        if left <= share * needed:
            break
        left -= size - live
        chosen.append((pack, size, live))
    packs = tuple(sorted(pack for pack, _, _ in chosen))
    runs = sorted({survey.runs[run].id for pack in packs for run, *_ in survey.rows(pack)})
    return Sparse(packs, tuple(runs), sum(live for *_, live in chosen), dead - left, left, needed)


def _live(survey: Survey, pack: PackName) -> int:
    """Return what runs need of a pack, with their share of its footer."""
    rows = list(survey.rows(pack))
    blobs = count_blobs((start, stop, count) for _, _, start, stop, count in rows)
    return length(union((start, stop) for _, _, start, stop, _ in rows)) + size_of_rest(blobs or 0)
