"""Where models are in use: told once, found by whatever name, hostile to nobody."""

from __future__ import annotations

import json

import pytest

from holdall.errors import ArtifactNotFoundError, InvalidNameError, ModelVersionNotFoundError
from holdall.store import Run, Store


def test_a_deployment_is_found_by_every_name_of_the_files(store: Store, run: Run) -> None:
    """It says the version that an alias meant then, and the files' digest."""
    version = store.registry.register(f"runs:/{run.id}/model", "fraud")
    store.registry.set_alias("fraud", "champion", 1)
    store.deployments.record("models:/fraud@champion", "eu-west")
    for uri in ("models:/fraud/1", "models:/fraud/latest", f"runs:/{run.id}/model"):
        (found,) = store.deployments.of(uri)
        assert (found.where, found.uri, found.digest) == ("eu-west", "models:/fraud/1", version.digest)
    assert store.deployments.of(f"runs:/{run.id}/other") == []


def test_a_script_that_runs_again_tells_the_same(store: Store, run: Run) -> None:
    """One record for each place; the end of a deployment is its last word."""
    uri = f"runs:/{run.id}/model"
    for where in ("a", "b", "a"):
        store.deployments.record(uri, where)
    store.deployments.record(uri, "b", ended=True)
    assert sorted((one.where, one.ended) for one in store.deployments.of(uri)) == [("a", False), ("b", True)]
    assert store.runs.get(run.id).record.info.status == "FINISHED"


def test_what_is_not_there_is_not_deployed(store: Store, run: Run) -> None:
    """A version, a path; and a place has a name."""
    store.registry.register(f"runs:/{run.id}/model", "fraud")
    with pytest.raises(ModelVersionNotFoundError):
        store.deployments.record("models:/fraud/2", "a")
    with pytest.raises(ArtifactNotFoundError):
        store.deployments.record(f"runs:/{run.id}/absent", "a")
    for where in ("", "  ", "x" * 1001):
        with pytest.raises(InvalidNameError):
            store.deployments.record("models:/fraud/1", where)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", json.dumps({"time": 1, "path": "model", "where": 7, "uri": "u", "digest": "d"}), "[" * 100_000],
    ids=["nothing", "a list", "no facts", "a place that is none", "too deep"],
)
def test_any_tag_may_stand_where_a_deployment_should(store: Store, run: Run, text: str) -> None:
    """What cannot be understood is passed over."""
    resumed = store.runs.get(run.id)
    resumed.set_tags({"holdall.deployment.0123456789abcdef": text[:8000]})
    assert store.deployments.of(f"runs:/{run.id}/model") == []
