"""Registered models in a copy: the same ids, numbers, aliases and history; and versions that are promoted alone."""

from __future__ import annotations

import json

import pytest
from tests.support.copied import Pair, intact, noise, pair
from tests.support.faulty import FaultyBucket
from tests.support.stores import tiny_store

from holdall.errors import ModelNotFoundError, ModelVersionNotFoundError
from holdall.format.layout import model_log
from holdall.storage.memory import MemoryBucket
from holdall.store import ModelCopy, Store


def version(store: Store, name: str, seed: int) -> str:
    """Register another version of a model, and return its run's id."""
    with store.runs.start(experiment=name) as run:
        run.log_bytes(noise(2_000, seed), "model/weights.bin")
    store.registry.register(f"runs:/{run.id}/model", name, tags={"seed": seed}, description=f"of {seed}")
    return run.id


def copied(stores: Pair, **given: object) -> ModelCopy:
    (found,) = stores.run(**given).models
    return found


def told(store: Store) -> object:
    """All that users are told of the models of a store, but for the tags of copies."""
    models: list[object] = []
    for model in store.registry.search_models():
        facts: list[object] = [model.id, model.name, model.aliases, model.description, model.creation_timestamp]
        facts.append({key: value for key, value in model.tags.items() if key != "holdall.copied"})
        facts.append({a: store.registry.alias_history(model.name, a) for a in model.aliases})
        versions = store.registry.search_versions(f"name = '{model.name}'", order_by=["version_number ASC"])
        models.append([*map(str, facts), *((str(v), v.digest, v.tags, v.current_stage, v.user_id) for v in versions)])
    return models


def test_a_model_is_copied_with_all_that_is_said_of_it() -> None:
    """Ids, numbers, tags, stages, descriptions, aliases and their history with its times are the same."""
    stores = pair()
    store = stores.source
    for seed in range(3):
        version(store, "fraud", seed)
    registry = store.registry
    registry.set_alias("fraud", "champion", 1)
    registry.set_alias("fraud", "champion", 3)
    registry.set_alias("fraud", "gone", 2)
    registry.delete_alias("fraud", "gone")
    registry.set_model_tag("fraud", "team", "risk")
    registry.describe_model("fraud", "finds fraud")
    registry.set_stage("fraud", 2, "Production")
    registry.set_version_tag("fraud", 2, "checked", "yes")
    version(store, "other", 9)
    report = stores.run()
    assert [(model.name, model.outcome, model.versions) for model in report.models] == [
        ("fraud", "new", 3),
        ("other", "new", 1),
    ]
    assert told(stores.copy) == told(stores.source)
    assert intact(stores.copy)
    assert stores.copy.artifacts.read("models:/fraud@champion/weights.bin") == noise(2_000, 2)
    stores.there.requests.clear()
    assert [model.outcome for model in stores.run().models] == ["same", "same"]
    assert stores.there.count("put") == 0


def test_a_named_model_brings_its_runs_and_nothing_else() -> None:
    """Of a store with two models, one is copied with the runs of its versions."""
    stores = pair()
    store = stores.source
    ids = {version(store, "fraud", seed) for seed in range(2)}
    version(store, "other", 9)
    assert copied(stores, models=["fraud"]).outcome == "new"
    assert set(stores.copy.maintenance.run_ids()) == ids
    assert [model.name for model in stores.copy.registry.search_models()] == ["fraud"]
    with pytest.raises(ModelNotFoundError):
        stores.run(models=["nobody"])


def test_what_the_source_says_later_follows() -> None:
    """New versions, moved aliases and a new name come with the next copy; aliases stay where that is asked for."""
    stores = pair()
    store = stores.source
    version(store, "fraud", 0)
    store.registry.set_alias("fraud", "champion", 1)
    stores.run()
    version(store, "fraud", 1)
    store.registry.set_alias("fraud", "champion", 2)
    done = copied(stores, keep_aliases=True)
    assert (done.outcome, done.versions, done.moved) == ("more", 1, ())
    assert stores.copy.registry.get_model("fraud").aliases == {"champion": "1"}
    store.registry.set_alias("fraud", "challenger", 1)
    store.registry.rename_model("fraud", "scam")
    assert copied(stores).moved == ("challenger",)
    assert stores.copy.registry.get_model("scam").aliases == {"champion": "1", "challenger": "1"}
    assert [found.name for found in stores.copy.registry.search_models()] == ["scam"]


def test_what_the_destination_says_itself_stays_until_the_source_says_otherwise() -> None:
    """An alias, tag or stage of the destination's own is kept beside what comes; of one alias the last word counts."""
    stores = pair()
    store = stores.source
    version(store, "fraud", 0)
    stores.run()
    stores.copy.registry.set_alias("fraud", "live", 1)
    stores.copy.registry.set_model_tag("fraud", "mine", "1")
    version(store, "fraud", 1)
    assert copied(stores).outcome == "more"
    model = stores.copy.registry.get_model("fraud")
    assert model.aliases == {"live": "1"}
    assert model.tags["mine"] == "1"
    store.registry.set_alias("fraud", "live", 2)
    assert copied(stores).moved == ("live",)
    assert stores.copy.registry.get_model("fraud").aliases == {"live": "2"}


def test_versions_that_the_destination_registered_itself_are_a_conflict() -> None:
    """A number has one meaning: if the copy of a model has a version of its own, no more come, and that is said."""
    stores = pair()
    store = stores.source
    id = version(store, "fraud", 0)
    stores.run()
    stores.copy.registry.register(f"runs:/{id}/model", "fraud")
    version(store, "fraud", 1)
    done = copied(stores)
    assert (done.outcome, done.detail) == ("conflict", "the destination has registered a version 2 of its own")
    assert len(stores.copy.registry.search_versions()) == 2


def test_a_name_that_another_model_has_is_a_conflict() -> None:
    """Who holds the name in the destination keeps it; the runs are copied all the same."""
    stores = pair()
    version(stores.source, "fraud", 0)
    tiny_store(stores.there.inner, seed=50)
    version(stores.copy, "fraud", 7)
    report = stores.run()
    assert report.models[0].outcome == "conflict"
    assert "another model is called 'fraud'" in report.models[0].detail
    assert not report.complete
    (mine,) = stores.copy.registry.search_versions()
    assert mine.tags == {"seed": "7"}
    assert intact(stores.copy)


def test_a_version_that_was_deleted_is_told_and_deleted_if_asked() -> None:
    """What was deleted at the source since stays, and is named, until `deletions`; what came and went is no more."""
    stores = pair()
    store = stores.source
    for seed in range(2):
        version(store, "fraud", seed)
    stores.run()
    store.registry.delete_version("fraud", 1)
    version(store, "fraud", 2)
    version(store, "fraud", 3)
    store.registry.set_alias("fraud", "brief", 3)
    store.registry.delete_version("fraud", 3)
    done = copied(stores)
    assert done.outcome == "more"
    assert done.detail == "deleted since they were copied, and still there: versions 1"
    numbers = sorted(int(found.version) for found in stores.copy.registry.search_versions())
    assert numbers == [1, 2, 4]
    assert stores.copy.registry.get_model("fraud").aliases == {}
    assert copied(stores, deletions=True).detail == "deleted since they were copied: versions 1"
    assert told(stores.copy) == told(stores.source)


def test_a_model_that_was_deleted_is_told_and_deleted_if_asked() -> None:
    """A registered model that the source has deleted stays in the copy until `deletions`."""
    stores = pair()
    version(stores.source, "fraud", 0)
    stores.run()
    stores.source.registry.delete_model("fraud")
    done = copied(stores)
    assert (done.outcome, done.detail) == ("skipped", "it was deleted since it was copied; its copy stays")
    assert copied(stores, deletions=True).outcome == "deleted"
    assert stores.copy.registry.search_models() == []
    assert stores.run(deletions=True).models == ()


def test_a_version_without_its_run_is_not_written() -> None:
    """If the run of a version could not be copied, the model stops before that version, and says why."""
    stores = pair()
    store = stores.source
    id = version(store, "fraud", 0)
    objects = stores.there.inner
    assert isinstance(objects, MemoryBucket)
    tiny_store(objects, seed=50)
    for key in [info.key for info in stores.here.list(f"runs/{id}/")]:
        objects.put(key, stores.here.get(key))
    done = copied(stores)
    assert done.outcome == "conflict"
    assert id in done.detail
    assert stores.copy.registry.search_versions() == []


# --- promotion


def test_a_promoted_version_becomes_the_destinations_next() -> None:
    """Its run comes along; the destination counts for itself; again, it keeps its number; the alias goes with it."""
    stores = pair()
    store = stores.source
    for seed in range(3):
        version(store, "fraud", seed)
    store.registry.set_alias("fraud", "champion", 3)
    done = copied(stores, models=["fraud@champion"])
    assert (done.outcome, done.version, done.moved) == ("new", 1, ("champion",))
    promoted = stores.copy.registry.get_version_by_alias("fraud", "champion")
    assert promoted.digest == store.registry.get_version("fraud", 3).digest
    assert (promoted.tags["seed"], promoted.description) == ("2", "of 2")
    said = json.loads(promoted.tags["holdall.copied"])
    assert (said["name"], said["version"]) == ("fraud", 3)
    assert len(stores.copy.maintenance.run_ids()) == 1
    again = copied(stores, models=["fraud@champion"])
    assert (again.outcome, again.version, again.moved) == ("same", 1, ())
    other = copied(stores, models=["fraud/1"])
    assert (other.outcome, other.version, other.moved) == ("new", 2, ())
    back = copied(stores, models=["fraud@champion"], keep_aliases=True)
    assert (back.version, back.moved) == (1, ())
    assert intact(stores.copy)
    with pytest.raises(ModelVersionNotFoundError):
        stores.run(models=["fraud@nobody"])


def test_a_model_of_the_destination_counts_on() -> None:
    """A model of that name which the destination has already gets the version as its next."""
    stores = pair()
    tiny_store(stores.there.inner, seed=50)
    for seed in (7, 8):
        version(stores.copy, "fraud", seed)
    version(stores.source, "fraud", 0)
    assert copied(stores, models=["fraud/1"]).version == 3
    assert copied(stores, models=["fraud/1"]).version == 3


def test_a_copy_of_a_model_takes_no_version_alone() -> None:
    """Where the destination has the model under the same id, numbers are the source's: it is copied as a whole."""
    stores = pair()
    store = stores.source
    version(store, "fraud", 0)
    stores.run()
    assert copied(stores, models=["fraud/1"]).version == 1
    version(store, "fraud", 1)
    done = copied(stores, models=["fraud/2"])
    assert done.outcome == "conflict"
    assert "--model fraud" in done.detail


def test_a_plan_names_models_and_writes_nothing() -> None:
    """With dry_run the destination is not made, and versions are counted."""
    stores = pair()
    version(stores.source, "fraud", 0)
    done = copied(stores, dry_run=True)
    assert (done.outcome, done.versions) == ("new", 1)
    alone = copied(stores, models=["fraud/1"], dry_run=True)
    assert (alone.outcome, alone.versions) == ("new", 1)
    assert stores.there.count("put") == 0


def test_what_is_in_the_destination_must_be_what_was_registered() -> None:
    """A version is written only if what its run holds there has the version's digest."""
    stores = pair()
    store = stores.source
    id = version(store, "fraud", 0)
    stores.run(runs=[id])
    run = stores.copy.runs.resume(id)
    run.log_bytes(b"more", "model/more.txt")
    run.finish()
    done = copied(stores, models=["fraud"])
    assert done.outcome == "conflict"
    assert "version 1 is sha256:" in done.detail
    alone = copied(stores, models=["fraud/1"])
    assert alone.outcome == "conflict"
    assert stores.copy.registry.search_versions() == []


def test_a_copy_of_a_copied_model_names_the_first_store() -> None:
    """What goes on from a copy that nobody wrote to is a copy of the first; so both ways bring the same."""
    stores = pair()
    version(stores.source, "fraud", 0)
    stores.run()
    third = FaultyBucket(MemoryBucket("third"))
    onward = Pair(stores.there, third)
    assert copied(onward).outcome == "new"
    direct = Pair(stores.here, third)
    assert copied(direct).outcome == "same"
    version(stores.source, "fraud", 1)
    stores.run()
    assert copied(onward).outcome == "more"
    assert told(onward.copy) == told(stores.source)
    assert len(list(third.list(model_log(onward.copy.registry.get_model("fraud").id)))) == len(
        list(stores.here.list(model_log(stores.source.registry.get_model("fraud").id)))
    )
