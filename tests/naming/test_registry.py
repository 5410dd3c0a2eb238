"""Registered models: made, given versions, pointed at, found again."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from tests.support.faulty import FaultyBucket
from tests.support.stores import tiny_store

from holdall.errors import (
    AliasMovedError,
    ArtifactNotFoundError,
    InvalidFilterError,
    InvalidNameError,
    InvalidURIError,
    ModelExistsError,
    ModelNotFoundError,
    ModelVersionNotFoundError,
    RunNotFoundError,
    StoreNotFoundError,
)
from holdall.format.manifest import manifest_digest
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


@pytest.fixture
def fraud(store: Store, run: Run) -> Store:
    """A store whose model `fraud` has three versions."""
    for path, tags in (("model", {"ok": "yes"}), ("other", {"ok": "no"}), ("again", {})):
        store.registry.register(f"runs:/{run.id}/{path}", "fraud", tags=tags)
    return store


def test_a_version_knows_where_it_comes_from(store: Store, run: Run) -> None:
    """Its source, run, path, user, times and the digest of its files are there; it is READY when the call returns."""
    version = store.registry.register(f"runs:/{run.id}/model", "fraud", tags={"team": 7}, description="the first")
    assert (version.name, version.version, version.status, version.current_stage) == ("fraud", "1", "READY", "None")
    assert (version.source, version.run_id, version.path) == (f"runs:/{run.id}/model", run.id, "model")
    assert (version.tags, version.description, version.user_id) == ({"team": "7"}, "the first", "ada")
    assert version.creation_timestamp == version.last_updated_timestamp > 0
    assert store.registry.get_version("fraud", 1) == version
    assert store.registry.get_model("fraud").latest_versions == [version]


def test_the_digest_is_of_the_files_not_of_where_they_are(fraud: Store) -> None:
    """The same files under two paths have one digest, that of a manifest from their root on; others another."""
    first, second, third = (fraud.registry.get_version("fraud", n) for n in (1, 2, 3))
    assert first.digest == third.digest != second.digest
    logged = fraud.runs.get(first.run_id).manifest
    lines = [f"{logged[f'model/{path}']}  {path}\n" for path in ("MLmodel", "data/weights.bin")]
    assert first.digest == manifest_digest("".join(lines))


def test_numbers_are_not_given_twice(fraud: Store, run: Run) -> None:
    """After the last version was deleted the next has the number after it; the others stay as they are."""
    fraud.registry.delete_version("fraud", 3)
    assert fraud.registry.register(f"runs:/{run.id}/model", "fraud").version == "4"
    with pytest.raises(ModelVersionNotFoundError, match="no version 3; there are 1, 2, 4"):
        fraud.registry.get_version("fraud", "3")


def test_an_alias_moves_and_remembers(fraud: Store) -> None:
    """It points where it was last put, its moves are kept in order, and rolling back retraces them one by one."""
    registry = fraud.registry
    for version in (1, 2, 3):
        registry.set_alias("fraud", "champion", version)
    assert registry.roll_back_alias("fraud", "champion").version == "2"
    assert registry.roll_back_alias("fraud", "champion").version == "1"
    with pytest.raises(ModelVersionNotFoundError, match="before"):
        registry.roll_back_alias("fraud", "champion")
    moves = registry.alias_history("fraud", "champion")
    assert [move.version for move in moves] == ["1", "2", "3", "2", "1"]
    assert sorted(moves, key=lambda move: move.timestamp) == moves
    assert registry.get_model("fraud").aliases == {"champion": "1"}
    assert registry.get_version("fraud", 1).aliases == ["champion"]
    assert registry.alias_history("fraud", "challenger") == []


def test_an_alias_moves_only_from_where_its_mover_knew_it(fraud: Store) -> None:
    """Who was shown another version than the alias points at by now changes nothing, and is told where it is."""
    registry = fraud.registry
    registry.set_alias("fraud", "champion", 1, expected=0)
    registry.set_alias("fraud", "champion", 2, expected="1")
    for version, expected in ((3, 1), (3, 0), (None, 1)):
        with pytest.raises(AliasMovedError, match=r"'champion' .* is at version 2; nothing changed"):
            if version:
                registry.set_alias("fraud", "champion", version, expected=expected)
            else:
                registry.delete_alias("fraud", "champion", expected=expected)
    registry.delete_alias("fraud", "champion", expected=2)
    with pytest.raises(AliasMovedError, match="is at no version"):
        registry.delete_alias("fraud", "champion", expected=2)
    assert [move.version for move in registry.alias_history("fraud", "champion")] == ["1", "2", None]


def test_the_history_of_all_aliases_is_one_look(fraud: Store) -> None:
    """Without a name it is that of every alias, in the order of the log."""
    fraud.registry.set_alias("fraud", "a", 1)
    fraud.registry.set_alias("fraud", "b", 2)
    fraud.registry.delete_alias("fraud", "a")
    moves = [(move.alias, move.version) for move in fraud.registry.alias_history("fraud")]
    assert moves == [("a", "1"), ("b", "2"), ("a", None)]


def test_deleting_a_version_takes_its_aliases_along(fraud: Store) -> None:
    """An alias never points at nothing; rolled back, it points at what it did before."""
    registry = fraud.registry
    registry.set_alias("fraud", "champion", 1)
    registry.set_alias("fraud", "champion", 2)
    registry.delete_version("fraud", 2)
    with pytest.raises(ModelVersionNotFoundError, match="no alias 'champion'; it has no alias"):
        registry.get_version_by_alias("fraud", "champion")
    assert registry.roll_back_alias("fraud", "champion").version == "1"


def test_a_stage_is_taken_over_in_one_entry(fraud: Store) -> None:
    """With `archive_existing_versions` there is no moment with two versions in Production, nor one with none."""
    registry = fraud.registry
    registry.set_stage("fraud", 1, "Production")
    before = len(list(fraud._location.bucket.list("models/")))
    assert registry.set_stage("fraud", 2, "production", archive_existing_versions=True).current_stage == "Production"
    assert len(list(fraud._location.bucket.list("models/"))) == before + 1
    assert registry.get_version("fraud", 1).current_stage == "Archived"
    assert [v.version for v in registry.latest_versions("fraud")] == ["1", "2", "3"]
    assert [v.version for v in registry.latest_versions("fraud", ["none", "Production"])] == ["2", "3"]


def test_a_renamed_model_is_the_same_model(fraud: Store) -> None:
    """Its id, versions and aliases go with it; the old name is free for another, which begins at 1."""
    registry = fraud.registry
    registry.set_alias("fraud", "champion", 2)
    before = registry.get_model("fraud")
    after = registry.rename_model("fraud", "scam")
    assert (after.id, after.name, after.aliases) == (before.id, "scam", {"champion": "2"})
    assert registry.resolve("models:/scam@champion") == registry.get_version("scam", 2).artifact_uri
    with pytest.raises(ModelNotFoundError):
        registry.get_model("fraud")
    assert registry.create_model("fraud").id != before.id
    with pytest.raises(ModelExistsError):
        registry.rename_model("scam", "fraud")
    assert registry.rename_model("scam", "scam").name == "scam"
    registry.delete_model("fraud")
    assert registry.rename_model("scam", "fraud").id == before.id


def test_a_deleted_model_is_gone_and_its_name_free(fraud: Store, run: Run) -> None:
    """Nothing finds it; a new one of its name is another model, from version 1 on."""
    old = fraud.registry.get_model("fraud").id
    fraud.registry.delete_model("fraud")
    assert (fraud.registry.search_models(), fraud.registry.search_versions()) == ([], [])
    with pytest.raises(ModelNotFoundError):
        fraud.registry.set_alias("fraud", "champion", 1)
    assert fraud.registry.register(f"runs:/{run.id}/model", "fraud").version == "1"
    assert fraud.registry.get_model("fraud").id != old


def test_a_copy_is_a_version_of_its_own(fraud: Store) -> None:
    """It has the same files, tags and description, says what it was copied from, and outlives it."""
    registry = fraud.registry
    registry.set_alias("fraud", "champion", 1)
    copy = registry.copy_version("models:/fraud@champion", "served")
    original = registry.get_version("fraud", 1)
    assert (copy.name, copy.version, copy.source) == ("served", "1", "models:/fraud/1")
    assert (copy.digest, copy.run_id, copy.tags) == (original.digest, original.run_id, original.tags)
    registry.delete_model("fraud")
    assert fraud.artifacts.read("models:/served/1/data/weights.bin") == b"weights"
    with pytest.raises(InvalidURIError):
        registry.copy_version(original.artifact_uri, "served")


def test_tags_and_descriptions_come_and_go(fraud: Store) -> None:
    """On models and on versions; None takes one back, and that it is not there is as good."""
    registry = fraud.registry
    registry.set_model_tag("fraud", "team", "a")
    registry.set_version_tag("fraud", 2, "team", "b")
    assert (registry.get_model("fraud").tags, registry.get_version("fraud", 2).tags) == (
        {"team": "a"},
        {"ok": "no", "team": "b"},
    )
    for key in ("team", "absent"):
        registry.set_model_tag("fraud", key, None)
        registry.set_version_tag("fraud", 2, key, None)
    assert (registry.get_model("fraud").tags, registry.get_version("fraud", 2).tags) == ({}, {"ok": "no"})
    assert registry.describe_model("fraud", "finds it").description == "finds it"
    assert registry.describe_model("fraud", None).description is None
    assert registry.describe_version("fraud", 1, "a try").description == "a try"
    assert registry.get_version("fraud", 2).description is None


FOUND = [
    (None, ["fraud 3", "fraud 2", "fraud 1", "spam 1"]),
    ("name = 'fraud'", ["fraud 3", "fraud 2", "fraud 1"]),
    ("name LIKE 'sp%'", ["spam 1"]),
    ("name IN ('spam', 'ham')", ["spam 1"]),
    ("tags.ok = 'yes'", ["fraud 1"]),
    ("tags.ok IS NOT NULL AND version_number >= 2", ["fraud 2"]),
    ("run_id = '{run}' AND version_number = 1", ["fraud 1", "spam 1"]),
    ("run_id IN ('{run}')", ["fraud 3", "fraud 2", "fraud 1", "spam 1"]),
    ("source_path LIKE '%/other'", ["fraud 2", "spam 1"]),
    ("creation_timestamp > 99999999999999", []),
]


@pytest.mark.parametrize(("filter", "names"), FOUND)
def test_versions_are_found(fraud: Store, run: Run, filter: str | None, names: list[str]) -> None:
    """A filter means what it says, and what an order leaves open is settled by name and the higher version."""
    fraud.registry.register(f"runs:/{run.id}/other", "spam")
    filter = filter and filter.format(run=run.id)
    found = fraud.registry.search_versions(filter, order_by=["name"])
    assert [f"{version.name} {version.version}" for version in found] == names
    assert fraud.registry.search_versions(filter, order_by=["name"], limit=1) == found[:1]


def test_what_changed_last_comes_first(fraud: Store, run: Run) -> None:
    """Versions without an order come by their latest change; models come by name; orders may be turned round."""
    fraud.registry.register(f"runs:/{run.id}/other", "spam")
    fraud.registry.describe_version("fraud", 1, "changed")
    numbers = [f"{v.name} {v.version}" for v in fraud.registry.search_versions()]
    assert numbers == ["fraud 1", "spam 1", "fraud 3", "fraud 2"]
    ordered = fraud.registry.search_versions(order_by=["version_number DESC", "name DESC"])
    assert [f"{v.name} {v.version}" for v in ordered] == ["fraud 3", "fraud 2", "spam 1", "fraud 1"]
    assert [model.name for model in fraud.registry.search_models()] == ["fraud", "spam"]
    assert [model.name for model in fraud.registry.search_models(order_by=["timestamp ASC"])] == ["spam", "fraud"]
    assert [model.name for model in fraud.registry.search_models("name ILIKE 'S%'")] == ["spam"]


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "a model twice": (lambda r, u: r.create_model("fraud"), ModelExistsError, "'fraud' already"),
    "a slash": (lambda r, u: r.create_model("a/b"), InvalidNameError, "no /"),
    "no name": (lambda r, u: r.create_model(""), InvalidNameError, "1 to 256"),
    "a logged model's id": (lambda r, u: r.create_model(f"m-{'0' * 32}-1"), InvalidNameError, "a run logged"),
    "a near name": (lambda r, u: r.get_model("Freud"), ModelNotFoundError, "did you mean 'fraud'"),
    "no near name": (lambda r, u: r.get_model("zzzzz"), ModelNotFoundError, "no registered model 'zzzzz' in memory"),
    "no such version": (lambda r, u: r.set_alias("fraud", "a", 9), ModelVersionNotFoundError, "there are 1, 2, 3"),
    "no such stage": (lambda r, u: r.set_stage("fraud", 1, "Prod"), InvalidNameError, "did you mean Production"),
    "no version in the stage": (
        lambda r, u: r.resolve("models:/fraud/Staging"),
        ModelVersionNotFoundError,
        "1 in None",
    ),
    "archived twice": (
        lambda r, u: r.set_stage("fraud", 1, "Archived", archive_existing_versions=True),
        InvalidNameError,
        "Staging and Production",
    ),
    "an alias like a version": (lambda r, u: r.set_alias("fraud", "v1", 1), InvalidNameError, "read like a version"),
    "an alias like a word": (lambda r, u: r.set_alias("fraud", "Latest", 1), InvalidNameError, "read like a version"),
    "an odd alias": (lambda r, u: r.set_alias("fraud", "a b", 1), InvalidNameError, "letters, digits"),
    "an odd version": (lambda r, u: r.get_version("fraud", "one"), InvalidNameError, "a number from 1 on"),
    "a source elsewhere": (lambda r, u: r.create_version("fraud", "s3://b/k"), InvalidURIError, "runs:/<run_id>"),
    "a path that is not there": (lambda r, u: r.register(u + "/nowhere", "new"), ArtifactNotFoundError, "nowhere"),
    "a run that is not there": (lambda r, u: r.register(f"runs:/{'0' * 32}/m", "new"), RunNotFoundError, "no run"),
    "a version of nothing": (lambda r, u: r.create_version("new", u + "/model"), ModelNotFoundError, "'new'"),
    "a filter of runs": (lambda r, u: r.search_versions("params.a = '1'"), InvalidFilterError, "tags, attributes"),
    "a filter misspelt": (lambda r, u: r.search_models("nme = 'a'"), InvalidFilterError, "did you mean 'name'"),
    "an order by tags": (lambda r, u: r.search_models(order_by=["tags.a"]), InvalidFilterError, "not by tags"),
    "an order twice": (lambda r, u: r.search_models(order_by=["name", "name DESC"]), InvalidFilterError, "already"),
    "an order of one": (lambda r, u: r.search_models(order_by="name"), TypeError, "a list of clauses"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(fraud: Store, run: Run, case: str) -> None:
    """With an error that says what is meant perhaps; nothing is written, no model is made for what is not there."""
    call, error, says = REFUSED[case]
    bucket = fraud._location.bucket
    before = {info.key for info in bucket.list()}
    with pytest.raises(error, match=says):
        call(fraud.registry, f"runs:/{run.id}")
    assert {info.key for info in bucket.list()} == before


def test_looking_makes_no_store() -> None:
    """Where there is no store, every look says so; making a model makes one."""
    store = tiny_store(MemoryBucket(), create=False)
    for look in (store.registry.search_models, store.registry.search_versions, lambda: store.registry.get_model("a")):
        with pytest.raises(StoreNotFoundError):
            look()
    store.registry.create_model("a")
    assert store.registry.get_model("a").name == "a"


def test_a_registry_travels(fraud: Store) -> None:
    """Pickled and back, it is a registry of the same store."""
    again = pickle.loads(pickle.dumps(fraud.registry.get_model("fraud")))
    assert again == fraud.registry.get_model("fraud")
    assert fraud.registry.__getstate__() == {"location": fraud._location}


def test_a_check_of_the_store_reads_the_registry(fraud: Store) -> None:
    """A store with a registry is intact; a version that was cut out of a log is noticed."""
    assert fraud.maintenance.check().problems == []
    bucket = fraud._location.bucket
    *_, second, _ = sorted(info.key for info in bucket.list("models/"))
    bucket.delete(second)
    problems = fraud.maintenance.check().problems
    assert [problem.where.startswith("models/") for problem in problems] == [True]


def test_a_look_at_a_known_model_costs_two_listings(store: Store, run: Run) -> None:
    """Of the name and of the model; the entries that this process knows are not fetched again."""
    faulty = FaultyBucket(store._location.bucket)
    registry = tiny_store(faulty, create=False).registry
    registry.register(f"runs:/{run.id}/model", "fraud")
    registry.get_version("fraud", 1)
    asked = len(faulty.requests)
    registry.get_version("fraud", 1)
    verbs = [verb for verb, _ in faulty.requests[asked:]]
    assert verbs == ["list", "list"]


def test_a_run_that_goes_on_is_registered_meanwhile(store: Store) -> None:
    """Its writer meets the pin in its own log, goes on, and its end is read with what the pin says."""
    run = store.runs.start()
    run.log_bytes(b"weights", "model/weights.bin")
    run.log_params({"rate": 1})
    assert store.registry.register(f"runs:/{run.id}/model", "fraud").version == "1"
    run.log_bytes(b"more", "after.bin")
    run.finish()
    store.registry.register(f"runs:/{run.id}/model", "fraud")
    run.delete()
    store.registry.delete_version("fraud", 1)
    state = run.state
    assert (state.status, state.deleted, state.files, state.params, len(state.pins)) == (
        "FINISHED",
        True,
        2,
        {"rate": "1"},
        1,
    )
    assert store.maintenance.check().problems == []
