"""One run, and what it says of itself: who it is, how it stands, its parameters, measurements and tags.

Every verb looks at the log as it is now and keeps nothing, so that a handle
never shows what was. Cost, where nothing else is said: a listing and a GET for
a run that has ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from holdall.errors import (
    DamageError,
    LogGapError,
    RunNotFoundError,
)
from holdall.format.document import parse_object
from holdall.format.layout import run_log
from holdall.format.state import State
from holdall.runs.inputs import RunInputs
from holdall.runs.metrics import history
from holdall.runs.promise import Promise
from holdall.runs.reads import ReadArtifact, Witness, reads_of
from holdall.runs.record import Metric, MetricSummary, RunData, RunInfo, RunRecord, run_record
from holdall.runs.rereading import read_again, watch
from holdall.runs.values import RunOutputs
from holdall.trees.blobs import LEAD, RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.view import View

if TYPE_CHECKING:
    from holdall.runs.histories import Histories
    from holdall.runs.thinning import Axis, Scale

T = TypeVar("T")
_log = logging.getLogger("holdall")


class RunFacts:
    """A run of a store, and what it says of itself.

    Attributes:
        id: 32 hex digits.
    """

    _promise: Promise | None = None  # of the version by which the run was found: nothing is read unless it is kept
    _glance: list[View] | None = None  # what was seen, by a handle that looks once
    _witness: Witness | None = None  # is told what is read

    def __init__(self, location: Location, id: str) -> None:
        self._location, self.id = location, id

    @property
    def run_id(self) -> str:
        """Return the run's id, 32 hex digits, as `id`."""
        return self.id

    @property
    def record(self) -> RunRecord:
        """Return the run as it is now, all of one look: info, data, inputs and outputs."""
        return run_record(self.id, self._view().state)

    @property
    def info(self) -> RunInfo:
        """Return who the run is and how it stands: name, experiment, status, times."""
        return self.record.info

    @property
    def data(self) -> RunData:
        """Return its parameters, last measurements and tags."""
        return self.record.data

    @property
    def metric_summaries(self) -> dict[str, MetricSummary]:
        """Return of each metric the last, least and greatest value, and how many there are, without its history.

        Example:
            >>> found = run.metric_summaries["loss"]
            >>> found.last, found.min, found.max, found.count
            (0.2, 0.2, 0.9, 2)
        """
        return self.record.metric_summaries

    @property
    def inputs(self) -> RunInputs:
        """Return what the run was given: data sets and models."""
        return self.record.inputs

    @property
    def outputs(self) -> RunOutputs:
        """Return what the run made: the models that it logged."""
        return self.record.outputs

    @property
    def reads(self) -> list[ReadArtifact]:
        """Return what the run read of other runs, as it said or others noted for it, the oldest first.

        Example:
            >>> training = store.runs.start()
            >>> used = training.use_artifact(f"runs:/{run.id}/report.txt")
            >>> [(read.path, read.digest == used.digest) for read in training.reads]
            [('report.txt', True)]
        """
        return reads_of(self._view().state.tags)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self.record)

    def to_dictionary(self) -> dict[str, Any]:
        """Return what `record` says as MLflow's dictionary, with the keys info, data and inputs.

        Example:
            >>> run.to_dictionary()["data"]["params"]
            {'rate': '0.1'}
        """
        return self.record.to_dictionary()

    def history(self, key: str) -> list[Metric]:
        """Return every measurement of a metric, in the order in which they were logged.

        Cost: a GET for about every thousand entries with measurements, and one for each of the last few.

        Example:
            >>> [(point.step, point.value) for point in run.history("loss")]
            [(0, 0.9), (1, 0.2)]
        """
        view = self._view()
        try:
            return history(view, self._location.pool, key)
        except LogGapError:
            self._load()  # says so if the run was purged meanwhile
            raise

    def histories(
        self,
        keys: Iterable[str] | None = None,
        *,
        points: int | None = None,
        axis: Axis = "step",
        scale: Scale = "linear",
        smoothing: float = 0.0,
        between: tuple[int, int] | None = None,
    ) -> Histories:
        """Return the measurements of several metrics, or of all, each entry of the log read once.

        Args:
            keys: The metrics; all when None.
            points, axis, scale, smoothing, between: As for `store.runs.histories`, which reads several runs.

        Raises:
            InvalidArgumentError: There is no such axis or scale; too few points; no such weight; no such part.

        Cost: as `history` of one metric.

        Example:
            >>> [(found.key, found.values, found.extent) for found in run.histories(points=100)]
            [('loss', (0.9, 0.2), '2 points')]
        """
        from holdall.runs.gathering import gathered  # a training run draws nothing
        from holdall.runs.histories import question_of

        question = question_of(keys, points, axis, scale, smoothing, between)
        found = gathered(self._location, [(self.id, self._view())], question, {})
        for error in found.unreadable.values():
            self._load()  # says so if the run was purged meanwhile
            raise error
        return found

    @property
    def environment(self) -> dict[str, Any]:
        """Return what ran where: Python, packages, git, command line, hardware; empty if it was not recorded."""
        return self._reading(self._environment_in)

    def _environment_in(self, view: View) -> dict[str, Any]:
        data = [view.paths.blobs.read([ref])[0] for ref in [view.state.environment] if ref]
        return parse_object(data[0], f"run {self.id}", "its environment") if data else {}

    @property
    def state(self) -> State:
        """Return status, counts and open sessions, as the log says now."""
        return self._view().state

    @property
    def _readable_environment(self) -> dict[str, Any]:
        """Return the environment; empty, with a warning, where it cannot be read."""
        try:
            return self.environment
        except DamageError as error:
            _log.warning("the environment of run %s cannot be read: %s", self.id, error)
            return {}

    # --- inside ---

    def _reading(self, read: Callable[[View], T], *, content: bool = False) -> T:
        """Return what `read` makes of the run as it is now, and again if packs are collected meanwhile."""
        return read_again(self._view(content=content), self._load, read)

    def _view(self, *, content: bool = False) -> View:
        """Return the run as it is now. Cost: one listing, and a GET for each entry since its last state.

        `content`: whether content is going to be read, which may come with the tree then.
        """
        view = self._glance[0] if self._glance else self._load()
        view.paths.blobs.lead = LEAD if content else 0
        if promise := self._promise:
            read_again(view, self._load, lambda view: promise.hold(self.id, view))
        return view

    def _load(self) -> View:
        location = self._location
        journal = Journal(location.bucket, location.pool, run_log(self.id))
        newest = location.beside_descriptor(journal.newest)
        view = View.as_of(newest, RunBlobReader(location.bucket, location.pool, journal, location.damage))
        if view is None or view.state.purged:
            location.refuse_shredded(self.id)
            raise RunNotFoundError(self.id, location.bucket.url, view is not None)
        if self._glance is not None:
            self._glance[:] = [view]
        return watch(view)
