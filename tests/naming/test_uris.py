"""Addresses of models: what each means, and what an address that means nothing lacks."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.errors import HoldallError, InvalidURIError
from holdall.naming.uris import ModelURI, check_name, parse_model_uri
from holdall.runs.run import Run
from holdall.store import Store

ID = f"m-{'ab' * 16}-3"


@pytest.mark.parametrize(
    ("uri", "meant"),
    [
        ("models:/fraud/1", ModelURI("fraud", 1)),
        ("models:/fraud/007", ModelURI("fraud", 7)),
        ("models:/my model/12/", ModelURI("my model", 12)),
        ("models:/fraud/1/data/w.bin", ModelURI("fraud", 1, path="data/w.bin")),
        ("models:/fraud@champion", ModelURI("fraud", alias="champion")),
        ("models:/fraud@champion/data", ModelURI("fraud", alias="champion", path="data")),
        ("models:/a@b@c", ModelURI("a@b", alias="c")),
        ("models:/a@b/2", ModelURI("a@b", 2)),
        ("models:/fraud/Latest", ModelURI("fraud", stage="latest")),
        ("models:/fraud/staging", ModelURI("fraud", stage="Staging")),
        ("models:/fraud/none/x", ModelURI("fraud", stage="None", path="x")),
        (f"models:/{ID}", ModelURI(model_id=ID)),
        (f"models:/{ID}/data/w.bin", ModelURI(model_id=ID, path="data/w.bin")),
    ],
)
def test_an_address_is_read(uri: str, meant: ModelURI) -> None:
    """As MLflow reads it."""
    assert parse_model_uri(uri) == meant


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("models:/fraud", "say which version"),
        ("models:/", "say which version"),
        ("models://fraud/1", "a model's address is"),
        ("runs:/x", "a model's address is"),
        ("models:/fraud/prodution", "did you mean Production"),
        ("models:/fraud/champion", "an alias is written models:/fraud@champion"),
        ("models:/fraud/1/../2", "cannot be an artifact path"),
        ("models:/@champion", "1 to 256 characters"),
        ("models:/a:b/1", "no / and no :"),
    ],
)
def test_what_is_no_address_says_what_is_missing(uri: str, says: str) -> None:
    """And how it is written."""
    with pytest.raises(InvalidURIError, match=says):
        parse_model_uri(uri)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """Nothing else comes of it; and a name that may be one is read back with any version."""
    for uri in (text, f"models:/{text}", f"models:/{text}/1"):
        with suppress(InvalidURIError):
            parse_model_uri(uri)
    try:
        name = check_name(text)
    except HoldallError:
        return
    assert parse_model_uri(f"models:/{name}/1") == ModelURI(name, 1)


def test_each_form_leads_to_the_files(store: Store, run: Run) -> None:
    """Number, alias, stage, latest and the run's own address; a path behind it leads below."""
    registry = store.registry
    for path in ("model", "other"):
        registry.register(f"runs:/{run.id}/{path}", "fraud")
    registry.set_alias("fraud", "champion", 1)
    registry.set_stage("fraud", 2, "Production")
    there = {
        "models:/fraud/1": "model",
        "models:/fraud/2": "other",
        "models:/fraud/latest": "other",
        "models:/fraud@champion": "model",
        "models:/fraud/production": "other",
        f"runs:/{run.id}/again": "again",
    }
    assert {uri: registry.resolve(uri) for uri in there} == {
        uri: f"runs:/{run.id}/{path}" for uri, path in there.items()
    }
    assert store.artifacts.read("models:/fraud@champion/data/weights.bin") == b"weights"
    assert [info.path for info in store.artifacts.list("models:/fraud/2")] == ["other/MLmodel", "other/data"]


def test_a_logged_model_is_found_by_its_id(store: Store) -> None:
    """`m-<run id>-<n>` is the directory whose MLmodel says so; it can be registered, and its version knows the id."""
    run = store.runs.start()
    for n, folder in enumerate(("first", "deep/second")):
        run.log_bytes(f"flavors: {{}}\nmodel_id: m-{run.id}-{n}\n".encode(), f"{folder}/MLmodel")
    run.finish()
    second = f"models:/m-{run.id}-1"
    assert store.registry.resolve(second) == f"runs:/{run.id}/deep/second"
    version = store.registry.register(second, "fraud")
    assert (version.model_id, version.path, version.source) == (f"m-{run.id}-1", "deep/second", second)
    with pytest.raises(HoldallError, match="the MLmodel of"):
        store.registry.resolve(f"models:/m-{run.id}-2")
