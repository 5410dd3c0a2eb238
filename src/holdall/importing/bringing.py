"""Runs of another tool, written into a store: what is there already is left alone.

A run is brought in this order, so that one that was interrupted at any point is
gone on with, and one that is complete costs no request:

    1  its entry: the id is computed from its key, so it is begun once, whoever begins it
    2  parameters, tags, inputs, and the measurements that it lacks, counted point by point
    3  its files, in commits of a gigabyte at most; each is hashed at its source and compared
    4  its logged models, one commit each
    5  how it ended, in one entry with the mark that says that all of it is there

Something that is missing at the source, or cannot be kept here, is a problem
that is told, and does not stop the rest. What stops an import is the bucket.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from holdall.errors import (
    CommitStateUnknownError,
    HoldallError,
    RunDeletedError,
    RunNotFoundError,
    StorageError,
    StoreNotFoundError,
)
from holdall.importing.files import Listing
from holdall.importing.found import FoundExperiment, FoundRun, fingerprint
from holdall.importing.marks import MODEL_ID, mark_of
from holdall.importing.writing import ImportedRun
from holdall.modeling.records.logged import logged_models
from holdall.moving import FAILED, MORE, NEW, SAME, Brought, Problem
from holdall.runs.record import RunRecord
from holdall.store import Store

STOPS: Final = (StorageError, CommitStateUnknownError)  # of the bucket, so that the next run would meet it too


class Bringer:
    """Brings runs of one source into a store. Its methods may be called by several threads at once.

    Attributes:
        store: The store, without this machine's environment: what is imported did not run here.
        source: The source's address, without credentials.
        problems: What could not be brought so far.
        model_ids: The id here of each logged model, by the source's.
        lost: Why a run is not brought that would only hold files, by its key.
    """

    def __init__(self, store: Store, source: str) -> None:
        location = copy.copy(store._location)
        location.environment = None
        self.store, self.source = Store(location), source
        self.problems: list[Problem] = []
        self.model_ids: dict[str, str] = {}
        self.lost: dict[str, str] = {}
        self._known: dict[str, RunRecord] = {}
        self._lock = threading.Lock()

    def look(self, experiments: Iterable[str]) -> None:
        """Learn what experiments of these names have already. Cost: as a search of them."""
        ids = [self.store.experiments.id_of(name) for name in experiments]
        with suppress(StoreNotFoundError):
            found = self.store.runs.search(experiments=ids, stage=None)
            self._known = {record.info.run_id: record for record in found}

    def run_id(self, run: FoundRun) -> str:
        """Return the id that a run has here. Raises: InvalidNameError: None may be in its experiment."""
        return self.store.runs.id_of(run.key, run.experiment)

    def tell(self, problem: Problem) -> None:
        """Note a problem."""
        with self._lock:
            self.problems.append(problem)

    def prepare(self, experiment: FoundExperiment, *, pending: bool) -> str | None:
        """Make an experiment with its tags; return why no run can be brought into it, if none can.

        `pending`: whether a run of it has something new: then one that is deleted here, as at the source, is restored
        until that is brought.
        """
        try:
            there = self.store.experiments.named(experiment.name)
        except StoreNotFoundError:
            there = None
        try:
            if there is not None and there.lifecycle_stage == "deleted":
                if not experiment.deleted:
                    return "it was deleted here: restore it, then import again"
                if not pending:
                    return None
                self.store.experiments.restore(there.experiment_id)
            id = there.experiment_id if there else self.store.experiments.create(experiment.name)
            fresh = {key: value for key, value in experiment.tags.items() if not there or there.tags.get(key) != value}
            if fresh:
                self.store.experiments.set_tags(id, fresh)
        except STOPS:
            raise
        except HoldallError as error:
            return str(error)
        return None

    def delete(self, experiment: FoundExperiment) -> None:
        """Delete an experiment here, as it is at the source."""
        there = self.store.experiments.named(experiment.name)
        if there is not None and there.lifecycle_stage != "deleted":
            self.store.experiments.delete(there.experiment_id)

    def has(self, run: FoundRun, listing: Listing) -> bool:
        """Return whether the store has all of a run, as far as it can."""
        id = self.run_id(run)
        return self._same(run, self._known.get(id), listing, id) is not None

    def bring(self, run: FoundRun, listing: Listing) -> Brought:
        """Bring a run to what the source has of it, and return what became of it. Raises: StorageError."""
        id = self.run_id(run)
        record = self._known.get(id)
        for problem in listing.problems:
            self.tell(problem)
        same = self._same(run, record, listing, id)
        if same is not None:
            return same
        writing = ImportedRun(self.store, run, id, record, self.source)
        try:
            writing.write(listing, self._state(run, listing))
            outcome = SAME if not writing.changed else MORE if record else NEW
        except STOPS:
            raise
        except (RunNotFoundError, RunDeletedError) as error:
            outcome = SAME if run.deleted else FAILED  # purged here, as the source deleted it
            writing.problems += [] if run.deleted else [Problem("run", run.source_id, "", str(error))]
        except HoldallError as error:
            outcome = FAILED
            writing.problems.append(Problem("run", run.source_id, "", str(error)))
        for problem in writing.problems:
            self.tell(problem)
        with self._lock:
            self.model_ids |= writing.model_ids
        return self._told(run, id, outcome, listing, writing.stored_bytes, writing.points)

    # --- inside ---

    def _same(self, run: FoundRun, record: RunRecord | None, listing: Listing, id: str) -> Brought | None:
        """Return what becomes of a run of which all is here, or which was deleted here; else None."""
        mark = mark_of(record.data.tags) if record else None
        if record is None or mark is None:
            return None
        gone = record.info.lifecycle_stage == "deleted" and not (run.deleted or mark.deleted)
        if not gone and (mark.missing or listing.problems or mark.state != self._state(run, listing)):
            return None
        models = {
            model.tags[MODEL_ID]: model for model in logged_models(id, record.data.tags) if MODEL_ID in model.tags
        }
        with self._lock:
            self.model_ids |= {source: model.model_id for source, model in models.items()}
        return self._told(run, id, SAME, listing, 0, 0)

    @staticmethod
    def _state(run: FoundRun, listing: Listing) -> str:
        return fingerprint(run.state, run.deleted, listing.state)

    @staticmethod
    def _told(run: FoundRun, id: str, outcome: str, listing: Listing, stored: int, points: int) -> Brought:
        name = run.name or ""
        return Brought("run", run.source_id, id, name, outcome, listing.count, listing.bytes, stored, points)
