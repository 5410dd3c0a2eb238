"""What verbs return has MLflow's attributes, and what scripts make themselves is made as MLflow's is."""

from __future__ import annotations

import dataclasses
import inspect
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

import mlflow.entities
import mlflow.entities.model_registry
import pytest
from tests.support.stores import tiny_store

import holdall.entities
import holdall.entities.model_registry
from holdall.display import Named
from holdall.storage.memory import MemoryBucket

MODULES: dict[Any, Any] = {
    mlflow.entities: holdall.entities,
    mlflow.entities.model_registry: holdall.entities.model_registry,
}
PAIRS: dict[str, tuple[type, type]] = {
    name: (getattr(theirs, name), getattr(ours, name))
    for theirs, ours in MODULES.items()
    for name in ours.__all__
    if inspect.isclass(getattr(ours, name)) and name != "ViewType"  # which is numbers, in both
}

# what MLflow's have and these do not, as patterns, and why
LEFT_OUT = {
    "*.from_proto": "there are no messages between processes",
    "*.to_proto": "likewise",
    "*.from_dictionary": "what a store knows is asked of it",
    "*.workspace": "a store has no workspaces",
    "*.deployment_job_*": "jobs of Databricks",
    "Experiment.trace_location": "there are no traces",
    "Experiment.effective_trace_archival_retention": "there are no traces",
    "Experiment.DEFAULT_EXPERIMENT_NAME": "a constant; it is Default",
    "LifecycleStage.*": "it is an enumeration of two words",
    "RunInfo.get_*_attributes": "`holdall guide search` has them",
    "ModelVersion.metrics": "they are the logged model's: `holdall.get_logged_model(version.model_id)`",
    "ModelVersion.params": "likewise",
    "LoggedModel.to_dictionary": "its facts are its attributes",
}
# what scripts make themselves
MADE = [
    "Dataset",
    "DatasetInput",
    "ExperimentTag",
    "FileInfo",
    "InputTag",
    "LoggedModelInput",
    "LoggedModelOutput",
    "LoggedModelParameter",
    "LoggedModelTag",
    "Metric",
    "Param",
    "RunData",
    "RunInputs",
    "RunOutputs",
    "RunTag",
    "ModelVersionTag",
    "RegisteredModelAlias",
    "RegisteredModelTag",
]


def _attributes(kind: type) -> set[str]:
    fields = {one.name for one in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
    return {name for name in {*dir(kind), *fields} if not name.startswith("_")}


def test_what_is_returned_has_mlflows_attributes() -> None:
    """Whatever MLflow's has to be read; what is left out is left out for a reason, and no reason is left over."""
    missing = {
        f"{name}.{one}" for name, (theirs, ours) in PAIRS.items() for one in _attributes(theirs) - _attributes(ours)
    }
    explained = {one for one in missing if any(fnmatchcase(one, pattern) for pattern in LEFT_OUT)}
    assert missing - explained == set()
    assert [pattern for pattern in LEFT_OUT if not any(fnmatchcase(one, pattern) for one in missing)] == []


@pytest.mark.parametrize("name", MADE)
def test_what_scripts_make_is_made_alike(name: str) -> None:
    """The same arguments in the same order."""
    theirs, ours = (list(inspect.signature(kind).parameters) for kind in PAIRS[name])
    assert ours == theirs


def _dictionaries(module: Any) -> list[Any]:
    dataset = module.Dataset("n", "d", "local", "{}", None, None)
    given = module.DatasetInput(dataset, [module.InputTag("a", "b")])
    outputs = module.RunOutputs([module.LoggedModelOutput("m-1", 2)])
    made = [module.Metric("loss", 0.5, 1, 2), dataset, given, module.RunInputs([given], []), outputs]
    return [one.to_dictionary() for one in made]


def test_dictionaries_are_mlflows() -> None:
    """The same names and values."""
    assert _dictionaries(holdall.entities) == _dictionaries(mlflow.entities)


def _named(module: Any) -> list[dict[str, Any]]:
    made = [
        module.Param("a", "b"),
        module.RunTag("a", "b"),
        module.FileInfo("a", False, 1),
        module.Metric("a", 1.0, 2, 3),
    ]
    return [dict(one) for one in made]


def test_facts_are_read_by_name() -> None:
    """`dict(run.info)` is a usual way of printing: each kind has it where MLflow's has, with the same names."""
    assert _named(holdall.entities) == _named(mlflow.entities)
    for name, (theirs, ours) in PAIRS.items():
        assert issubclass(theirs, Enum) or not hasattr(theirs, "__iter__") or issubclass(ours, Named), name
    with tiny_store(MemoryBucket()).runs.start(name="named") as run:
        assert dict(dict(run)["info"])["run_name"] == "named"
    assert dict(run.info)["status"] == "FINISHED"
