"""HOLDALL_TRUST=signed: a model runs code only if a trusted key signed the very files that are loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.shell import Shell

import holdall
from holdall.chunks.pool import Pool
from holdall.errors import (
    ContentError,
    InvalidURIError,
    NotSignedError,
    SigningKeyError,
    UntrustedModelError,
    VersionChangedError,
)
from holdall.format.signature import PREFIX
from holdall.modeling.loading.trust import Trust
from holdall.signing.keys import SigningKey
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store
from holdall.surfaces import serving

ANNA, EVE = SigningKey.generate("p256"), SigningKey.generate()
SIGNED = Trust("signed", keys=(ANNA.public,))


@pytest.fixture
def store() -> Store:
    return Store._over(MemoryBucket(), Pool(), trusted=True)


@pytest.fixture
def run(store: Store) -> Run:
    return store.runs.start()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose loading runs code."""
    place = tmp_path_factory.mktemp("saved") / "double"
    store = Store._over(MemoryBucket(), Pool(), trusted=True)
    store.models.save(lambda model_input: [2 * x for x in model_input], place, pip_requirements=[])
    return place


@pytest.fixture
def uri(run: Run, saved: Path) -> str:
    """The same in a run that goes on."""
    run.log_artifacts(saved, "double")
    return f"runs:/{run.id}/double"


def loads(store: Store, uri: Any, trust: Trust = SIGNED) -> bool:
    """Whether a model is loaded, by either way: they agree."""
    found = []
    for load in (store.models.load, store.models.load_pyfunc):
        try:
            found.append(load(uri, trust=trust) is not None)
        except UntrustedModelError:
            found.append(False)
    assert len(set(found)) == 1
    return found[0]


def test_a_signed_model_is_loaded_and_no_other(store: Store, uri: str) -> None:
    """By a key that is trusted: not unsigned, not by another key, not if no key is named."""
    assert not loads(store, uri)
    store.models.sign(uri, EVE)
    assert not loads(store, uri)
    store.models.sign(uri, ANNA)
    assert loads(store, uri)
    assert not loads(store, uri, Trust("signed"))
    assert not loads(store, uri, Trust("listed", keys=(ANNA.public,)))
    assert loads(store, uri, Trust("signed", frozenset({store.models.digest(uri)})))


def test_the_error_says_why(store: Store, uri: str) -> None:
    """What no key signed, and that none is named."""
    with pytest.raises(UntrustedModelError, match="no trusted key signed its files"):
        store.models.load(uri, trust=SIGNED)
    with pytest.raises(UntrustedModelError, match="HOLDALL_TRUSTED_KEYS names no key"):
        store.models.load(uri, trust=Trust("signed"))
    with pytest.raises(SigningKeyError, match="cannot be read"):
        store.models.load(uri, trust=Trust("signed", keys=("/no/such/key",)))


def test_a_signed_run_vouches_for_its_models(store: Store, run: Run, uri: str) -> None:
    """As long as it holds what was signed."""
    run.sign(ANNA)
    assert loads(store, uri)
    run.log_text("more", "more.txt")
    assert not loads(store, uri)
    run.sign(ANNA)
    assert loads(store, uri)


def test_a_model_stays_signed_while_its_run_goes_on(store: Store, run: Run, uri: str) -> None:
    """Its files are what was signed; what is logged inside its folder is not."""
    store.models.sign(uri, ANNA)
    run.log_text("more", "more.txt")
    assert loads(store, uri)
    run.log_text("import os", "double/extra.py")
    assert not loads(store, uri)


def test_a_version_is_signed_as_what_it_names(store: Store, run: Run, uri: str) -> None:
    """By its number or an alias; not once its files are others than were registered."""
    store.registry.register(uri, "double")
    made = store.models.sign("models:/double/1", ANNA)
    assert made.artifact == f"runs:/{run.id}/double"
    assert loads(store, "models:/double/1")
    assert loads(store, uri)
    promise = store.artifacts._run("models:/double/1")[0]._promise
    assert promise
    wrong = Run(store._location, run.id)
    wrong._promise = type(promise)(promise.version, promise.path, "sha256:" + "0" * 64)
    with pytest.raises(VersionChangedError):
        wrong._sign(ANNA, "files", "double")


def test_a_promoted_version_stays_signed(store: Store, uri: str) -> None:
    """In the next store it is of the same run, so what was signed there is signed here; where, the signature says."""
    store.registry.register(uri, "double")
    made = store.models.sign("models:/double/1", ANNA)
    production = Store._over(MemoryBucket(), Pool(), trusted=True)
    store.maintenance.copy_to(production, models=["double/1"])
    assert loads(production, "models:/double/1")
    assert production.models.verify("models:/double/1", signed_by=ANNA.public).signatures == [made]


def test_a_signature_of_other_files_lets_nothing_in(store: Store, run: Run, uri: str, tmp_path: Path) -> None:
    """Of another model of the run, or of the same one in another run, set as this one's tag."""
    run.log_text("another", "same/MLmodel")
    store.models.sign(f"runs:/{run.id}/same", ANNA)
    assert not loads(store, uri)
    second = store.runs.start()
    second.log_artifacts(run.download("double", tmp_path), "double")
    store.models.sign(f"runs:/{second.id}/double", ANNA)
    tags = {key: text for key, text in second.state.tags.items() if key.startswith(PREFIX)}
    run.set_tags(tags)
    run.flush()
    assert not loads(store, uri)
    assert loads(store, f"runs:/{second.id}/double")


def test_what_is_loaded_is_what_was_checked(store: Store, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are others on this disk than in the store are refused: what is hashed is what is loaded."""
    store.models.sign(uri, ANNA)
    fetch = type(store.artifacts).download

    def changed(self: Any, uri: str, target: Any = None, **more: Any) -> Path:
        folder: Path = fetch(self, uri, target, **more)
        (folder / "python_model.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
        return folder

    monkeypatch.setattr(type(store.artifacts), "download", changed)
    monkeypatch.setattr(store.artifacts, "download", changed.__get__(store.artifacts))
    with pytest.raises(UntrustedModelError):
        store.models.load_pyfunc(uri, trust=SIGNED)


@pytest.fixture
def folder(store: Store, uri: str, tmp_path: Path) -> Path:
    """The model, exported and signed."""
    assert store.models.export(uri, tmp_path / "out", sign=ANNA)
    return tmp_path / "out"


def test_a_local_folder_is_signed_by_its_model_sig(store: Store, folder: Path) -> None:
    """And one without, or by another key, is not loaded."""
    assert loads(store, folder)
    assert loads(store, folder.as_uri())
    assert not loads(store, folder, Trust("signed", keys=(EVE.public,)))
    assert store.models.verify(folder, signed_by=ANNA.public).signatures[0].key == ANNA.public.fingerprint
    (folder / "model.sig").unlink()
    assert not loads(store, folder)
    with pytest.raises(NotSignedError, match=r"there is no model\.sig"):
        store.models.verify(folder, signed_by=ANNA.public)
    assert store.models.verify(folder).signatures == []


CHANGES: dict[str, Callable[[Path], object]] = {
    "changed": lambda folder: (folder / "python_model.pkl").write_bytes(b"x"),
    "added": lambda folder: (folder / "more.py").write_text("x"),
    "hidden": lambda folder: (folder / ".gitattributes").write_text("x"),
    "compiled": lambda folder: shutil.copytree(folder, folder / "__pycache__"),
    "gone": lambda folder: (folder / "requirements.txt").unlink(),
    "linked": lambda folder: (folder / "link").symlink_to("MLmodel"),
    "swapped": lambda folder: (
        (folder / "MLmodel").rename(folder / "x"),
        (folder / "conda.yaml").rename(folder / "MLmodel"),
        (folder / "x").rename(folder / "conda.yaml"),
    ),
    "damaged": lambda folder: (folder / "model.sig").write_text("{}"),
    "another's": lambda folder: (folder / "model.sig").write_bytes((folder / "model.sig").read_bytes()[:-40]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_folder_that_is_not_as_signed_is_not_loaded(store: Store, folder: Path, name: str) -> None:
    """Whatever is changed in it, ignored files and the signature among them."""
    CHANGES[name](folder)
    with pytest.raises((UntrustedModelError, ContentError)):
        store.models.load_pyfunc(folder, trust=SIGNED)
    with pytest.raises(NotSignedError):
        store.models.verify(folder, signed_by=ANNA.public)


def test_what_need_not_be_signed_is_named_by_who_verifies(store: Store, folder: Path) -> None:
    """To verify, never to load."""
    (folder / ".gitattributes").write_text("x")
    assert store.models.verify(folder, signed_by=ANNA.public, ignore=[".gitattributes"])
    assert not loads(store, folder)


def test_a_model_that_brings_its_model_sig_keeps_it_in_the_store(store: Store, folder: Path) -> None:
    """What somebody signed elsewhere is trusted here, when it was logged as it is."""
    run = store.runs.start()
    run.log_artifacts(folder, "theirs")
    assert loads(store, f"runs:/{run.id}/theirs")
    assert not loads(store, f"runs:/{run.id}/theirs", Trust("signed", keys=(EVE.public,)))


def test_an_archive_is_signed_inside(store: Store, uri: str, tmp_path: Path) -> None:
    """A folder that is unpacked from it verifies; a key of Ed25519 is refused before anything is written."""
    for end in (".zip", ".tar.gz"):
        store.models.export(uri, tmp_path / f"double{end}", sign=ANNA)
        shutil.unpack_archive(tmp_path / f"double{end}", tmp_path / end)
        assert store.models.verify(tmp_path / end, signed_by=ANNA.public)
    with pytest.raises(SigningKeyError, match="takes keys of P-256"):
        store.models.export(uri, tmp_path / "other", sign=EVE)
    assert not (tmp_path / "other").exists()


def test_a_local_folder_is_not_signed_into_a_store(store: Store, folder: Path) -> None:
    """There is no run to keep it."""
    with pytest.raises(InvalidURIError):
        store.models.sign(str(folder), ANNA)


def test_every_door_asks(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`load_model`, pyfunc, `model predict` and what serves, by the variables alone."""
    shell = Shell(tmp_path)
    place = Store.open(str(tmp_path / "store"))
    run = place.runs.start()
    run.log_artifacts(saved, "double")
    uri = f"runs:/{run.id}/double"
    ANNA.save(tmp_path / "anna")
    monkeypatch.setenv("HOLDALL_TRUST", "signed")
    monkeypatch.setenv("HOLDALL_TRUSTED_KEYS", str(tmp_path / "anna.pub"))
    monkeypatch.setenv("HOLDALL_CACHE", "off")
    holdall.set_store(place.url)
    doors: list[Callable[[], object]] = [
        lambda: holdall.load_model(uri),
        lambda: holdall.pyfunc.load_model(uri),
        lambda: serving.predict(lambda: place, uri, b'{"inputs": [1]}', "application/json"),
        lambda: holdall.models.predict(uri, [1]),
    ]
    for door in doors:
        with pytest.raises(UntrustedModelError):
            door()
    assert "no trusted key" in shell("model", "predict", "-m", uri, input='{"inputs": [1]}', code=2)
    assert "signed" in shell("model", "sign", uri, "--key", str(tmp_path / "anna"))
    for door in doors:
        door()
    assert "predictions" in shell("model", "predict", "-m", uri, input='{"inputs": [1]}')


@pytest.mark.deep
def test_workers_of_a_server_ask_too(tmp_path: Path) -> None:
    """Each loads the model itself; of an unsigned one none starts, and the reason is told."""
    place = Store.open(str(tmp_path / "store"))
    run = place.runs.start()
    uri = place.models.log(run, lambda model_input: [1], "one", pip_requirements=[]).model_uri
    ANNA.save(tmp_path / "anna")
    trusting = {"HOLDALL_TRUST": "signed", "HOLDALL_TRUSTED_KEYS": str(tmp_path / "anna.pub")}
    words = [
        sys.executable,
        "-m",
        "holdall",
        "--store",
        place.url,
        "model",
        "serve",
        "-m",
        uri,
        "--port",
        "0",
        "-w",
        "2",
    ]
    done = subprocess.run(words, env=os.environ | trusting, capture_output=True, text=True, timeout=120)
    assert done.returncode
    assert "no trusted key signed its files" in done.stderr
