"""Experiments: names that runs are grouped under.

An experiment's id is computed from its name, so that creating it cannot race:
all who do create the same object, and all but the first are told that it
exists. What is said about it later (tags, deletion) is a log like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from holdall.errors import ExperimentExistsError, ExperimentNotFoundError, InvalidNameError, ObjectExistsError
from holdall.format.document import Json
from holdall.format.entry import LogEntry, encode_entry
from holdall.format.layout import EXPERIMENTS, experiment_id, experiment_log, log_key
from holdall.format.state import State
from holdall.runs.metrics import tag_op
from holdall.runs.record import Experiment, stage
from holdall.runs.search import RunSummary, parse_filter
from holdall.trees.journal import Head, Journal, check_chain, list_heads
from holdall.trees.location import Location
from holdall.trees.salvage import left_out, map_sound

DEFAULT = "Default"


class Experiments:
    """The experiments of a store."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._known: set[str] = set()  # ids that this process has made or seen

    @staticmethod
    def id_of(name: str | None = None) -> str:
        """The id that an experiment of this name has, or would have; "Default" when None. Cost: no request."""
        return experiment_id(_checked(name or DEFAULT))

    def ensure(self, name: str) -> str:
        """The id of the experiment of this name, which is there afterwards. Cost: one PUT, the first time."""
        id = experiment_id(_checked(name))
        if id not in self._known:
            with suppress(ObjectExistsError):
                self._begin(self._first(name, {}))
        return id

    def create(self, name: str, tags: Mapping[str, Any] | None = None) -> str:
        """Make an experiment and return its id.

        Raises:
            ExperimentExistsError: There is one of this name, perhaps deleted.
        """
        self._location.ready_to_write()
        entry = self._first(_checked(name), tags or {})
        try:
            self._begin(entry)
        except ObjectExistsError as error:
            if self._journal(entry.log).read(0).write_id != entry.write_id:
                there = self.get(experiment_id(name))
                raise ExperimentExistsError(name, there.lifecycle_stage == "deleted") from error
        return experiment_id(name)

    def use(self, name: str) -> Experiment:
        """The experiment of this name, made if there is none.

        Raises:
            ExperimentExistsError: There is one, and it was deleted.
        """
        _checked(name)  # before a store is made for it
        self._location.ready_to_write()
        found = self.get(self.ensure(name))
        if found.lifecycle_stage == "deleted":
            raise ExperimentExistsError(name, deleted=True)
        return found

    def get(self, id: str) -> Experiment:
        """An experiment by its id.

        Raises:
            ExperimentNotFoundError: There is none.

        Cost: one listing, and a GET for each of its entries.
        """
        found = self._read([id])
        if not found:
            raise ExperimentNotFoundError(id, self._location.bucket.url)
        return found[0]

    def named(self, name: str) -> Experiment | None:
        """An experiment by its name; None if there is none."""
        found = self._read([experiment_id(name)])
        return found[0] if found else None

    def all(self) -> list[Experiment]:
        """Every experiment, deleted ones too, by name; a damaged one is named and left out.

        Cost: one listing, and a GET for each entry.
        """
        self._location.descriptor  # noqa: B018  # a store that is not there is named as such
        heads = list_heads(self._location.bucket, EXPERIMENTS)
        some = [(self._journal(log), head) for log, head in heads.items()]
        newest = map_sound(self._location.pool, lambda pair: pair[0].read(pair[1].n), some, _called)
        found: list[Experiment] = []
        for (journal, listed), head in zip(some, newest, strict=True):
            with left_out(_called((journal, listed))):
                if head is not None:
                    listed.check_reaches(journal.log, 0)
                    found.append(_folded(journal, head))
        return sorted(found, key=lambda found: found.name)

    def search(self, filter: str | None = None, *, stage: str | None = "active") -> list[Experiment]:
        """The experiments that a filter means, by name.

        Args:
            filter: Conditions on `name` and `tags`, in the grammar of runs; None: nothing.
            stage: "active", "deleted", or None for both.

        Raises:
            InvalidFilterError: The filter is not understood; it says where.
        """
        wanted = parse_filter(filter, {"name": "run_name"})
        some = [found for found in self.all() if stage in (None, found.lifecycle_stage)]
        return [found for found in some if wanted.matches(_as_run(found), dict)]

    def set_tag(self, id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment, or remove it when the value is None."""
        self._append(id, tag_op(key, value))

    def delete(self, id: str) -> None:
        """Mark an experiment as deleted; `restore` takes it back."""
        self._append(id, {"op": "tombstone"})

    def restore(self, id: str) -> None:
        """Take a deletion back."""
        self._append(id, {"op": "restore"})

    def _first(self, name: str, tags: Mapping[str, Any]) -> LogEntry:
        ops = [{"op": "create", "name": name}, *(tag_op(key, value) for key, value in tags.items())]
        return self._draft(experiment_log(experiment_id(name)), None, ops)

    def _begin(self, entry: LogEntry) -> None:
        self._known.add(entry.log.removeprefix(EXPERIMENTS))
        self._location.bucket.put(log_key(entry.log, 0), encode_entry(entry))

    def _journal(self, log: str) -> Journal:
        return Journal(self._location.bucket, self._location.pool, log)

    def _append(self, id: str, op: Json) -> None:
        self._location.ready_to_write()
        journal = self._journal(experiment_log(id))
        head = journal.head()
        if head is None:
            raise ExperimentNotFoundError(id, self._location.bucket.url)
        while True:
            draft = self._draft(journal.log, head, [op])
            head = journal.create(draft)
            if head.write_id == draft.write_id:
                return

    def _draft(self, log: str, head: LogEntry | None, ops: Sequence[Json]) -> LogEntry:
        location = self._location
        return LogEntry(
            log=log,
            n=head.n + 1 if head else 0,
            write_id=location.entropy(16).hex(),
            prev=head.sha256 if head else None,
            time=location.clock(),
            writer=location.writer,
            state_at=None,
            ops=tuple(ops),
        )

    def _read(self, ids: Sequence[str]) -> list[Experiment]:
        """Those of these experiments that there are, folded."""
        location = self._location
        location.descriptor  # noqa: B018  # a store that is not there is named as such
        journals = [self._journal(experiment_log(id)) for id in ids]
        heads = location.pool.map(Journal.head, journals)
        found: list[Experiment] = []
        for journal, head in zip(journals, heads, strict=True):
            if head is not None:
                found.append(_folded(journal, head))
        return found


def _folded(journal: Journal, head: LogEntry) -> Experiment:
    state, name, before = State(), "", None
    for entry in chain(journal.walk(head.n), [head]):
        check_chain(before, entry)
        before = entry
        state.apply(entry)
        name = name if entry.n else str(entry.ops[0].get("name", ""))
    id = journal.log.removeprefix(EXPERIMENTS)
    return Experiment(id, name, stage(state.deleted), state.started, state.tags)


def _called(listed: tuple[Journal, Head]) -> str:
    return f"experiment {listed[0].log.removeprefix(EXPERIMENTS)}"


def _as_run(found: Experiment) -> RunSummary:
    """An experiment in the shape that filters look at: its name is the `run_name`."""
    return RunSummary(
        run_id=found.experiment_id,
        experiment_id=found.experiment_id,
        run_name=found.name,
        status="",
        start_time=found.creation_time,
        end_time=None,
        artifact_uri="",
        user_id="",
        lifecycle_stage=found.lifecycle_stage,
        params={},
        metrics={},
        tags=found.tags,
    )


def _checked(name: str) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= 500:
        raise InvalidNameError("experiment", str(name), "a name has 1 to 500 characters")
    return name
