"""What is known of a run or an experiment, as values with the field's names.

`record.info.run_id`, `record.data.metrics["loss"]`: the shapes that users of
MLflow read. They are snapshots; nothing here asks the bucket.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any

from holdall.display import Facts, Named, Shown, moment, own
from holdall.errors import InvalidArgumentError
from holdall.format.ops import integer, measured
from holdall.format.state import State
from holdall.runs.inputs import RunInputs, inputs_of
from holdall.runs.links import outputs_of
from holdall.runs.times import ENDED, STARTED, time_of
from holdall.runs.values import RunOutputs
from holdall.trees.addresses import run_uri

RUN_NAME = "mlflow.runName"
NOTE = "mlflow.note.content"
PARENT = "mlflow.parentRunId"
USER = "mlflow.user"


@dataclass(frozen=True, slots=True, repr=False)
class RunInfo(Shown, Named):
    """Who a run is and how it stands. Times are ms since 1970 UTC; `end_time` is None while it runs.

    `versioned`: whether what it holds may be replaced and removed.
    """

    run_id: str
    run_name: str
    experiment_id: str
    status: str
    start_time: int
    end_time: int | None
    lifecycle_stage: str
    user_id: str
    versioned: bool = False

    @property
    def artifact_uri(self) -> str:
        """Return the address of all that the run holds."""
        return run_uri(self.run_id)

    def _shown(self) -> Facts:
        return {
            "run_name": self.run_name,
            "run_id": self.run_id,
            "status": self.status,
            "lifecycle_stage": None if self.lifecycle_stage == "active" else self.lifecycle_stage,
            "start_time": moment(self.start_time),
            "end_time": moment(self.end_time),
            "experiment_id": self.experiment_id,
            "user_id": self.user_id,
            "versioned": self.versioned or None,
        }


@dataclass(frozen=True, slots=True, repr=False)
class RunData(Shown, Named):
    """What a run says of itself: the last value of each metric, every parameter and tag."""

    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def _shown(self) -> Facts:
        return {"metrics": self.metrics, "params": self.params, "tags": own(self.tags)}

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same by name: metrics, params, tags."""
        return asdict(self)


@dataclass(frozen=True, slots=True, repr=False)
class MetricSummary(Shown, Named):
    """What a run's log tells of one metric without its history.

    Attributes:
        last: Its latest value, by step and then by time; of equal ones the one logged last.
        step, timestamp: Where that was taken; the latter in ms since 1970 UTC.
        count: How many measurements there are.
        min, max: The least and the greatest value; NaN only if there is nothing else. None where they are not known,
            as of a run that an earlier version wrote: then only `run.history` tells.
    """

    last: float
    step: int
    timestamp: int
    count: int
    min: float | None = None
    max: float | None = None

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same by name."""
        return asdict(self)

    def _shown(self) -> Facts:
        return {"last": self.last, "min": self.min, "max": self.max, "step": self.step, "count": self.count}


@dataclass(frozen=True, slots=True, repr=False)
class RunRecord(Shown, Named):
    """A run as it was when it was looked at. Attributes: info, data, inputs; metric_summaries, by key."""

    info: RunInfo
    data: RunData
    metric_summaries: dict[str, MetricSummary] = field(default_factory=dict, compare=False)

    def _shown(self) -> Facts:
        return {**self.info._shown(), **self.data._shown()}

    @property
    def inputs(self) -> RunInputs:
        """Return what the run was given: `inputs.dataset_inputs[0].dataset.name`."""
        return inputs_of(self.data.tags)

    @property
    def outputs(self) -> RunOutputs:
        """What the run made: `outputs.model_outputs[0].model_id`."""
        return outputs_of(self.info.run_id, self.data.tags)

    def to_dictionary(self) -> dict[str, Any]:
        """Return all of it as MLflow's dictionary, of plain values: info, data, inputs, outputs."""
        return {
            "info": {**asdict(self.info), "artifact_uri": self.info.artifact_uri},
            "data": self.data.to_dictionary(),
            "inputs": self.inputs.to_dictionary(),
            "outputs": self.outputs.to_dictionary(),
        }


@dataclass(frozen=True, slots=True, repr=False)
class Metric(Shown, Named):
    """One measurement. `timestamp` is in ms since 1970 UTC.

    Attributes:
        model_id: Of the logged model that was measured, where it is one of those that it has; else None.
        dataset_name, dataset_digest: Of what it was measured on; None if not given.
        run_id: The run that measured it, where it is one of a model's; else None.
    """

    key: str
    value: float
    timestamp: int
    step: int
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_id: str | None = None

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same by name."""
        return asdict(self)

    def _shown(self) -> Facts:
        said = {"key": self.key, "value": self.value, "step": self.step, "timestamp": moment(self.timestamp)}
        return {**said, "model_id": self.model_id, "dataset_name": self.dataset_name, "run_id": self.run_id}


class _Asking:
    """Has a place for how to ask a store for more, which is no part of the value and does not travel with it."""

    __slots__ = ("_page",)
    _page: Callable[[Any], str]


@dataclass(frozen=True, slots=True, repr=False)
class Experiment(_Asking, Shown, Named):
    """A name that runs are grouped under. Times are ms since 1970 UTC; `artifact_location` is the store.

    `encryption` is "own" where its runs are sealed by keys of its own, or else empty.
    A notebook shows its newest runs too, where a store gave it: one listing, and a few requests for each of 20 runs.
    """

    experiment_id: str
    name: str
    lifecycle_stage: str
    creation_time: int
    tags: dict[str, str] = field(default_factory=dict)
    last_update_time: int = 0
    artifact_location: str = ""
    encryption: str = ""

    def _shown(self) -> Facts:
        return {
            "name": self.name,
            "experiment_id": self.experiment_id,
            "lifecycle_stage": None if self.lifecycle_stage == "active" else self.lifecycle_stage,
            "creation_time": moment(self.creation_time),
            "artifact_location": self.artifact_location,
            "encryption": self.encryption or None,
            "tags": own(self.tags),
        }

    def _repr_html_(self) -> str:
        return self._page(self) if hasattr(self, "_page") else Shown._repr_html_(self)

    def _with_page(self, page: Callable[[Experiment], str]) -> Experiment:
        """Return the same, which asks a store when a notebook shows it."""
        object.__setattr__(self, "_page", page)
        return self


@dataclass(frozen=True, slots=True, order=True, repr=False)
class FileInfo(Shown, Named):
    """One line of a listing.

    Attributes:
        path: From the run's root on.
        is_dir: Whether it is a directory.
        file_size: Bytes of a file; None for a directory or link.
    """

    path: str
    is_dir: bool
    file_size: int | None

    def _shown(self) -> Facts:
        return {"path": self.path, "is_dir": self.is_dir, "file_size": self.file_size}


@dataclass(frozen=True, slots=True)
class ArtifactInfo(Shown, Named):
    """What is at an artifact's address.

    Attributes:
        run_id: The run that holds it.
        path: Where in the run; "" for all of it.
        kind: "file", "directory" or "link".
        size: Bytes of a file; None for the others.
        sha256: A file's digest, in hex; None for the others, and of one elsewhere whose digest nobody asked for.
        target: Where a link leads; None for the others.
    """

    run_id: str
    path: str
    kind: str
    size: int | None = None
    sha256: str | None = None
    target: str | None = None

    def _shown(self) -> Facts:
        facts = {"uri": f"runs:/{self.run_id}/{self.path}", "kind": self.kind}
        return facts | ({"size": self.size, "sha256": self.sha256} if self.kind == "file" else {})


class ViewType(IntEnum):
    """MLflow's numbers for what a search shows."""

    ACTIVE_ONLY = 1
    DELETED_ONLY = 2
    ALL = 3

    @property
    def stage(self) -> str | None:
        """Return the stage that is shown; None for all."""
        return {1: "active", 2: "deleted"}.get(self)

    @classmethod
    def from_string(cls, view_str: str) -> ViewType:
        """Return the view of a name such as "active_only". Raises: ValueError."""
        found = {view.name.lower(): view for view in cls}
        if view_str not in found:
            raise InvalidArgumentError(f"{view_str!r} is no view; there are {', '.join(found)}")
        return found[view_str]

    @classmethod
    def to_string(cls, view_type: int) -> str:
        """Return the name of a view, such as "active_only". Raises: ValueError."""
        return cls(view_type).name.lower()


def stage(deleted: bool) -> str:
    """Return MLflow's word for whether something is deleted."""
    return "deleted" if deleted else "active"


def run_record(run_id: str, state: State) -> RunRecord:
    """Return what a run's log says of the run."""
    info = RunInfo(
        run_id=run_id,
        run_name=state.tags.get(RUN_NAME, ""),
        experiment_id=state.experiment,
        status=state.status,
        start_time=time_of(state.tags, STARTED, state.started),
        end_time=None if state.ended is None else time_of(state.tags, ENDED, state.ended),
        lifecycle_stage=stage(state.deleted),
        user_id=state.tags.get(USER, ""),
        versioned=state.versioned,
    )
    metrics = {key: measured(last[0]) for key, last in state.metrics.items()}
    summaries = {key: _summary(state, key) for key in state.metrics}
    return RunRecord(info, RunData(metrics, dict(state.params), dict(state.tags)), summaries)


def _summary(state: State, key: str) -> MetricSummary:
    last, step, time, count = state.metrics[key]
    least, greatest = map(measured, known) if (known := state.extremes_of(key)) else (None, None)
    return MetricSummary(measured(last), integer(step) or 0, integer(time) or 0, count, least, greatest)
