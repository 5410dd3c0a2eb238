"""Our records as MLflow's entities."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    ExperimentTag,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunTag,
)

from holdall.store import Dataset as NativeDataset
from holdall.store import Experiment as NativeExperiment
from holdall.store import RunInputs as NativeInputs
from holdall.store import RunRecord, begun_models
from holdall.surfaces.mlflow.addresses import mlflow_experiment
from holdall.surfaces.mlflow.tracking.held import HIDDEN

USER: Final = HIDDEN + "user_id"  # of a run whose tags say another user, or none
END: Final = HIDDEN + "end_time"  # of a run that goes on, or that ended before 1970, as MLflow may say
HOLDER: Final = HIDDEN + "holds_model"  # of a run that is there for a model alone, which MLflow logged without a run
_MILLISECONDS: Final = re.compile("-?[0-9]{1,18}")  # what MLflow's messages can say
_KEPT: Final = ("holdall.keep", "holdall.expired", "holdall.retention")  # for people to see and to set
ReadText = Callable[[str, str], str]  # the text of a file of a run: run id, path


def visible(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that MLflow is shown: not those by which the store keeps inputs, models and times."""
    return {key: value for key, value in tags.items() if not key.startswith("holdall.") or key in _KEPT}


def as_experiment(found: NativeExperiment, location: str) -> Experiment:
    """Return an experiment; `location`: of its runs' artifacts."""
    return Experiment(
        experiment_id=mlflow_experiment(found.experiment_id),
        name=found.name,
        artifact_location=location,
        lifecycle_stage=found.lifecycle_stage,
        tags=[ExperimentTag(key, value) for key, value in visible(found.tags).items()],
        creation_time=found.creation_time,
        last_update_time=found.last_update_time,
    )


def as_run_info(record: RunRecord, artifact_uri: str) -> RunInfo:
    """Return who a run is and how it stands."""
    info = record.info
    return RunInfo(
        run_id=info.run_id,
        experiment_id=mlflow_experiment(info.experiment_id),
        user_id=record.data.tags.get(USER, info.user_id or "unknown"),
        status=info.status,
        start_time=info.start_time,
        end_time=_end(record),
        lifecycle_stage=info.lifecycle_stage,
        artifact_uri=artifact_uri,
        run_name=info.run_name,
    )


def _end(record: RunRecord) -> int | None:
    said = record.data.tags.get(END, "")
    return int(said) if _MILLISECONDS.fullmatch(said) else record.info.end_time


def as_run(record: RunRecord, artifact_uri: str, read: ReadText, last: Mapping[str, Sequence[Any]]) -> Run:
    """Return a run with all that was said of it.

    Args:
        record: What is known of it.
        artifact_uri: Where its files are.
        read: Reads what of its data sets is in files.
        last: By the name of a measurement, the last value, its step and its time, where they are known.
    """
    info, data = record.info, record.data
    when = {key: (int(one[2]), int(one[1])) for key, one in last.items()}
    metrics = [Metric(key, value, *when.get(key, (info.start_time, 0))) for key, value in data.metrics.items()]
    params = [Param(key, value) for key, value in data.params.items()]
    tags = [RunTag(key, value) for key, value in visible(data.tags).items()]
    return Run(
        as_run_info(record, artifact_uri),
        RunData(metrics, params, tags),
        _inputs(record.inputs, lambda path: read(info.run_id, path)),
        RunOutputs([LoggedModelOutput(id, step) for id, step in _outputs(record).items()]),
    )


def _outputs(record: RunRecord) -> dict[str, int]:
    """Return the models that a run made, as it was told, and their steps; natively logged ones without a word."""
    said = {model.model_id: model.step for model in record.outputs.model_outputs}
    for begun in begun_models(record.info.run_id, record.data.tags):
        if begun.output and begun.deleted is None:
            said[begun.model.model_id] = begun.model.step
        else:
            said.pop(begun.model.model_id, None)
    return said


def _inputs(inputs: NativeInputs, read: Callable[[str], str]) -> RunInputs:
    datasets = [
        DatasetInput(_dataset(found.dataset, read), [InputTag(tag.key, tag.value) for tag in found.tags])
        for found in inputs.dataset_inputs
    ]
    return RunInputs(datasets, [LoggedModelInput(model.model_id) for model in inputs.model_inputs])


def _dataset(found: NativeDataset, read: Callable[[str], str]) -> Dataset:
    said = {name: _whole(getattr(found, name), read) for name in ("source", "schema", "profile")}
    return Dataset(found.name, found.digest, found.source_type, said["source"] or "", said["schema"], said["profile"])


def _whole(text: str | None, read: Callable[[str], str]) -> str | None:
    """Return a word of a data set, of the run's file that has it where it was too long for a tag."""
    if not text or not text.startswith('{"artifact": "holdall-inputs/'):
        return text
    try:
        return read(json.loads(text)["artifact"])
    except (LookupError, ValueError, TypeError, RecursionError):  # it only looks like one
        return text
