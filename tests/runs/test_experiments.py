"""Experiments: found by what they are, and deleted with what is in them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.stores import tiny_location, tiny_store

import holdall
from holdall.errors import (
    ExperimentDeletedError,
    ExperimentExistsError,
    ExperimentNotFoundError,
    InvalidFilterError,
    InvalidNameError,
    InvalidURIError,
    RunDeletedError,
)
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Experiment, Store
from holdall.surfaces.fluent import active


@pytest.fixture
def store() -> Iterator[Store]:
    """A store with three experiments, made one after the other, which the verbs use."""
    found = active._state.store = tiny_store(MemoryBucket())
    for name in "cba":
        found.experiments.create(name, {"team": name.upper()})
    yield found
    active._state.__init__()  # type: ignore[misc]


def names(found: list[Experiment]) -> str:
    return "".join(one.name for one in found)


# --- finding ---


def test_the_newest_comes_first(store: Store) -> None:
    """As in MLflow; by name only where that is asked for."""
    assert names(store.experiments.all()) == "abc"
    assert names(store.experiments.search()) == "abc"
    store.experiments.create("0")
    assert names(holdall.search_experiments()) == "0abc"
    assert names(holdall.search_experiments(max_results=2)) == "0a"


@pytest.mark.parametrize(
    ("order", "found"),
    [
        (["name"], "abc"),
        (["name DESC"], "cba"),
        (["creation_time ASC"], "cba"),
        (["attribute.creation_time DESC"], "abc"),
        (["last_update_time DESC"], "bac"),
        (["experiment_id ASC"], "cba"),
    ],
    ids=str,
)
def test_they_are_sorted_by_what_they_have(store: Store, order: list[str], found: str) -> None:
    """A tag that is set later makes one the latest to be updated."""
    store.experiments.set_tag(store.experiments.id_of("b"), "x", "y")
    assert names(holdall.search_experiments(order_by=order)) == found
    assert names(holdall.Client().search_experiments(order_by=order)) == found


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ("name = 'a'", "a"),
        ("name != 'a'", "bc"),
        ("name LIKE 'A%'", ""),
        ("name ILIKE 'A%'", "a"),
        ("attribute.name = 'b' AND tags.team = 'B'", "b"),
        ("tag.team = 'C'", "c"),
        ("tags.team IS NULL", ""),
        ("creation_time > 0", "abc"),
        ("attributes.creation_time < 5", ""),
        ("last_update_time >= 1700000000000", "abc"),
        ("experiment_id = '{a}'", "a"),
        ("experiment_id IN ('{a}', '{c}')", "ac"),
        (None, "abc"),
        ("", "abc"),
    ],
)
def test_a_filter_looks_at_what_they_have(store: Store, filter: str | None, found: str) -> None:
    """Their own attributes and tags, in the grammar of runs."""
    text = filter and filter.format(a=store.experiments.id_of("a"), c=store.experiments.id_of("c"))
    assert names(holdall.search_experiments(filter_string=text)) == found


@pytest.mark.parametrize(
    "filter",
    [
        *("metrics.loss < 1", "params.a = 'x'", "artifacts.path = 'x'", "status = 'RUNNING'", "start_time > 0"),
        *("end_time > 0", "run_id = 'x'", "run_name = 'a'", "attributes.run_name = 'a'", "user_id = 'x'"),
        *("artifact_uri = ''", "created > 0", "lifecycle_stage = 'active'", "name IN ('a')", "name IS NULL"),
        *("name > 'a'", "name = 5", "creation_time = '5'", "tags.team IN ('A')", "name = 'a' OR name = 'b'", "name"),
    ],
)
def test_a_filter_of_runs_is_refused(store: Store, filter: str) -> None:
    """What experiments do not have is an error and not an answer."""
    with pytest.raises(InvalidFilterError):
        store.experiments.search(filter)


@pytest.mark.parametrize("order", ["tags.team", "metrics.loss", "start_time", "lifecycle_stage", "name UP"])
def test_an_order_of_runs_is_refused(store: Store, order: str) -> None:
    """Likewise."""
    with pytest.raises(InvalidFilterError):
        store.experiments.search(order_by=[order])


# --- deleting ---


def test_a_deleted_experiment_takes_its_runs_along(store: Store) -> None:
    """They are deleted, not found, and log nothing; restored, they are as they were."""
    id = store.experiments.id_of("a")
    kept, gone = (store.runs.start(experiment_id=id) for _ in range(2))
    kept.log_text("x", "x.txt")
    kept.finish()
    gone.finish()
    gone.delete()
    other = store.runs.start(experiment="b")
    holdall.delete_experiment(id)
    assert store.experiments.get(id).lifecycle_stage == "deleted"
    assert [found.info.run_id for found in store.runs.search()] == [other.id]
    assert {found.info.run_id for found in store.runs.search(experiments=[id], stage="deleted")} == {kept.id, gone.id}
    assert holdall.get_run(kept.id).info.lifecycle_stage == "deleted"
    with pytest.raises(RunDeletedError):
        kept.log_metrics({"a": 1})
    with pytest.raises(RunDeletedError):
        holdall.start_run(run_id=kept.id)
    assert kept.load_text("x.txt") == "x"
    holdall.Client().restore_experiment(id)
    assert [found.info.run_id for found in store.runs.search(experiments=[id])] == [kept.id]
    assert "holdall.deletedWithExperiment" not in kept.record.data.tags
    assert gone.record.info.lifecycle_stage == "deleted"  # by itself, and before


def test_no_run_is_started_in_a_deleted_experiment(store: Store) -> None:
    """By name or id, by whichever verb, nor by who has used it before; and it cannot be set or tagged."""
    id = store.experiments.id_of("a")
    store.runs.start(experiment="a").finish()
    store.experiments.delete(id)
    calls: list[Callable[[], object]] = [
        lambda: store.runs.start(experiment="a"),
        lambda: store.runs.start(experiment_id=id),
        lambda: holdall.start_run(experiment_id=id),
        lambda: holdall.Client().create_run(id),
        lambda: holdall.set_experiment("a"),
        lambda: holdall.set_experiment(experiment_id=id),
        lambda: holdall.set_experiment_tag("k", "v", id),
        lambda: Store(tiny_location(store._location.bucket, seed=2, create=False)).runs.start(experiment="a"),
    ]
    for call in calls:
        with pytest.raises(ExperimentDeletedError, match="'a'") as caught:
            call()
        assert "restore_experiment" in caught.value.hint
    assert active._state.experiment_id is None
    assert len(store.runs.search(stage=None)) == 1
    store.experiments.restore(id)
    assert holdall.set_experiment("a").experiment_id == id


def test_the_hint_names_a_call_that_works(store: Store) -> None:
    """A name that is taken by a deleted experiment is had again by restoring it, and not by setting it."""
    store.experiments.delete(store.experiments.id_of("a"))
    with pytest.raises(ExperimentExistsError) as caught:
        holdall.create_experiment("a")
    assert "set_experiment" not in caught.value.hint
    with pytest.raises(ExperimentExistsError) as caught:
        holdall.create_experiment("b")
    assert "set_experiment" in caught.value.hint


def test_a_deletion_that_was_cut_short_is_gone_on_with(store: Store) -> None:
    """Deleting and restoring twice is no error, and does what the first left undone."""
    id = store.experiments.id_of("a")
    late = store.runs.start(experiment_id=id)
    late.finish()
    store.experiments._change(id, lambda _: [{"op": "tombstone"}])  # and no further
    store.experiments.delete(id)
    assert late.record.info.lifecycle_stage == "deleted"
    store.experiments.delete(id)
    for _ in range(2):
        store.experiments.restore(id)
    assert late.record.info.lifecycle_stage == "active"
    assert store.experiments.get(id).lifecycle_stage == "active"


@pytest.mark.parametrize("verb", ["delete", "restore", "get", "active"])
def test_what_is_not_there_is_named(store: Store, verb: str) -> None:
    """An id that nobody has."""
    with pytest.raises(ExperimentNotFoundError):
        getattr(store.experiments, verb)("0" * 16)


@pytest.mark.parametrize("name", ["", "n" * 501, 7, None])
def test_a_name_has_1_to_500_characters(name: object) -> None:
    """Any other is refused before a store is made for it, and an id that is no text before it is looked for."""
    bucket = MemoryBucket()
    experiments = Store(tiny_location(bucket, create=False)).experiments
    for verb in (experiments.create, experiments.use):
        with pytest.raises(InvalidNameError, match="1 to 500 characters"):
            verb(name)  # type: ignore[arg-type]
    if not isinstance(name, str):
        with pytest.raises(InvalidNameError, match="text of 16 hex digits"):
            experiments.get(name)  # type: ignore[arg-type]
    assert not bucket.objects


def test_starting_a_run_costs_two_requests() -> None:
    """In an experiment that was there a listing shows that it was not deleted; afterwards nothing is asked."""
    bucket, counter = MemoryBucket(), RequestCounter()
    tiny_store(bucket).runs.start(experiment="a").finish()
    store = Store(tiny_location(TraceBucket(bucket, counter), seed=1, create=False))
    store._location.ready_to_write()
    for wanted in ({"list": 1, "put": 1}, {"put": 1}):
        counter.clear()
        store.runs.start(experiment="a")
        assert dict(counter.requests) == wanted


# --- where it is ---


def test_a_location_is_the_stores_or_none(tmp_path: Path) -> None:
    """MLflow's second argument: another place is refused with a sentence, and no experiment is made."""
    store = active._state.store = Store.open(str(tmp_path))
    client = holdall.Client()
    for number, place in enumerate([None, str(tmp_path), f"{tmp_path}/", f"file://{tmp_path}"]):
        id = holdall.create_experiment(f"fluent {number}", place, {"a": "b"})
        assert store.experiments.get(id).tags == {"a": "b"}
        assert store.experiments.get(id).artifact_location == store.url
        client.create_experiment(f"client {number}", place, {"a": "b"})
    made = len(store.experiments.all())
    for place, create in itertools.product(
        ["s3://bucket/x", "", "mlruns", 7, {"team": "a"}], [holdall.create_experiment, client.create_experiment]
    ):
        with pytest.raises(InvalidURIError, match="leave the location out"):
            create("elsewhere", place)
    assert len(store.experiments.all()) == made
    active._state.__init__()  # type: ignore[misc]
