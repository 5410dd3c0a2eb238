"""A key in the environment, and no store yet: none is made unasked, and what is said leads to one that is encrypted."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from tests.support.shell import Shell

import holdall
from holdall.errors import NotEncryptedError, StoreNotFoundError
from holdall.store import Store
from holdall.surfaces.cli.hints import hint_of
from holdall.surfaces.fluent.isolation import apart
from holdall.surfaces.mlflow import addresses, finding

KEY = "AGE-SECRET-KEY-1GPQ5YS6YG4RYWJZFFF95CN2WFAG9Z5JN2324V46CT9D9KHZATE0S5FAZ64"
_ASK: list[Callable[[Store], Any]] = [
    lambda store: store.runs.start(),
    lambda store: store.runs.search(),
    lambda store: store.experiments.ensure("vision"),
    lambda store: store.experiments.create("vision"),
    lambda store: store.registry.search_models(),
    lambda store: store.maintenance.gc(),
    lambda store: store.maintenance.stats(),
    lambda store: store.id,
]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where no store is."""
    for name in ("HOLDALL_PASSPHRASE", "HOLDALL_PASSPHRASE_COMMAND", "HOLDALL_KMS", "HOLDALL_ENCRYPTED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOLDALL_IDENTITY", KEY)
    monkeypatch.setattr(addresses, "_stores", {})
    monkeypatch.setattr(addresses, "_defaults", set(addresses._defaults))
    monkeypatch.setattr(finding, "_known", {})
    return str(tmp_path / "store")


@pytest.mark.parametrize("create", [True, False])
def test_every_verb_leads_to_an_encrypted_store(url: str, create: bool) -> None:
    """Reading and writing, in Python and at a shell; and nothing is made."""
    for ask in _ASK:
        with pytest.raises(StoreNotFoundError) as caught:
            ask(holdall.open(url, create=create))
        assert "create(encrypt=True) makes an encrypted one, create() one in the open" in caught.value.hint
        assert "`holdall store init --encrypt URL` makes an encrypted one" in caught.value.shell_hint
    assert not Path(url).exists()


def test_programs_that_make_a_store_say_the_same(url: str, tmp_path: Path) -> None:
    """The demo, an upload, and MLflow's client."""
    shell = Shell(tmp_path)
    for words in (["demo"], ["run", "start"], ["artifact", "log", "."], ["store", "check"]):
        assert "store init --encrypt" in shell(*words, code=1), words
    (tmp_path / "a.txt").write_text("a")
    uri = f"holdall+file://{url}"
    with pytest.raises(MlflowException, match="store init --encrypt"):
        MlflowClient(uri).create_run("0")
    with pytest.raises(StoreNotFoundError) as caught:
        finding.find_store(finding.parse_address(f"{uri}/0/{'0' * 32}/artifacts"))
    assert caught.value.shell_hint.startswith("`holdall store init --encrypt ")
    assert not Path(url).exists()


def test_a_store_in_the_open_is_made_by_name(url: str, tmp_path: Path) -> None:
    """The key changes nothing of it; and tests have theirs, whatever is set."""
    holdall.open(url).maintenance.create()
    run = holdall.open(url).runs.start()
    run.log_text("all is well", "report.txt")
    run.finish()
    assert not holdall.open(url)._location.descriptor.sealed
    with apart(str(tmp_path / "of-a-test")) as store:
        assert store.runs.start().info.status == "RUNNING"
    Shell(tmp_path)("store", "init", str(tmp_path / "another"))
    assert Store.open(str(tmp_path / "another")).runs.search() == []


def test_where_encryption_is_required_none_is_made_in_the_open(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not be used afterwards; nor does a copy make one."""
    monkeypatch.setenv("HOLDALL_ENCRYPTED", "required")
    with pytest.raises(NotEncryptedError) as caught:
        holdall.open(url).maintenance.create()
    assert "create(encrypt=True)" in caught.value.hint
    assert "store init --encrypt" in hint_of(caught.value)
    with pytest.raises(StoreNotFoundError) as told:
        holdall.open(url).runs.start()
    assert "in the open" not in told.value.hint
    assert not Path(url).exists()


def test_a_store_is_pickled_before_it_is_made(url: str) -> None:
    """Its keys are looked for where it is used, by what was given here."""
    with pytest.warns(UserWarning, match="holds an identity in clear"):
        packed = pickle.dumps(holdall.open(url))
    holdall.open(url).maintenance.create(encrypt=True)
    run = pickle.loads(packed).runs.start(name="first")
    run.finish()
    assert holdall.open(url).runs.get(run.id).info.run_name == "first"


def test_mlflow_knows_the_default_experiment_of_a_store_that_is_made_while_it_runs(url: str) -> None:
    """By its number 0, as of every other."""
    client = MlflowClient(f"holdall+file://{url}")
    with pytest.raises(MlflowException):
        client.get_experiment("0")
    holdall.open(url).maintenance.create(encrypt=True)
    run = client.create_run("0")
    assert [found.experiment_id for found in client.search_experiments()] == ["0"] == [run.info.experiment_id]
