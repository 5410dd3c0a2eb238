"""The part of `Experiments` that gives one another name, and forgets one.

An experiment's id is made of the name that it was created with, so that creating it cannot race, and it stays. Another
name is an object of its own, which says where to go on:

    experiments/<id>                  tag holdall.name        what it is called now
    experiments/<id of that name>     tag holdall.renamed     the id of the experiment that is called so

The second is no experiment to anyone: it is not listed, and its name and id lead to the first. So do all names that
the first ever had, until another experiment is called so; its very first one leads to it for good. The tag is in two
entries, as who only sees that a log has one entry takes it for an experiment that was made and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from holdall.errors import ExperimentExistsError, InvalidNameError
from holdall.format.document import Json
from holdall.format.layout import is_experiment_id
from holdall.format.state import State
from holdall.runs.metrics import tag_op
from holdall.runs.record import Experiment

NAME: Final = "holdall.name"
RENAMED: Final = "holdall.renamed"
FORGOTTEN: Final = "holdall.forgotten"


def checked_name(name: str) -> str:
    """Return the name of an experiment. Raises: InvalidNameError if none can be called so."""
    if not isinstance(name, str) or not 0 < len(name) <= 500:
        raise InvalidNameError("experiment", str(name), "a name has 1 to 500 characters")
    return name


def forwards(tags: Mapping[str, str]) -> str | None:
    """Return the id of the experiment that the tags of another name tell of; None where they are an experiment's."""
    id = tags.get(RENAMED)
    return id if is_experiment_id(id) else None


def is_forgotten(tags: Mapping[str, str]) -> bool:
    """Return whether an experiment was forgotten: it reads as not there, and its name may be given again."""
    return FORGOTTEN in tags


def revived(state: State, first: Sequence[Json]) -> list[Json]:
    """Return what makes a forgotten experiment a new one; nothing where it was not forgotten. `first`: as for a new."""
    if not is_forgotten(state.tags):
        return []
    return [{"op": "restore"}, *(tag_op(key, None) for key in state.tags), *first[1:]]


class RenamingVerbs:
    """Other names of experiments, and the end of one."""

    def _forget(self, id: str) -> None:
        """Let a deleted experiment read as not there. Its runs are to be discarded before. Cost: as `set_tag`."""
        self._change(id, lambda found: [tag_op(FORGOTTEN, "true")] if found.state.deleted else [])

    def rename(self, id: str, name: str) -> None:
        """Give an experiment another name; its id and its runs stay, and its earlier names still lead to it.

        Raises:
            InvalidNameError: The name is empty, too long or no text.
            ExperimentNotFoundError: There is no experiment of this id.
            ExperimentDeletedError: It was deleted.
            ExperimentExistsError: Another one is called so, perhaps a deleted one, or was called so first.

        Cost: reading both names' entries, and two or three PUTs.

        Example:
            >>> experiment_id = store.experiments.create("vision")
            >>> store.experiments.rename(experiment_id, "sight")
            >>> store.experiments.named("sight").experiment_id == experiment_id
            True
        """
        other, found = self.id_of(checked_name(name)), self.active(id)
        if other != id:
            self._point(other, name, id)
        if found.name != name:
            self._change(id, lambda _: [tag_op(NAME, None if other == id else name)])

    def _point(self, other: str, name: str, id: str) -> None:
        """Let a name lead to an experiment, if it is nobody's."""
        log, made = self._begin(name, {RENAMED: id})
        old = forwards(log.state.state.tags)
        if not made and (old is None or (old != id and self.get(old).name == name)):
            raise ExperimentExistsError(name, log.state.state.deleted)
        if made or old != id:
            self._change(other, lambda _: [tag_op(RENAMED, id)])

    # --- what it is a part of ---

    def id_of(self, name: str | None = None) -> str:
        """Return the id of the experiment of a name."""
        raise NotImplementedError

    def active(self, id: str) -> Experiment:
        """Return an experiment that is not deleted."""
        raise NotImplementedError

    def get(self, id: str) -> Experiment:
        """Return an experiment."""
        raise NotImplementedError

    def _begin(self, name: str, tags: Mapping[str, Any]) -> tuple[Any, bool]:
        raise NotImplementedError

    def _change(self, id: str, build: Callable[[Any], Sequence[Json]]) -> None:
        raise NotImplementedError
