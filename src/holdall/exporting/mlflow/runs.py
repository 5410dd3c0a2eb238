"""One run, written into an MLflow: only what that lacks."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from holdall.exporting.mlflow.target import EXPORTED, MODEL_ID, RUN_ID, MlflowTarget
from holdall.format.tree import Entry, Kind
from holdall.modeling.records.logged import LoggedModel
from holdall.moving import MORE, NEW, SAME, Brought, Problem
from holdall.runs.record import PARENT, RunRecord
from holdall.runs.run import Run
from holdall.store import Store

_BATCH: Final = 900  # measurements in one call: MLflow takes a thousand things
_FEW: Final = 90  # parameters or tags in one call
_OURS: Final = "holdall."
_ENDED: Final = ("FINISHED", "FAILED", "KILLED")


class RunExporter:
    """Writes runs of one experiment into an MLflow.

    Attributes:
        problems: What could not be written.
        model_ids: What MLflow calls each logged model, by its id here; `run_ids`: likewise of runs.
    """

    def __init__(self, store: Store, target: MlflowTarget, experiment_id: str) -> None:
        self._store, self._target, self._client = store, target, target.client
        self._experiment_id = experiment_id
        self._runs, self._models = target.runs(experiment_id), target.models(experiment_id)
        self.problems: list[Problem] = []
        self.model_ids = {id: model.model_id for id, model in self._models.items()}
        self.run_ids = {id: run.info.run_id for id, run in self._runs.items()}

    def export(self, record: RunRecord) -> Brought:
        """Bring a run of MLflow to what is here; one that is the same is left alone."""
        run = self._store.runs.get(record.info.run_id)._at_one_look()
        entries = [entry for entry in run.entries() if entry.kind is Kind.FILE]
        there, state = self._runs.get(run.id), _state(record, entries)
        size = sum(entry.size for entry in entries)
        name = record.info.run_name
        if there is not None and there.data.tags.get(EXPORTED) == state:
            return Brought("run", run.id, there.info.run_id, name, SAME, len(entries), size)
        id = there.info.run_id if there is not None else self._begin(record)
        self.run_ids[run.id] = id
        if there is not None and there.info.lifecycle_stage == "deleted":
            self._client.restore_run(id)
        models, before = self._store.models.logged(run.id), len(self.problems)
        self._write_facts(id, record, there)
        points = self._write_points(id, run, record, there)
        self._write_inputs(id, record, there)
        self._write_files(id, run, entries, models, there)
        for model in models:
            self._write_model(id, run, model, entries)
        if len(self.problems) == before:  # else the next export looks at it again
            self._client.set_tag(id, EXPORTED, state)
        if record.info.status in _ENDED:
            self._client.set_terminated(id, record.info.status, record.info.end_time)
        if record.info.lifecycle_stage == "deleted":
            self._client.delete_run(id)
        return Brought("run", run.id, id, name, MORE if there else NEW, len(entries), size, size, points)

    # --- inside ---

    def _begin(self, record: RunRecord) -> str:
        made = self._client.create_run(
            self._experiment_id, record.info.start_time, {RUN_ID: record.info.run_id}, record.info.run_name
        )
        return str(made.info.run_id)

    def _write_facts(self, id: str, record: RunRecord, there: Any) -> None:
        known = there.data if there is not None else None
        params = {k: v for k, v in record.data.params.items() if known is None or k not in known.params}
        tags = {k: v for k, v in record.data.tags.items() if not k.startswith(_OURS)}
        if parent := tags.pop(PARENT, None):
            tags[PARENT] = self.run_ids.get(parent, parent)
        fresh = {k: v for k, v in tags.items() if known is None or known.tags.get(k) != v}
        make = self._target.entities
        for some in _batches(list(params.items()), _FEW):
            self._client.log_batch(id, params=[make.Param(key, value) for key, value in some])
        for some in _batches(list(fresh.items()), _FEW):
            self._client.log_batch(id, tags=[make.RunTag(key, value) for key, value in some])

    def _write_points(self, id: str, run: Run, record: RunRecord, there: Any) -> int:
        """Write the measurements that MLflow lacks, and return how many; none that it has is repeated."""
        count, make = 0, self._target.entities.Metric
        for key in record.data.metrics:
            known = self._client.get_metric_history(id, key) if there is not None and key in there.data.metrics else ()
            left = Counter(_identity(one.value, one.step, one.timestamp) for one in known)
            fresh = []
            for one in run.history(key):
                point = _identity(one.value, one.step, one.timestamp)
                left[point] -= 1
                if left[point] < 0:
                    fresh.append(make(key, one.value, one.timestamp, one.step))
            for some in _batches(fresh, _BATCH):
                self._client.log_batch(id, metrics=some)
            count += len(fresh)
        return count

    def _write_inputs(self, id: str, record: RunRecord, there: Any) -> None:
        if there is not None and there.inputs and there.inputs.dataset_inputs:
            return
        make = self._target.entities
        inputs = [
            make.DatasetInput(
                make.Dataset(**one.dataset.to_dict()), [make.InputTag(tag.key, tag.value) for tag in one.tags]
            )
            for one in record.inputs.dataset_inputs
        ]
        if inputs:
            self._client.log_inputs(id, inputs)

    def _write_files(
        self, id: str, run: Run, entries: Sequence[Entry], models: Sequence[LoggedModel], there: Any
    ) -> None:
        """Write the files that are of no model, whole: what MLflow has with the same bytes is left alone."""
        tops = tuple(f"{model.path}/" for model in models) if self._knows_models else ()
        mine = [entry for entry in entries if not entry.path.startswith(tops)]
        if not mine:
            return
        files = self._target.files(self._client.get_run(id).info.artifact_uri)
        wanted = [entry for entry, _ in files.other(mine)] if there is not None else mine
        if not wanted:
            return
        with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
            run._fetch_selected(wanted, folder)
            self._client.log_artifacts(id, folder)
        self.problems += [Problem("file", run.id, entry.path, why) for entry, why in files.other(wanted)]

    @property
    def _knows_models(self) -> bool:
        return hasattr(self._client, "create_logged_model")

    def _write_model(self, id: str, run: Run, model: LoggedModel, entries: Sequence[Entry]) -> None:
        there = self._models.get(model.model_id)
        if not self._knows_models or (there is not None and str(there.status) == "READY"):
            return
        if there is None:
            there = self._client.create_logged_model(
                self._experiment_id,
                model.name.replace("/", "_"),
                id,
                {**model.tags, MODEL_ID: model.model_id},
                dict(model.params),
                model.model_type,
            )
        self.model_ids[model.model_id] = there.model_id
        with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
            run.download(model.path, folder)
            self._client.log_model_artifacts(there.model_id, str(Path(folder, model.path)))
        mine = [entry for entry in entries if entry.path.startswith(f"{model.path}/")]
        if other := self._target.files(there.artifact_location, f"{model.path}/").other(mine):
            self.problems += [Problem("file", run.id, entry.path, why) for entry, why in other]
            return  # it is no model yet, and is written again
        self._client.finalize_logged_model(there.model_id, self._target.entities.LoggedModelStatus.READY)


def _state(record: RunRecord, entries: Sequence[Entry]) -> str:
    """Return what differs where a run has changed."""
    info = record.info
    said: list[Any] = [info.run_name, info.status, info.start_time, info.end_time, info.lifecycle_stage]
    said += [record.data.params, record.data.tags, sorted((key, repr(v)) for key, v in record.data.metrics.items())]
    said += [[(entry.path, entry.sha256.hex()) for entry in entries]]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _identity(value: float, step: int, time: int) -> tuple[str, int, int]:
    """Return a measurement as MLflow has it: databases keep no infinity, and their largest number instead."""
    most = 1.7976931348623157e308
    return repr(min(max(float(value), -most), most) if value == value else "nan"), int(step), int(time)


def _batches(some: Sequence[Any], most: int) -> Iterator[list[Any]]:
    left = iter(some)
    while batch := list(islice(left, most)):
        yield batch
