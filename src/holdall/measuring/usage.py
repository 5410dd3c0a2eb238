"""How much room runs take, how much of it they share, and what is left of the bucket's bytes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from holdall.chunks.reader import ChunkReader
from holdall.format.state import State
from holdall.measuring.census import Census
from holdall.measuring.holdings import Collectable, Holdings, holdings
from holdall.measuring.overlaps import first_of, overlaps
from holdall.measuring.survey import Seen, Survey
from holdall.trees.location import Location


@dataclass(frozen=True, slots=True)
class Space:
    """What something takes. Attributes in bytes, but for `files`.

    Attributes:
        files, logical: What its paths hold now.
        stored: What its chunks and recipes take in packs and log entries, as encoded, each once; also those of the
            earlier versions of a versioned run.
        unique: Of that, what nothing else of its kind refers to.
    """

    files: int = 0
    logical: int = 0
    stored: int = 0
    unique: int = 0

    @property
    def shared(self) -> int:
        """Return how many of the stored bytes others refer to as well."""
        return self.stored - self.unique


@dataclass(frozen=True, slots=True)
class RunUsage:
    """What one run takes; unique is what no other run refers to.

    Attributes:
        started: When it began, in ms since 1970 UTC.
        new: Of what it stores, what no run that began before it refers to: over all runs that is what is stored.
    """

    run_id: str
    run_name: str
    experiment_id: str
    deleted: bool
    space: Space
    started: int = 0
    new: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a store's runs take.

    Attributes:
        total: All of them together.
        experiments: By id; unique is what no run of another experiment refers to.
        runs: In the order of their ids.
        held: What the bytes of all objects of the store are for.
        packs: How many packs there are.
        damaged: How many of them are recorded as damaged.
        collected: When the last collection ended, in ms by the server's clock; None if none did, or it tells no times.
    """

    total: Space
    experiments: Mapping[str, Space]
    runs: tuple[RunUsage, ...]
    held: Holdings
    packs: int = 0
    damaged: int = 0
    collected: int | None = None


def usage(location: Location, name_of: Callable[[State], str], collectable: Callable[..., Collectable]) -> Usage:
    """Measure all runs of a store, deleted ones too.

    Args:
        location: The store.
        name_of: What people call a run.
        collectable: Returns which packs the next collection condemns, by the census and the survey.

    A run of which a log entry, node or recipe is not what was written is named and left out.

    Cost: a listing of everything; a GET for each run that has ended, its
    tree and its recipes, side by side. Holds 16 bytes for each stretch, and 300 for each pack.
    """
    location.require_store()
    census = Census(location.bucket, keep_packs=True)
    survey = Survey(location, census, name_of)
    reader = ChunkReader(location.bucket, location.pool)
    found = _usage(survey, holdings(census, survey, collectable(census, survey), reader))
    packs, damaged = census.counts["pack"], census.counts["damaged"]
    return replace(found, packs=packs, damaged=damaged, collected=census.collected)


class _Sums:
    """Bytes by owner, over many packs."""

    def __init__(self) -> None:
        self.union, self._has, self._alone = 0, Counter[int](), Counter[int]()

    def add(self, stretches: Iterable[tuple[int, int, int]]) -> None:
        """Add a pack."""
        union, has, alone = overlaps(stretches)
        self.union += union
        self._has.update(has)
        self._alone.update(alone)

    def add_own(self, owner: int, count: int) -> None:
        """Add bytes that only one owner has."""
        self.union += count
        self._has[owner] += count
        self._alone[owner] += count

    def space(self, owner: int, runs: Sequence[Seen]) -> Space:
        """Return the space that an owner of some runs takes."""
        files, logical = sum(run.files for run in runs), sum(run.logical for run in runs)
        return Space(files, logical, self._has[owner], self._alone[owner])


def _usage(survey: Survey, held: Holdings) -> Usage:
    seen = survey.runs
    numbers = {id: i for i, id in enumerate(sorted({run.experiment for run in seen}))}
    owners = [numbers[run.experiment] for run in seen]
    by_run, by_experiment, new = _Sums(), _Sums(), Counter[int]()
    order = sorted(range(len(seen)), key=lambda i: (seen[i].started, i))
    rank = {run: place for place, run in enumerate(order)}
    for pack in survey.packs:
        content = [(run, start, stop) for run, lists, start, stop, _ in survey.rows(pack) if not lists]
        by_run.add(content)
        new.update(first_of(content, rank))
        by_experiment.add((owners[run], start, stop) for run, start, stop in content)
    for i, run in enumerate(seen):  # what is inline is its run's own
        by_run.add_own(i, run.inline)
        new[i] += run.inline
        by_experiment.add_own(owners[i], run.inline)
    runs = tuple(
        RunUsage(run.id, run.name, run.experiment, run.deleted, by_run.space(i, [run]), run.started, new[i])
        for i, run in enumerate(seen)
        if run.sound
    )
    members: defaultdict[int, list[Seen]] = defaultdict(list)
    for owner, run in zip(owners, seen, strict=True):
        if run.sound:
            members[owner].append(run)
    experiments = {id: by_experiment.space(i, members[i]) for id, i in numbers.items() if i in members}
    sound = [run for run in seen if run.sound]
    files, logical = sum(run.files for run in sound), sum(run.logical for run in sound)
    return Usage(Space(files, logical, by_run.union, by_run.union), experiments, runs, held)
