"""Who is called what: names are claimed in logs of their own.

Each name has a log, in which models claim it; a claim is valid until the model's
own log says otherwise (`format/registered.py`). So a rename is one entry of
one log, and a writer that is killed on the way leaves either the old name or the new.
SPEC.md, "Registered models".
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from copy import copy
from functools import partial

from holdall.errors import ModelExistsError
from holdall.format.document import Json
from holdall.format.layout import MODELS, NAMES, escape, model_log
from holdall.format.registered import Holder
from holdall.trees.heads import Head, list_heads
from holdall.trees.location import Location
from holdall.trees.log import Log, follow_many
from holdall.trees.model_log import ModelLog, follow_models
from holdall.trees.salvage import left_out

Models = Callable[[str], ModelLog]
"""The log of a model, by its id."""


class Names:
    """The names of a store's models."""

    def __init__(self, location: Location, models: Models) -> None:
        self._location, self._models = location, models
        self._logs: dict[tuple[int, str], Log[Holder]] = {}  # by process: a lock does not survive a fork

    def holder(self, name: str, *, likely: bool = False) -> str | None:
        """Return the id of the model that has this name, or None if no model has it.

        `likely`: whether one will have it, so that the first claim is asked for beside the listing.

        Cost: two listings, and a GET for each entry of the name's log and for each of the model's that is new here.
        """
        log = self._log(self._location.names.name_log(name))
        log.find() if likely else log.follow()
        with log.lock:
            held = copy(log.state)
        if held.id is None:
            return None
        model = self._models(held.id)
        model.follow()
        return held.id if _called(model, held) else None

    def claim(self, name: str, id: str, at: int, *, look: bool = True) -> None:
        """Claim a name for a model, of whose log entry `at` is the newest that the caller knows.

        Args:
            name, id, at: As said.
            look: Whether to look at the name's log before; else it is as `holder` saw it, or the claim is a race lost.

        Raises:
            ModelExistsError: Another model is called so.

        Cost: a listing, a PUT, and where there is a claim already what it takes to read its model.
        """
        log = self._log(self._location.names.name_log(name))

        def build() -> list[Json]:
            if log.state.id not in (None, id):
                self._void(copy(log.state))
            begin: list[Json] = [] if log.head else [{"op": "create", "name": name}]
            return [*begin, {"op": "claim", "id": id, "at": at}]

        if look:
            log.follow()
        log.append(build)

    def release(self, name: str, id: str) -> None:
        """Remove a claim that is no longer valid. Cost: a listing, a GET or two, one PUT."""
        log, model = self._log(self._location.names.name_log(name)), self._models(id)

        def build() -> list[Json]:
            mine = log.state.id == id and not model.state.upholds(name, log.state.at)
            return [{"op": "release", "id": id}] if mine else []

        log.follow()
        log.append(build)

    def all(self) -> list[tuple[str, ModelLog]]:
        """Return the id and the log of every model that has a name, sorted by name.

        Cost: two listings, and side by side a GET for each entry of a name and one or two for each model that is new
            here; of known ones, for each new entry.
        """
        names = {self._log(log): n for log, n in self._newest(NAMES).items()}
        follow_many(self._location, names)
        held = [one for log in names if (one := copy(log.state)).id]
        newest = self._newest(MODELS)
        models = {id: self._models(id) for one in held if model_log(id := str(one.id)) in newest}
        follow_models(self._location, {log: newest[log.log] for log in models.values()})
        found = [(id, models[id]) for one in held if (id := str(one.id)) in models and _called(models[id], one)]
        return sorted(found, key=lambda pair: pair[1].state.name)

    def some(self, names: Iterable[str]) -> list[tuple[str, ModelLog]]:
        """Return as `all` the models that have one of these names. Cost: as `holder`, for one after the other."""
        found = []
        for name in names:
            with left_out(f"model {name}"):
                if id := self.holder(name):
                    found.append((id, self._models(id)))
        return found

    def like(self, name: str) -> str:
        """Return the name of a model that may have been meant, or "". Cost: a listing, and a look at that model."""
        escaped = {log.removeprefix(NAMES).lower(): log for log in self._newest(NAMES)}
        for near in difflib.get_close_matches(escape(name).lower(), escaped, n=3):
            held = self._held(self._log(escaped[near]))
            if self.holder(held.name):
                return held.name
        return ""

    def _log(self, log: str) -> Log[Holder]:
        """Return the log of a name; always the same object, so that what was learnt by losing a race is kept."""
        return self._logs.setdefault(
            (os.getpid(), log), Log(self._location, log, partial(Holder, self._location.names))
        )

    def _held(self, log: Log[Holder]) -> Holder:
        log.follow()
        with log.lock:
            return copy(log.state)

    def _void(self, held: Holder) -> None:
        """Raise ModelExistsError if a claim of another model is valid; make it void if its rename was cut short.

        One whose model is called otherwise is a rename under way, perhaps of a
        process that was killed: to say its own name again makes it begin anew.
        """
        model = self._models(str(held.id))
        model.follow()

        def build() -> list[Json]:
            if _called(model, held):
                raise ModelExistsError(held.name)
            stands = model.state.upholds(held.name, held.at)
            return [{"op": "name", "name": model.state.name}] if model.head and stands else []

        model.append(build)

    def _newest(self, prefix: str) -> dict[str, Head]:
        """Return the head of each log below a prefix. Cost: one listing."""
        return list_heads(self._location.bucket, prefix)


def _called(model: ModelLog, held: Holder) -> bool:
    """Return whether the model has the name that it claimed."""
    with model.lock:
        state = model.state
        return model.head is not None and state.name == held.name and state.upholds(held.name, held.at)
