"""What logs say of one another: runs of their experiments, versions of runs, names of models.

Each log may be whole, and what it speaks of gone. A log never vanishes by
anything that holdall does; and since others may write while logs are listed,
what seems to be missing is looked for once more before it is called so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from holdall.errors import DamageError, ShreddedError
from holdall.format.layout import experiment_log, model_log, run_log
from holdall.format.registered import Holder, Registered, Version
from holdall.format.state import State
from holdall.trees.addresses import log_uri
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.view import View

Broken: TypeAlias = tuple[str, str, tuple[str, ...]]
_PIN: Final = re.compile(r"(models/[0-9a-f]{32})/[0-9a-f]{16}")


class Links:
    """What the logs of a store amount to, where they are whole.

    Attributes:
        runs: States, by log.
    """

    def __init__(self, location: Location, logs: set[str]) -> None:
        self._location, self._logs = location, logs
        self.runs: dict[str, State] = {}
        self._models: dict[str, Registered] = {}
        self._holders: dict[str, Holder] = {}

    def add(self, log: str, folded: Registered | Holder) -> None:
        """Add a log of a model or of a name."""
        if isinstance(folded, Holder):
            self._holders[log] = folded
        else:
            self._models[log] = folded

    def broken(self) -> Iterator[Broken]:
        """Yield each reference to something missing: where it is, what is wrong, and what depends on it."""
        for log, state in self.runs.items():
            yield from self._run(log, state)
        for log, model in self._models.items():
            if model.ended is None:
                yield from self._model(log, model)
        for log, holder in self._holders.items():
            if holder.id is not None and self._gone(model_log(holder.id)):
                yield model_log(holder.id), f"its log is missing, and it holds the name {holder.name!r}", (log,)

    def _run(self, log: str, state: State) -> Iterator[Broken]:
        if state.purged:
            return
        if self._gone(owner := experiment_log(state.experiment)):
            yield owner, "its log is missing, and a run is of this experiment", (log_uri(log),)
        pinned = {found[1] for pin in state.pins if (found := _PIN.fullmatch(pin))}
        for model in sorted(pinned):
            if self._gone(model):
                yield model, "its log is missing, and a run is pinned for a version of it", (log_uri(log),)

    def _model(self, log: str, model: Registered) -> Iterator[Broken]:
        # A creation that was given up has a log and no name; but nothing is registered before there is one.
        if model.last and self._gone(name := self._location.names.name_log(model.name)):
            yield name, f"its log is missing, and {log} is called {model.name!r}", (f"models:/{model.name}",)
        for version in model.versions.values():
            if fault := self._fault(version):
                yield log, f"version {version.number} {fault}", (f"models:/{model.name}/{version.number}",)

    def _fault(self, version: Version) -> str:
        """Return what is wrong with the run that a version is in, or ""."""
        log = run_log(version.run)
        if self._gone(log):
            return f"is in run {version.run}, whose log is missing"
        state = self.runs.get(log)
        if state and not state.purged and version.pin in state.pins:
            return ""
        try:  # it may have been pinned since the run was looked at
            journal = Journal(self._location.bucket, self._location.pool, log)
            view = View.load(RunBlobReader(self._location.bucket, self._location.pool, journal))
            if view and view.state.purged:
                self._location.refuse_shredded(version.run)
                return f"is in run {version.run}, which was purged"
        except (DamageError, ShreddedError):
            return ""  # which was noted when the log was read, or was meant
        return "" if view and version.pin in view.state.pins else f"is in run {version.run}, which is not pinned for it"

    def _gone(self, log: str) -> bool:
        if log in self._logs:
            return False
        if Journal(self._location.bucket, self._location.pool, log).newest() is None:
            return True
        self._logs.add(log)
        return False
