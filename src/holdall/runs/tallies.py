"""How many runs experiments have, and of which kinds: counted over summaries. Nothing here is read or written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from holdall.runs.rows import Row
from holdall.runs.search import RunSummary


@dataclass(slots=True)
class RunTally:
    """What the runs of an experiment add up to.

    Attributes:
        runs: How many there are that are not deleted.
        deleted: How many are deleted, and can be restored.
        by_status: How many of `runs` have each status.
        newest: When the latest of `runs` started, in ms since 1970 UTC; None if there is none.
        files, bytes: How many files `runs` hold, and their sizes, as logged: what is shared counts in each.
    """

    runs: int = 0
    deleted: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    newest: int | None = None
    files: int = 0
    bytes: int = 0

    def add(self, run: RunSummary | Row) -> None:
        """Count a run."""
        if run.lifecycle_stage == "deleted":
            self.deleted += 1
            return
        self.runs += 1
        self.by_status[run.status] = self.by_status.get(run.status, 0) + 1
        self.newest = run.start_time if self.newest is None else max(self.newest, run.start_time)
        self.files += run.files
        self.bytes += run.bytes


@dataclass(frozen=True, slots=True)
class RunSize:
    """What a run holds, as logged: what is shared counts in each. `start_time` in ms since 1970 UTC."""

    run_id: str
    run_name: str
    experiment_id: str
    start_time: int
    deleted: bool
    files: int
    bytes: int


def sized(runs: Iterable[RunSummary | Row]) -> list[RunSize]:
    """Return what each run holds."""
    return [
        RunSize(
            run.run_id, run.run_name, run.experiment_id, run.start_time, run.lifecycle_stage == "deleted",
            run.files, run.bytes,
        )
        for run in runs
    ]  # fmt: skip


def tallied(runs: Iterable[RunSummary | Row]) -> dict[str, RunTally]:
    """Return what the runs of each experiment add up to, by its id."""
    found: dict[str, RunTally] = {}
    for run in runs:
        found.setdefault(run.experiment_id, RunTally()).add(run)
    return found
