"""An import that was planned: what it would bring, and the verb that brings it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from holdall.display import Facts, Shown
from holdall.engines.threads import ThreadEngine
from holdall.importing.bringing import Bringer
from holdall.importing.files import listed
from holdall.importing.found import FoundExperiment, FoundRun
from holdall.moving import Brought, MoveReport, Problem
from holdall.sizes import format_size

_AT_ONCE: Final = 8  # runs that are listed or brought side by side
Tell: TypeAlias = Callable[[Brought], object]


def _nothing() -> Iterable[Brought]:
    return ()


class Planned(Shown):
    """An import that was planned. Nothing is written before `perform`.

    Attributes:
        source, destination: Addresses, without credentials.
        experiments: The names of the experiments.
        runs: How many runs there are.
        deleted: How many of them the source has as deleted.
        files, bytes: How many files the runs and their models have, and their sizes, as far as the source tells them.
        without_files: How many runs have none.
        models, versions: How many registered models, with how many versions.
        problems: What is missing already.
    """

    def __init__(
        self,
        bringer: Bringer,
        runs: Sequence[FoundRun],
        experiments: Sequence[FoundExperiment],
        problems: Sequence[Problem] = (),
        then: Callable[[], Iterable[Brought]] = _nothing,
        models: int = 0,
        versions: int = 0,
    ) -> None:
        """Of some runs of a source; `then` brings what comes after them, such as a registry."""
        self._bringer, self._then, self._read = bringer, then, tuple(problems)
        self._experiments = experiments
        with ThreadEngine(_AT_ONCE) as threads:
            found = list(zip(runs, threads.map(listed, runs), strict=True))
        lost = [(run, listing) for run, listing in found if run.only_files and not listing.count]
        bringer.lost = {
            run.key: "; ".join(one.why for one in listing.problems) or "it has no files" for run, listing in lost
        }
        pairs = [(run, listing) for run, listing in found if run.key not in bringer.lost]
        self._runs, self._listings = [run for run, _ in pairs], [listing for _, listing in pairs]
        self.source, self.destination = bringer.source, bringer.store.url
        self.experiments = [one.name for one in experiments]
        self.runs, self.deleted = len(pairs), sum(run.deleted for run, _ in pairs)
        self.files = sum(one.count for one in self._listings)
        self.bytes = sum(one.bytes for one in self._listings)
        self.without_files = sum(not one.count for one in self._listings)
        self.models, self.versions = models, versions
        self.problems = [*problems, *(problem for one in self._listings for problem in one.problems)]
        self.problems += [Problem("file", run.source_id, "", bringer.lost[run.key]) for run, _ in lost]

    def perform(self, tell: Tell | None = None) -> MoveReport:
        """Bring all of it. Again, and what is there is left alone; what was interrupted is gone on with.

        Args:
            tell: Is told what became of each run and registered model.

        Raises:
            StorageError: The bucket does not answer.

        Cost: a search of the experiments; for a run that is new an entry or three, and what its files cost.
        """
        bringer, told = self._bringer, tell or (lambda _: None)
        bringer.problems = list(self._read)
        bringer.look(self.experiments)
        refused = self._prepare()
        pairs = [pair for pair in zip(self._runs, self._listings, strict=True) if pair[0].experiment not in refused]
        brought: list[Brought] = []
        with ThreadEngine(_AT_ONCE) as threads:
            for result in threads.map(lambda pair: bringer.bring(*pair), pairs):
                brought.append(result)
                told(result)
        for experiment in self._experiments:
            if experiment.deleted and experiment.name not in refused:
                bringer.delete(experiment)
        for result in self._then():
            brought.append(result)
            told(result)
        return MoveReport(self.source, self.destination, tuple(brought), tuple(bringer.problems))

    # --- inside ---

    def _prepare(self) -> set[str]:
        """Make the experiments; return those into which no run can be brought, with a problem each."""
        refused = set()
        for experiment in self._experiments:
            runs = zip(self._runs, self._listings, strict=True)
            pending = any(run.experiment == experiment.name and not self._bringer.has(run, one) for run, one in runs)
            why = self._bringer.prepare(experiment, pending=pending)
            if why:
                refused.add(experiment.name)
                self._bringer.tell(Problem("experiment", experiment.name, "", why))
        return refused

    def _shown(self) -> Facts:
        return {
            "source": self.source,
            "destination": self.destination,
            "experiments": len(self.experiments),
            "runs": self.runs,
            "files": self.files,
            "bytes": format_size(self.bytes),
            "models": self.models or None,
            "versions": self.versions or None,
            "problems": len(self.problems) or None,
        }
