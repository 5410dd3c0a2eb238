"""What pages remember of a store for a few seconds: its experiments, and the keys that its runs have.

A name of an experiment stands in each row of the table, and the keys are counted over all runs; neither is worth a
request or a count for each page.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import monotonic
from typing import Final

from holdall.store import Experiment, RunIndex, RunKeys, RunTally, Store

_FRESH: Final = 10.0  # seconds
_FEW: Final = 16  # choices of experiments whose keys are remembered


class Known:
    """Experiments by id, and keys by experiments. Several threads may ask at once."""

    def __init__(self, store: Store, index: RunIndex) -> None:
        self._store, self._index = store, index
        self._turn = threading.Lock()
        self._experiments: dict[str, Experiment] = {}
        self._looked = float("-inf")
        self._tallies: tuple[float, dict[str, RunTally]] = (float("-inf"), {})
        self._keys: dict[tuple[str, ...], tuple[float, RunKeys]] = {}

    def experiments(self) -> dict[str, Experiment]:
        """Return all experiments, deleted ones too, by id, the newest first. Cost: `Experiments.all`, now and then."""
        with self._turn:
            if monotonic() - self._looked > _FRESH:
                self._experiments = {found.experiment_id: found for found in self._store.experiments.all()}
                self._looked = monotonic()
            return self._experiments

    def forget(self) -> None:
        """Have experiments read anew, as one was changed from here."""
        self._looked = float("-inf")

    def tallies(self) -> dict[str, RunTally]:
        """Return how many runs each experiment has, by its id. Cost: no request once the index is there."""
        with self._turn:
            at, found = self._tallies
            if monotonic() - at > _FRESH:
                self._index.page(limit=0)  # so that there is something known
                found = self._index.tallies()
                self._tallies = (monotonic(), found)
            return found

    def keys(self, experiments: Sequence[str]) -> RunKeys:
        """Return the keys that runs of some experiments have, or all runs, each with how many runs."""
        asked, now = tuple(sorted(experiments)), monotonic()
        with self._turn:
            at, found = self._keys.get(asked, (float("-inf"), RunKeys({}, {}, {})))
            if now - at > _FRESH or not found.metrics:
                found = self._index.keys(asked or None)
                self._keys = dict(list(self._keys.items())[-_FEW:]) | {asked: (now, found)}
            return found
