"""Another name of an experiment leads to it, and a forgotten one is not there."""

from __future__ import annotations

import itertools

import pytest
from tests.support.stores import tiny_store

from holdall.errors import ExperimentDeletedError, ExperimentExistsError, ExperimentNotFoundError, InvalidNameError
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

_seeds = itertools.count(1)


def _again(bucket: MemoryBucket) -> Store:
    """Return the store of a bucket as another process opens it."""
    return tiny_store(bucket, seed=next(_seeds), create=False)


def names(store: Store) -> list[str]:
    return sorted(found.name for found in store.experiments.all())


def test_a_renamed_experiment_is_found_by_all_its_names() -> None:
    """By its id, by what it is called now, and by what it was called; it is listed once, and its runs are its own."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    id = store.experiments.create("a", {"team": "x"})
    run = store.runs.start(experiment="a")
    for name in ("b", "c"):
        store.experiments.rename(id, name)
    for each in (store, _again(bucket)):
        assert names(each) == ["c"]
        assert [each.experiments.named(name) for name in "abc"] == [each.experiments.get(id)] * 3
        assert [each.experiments.ensure(name) for name in "abc"] == [id] * 3
        assert each.experiments.get(id).tags == {"team": "x"}
        later = each.runs.start(experiment="c")
        assert {found.info.run_id for found in each.runs.search(experiments=[id])} >= {run.id, later.id}


def test_a_name_leads_to_one_experiment() -> None:
    """To rename to what another is called, or was called first, is refused; a name that is free again may be taken."""
    store = tiny_store(MemoryBucket())
    a, b = (store.experiments.create(name) for name in "ab")
    with pytest.raises(ExperimentExistsError):
        store.experiments.rename(a, "b")
    store.experiments.rename(b, "c")
    for taken in "bc":
        with pytest.raises(ExperimentExistsError):
            store.experiments.rename(a, taken)
        with pytest.raises(ExperimentExistsError):
            store.experiments.create(taken)
    store.experiments.rename(b, "d")
    store.experiments.rename(a, "c")
    store.experiments.rename(b, "b")
    assert {name: store.experiments.ensure(name) for name in "abcd"} == {"a": a, "b": b, "c": a, "d": b}
    assert names(store) == ["b", "c"]


def test_what_cannot_be_renamed() -> None:
    """A deleted experiment, none, and to no name."""
    store = tiny_store(MemoryBucket())
    id = store.experiments.create("a")
    with pytest.raises(InvalidNameError):
        store.experiments.rename(id, "")
    with pytest.raises(ExperimentNotFoundError):
        store.experiments.rename("0" * 16, "b")
    store.experiments.delete(id)
    with pytest.raises(ExperimentDeletedError):
        store.experiments.rename(id, "b")
    assert names(store) == ["a"]


def test_a_forgotten_experiment_is_not_there_until_it_is_made_again() -> None:
    """Neither found nor listed; one of its name is new, without its tags, however it is made."""
    bucket = MemoryBucket()
    tiny_store(bucket)
    for make in ("create", "ensure", "use"):
        store = _again(bucket)
        id = store.experiments.ensure("a")
        store.experiments.set_tag(id, "team", make)
        store.experiments._forget(id)  # which is for deleted ones
        assert names(store) == ["a"]
        store.experiments.delete(id)
        store.experiments._forget(id)
        assert (names(store), store.experiments.named("a")) == ([], None)
        with pytest.raises(ExperimentNotFoundError):
            store.experiments.get(id)
        getattr(_again(bucket).experiments, make)("a")
        assert store.experiments.get(id).tags == {}
        assert store.experiments.get(id).lifecycle_stage == "active"
