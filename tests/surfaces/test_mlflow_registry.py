"""MLflow's registry over a store beside MLflow's own in a database: the same calls, in the same order, one table."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.abstract_store import AbstractStore
from tests.support.depth import DEEP
from tests.support.mlflow_stores import as_json, recorded

import holdall
from holdall.surfaces.mlflow.addresses import store_at
from holdall.surfaces.mlflow.registry_store import HoldallRegistryStore
from holdall.surfaces.mlflow.registry_store import HoldallRegistryStore as Registry

PROMPT = "tags.`mlflow.prompt.is_prompt`"
_RUN = "0123456789abcdef0123456789abcdef"


def _model_tag(key: str, value: str) -> RegisteredModelTag:
    return RegisteredModelTag(key, value)


def _version_tag(key: str, value: str) -> ModelVersionTag:
    return ModelVersionTag(key, value)


def _pages(store: Any) -> list[Any]:
    """Every page of two versions, with its token."""
    found, token = [], None
    while True:
        page = store.search_model_versions(max_results=2, page_token=token, order_by=["version_number ASC"])
        found.append(([each.name for each in page], page.token))
        if not (token := page.token):
            return found


Call = Callable[[Any], Any]
# In this order, so that each sees what those before it did.
CALLS: dict[str, Call] = {
    "search in nothing": lambda s: s.search_registered_models(),
    "search versions in nothing": lambda s: s.search_model_versions("name = 'fraud'"),
    "a filter that is none, in nothing": lambda s: s.search_registered_models("colour = 'red'"),
    "a comparator that is none, in nothing": lambda s: s.search_model_versions("version_number LIKE '1'"),
    "get none": lambda s: s.get_registered_model("fraud"),
    "create": lambda s: s.create_registered_model("fraud", [_model_tag("team", "a"), _model_tag("team", "b")], "d"),
    "create a second": lambda s: s.create_registered_model("churn"),
    "create again": lambda s: s.create_registered_model("fraud"),
    "create without a name": lambda s: s.create_registered_model(None),
    "create with an empty name": lambda s: s.create_registered_model(" "),
    "create with a slash": lambda s: s.create_registered_model("a/b"),
    "create with a colon": lambda s: s.create_registered_model("a:b"),
    "create with dots": lambda s: s.create_registered_model(".."),
    "create with a long tag": lambda s: s.create_registered_model("long", [_model_tag("k", "v" * 100_001)]),
    "create with a tag of no key": lambda s: s.create_registered_model("keyless", [_model_tag("", "v")]),
    "describe": lambda s: s.update_registered_model("fraud", "finds fraud"),
    "describe no more": lambda s: s.update_registered_model("churn", None),
    "describe none": lambda s: s.update_registered_model("none", "x"),
    "tag": lambda s: s.set_registered_model_tag("fraud", _model_tag("long", "v" * 100_000)),
    "tag none": lambda s: s.set_registered_model_tag("none", _model_tag("a", "b")),
    "untag": lambda s: s.delete_registered_model_tag("fraud", "long"),
    "untag what is not there": lambda s: s.delete_registered_model_tag("fraud", "long"),
    "untag none": lambda s: s.delete_registered_model_tag("none", "long"),
    "version": lambda s: s.create_model_version("fraud", "s3://b/1", _RUN, [_version_tag("k", "v")], "http://x", "d"),
    "a second version": lambda s: s.create_model_version("fraud", "s3://b/2"),
    "a version of another": lambda s: s.create_model_version("churn", "relative/path", _RUN),
    "a version of none": lambda s: s.create_model_version("none", "s3://b/1"),
    "a version of a version": lambda s: s.create_model_version("churn", "models:/fraud/1"),
    "a version of no version": lambda s: s.create_model_version("churn", "models:/fraud/7"),
    "where it is": lambda s: s.get_model_version_download_uri("fraud", 1),
    "where that of a version is": lambda s: s.get_model_version_download_uri("churn", "2"),
    "where none is": lambda s: s.get_model_version_download_uri("fraud", 7),
    "get a version": lambda s: s.get_model_version("fraud", "1"),
    "get version 7": lambda s: s.get_model_version("fraud", 7),
    "get version one": lambda s: s.get_model_version("fraud", "one"),
    "get a version of none": lambda s: s.get_model_version("none", 1),
    "describe a version": lambda s: s.update_model_version("fraud", 2, "the second"),
    "describe no version": lambda s: s.update_model_version("fraud", 7, "x"),
    "tag a version": lambda s: s.set_model_version_tag("fraud", 2, _version_tag("ok", "yes")),
    "tag no version": lambda s: s.set_model_version_tag("fraud", 7, _version_tag("ok", "yes")),
    "tag a version without a key": lambda s: s.set_model_version_tag("fraud", 2, _version_tag(None, "yes")),  # type: ignore[arg-type]
    "untag a version": lambda s: s.delete_model_version_tag("fraud", 1, "k"),
    "untag a version again": lambda s: s.delete_model_version_tag("fraud", 1, "k"),
    "alias": lambda s: s.set_registered_model_alias("fraud", "champion", 1),
    "move the alias": lambda s: s.set_registered_model_alias("fraud", "champion", "2"),
    "an alias like a stage": lambda s: s.set_registered_model_alias("fraud", "Production", 1),
    "an alias at no version": lambda s: s.set_registered_model_alias("fraud", "champion", 7),
    "an alias called latest": lambda s: s.set_registered_model_alias("fraud", "Latest", 1),
    "an alias called v1": lambda s: s.set_registered_model_alias("fraud", "v1", 1),
    "an alias with a slash": lambda s: s.set_registered_model_alias("fraud", "a/b", 1),
    "by alias": lambda s: s.get_model_version_by_alias("fraud", "champion"),
    "by the alias latest": lambda s: s.get_model_version_by_alias("fraud", "latest"),
    "by no alias": lambda s: s.get_model_version_by_alias("fraud", "challenger"),
    "by alias of none": lambda s: s.get_model_version_by_alias("none", "champion"),
    "no alias any more": lambda s: s.delete_registered_model_alias("fraud", "Production"),
    "nor again": lambda s: s.delete_registered_model_alias("fraud", "Production"),
    "no alias of none": lambda s: s.delete_registered_model_alias("none", "Production"),
    "get": lambda s: s.get_registered_model("fraud"),
    "to staging": lambda s: s.transition_model_version_stage("fraud", 1, "staging", False),
    "to production": lambda s: s.transition_model_version_stage("fraud", "1", "Production", False),
    "another to production": lambda s: s.transition_model_version_stage("fraud", 2, "Production", True),
    "archive existing in none": lambda s: s.transition_model_version_stage("fraud", 2, "None", True),
    "to no stage": lambda s: s.transition_model_version_stage("fraud", 1, "prod", False),
    "a stage of no version": lambda s: s.transition_model_version_stage("fraud", 7, "Staging", False),
    "latest": lambda s: s.get_latest_versions("fraud"),
    "latest of no stages": lambda s: s.get_latest_versions("fraud", []),
    "latest in a stage": lambda s: s.get_latest_versions("fraud", ["archived"]),
    "latest in stages without any": lambda s: s.get_latest_versions("fraud", ["Staging", "None"]),
    "latest in no stage": lambda s: s.get_latest_versions("fraud", ["prod"]),
    "latest of none": lambda s: s.get_latest_versions("none"),
    "a prompt": lambda s: s.create_prompt("greeting", "greets", {"lang": "en"}),
    "a prompt of a model's name": lambda s: s.create_prompt("fraud"),
    "a model of a prompt's name": lambda s: s.create_registered_model("greeting"),
    "a prompt's version": lambda s: s.create_prompt_version("greeting", "Hello {{name}}", "first", {"by": "me"}),
    "a long prompt": lambda s: s.create_prompt_version("greeting", "x" * 100_000),
    "a prompt too long": lambda s: s.create_prompt_version("greeting", "x" * 100_001),
    "a chat": lambda s: s.create_prompt_version("greeting", [{"role": "user", "content": "Hi {{name}}"}]),
    "get a prompt": lambda s: s.get_prompt("greeting"),
    "get a prompt that is a model": lambda s: s.get_prompt("fraud"),
    "get no prompt": lambda s: s.get_prompt("none"),
    "get a prompt's version": lambda s: s.get_prompt_version("greeting", 1),
    "a prompt's alias": lambda s: s.set_prompt_alias("greeting", "live", 1),
    "a prompt by alias": lambda s: s.get_prompt_version_by_alias("greeting", "live"),
    "prompts": lambda s: s.search_prompts(),
    "prompts by a tag": lambda s: s.search_prompts("tags.lang = 'en'"),
    "versions of a prompt": lambda s: s.search_prompt_versions("greeting"),
    "tag a prompt": lambda s: s.set_prompt_tag("greeting", "a", "b"),
    "tag a prompt's version": lambda s: s.set_prompt_version_tag("greeting", 1, "a", "b"),
    "models without prompts": lambda s: s.search_registered_models(),
    "models that are no prompts": lambda s: s.search_registered_models(f"{PROMPT} = 'false'"),
    "models that are prompts": lambda s: s.search_registered_models(f"{PROMPT} = 'true'"),
    "versions without prompts": lambda s: s.search_model_versions(),
    "search like": lambda s: s.search_registered_models("name LIKE 'fr%'"),
    "search like, in capitals": lambda s: s.search_registered_models("name ILIKE 'FR%'"),
    "search by a tag": lambda s: s.search_registered_models("tags.team = 'b' AND name != 'churn'"),
    "search by another tag": lambda s: s.search_registered_models("tags.team != 'b'"),
    "search by a name with a quote": lambda s: s.search_registered_models('name = "it\'s"'),
    "search by two names": lambda s: s.search_registered_models("name IN ('fraud', 'churn')"),
    "search by no value": lambda s: s.search_registered_models("name = fraud"),
    "search by an order": lambda s: s.search_registered_models(order_by=["name DESC"]),
    "search by a time": lambda s: s.search_registered_models(order_by=["creation_timestamp"]),
    "search by an order twice": lambda s: s.search_registered_models(order_by=["name", "name DESC"]),
    "search by no order": lambda s: s.search_registered_models(order_by=["colour"]),
    "a page": lambda s: s.search_registered_models(max_results=1),
    "a page after": lambda s: s.search_registered_models(
        max_results=1, page_token=s.search_registered_models(max_results=1).token
    ),
    "a page of a token that is none": lambda s: s.search_registered_models(page_token="evil"),
    "a page too large": lambda s: s.search_registered_models(max_results=100_000),
    "versions of a run": lambda s: s.search_model_versions(f"run_id = '{_RUN}'", order_by=["name ASC"]),
    "versions of runs": lambda s: s.search_model_versions(f"run_id IN ('{_RUN}')", order_by=["name DESC"]),
    "versions by source": lambda s: s.search_model_versions("source_path = 's3://b/2'"),
    "versions by number": lambda s: s.search_model_versions("version_number >= 2", order_by=["name"]),
    "versions by quoted number": lambda s: s.search_model_versions("version_number = '2'", order_by=["name"]),
    "versions by half a number": lambda s: s.search_model_versions("version_number = 1.5"),
    "versions by a tag": lambda s: s.search_model_versions("tags.ok = 'yes'"),
    "versions by name and number": lambda s: s.search_model_versions("name = 'fraud'", order_by=["version_number ASC"]),
    "versions by no key": lambda s: s.search_model_versions("stage = 'Production'"),
    "versions by no order": lambda s: s.search_model_versions(order_by=["stage"]),
    "no page of versions": lambda s: s.search_model_versions(max_results=0),
    "pages of versions": _pages,
    "copy": lambda s: s.copy_model_version(s.get_model_version("fraud", 1), "live"),
    "copy again": lambda s: s.copy_model_version(s.get_model_version("fraud", 2), "live"),
    "rename": lambda s: s.rename_registered_model("live", "online"),
    "rename to a name that is taken": lambda s: s.rename_registered_model("online", "fraud"),
    "rename to none": lambda s: s.rename_registered_model("online", ""),
    "rename none": lambda s: s.rename_registered_model("live", "x"),
    "get renamed": lambda s: s.get_model_version("online", 2),
    "delete a version": lambda s: s.delete_model_version("fraud", 2),
    "delete it again": lambda s: s.delete_model_version("fraud", 2),
    "its alias": lambda s: s.get_model_version_by_alias("fraud", "champion"),
    "the next has another number": lambda s: s.create_model_version("fraud", "s3://b/3"),
    "delete": lambda s: s.delete_registered_model("fraud"),
    "delete again": lambda s: s.delete_registered_model("fraud"),
    "its versions": lambda s: s.search_model_versions("name = 'fraud'"),
    "one of the same name": lambda s: s.create_registered_model("fraud"),
    "which begins anew": lambda s: s.create_model_version("fraud", "s3://b/4").version,
    "delete a prompt": lambda s: s.delete_prompt("greeting"),
    "no prompt is left": lambda s: s.search_prompts(),
}
# Of a source that is not there MLflow says INTERNAL_ERROR, as if it were no fault of the caller.
CLEARER = {"a version of no version": "RESOURCE_DOES_NOT_EXIST"}
# Here the answer is more than that of MLflow's database: which aliases a version has is in each of its records.
_MORE = {"_aliases", "_model_id"}


def plain(value: Any, *, inside: bool = False) -> Any:
    """What an answer says, without times; of entities that another holds or a list, without what the database omits."""
    if isinstance(value, list):
        return [plain(each, inside=True) for each in value], getattr(value, "token", None)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if hasattr(value, "__dict__"):
        kept = {k: v for k, v in vars(value).items() if "time" not in k and not (inside and k in _MORE)}
        return type(value).__name__, {k: plain(v, inside=True) for k, v in kept.items()}
    return f"{len(value)} characters" if isinstance(value, str) and len(value) > 1000 else value


def answer(call: Call, store: Any) -> Any:
    """What a call returns, or the code of its error."""
    try:
        return plain(call(store))
    except MlflowException as error:
        return type(error).__name__, error.error_code


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"holdall+file://{tmp_path}/store"


@pytest.fixture
def registry(address: str) -> HoldallRegistryStore:
    return Registry(address)


def answers(store: Any) -> dict[str, Any]:
    return as_json({name: answer(call, store) for name, call in CALLS.items()})


def differences(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Which calls are answered otherwise, and how each is, ours first."""
    assert found.keys() == expected.keys()
    return {name: (found[name], expected[name]) for name in found if found[name] != expected[name]}


def test_every_call_is_answered_as_by_mlflows_database(registry: HoldallRegistryStore) -> None:
    """Of 137 calls in a row, right and wrong ones, each gives what MLflow's own registry gives in SQLite."""
    found = differences(answers(registry), recorded("registry_answers"))
    assert {name: ours[1] for name, (ours, _) in found.items()} == CLEARER


@pytest.mark.skipif(not DEEP, reason="what MLflow's database answers is recorded; a deep run asks it again")
def test_mlflows_database_still_answers_as_recorded(tmp_path: Path) -> None:
    """What is recorded is what the installed MLflow gives."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    theirs = SqlAlchemyStore(f"sqlite:///{tmp_path}/theirs.db")
    try:
        assert differences(answers(theirs), recorded("registry_answers")) == {}
    finally:
        theirs._dispose_engine()


def test_no_verb_of_mlflows_registry_is_left_out() -> None:
    """What MLflow's abstract registry declares is there, and webhooks are refused by a sentence."""
    missing = [
        name
        for name, verb in vars(AbstractStore).items()
        if getattr(verb, "__isabstractmethod__", False) and name not in vars(Registry)
    ]
    assert missing == []


@pytest.mark.parametrize("verb", ["create_webhook", "get_webhook", "update_webhook", "delete_webhook", "test_webhook"])
def test_webhooks_are_refused(registry: HoldallRegistryStore, verb: str) -> None:
    """No server of a store could call one; a list of them is empty."""
    with pytest.raises(MlflowException, match="no server that could call a webhook") as caught:
        getattr(registry, verb)("x")
    assert caught.value.error_code == "NOT_IMPLEMENTED"
    assert registry.list_webhooks() == registry.list_webhooks_by_event(None) == []


@pytest.fixture
def logged(address: str) -> tuple[holdall.Store, holdall.Run, str]:
    """A store with a run that holds a model, and MLflow's address of that model."""
    store = store_at(address)
    run = store.runs.start()
    store.log_model(run, lambda model_input: model_input, "model", pip_requirements=[])
    run.finish()
    return store, run, f"{address}/0/{run.id}/artifacts/model"  # 0: MLflow's id of Default


def test_what_mlflow_registers_is_a_version_of_the_store(
    registry: HoldallRegistryStore, logged: tuple[holdall.Store, holdall.Run, str]
) -> None:
    """Its files are where they were logged, verified and pinned, and holdall loads it by its alias."""
    store, run, source = logged
    registry.create_registered_model("same")
    for each in (source, f"runs:/{run.id}/model", source.replace("file://", "file:"), "models:/same/1"):
        made = registry.create_model_version("same", each, run.id)
        native = store.registry.get_version("same", made.version)
        assert (made.source, made.run_id, native.run_id, native.path) == (each, run.id, run.id, "model")
        assert native.digest == store.registry.get_version("same", 1).digest
    registry.set_registered_model_alias("same", "champion", 1)
    assert store.models.load("models:/same@champion").predict(None, [1]) == [1]
    assert "holdall.mlflow" not in made.tags
    assert registry.get_model_version_download_uri("same", 4) == source


def test_what_holdall_registers_is_a_version_to_mlflow(
    registry: HoldallRegistryStore, logged: tuple[holdall.Store, holdall.Run, str]
) -> None:
    """With its run, its aliases and tags, and an address that MLflow downloads it from."""
    store, run, source = logged
    store.registry.register(f"runs:/{run.id}/model", "same", tags={"ok": "yes"})
    store.registry.set_alias("same", "champion", 1)
    found = registry.get_model_version_by_alias("same", "champion")
    assert (int(found.version), found.run_id, found.tags) == (1, run.id, {"ok": "yes"})
    assert registry.get_model_version_download_uri("same", 1) == source
    assert registry.search_model_versions(f"run_id = '{run.id}'")[0].name == "same"


def test_a_version_whose_files_are_elsewhere_says_where(registry: HoldallRegistryStore, address: str) -> None:
    """Of a source that this store does not hold a file is kept that names it; a prompt is kept as a file."""
    registry.create_registered_model("far")
    registry.create_model_version("far", "s3://elsewhere/model")
    registry.create_prompt("greeting")
    registry.create_prompt_version("greeting", "Hello {{name}}")
    store = store_at(address)
    for name, file, text in [
        ("far", "source.txt", "s3://elsewhere/model"),
        ("greeting", "prompt.txt", "Hello {{name}}"),
    ]:
        assert store.artifacts.load_text(f"models:/{name}/1/{file}") == text
    assert registry.get_model_version_download_uri("far", 1) == "s3://elsewhere/model"


def test_an_error_has_ours_as_its_cause(registry: HoldallRegistryStore) -> None:
    """MLflow's words and code come first, then what holdall says, with what to do."""
    registry.create_registered_model("fraud")
    with pytest.raises(MlflowException, match=r"Registered Model with name=frau not found.*did you mean") as caught:
        registry.get_registered_model("frau")
    assert isinstance(caught.value.__cause__, holdall.errors.ModelNotFoundError)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_registry_travels_to_another_process(registry: HoldallRegistryStore) -> None:
    """MLflow pickles its stores; ours opens the same store wherever it is unpickled."""
    registry.create_registered_model("fraud")
    assert pickle.loads(pickle.dumps(registry)).get_registered_model("fraud").name == "fraud"
