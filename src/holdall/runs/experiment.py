"""Experiments: names that runs are grouped under.

An experiment's id is computed from its name, so that creating it cannot race:
all who do create the same object, and all but the first are told that it
exists. What is said about it later (tags, deletion) is a log like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from holdall.chunks.beside import side_by_side
from holdall.display import Listing
from holdall.errors import (
    ExperimentDeletedError,
    ExperimentExistsError,
    ExperimentNotFoundError,
    InvalidNameError,
    InvalidURIError,
)
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.layout import EXPERIMENTS, experiment_log, is_experiment_id
from holdall.format.state import State
from holdall.runs.arguments import named_values
from holdall.runs.disclosure import ENVIRONMENT, FULL, Disclosure, disclosure_of
from holdall.runs.domains import OWN, DomainVerbs, wants_own
from holdall.runs.filters import ATTRIBUTES_AND_TAGS, NOT_BY_TAGS, Entity, Field, Subject
from holdall.runs.metrics import tag_op
from holdall.runs.record import Experiment, stage
from holdall.runs.renaming import NAME, RenamingVerbs, checked_name, forwards, is_forgotten, revived
from holdall.runs.retaining import PolicyVerbs
from holdall.runs.run import Run
from holdall.runs.selecting import select
from holdall.trees.heads import list_heads
from holdall.trees.location import Location
from holdall.trees.log import Log, follow_many

DEFAULT: Final = "Default"
EXPERIMENT: Final = Subject(
    "experiments",
    texts=("name", "experiment_id"),
    numbers=("creation_time", "last_update_time"),
    listed=("experiment_id",),
    prefixes=ATTRIBUTES_AND_TAGS,
    unsortable=NOT_BY_TAGS,
)
_GONE_WITH: Final = "holdall.deletedWithExperiment"  # a tag of runs that an experiment's deletion took along


class Experiments(RenamingVerbs, PolicyVerbs, DomainVerbs):
    """The experiments of a store."""

    def __init__(self, location: Location, runs_of: Callable[[str, str | None, str], Sequence[Run]]) -> None:
        """Of a store; `runs_of` gives the runs of an experiment's id, which a filter means, of a stage."""
        self._location, self._runs_of = location, runs_of
        self._known: set[str] = set()  # ids that this process has made or seen, not deleted
        self._disclosures: dict[str, str] = {}  # what their tags say of that, of those whose tags it has seen

    def id_of(self, name: str | None = None) -> str:
        """Return the id that an experiment of this name has, or would have; "Default" when None.

        Cost: no request; of a store for which a key was given, the first verb finds the keys.

        Example:
            >>> store.experiments.id_of("vision") == store.experiments.ensure("vision")
            True
        """
        return self._location.names.experiment_id(checked_name(name or DEFAULT))

    def ensure(self, name: str) -> str:
        """Create the experiment of this name if there is none, and return its id.

        Raises:
            ExperimentDeletedError: It was deleted.

        Cost: a listing, the first time, and a PUT where there is none.

        Example:
            >>> store.experiments.ensure("vision") == store.experiments.ensure("vision")
            True
        """
        return self._ensured(name, self._newest(name))

    def _ensured_by_writer(self, name: str) -> str:
        """Create the experiment as `ensure`, and make sure meanwhile that the store may be written to.

        Cost: as `ensure`; the first time in a process, what `Location.ready_to_write` costs, beside the listing.
        """
        return self._ensured(name, self._location.ready_to_write_while(lambda: self._newest(name)))

    def _newest(self, name: str) -> int | None:
        """Return the number of the newest entry of its log; 0 where it is known, None where there is none."""
        id = self.id_of(name)
        return 0 if id in self._known else self._listed(id)

    def _ensured(self, name: str, newest: int | None) -> str:
        id = self.id_of(name)
        if id not in self._known:
            if newest is None:
                self._require_keys(id, self._begin(name, {})[0].state)
            elif newest:  # what was only made was neither deleted nor anything else
                try:
                    id = self.active(id).experiment_id
                except ExperimentNotFoundError:  # it was forgotten
                    self._begin(name, {})
            self._known.add(id)
        return id

    def create(
        self,
        name: str,
        tags: Mapping[str, Any] | None = None,
        *,
        place: str | None = None,
        encryption: str | None = None,
    ) -> str:
        """Create an experiment and return its id.

        Args:
            name: Its name.
            tags: Tags, by key.
            place: Where its runs' artifacts are to be, which is this store: its address, or None.
            encryption: "own", in an encrypted store: its runs are sealed by keys of its own, so that `shred` can make
                all of them unreadable at once. Their content is stored once within the experiment, and once more than
                elsewhere in the store. None: by the store's keys. Its name and its own tags are sealed by these in
                any case.

        Raises:
            InvalidNameError: The name is empty, too long or no text.
            ExperimentExistsError: There is one of this name, perhaps deleted.
            InvalidURIError: `place` is another place.
            InvalidArgumentError: `encryption` is something else, or the store is not encrypted.

        Example:
            >>> store.experiments.get(store.experiments.create("vision", {"team": "a"})).tags
            {'team': 'a'}
        """
        checked_name(name)  # before a store is made for it
        said = _checked(named_values("tags", tags))
        if place is not None and not self._is_here(place):
            here = self._location.bucket.url
            raise InvalidURIError(str(place), f"what runs hold is kept in the store, {here}: leave the location out")
        own = wants_own(encryption)
        self._location.ready_to_write()
        if own:
            self._give_keys(name)
        log, made = self._begin(name, said, own=own)
        if not made:
            raise ExperimentExistsError(name, log.state.state.deleted)
        self._require_keys(self.id_of(name), log.state)
        if ENVIRONMENT in said:  # again: who starts a run reads an experiment only if it has more than one entry
            self.set_tag(self.id_of(name), ENVIRONMENT, said[ENVIRONMENT])
        return self.id_of(name)

    def use(self, name: str) -> Experiment:
        """Create the experiment of this name if there is none, and return it.

        Raises:
            ExperimentDeletedError: There is one, and it was deleted.

        Example:
            >>> store.experiments.use("vision").name
            'vision'
        """
        checked_name(name)  # before a store is made for it
        self._location.ready_to_write()
        return self.active(self.ensure(name))

    def active(self, id: str) -> Experiment:
        """Return an experiment that is not deleted, by its id. Cost: as `get`.

        Raises:
            ExperimentNotFoundError: There is none.
            ExperimentDeletedError: It was deleted.
            ShreddedError: Its own keys were destroyed.

        Example:
            >>> store.experiments.active(store.experiments.ensure("vision")).name
            'vision'
        """
        found = self.get(id)
        if found.lifecycle_stage == "deleted":
            raise ExperimentDeletedError(found.name, id)
        if found.encryption == OWN:
            self._location.require_keys(found.experiment_id)
        return found

    def get(self, id: str) -> Experiment:
        """Return an experiment by its id.

        Raises:
            ExperimentNotFoundError: There is none.
            InvalidNameError: It is no text.

        Cost: one listing, and a GET for each of its entries.

        Example:
            >>> store.experiments.get(store.experiments.ensure("vision")).name
            'vision'
        """
        return self._record(self._find(id))

    def named(self, name: str) -> Experiment | None:
        """Return an experiment by its name, or by one that it had; None if there is none.

        Example:
            >>> store.experiments.use("vision") == store.experiments.named("vision")
            True
        """
        log = self._log(self.id_of(name))
        return self._record(log) if log.find() and not is_forgotten(log.state.state.tags) else None

    def all(self) -> list[Experiment]:
        """Return every experiment, deleted ones too, the newest first; a damaged one is left out, with a warning.

        Cost: one listing, and a GET for each entry.

        Example:
            >>> experiment_id = store.experiments.create("vision")
            >>> [experiment.name for experiment in store.experiments.all()]
            ['vision']
        """
        heads = self._location.beside_descriptor(lambda: list_heads(self._location.bucket, EXPERIMENTS))
        logs = {Log(self._location, log, ExperimentFold): head for log, head in heads.items()}
        follow_many(self._location, logs, _called)
        shown = [log for log in logs if log.head and not forwards(log.state.state.tags)]
        found = [self._record(log) for log in shown if not is_forgotten(log.state.state.tags)]
        return sorted(found, key=lambda one: (-one.creation_time, one.name))

    def search(
        self, filter: str | None = None, *, order_by: Sequence[str] | None = None, stage: str | None = "active"
    ) -> list[Experiment]:
        """Return the experiments that match a filter, the newest first.

        Args:
            filter: Conditions on `name`, `experiment_id`, `creation_time`, `last_update_time` and `tags`,
                in the grammar of runs; None: nothing.
            order_by: The sort keys, such as `["name ASC"]`.
            stage: "active", "deleted", or None for both.

        Raises:
            InvalidFilterError: The filter or a sort key is invalid; the error says where.

        Example:
            >>> experiment_id = store.experiments.create("vision/a")
            >>> [experiment.name for experiment in store.experiments.search("name LIKE 'vision/%'")]
            ['vision/a']
        """
        some = [found for found in self.all() if stage in (None, found.lifecycle_stage)]
        return Listing(select(some, filter, order_by, EXPERIMENT, _value))

    def set_tag(self, id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment, or remove it when the value is None.

        Raises:
            ExperimentNotFoundError: There is no experiment of this id.
            ExperimentDeletedError: It was deleted.

        Cost: as `get`, and one PUT.

        Example:
            >>> experiment_id = store.experiments.create("vision")
            >>> store.experiments.set_tag(experiment_id, "team", "a")
            >>> store.experiments.get(experiment_id).tags
            {'team': 'a'}
        """
        self.set_tags(id, {key: value})

    def set_tags(self, id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of an experiment, all in one entry; None removes one. Raises and cost: as `set_tag`.

        Example:
            >>> experiment_id = store.experiments.create("vision")
            >>> store.experiments.set_tags(experiment_id, {"team": "a", "stage": "draft"})
            >>> sorted(store.experiments.get(experiment_id).tags)
            ['stage', 'team']
        """
        ops = [tag_op(key, value) for key, value in _checked(named_values("tags", tags)).items()]

        def build(found: ExperimentFold) -> list[Json]:
            if found.state.deleted:
                raise ExperimentDeletedError(found.name, id)
            return ops

        self._change(id, build)
        if ENVIRONMENT in tags:
            self._known.discard(id)  # so that it is looked at

    def _disclosure(self, id: str) -> Disclosure:
        """Return what its runs may keep of where they ran, as far as this process has seen its tags. Cost: none."""
        return disclosure_of(self._disclosures.get(id), id)

    def delete(self, id: str) -> None:
        """Mark an experiment and its runs as deleted; `restore` takes it back. It takes no runs then.

        After seven days the next garbage collection purges the runs, and frees their space; the experiment's name and
        tags stay, and `restore` brings it back without them.

        Cost: an entry, what a search reads, and for each run that is not deleted the end of its log and two PUTs.

        Example:
            >>> experiment_id = store.experiments.create("vision")
            >>> store.experiments.delete(experiment_id)
            >>> store.experiments.get(experiment_id).lifecycle_stage
            'deleted'
        """
        self._known.discard(id)
        self._change(id, lambda found: [] if found.state.deleted else [{"op": "tombstone"}])
        side_by_side(lambda run: run.delete({_GONE_WITH: id}), self._runs_of(id, None, "active"))

    def restore(self, id: str) -> None:
        """Undo a deletion, also of the runs that it took along. Cost: as `delete`.

        Example:
            >>> experiment_id = store.experiments.create("vision")
            >>> store.experiments.delete(experiment_id)
            >>> store.experiments.restore(experiment_id)
            >>> store.experiments.get(experiment_id).lifecycle_stage
            'active'
        """
        self._change(id, lambda found: [{"op": "restore"}] if found.state.deleted else [])
        gone = self._runs_of(id, f"tags.`{_GONE_WITH}` = '{id}'", "deleted")
        side_by_side(lambda run: run.restore({_GONE_WITH: None}), gone)

    def _is_here(self, place: object) -> bool:
        here = self._location.bucket.url
        return isinstance(place, str) and place.removeprefix("file://").rstrip("/") in (here, here.rstrip("/"))

    def _begin(self, name: str, tags: Mapping[str, Any], *, own: bool = False) -> tuple[Log[ExperimentFold], bool]:
        """Create an experiment. Returns its log, and whether it was this call that created it."""
        create: Json = {"op": "create", "name": name} | ({"keys": OWN} if own else {})
        first: list[Json] = [create, *(tag_op(key, value) for key, value in tags.items())]
        log = self._log(self.id_of(name))
        made = log.append(lambda: revived(log.state.state, first) if log.head else first) is not None
        if made:
            self._location.made.add(self.id_of(name))
        return log, made

    def _change(self, id: str, build: Callable[[ExperimentFold], Sequence[Json]]) -> None:
        """Append what `build` makes of an experiment's current state. Raises and cost: as `get`; and one PUT."""
        self._location.ready_to_write()
        log = self._find(id)
        log.append(lambda: build(log.state))

    def _find(self, id: str) -> Log[ExperimentFold]:
        """Return the log of an experiment as it is now. Raises and cost: as `get`."""
        location = self._location
        if not isinstance(id, str):
            raise InvalidNameError("experiment id", repr(id), "it is text of 16 hex digits")
        if is_experiment_id(id):
            log = self._log(id)
            if log.find() and not is_forgotten(log.state.state.tags):
                return log
        raise ExperimentNotFoundError(id, location.bucket.url)

    def _log(self, id: str) -> Log[ExperimentFold]:
        return Log(self._location, experiment_log(id), ExperimentFold)

    def _record(self, log: Log[ExperimentFold]) -> Experiment:
        """Return what a log that was followed says of its experiment; of another name, the experiment called so."""
        found, id = log.state, log.log.removeprefix(EXPERIMENTS)
        state, here = found.state, self._location.bucket.url
        if other := forwards(state.tags):
            target = self._log(other)
            if target.find() and not forwards(target.state.state.tags):
                return self._record(target)
        tags = {key: value for key, value in state.tags.items() if key != NAME}
        self._disclosures[id] = tags.get(ENVIRONMENT, FULL)
        name, time = state.tags.get(NAME, found.name), log.head.time if log.head else 0
        keys = OWN if found.own else ""
        told = Experiment(id, name, stage(state.deleted), state.started, tags, time, here, keys)
        return told._with_page(partial(_page, self._location))


def _checked(tags: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the tags. Raises: InvalidArgumentError if one says what no writer of runs would understand."""
    if (text := tags.get(ENVIRONMENT)) is not None:
        Disclosure.parse(str(text))
    return tags


def _page(location: Location, found: Experiment) -> str:
    from holdall.runs.notebook import experiment_html  # only notebooks ask

    return experiment_html(location, found)


class ExperimentFold:
    """What the entries of an experiment's log add up to."""

    def __init__(self) -> None:
        self.name, self.state, self.own = "", State(), False

    def apply(self, entry: LogEntry) -> None:
        """Add the next entry."""
        self.state.apply(entry)
        if entry.n == 0:
            self.name = str(entry.ops[0].get("name", ""))
            self.own = entry.ops[0].get("keys") == OWN


def _called(log: str) -> str:
    return f"experiment {log.removeprefix(EXPERIMENTS)}"


def _value(field: Field, found: Experiment) -> str | int | None:
    if field.entity is Entity.TAG:
        return found.tags.get(field.key)
    value: str | int = getattr(found, field.key)
    return value
