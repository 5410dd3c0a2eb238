"""What MLflow's registry over a store costs: the requests of the native verb, and at most one more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from tests.support.stores import tiny_location, tiny_store

from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store
from holdall.surfaces.mlflow import addresses
from holdall.surfaces.mlflow.plugin import registry_store

ADDRESS: Final = "holdall+memory://registered"
Verb = Callable[[Any, str], Any]


def _located(store: Store, run_id: str) -> object:
    """What says where a version's files are, natively."""
    return store.registry.get_version("m", 1), store.runs.get(run_id).info


# verb -> MLflow's, of a registry and a run's id; and what it is natively
VERBS: dict[str, tuple[Verb, Verb]] = {
    "create_registered_model": (lambda s, _: s.create_registered_model("n"), lambda n, _: n.registry.create_model("n")),
    "get_registered_model": (lambda s, _: s.get_registered_model("m"), lambda n, _: n.registry.get_model("m")),
    "update_registered_model": (
        lambda s, _: s.update_registered_model("m", "d"),
        lambda n, _: n.registry.describe_model("m", "d"),
    ),
    "rename_registered_model": (
        lambda s, _: s.rename_registered_model("m", "n"),
        lambda n, _: n.registry.rename_model("m", "n"),
    ),
    "delete_registered_model": (lambda s, _: s.delete_registered_model("m"), lambda n, _: n.registry.delete_model("m")),
    "search_registered_models": (
        lambda s, _: s.search_registered_models(),
        lambda n, _: list(n.registry.search_models()),
    ),
    "get_latest_versions": (lambda s, _: s.get_latest_versions("m"), lambda n, _: n.registry.latest_versions("m")),
    "set_registered_model_tag": (
        lambda s, _: s.set_registered_model_tag("m", RegisteredModelTag("a", "b")),
        lambda n, _: n.registry.set_model_tag("m", "a", "b"),
    ),
    "delete_registered_model_tag": (
        lambda s, _: s.delete_registered_model_tag("m", "a"),
        lambda n, _: n.registry.set_model_tag("m", "a", None),
    ),
    "create_model_version of a run's path": (
        lambda s, run: s.create_model_version("m", f"runs:/{run}/f.txt", run),
        lambda n, run: n.registry.register(f"runs:/{run}/f.txt", "m"),
    ),
    "create_model_version of an address": (
        lambda s, run: s.create_model_version("m", f"{ADDRESS}/0/{run}/artifacts/f.txt", run),
        lambda n, run: n.registry.register(f"runs:/{run}/f.txt", "m"),
    ),
    "create_model_version of a version": (
        lambda s, _: s.create_model_version("m", "models:/m/1"),
        lambda n, _: n.registry.register("models:/m/1", "m"),
    ),
    "update_model_version": (
        lambda s, _: s.update_model_version("m", "1", "d"),
        lambda n, _: n.registry.describe_version("m", 1, "d"),
    ),
    "transition_model_version_stage": (
        lambda s, _: s.transition_model_version_stage("m", "1", "Production", True),
        lambda n, _: n.registry.set_stage("m", 1, "Production", archive_existing_versions=True),
    ),
    "delete_model_version": (
        lambda s, _: s.delete_model_version("m", "1"),
        lambda n, _: n.registry.delete_version("m", 1),
    ),
    "get_model_version": (lambda s, _: s.get_model_version("m", "1"), lambda n, _: n.registry.get_version("m", 1)),
    "get_model_version_download_uri": (lambda s, _: s.get_model_version_download_uri("m", "1"), _located),
    "search_model_versions": (
        lambda s, _: s.search_model_versions("name = 'm'"),
        lambda n, _: list(n.registry.search_versions("name = 'm'")),
    ),
    "set_model_version_tag": (
        lambda s, _: s.set_model_version_tag("m", "1", ModelVersionTag("a", "b")),
        lambda n, _: n.registry.set_version_tag("m", 1, "a", "b"),
    ),
    "delete_model_version_tag": (
        lambda s, _: s.delete_model_version_tag("m", "1", "a"),
        lambda n, _: n.registry.set_version_tag("m", 1, "a", None),
    ),
    "set_registered_model_alias": (
        lambda s, _: s.set_registered_model_alias("m", "x", "1"),
        lambda n, _: n.registry.set_alias("m", "x", 1),
    ),
    "delete_registered_model_alias": (
        lambda s, _: s.delete_registered_model_alias("m", "champion"),
        lambda n, _: n.registry.delete_alias("m", "champion"),
    ),
    "get_model_version_by_alias": (
        lambda s, _: s.get_model_version_by_alias("m", "champion"),
        lambda n, _: n.registry.get_version_by_alias("m", "champion"),
    ),
    "get_model_version_by_alias of the latest": (
        lambda s, _: s.get_model_version_by_alias("m", "latest"),
        lambda n, _: n.registry.latest_versions("m"),
    ),
}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[RequestCounter, Store, str]]:
    """What makes a store with a version, and opens it as another process, which has looked at the version."""
    monkeypatch.setattr(addresses, "_stores", {})

    def opening() -> tuple[RequestCounter, Store, str]:
        bucket, counter = MemoryBucket(), RequestCounter()
        made = tiny_store(bucket)
        with made.runs.start() as run:
            run.log_text("x", "f.txt")
        made.registry.register(f"runs:/{run.id}/f.txt", "m")
        made.registry.set_alias("m", "champion", 1)
        store = Store(tiny_location(TraceBucket(bucket, counter), seed=1, create=False))
        addresses._stores["memory://registered"] = store
        store.registry.get_version("m", 1)
        counter.clear()
        return counter, store, run.id

    return opening


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_costs_what_the_native_one_costs_and_at_most_one_more(
    opened: Callable[[], tuple[RequestCounter, Store, str]], verb: str
) -> None:
    """Each on a store of its own, in a process that knows the model."""
    theirs, native = VERBS[verb]
    counter, store, run_id = opened()
    native(store, run_id)
    allowed = counter.total + 1
    counter, store, run_id = opened()
    theirs(registry_store(ADDRESS), run_id)
    assert 0 < counter.total <= allowed, dict(counter.requests)


def test_a_process_looks_once_at_the_run_that_a_version_is_of(
    opened: Callable[[], tuple[RequestCounter, Store, str]],
) -> None:
    """Where a version's files are costs what the version costs, from the second time on."""
    counter, store, run_id = opened()
    registry = registry_store(ADDRESS)
    found = registry.get_model_version_download_uri("m", 1)
    counter.clear()
    store.registry.get_version("m", 1)
    allowed = counter.total
    counter.clear()
    assert registry.get_model_version_download_uri("m", 1) == found == f"{ADDRESS}/0/{run_id}/artifacts/f.txt"
    assert counter.total <= allowed


def test_a_source_elsewhere_costs_a_run_that_names_it(
    opened: Callable[[], tuple[RequestCounter, Store, str]],
) -> None:
    """No native verb does it: the model is looked at, a run ensured, a file logged, the run ended, and registered."""
    counter, store, _ = opened()
    with_run = store.runs.ensure("mlflow:registry:m", experiment="mlflow:registry", name="m")
    with_run.log_text("s3://b/model", "1/source.txt")
    with_run.finish()
    store.registry.register(f"runs:/{with_run.id}/1", "m")
    written = counter.total
    counter, store, _ = opened()
    store.registry.get_model("m")
    looked = counter.total
    counter, _, _ = opened()
    registry_store(ADDRESS).create_model_version("m", "s3://b/model")
    assert 0 < counter.total <= written + looked, dict(counter.requests)
