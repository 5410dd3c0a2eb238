"""The handles of a process to runs: one for each run that it writes to, however often it is asked for.

Two handles to one run would open two sessions in its log. So a run that this process has something of is held until
that is written and its session is closed; so is one that somebody still has. Of others the last are held, since what
they know of a log saves requests, and the rest is forgotten: a service reads a million runs, and holds a few.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Final
from weakref import WeakValueDictionary

from holdall.runs.run import Run
from holdall.trees.location import Location

MOST: Final = 256  # handles that nobody has and nothing waits in
_LOOKED_AT: Final = 8  # for one more: what is busy among them goes to the end of the queue


class Handles:
    """Handles to runs by their ids. It has no lock, which a fork could copy while it is held: each step is atomic.

    Pickled it is empty: handles are of a process.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        self._held: dict[str, Run] = {}  # those used last come last
        self._alive: WeakValueDictionary[str, Run] = WeakValueDictionary()

    def __getstate__(self) -> dict[str, Any]:
        return {"location": self._location}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["location"])  # type: ignore[misc]  # as when it was made

    def __len__(self) -> int:
        """Return how many are held, whoever has them besides."""
        return len(self._held)

    @property
    def busy(self) -> list[Run]:
        """Return those in which something may wait to be written."""
        alive = [found for ref in self._alive.valuerefs() if (found := ref())]  # those held, and those somebody has
        return [run for run in alive if run._is_busy]

    def of(self, id: str) -> Run:
        """Return the handle to a run, the one that there is if there is one."""
        run = self._held.setdefault(id, self._held.get(id) or self._alive.get(id) or Run(self._location, id))
        self._alive[id] = run
        self._held.pop(id, None)
        self._held[id] = run
        if len(self._held) > MOST:
            self._forget()
        return run

    def _forget(self) -> None:
        """Forget the handles that were not used for longest, but for busy ones."""
        for id in list(islice(self._held, _LOOKED_AT)):
            run = self._held.pop(id, None)
            if run is not None and (run._is_busy or len(self._held) < MOST):
                self._held[id] = run
