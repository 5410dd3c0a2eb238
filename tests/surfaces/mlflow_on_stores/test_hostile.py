"""What a client of a server, and who may only write to the bucket, cannot do through MLflow's doors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mlflow.entities import ExperimentTag, RunTag
from mlflow.entities.model_registry import ModelVersionTag
from mlflow.exceptions import MlflowException
from tests.support.stores import tiny_location, tiny_store

from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.surfaces.mlflow import addresses
from holdall.surfaces.mlflow.plugin import registry_store, tracking_store
from holdall.surfaces.mlflow.tracking.entities import _whole

ADDRESS = "holdall+memory://hostile"
LOCATION = "holdall.mlflow.artifact_location"
PASSWORDS = '{"location":"file:///etc"}'


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store that MLflow's doors open, in memory."""
    bucket = MemoryBucket()
    tiny_store(bucket)
    found = Store(tiny_location(bucket, create=False))
    monkeypatch.setattr(addresses, "_stores", {"memory://hostile": found})
    return found


def _began(tracking: Any) -> tuple[str, str]:
    experiment = tracking.create_experiment("e", None, [])
    return experiment, tracking.create_run(experiment, "me", 1000, [], "r").info.run_id


RUN_TAGS: list[Callable[[Any, str, str], Any]] = [
    lambda s, e, r: s.set_tag(r, RunTag(LOCATION, "file:///etc")),
    lambda s, e, r: s.log_batch(r, [], [], [RunTag("fine", "1"), RunTag(LOCATION, "file:///etc")]),
    lambda s, e, r: s.set_tag(r, RunTag("holdall.discarded", "true")),
    lambda s, e, r: s.delete_tag(r, LOCATION),
    lambda s, e, r: s.create_run(e, "me", 1000, [RunTag(LOCATION, "file:///etc")], "r"),
    lambda s, e, r: s.create_experiment("f", None, [ExperimentTag(LOCATION, "file:///etc")]),
    lambda s, e, r: s.set_experiment_tag(e, ExperimentTag(LOCATION, "file:///etc")),
    lambda s, e, r: s.delete_experiment_tag(e, LOCATION),
]


@pytest.mark.parametrize("verb", RUN_TAGS)
def test_no_client_says_by_a_tag_where_a_runs_files_are(store: Store, verb: Callable[[Any, str, str], Any]) -> None:
    """A server that read them at an address which a client names would read its own disk for it."""
    tracking = tracking_store(ADDRESS, "mlflow-artifacts:/")
    experiment, run = _began(tracking)
    with pytest.raises(MlflowException, match="holdall's own") as told:
        verb(tracking, experiment, run)
    assert told.value.error_code == "INVALID_PARAMETER_VALUE"
    assert tracking.get_run(run).info.artifact_uri.startswith("mlflow-artifacts:/")
    assert "fine" not in tracking.get_run(run).data.tags


def test_no_client_says_by_a_tag_where_a_versions_files_are(store: Store) -> None:
    """`get-artifact` of a version would read any file of the server's."""
    registry = registry_store(ADDRESS)
    registry.create_registered_model("m")
    registry.create_model_version("m", "s3://there/model")
    for verb in (
        lambda: registry.set_model_version_tag("m", 1, ModelVersionTag("holdall.mlflow", PASSWORDS)),
        lambda: registry.delete_model_version_tag("m", 1, "holdall.mlflow"),
        lambda: registry.create_model_version("m", "s3://a/b", tags=[ModelVersionTag("holdall.mlflow", PASSWORDS)]),
    ):
        with pytest.raises(MlflowException, match="holdall's own"):
            verb()
    assert registry.get_model_version_download_uri("m", 1) == "s3://there/model"


@pytest.mark.parametrize(
    "tags",
    [
        {"holdall.mlflow.end_time": "9" * 4_500},
        {"holdall.mlflow.end_time": "9" * 30},
        {LOCATION: "http://[::1"},
        {LOCATION: "s3://b/?a=/../.."},
    ],
)
def test_one_hostile_run_hides_no_other(store: Store, tags: dict[str, str]) -> None:
    """Anybody who may write to the bucket may write any tag; a search still finds all runs."""
    tracking = tracking_store(ADDRESS, "mlflow-artifacts:/")
    experiment, run = _began(tracking)
    tracking.create_run(experiment, "me", 1000, [], "honest")
    hostile = store.runs.get(run)
    hostile.set_tags(tags)
    hostile.flush()
    found = tracking.search_runs([experiment], "", 1)
    assert len(found) == 2
    assert all(-(2**63) <= (one.info.end_time or 0) < 2**63 for one in found)


def test_a_word_of_a_data_set_that_nests_deeply_is_a_text() -> None:
    """It stays what it says, and no search breaks off."""
    text = '{"artifact": "holdall-inputs/x", "y": ' + "[" * 100_000
    assert _whole(text, lambda _: "read") == text
