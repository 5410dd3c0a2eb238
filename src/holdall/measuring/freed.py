"""What deleting some runs would free, and what it would not, since others share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from holdall.errors import RunNotFoundError
from holdall.format.layout import RUNS
from holdall.format.state import State
from holdall.measuring.census import Census
from holdall.measuring.overlaps import length, overlaps, union, within
from holdall.measuring.survey import Row, Survey
from holdall.trees.location import Location


@dataclass(frozen=True, slots=True)
class Sharing:
    """How many bytes a run shares with the runs that would be deleted."""

    run_id: str
    run_name: str
    deleted: bool
    bytes: int


@dataclass(frozen=True, slots=True)
class Freed:
    """What deleting some runs frees, once they are purged and their packs collected. Attributes in bytes.

    Attributes:
        run_ids: Which runs.
        packs: Whole packs that nothing else refers to: what the bucket gets back.
        logs: The runs' logs, all but the newest entry of each: it stays, so that its id never returns.
        dead: What becomes dead inside packs that other runs still need: it stays until these go.
        shared: What other runs refer to as well.
        sharing: Which runs these are, who shares most first.
        pinned: Runs among them that cannot be purged, since a registered model or somebody else pins them.
        unknown: Runs that cannot be read, of which nobody knows what they share: nothing is collected before that.
    """

    run_ids: tuple[str, ...]
    packs: int
    logs: int
    dead: int
    shared: int
    sharing: tuple[Sharing, ...]
    pinned: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def total(self) -> int:
        """Return what the bucket gets back."""
        return self.packs + self.logs


def freed_by(
    location: Location, name_of: Callable[[State], str], run_ids: Collection[str], experiment_ids: Collection[str]
) -> Freed:
    """Return what deleting some runs, and all runs of some experiments, would free.

    Raises:
        RunNotFoundError: There is no such run.

    Cost: as `usage`.
    """
    location.require_store()
    census = Census(location.bucket, keep_packs=True)
    survey = Survey(location, census, name_of)
    known = {run.id for run in survey.runs}
    if missing := sorted(set(run_ids) - known):
        raise RunNotFoundError(missing[0], location.bucket.url)
    going = {n for n, run in enumerate(survey.runs) if run.id in run_ids or run.experiment in experiment_ids}
    return _freed(census, survey, going)


def _freed(census: Census, survey: Survey, going: Collection[int]) -> Freed:
    packs = dead = shared = 0
    sharing = Counter[int]()
    for pack, (size, _) in census.packs.items():
        rows = list(survey.rows(pack))
        if not any(row[0] in going for row in rows):
            continue
        ours, theirs = _shares(rows, going)
        sharing.update(theirs)
        _, _, alone = overlaps((run in going, start, stop) for run, _, start, stop, _ in rows)
        shared += ours - alone.get(True, 0)
        if all(row[0] in going for row in rows):
            packs += size
        else:
            dead += alone.get(True, 0)
    runs = [survey.runs[n] for n in sorted(going)]
    return Freed(
        run_ids=tuple(run.id for run in runs),
        packs=packs,
        logs=sum(sum(census.logs[RUNS + run.id][1:]) for run in runs),
        dead=dead,
        shared=shared,
        sharing=tuple(
            Sharing(run.id, run.name, run.deleted, count)
            for run, count in ((survey.runs[n], count) for n, count in sharing.most_common() if count)
        ),
        pinned=tuple(run.id for run in runs if run.pins),
        unknown=survey.unsound,
    )


def _shares(rows: list[Row], going: Collection[int]) -> tuple[int, Counter[int]]:
    """Return the bytes of a pack that runs refer to which would be deleted, and what each other run has of them."""
    cover = union((start, stop) for run, _, start, stop, _ in rows if run in going)
    return length(cover), within(((run, start, stop) for run, _, start, stop, _ in rows if run not in going), cover)
