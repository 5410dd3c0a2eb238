"""Models in a store: one commit, one number each, found by every address, loaded and verified."""

from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LogisticRegression
from tests.support.stores import tiny_store

from holdall.chunks.pool import Pool
from holdall.errors import (
    ArtifactExistsError,
    ArtifactNotFoundError,
    ContentError,
    DestinationError,
    IntegrityError,
    InvalidNameError,
    InvalidURIError,
    SourceUnreadableError,
    UnknownFlavorError,
)
from holdall.modeling.loading.trust import folder_digest
from holdall.modeling.model import parse_model
from holdall.modeling.records.logged import logged_models
from holdall.modeling.signatures.signature import infer_signature
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store

DATA = pd.DataFrame({"a": np.arange(20) / 7, "b": np.arange(20) % 3 * 1.5})
MODEL = LogisticRegression().fit(DATA, DATA["a"] > 1)


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


@pytest.fixture
def store(bucket: MemoryBucket) -> Store:
    return tiny_store(bucket)


def test_a_model_is_one_commit_and_ready(store: Store, run: Run) -> None:
    """One entry has its files and its record; whoever reads it can load it."""
    first = run._hold.session.view.next  # type: ignore[union-attr]
    info = store.models.log(
        run, MODEL, "model", params={"C": 1}, tags={"by": "ada"}, model_type="classifier", step=7, metadata={"k": [1]}
    )
    assert run._hold.session.view.next == first + 1  # type: ignore[union-attr]
    assert info.model_id == f"m-{run.id}-1"
    assert info.model_uri == f"models:/{info.model_id}"
    (record,) = store.models.logged(run.id)
    assert record == store.models.get(info.model_id)
    assert (record.path, record.status, record.step, record.model_type) == ("model", "READY", 7, "classifier")
    assert (record.params, record.tags) == ({"C": "1"}, {"by": "ada"}) == (info.params, info.tags)
    assert record.flavors == ("python_function", "sklearn")
    assert record.creation_timestamp == info.creation_timestamp > 0


def test_the_mlmodel_file_says_it_all(store: Store, run: Run) -> None:
    """The keys that MLflow writes, in alphabetical order, and ours under one of its own."""
    info = store.models.log(run, MODEL, "deep/model", input_example=DATA.head(), metadata={"k": [1]})
    text = run.load_text("deep/model/MLmodel")
    said = yaml.safe_load(text)
    assert list(said) == sorted(said)
    assert {key: said[key] for key in ("artifact_path", "run_id", "model_id", "model_uuid", "metadata")} == {
        "artifact_path": "deep/model",
        "run_id": run.id,
        "model_id": info.model_id,
        "model_uuid": info.model_id,
        "metadata": {"k": [1]},
    }
    assert said["holdall"]["version"]
    sizes = {entry.path: entry.size for entry in run.entries("deep/model")}
    assert said["model_size_bytes"] == sum(sizes.values()) - sizes["deep/model/MLmodel"]
    assert store.models.describe(info.model_uri) == parse_model(text.encode())
    assert store.models.describe(info.model_uri).to_bytes() == text.encode()


def test_unknown_keys_of_an_mlmodel_survive() -> None:
    """What another writer says is said again."""
    text = b"flavors:\n  python_function:\n    loader_module: x\nfrom_the_future:\n- 1\n"
    assert yaml.safe_load(parse_model(text).to_yaml())["from_the_future"] == [1]


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"flavors: {}", b"flavors: 3", b"flavors: {1: {}}", b"a: b: c", b"!!python/object:os.x {}"]
)
def test_what_is_no_mlmodel_is_refused(text: bytes) -> None:
    """By name, and without running what it says."""
    with pytest.raises(ContentError, match="MLmodel"):
        parse_model(text)


ODD: dict[str, Any] = {
    "saved_input_example_info": "input_example.json",
    "metadata": [1],
    "holdall": "0.1",
    "flavors": {"python_function": {"config": "x"}},
    "flavors of artifacts": {"python_function": {"artifacts": ["a"]}},
    "flavors of types": {"sklearn": {"skops_trusted_types": 5}},
    "flavors of providers": {"onnx": {"providers": "CPUExecutionProvider"}},
    "flavors of options": {"onnx": {"onnx_session_options": True}},
    "flavors of params": {"xgboost": {"model_params": "x"}},
}


@pytest.mark.parametrize("key", ODD)
def test_an_mlmodel_of_another_shape_is_refused(key: str) -> None:
    """A text, say, where names and values are read is no crash of whoever reads them."""
    said = {"flavors": {"python_function": {"loader_module": "x"}}, key.partition(" ")[0]: ODD[key]}
    with pytest.raises(ContentError, match=r"its \w+ is \w+, not (names and values|a list)"):
        parse_model(yaml.safe_dump(said).encode())


def test_every_address_means_the_model(store: Store, run: Run, tmp_path: Path) -> None:
    """Its id, its path, its version, its alias, and a folder that it was fetched into."""
    info = store.log_model(run, MODEL, "model", registered_model_name="prod")
    assert info.registered_model_version == 1
    store.registry.set_alias("prod", "champion", 1)
    folder = store.artifacts.download(info.model_uri, tmp_path)
    for uri in (
        info.model_uri,
        f"runs:/{run.id}/model",
        "models:/prod/1",
        "models:/prod/latest",
        "models:/prod@champion",
        str(folder),
        folder,
        folder.as_uri(),
    ):
        assert store.models.load(uri).coef_.tolist() == MODEL.coef_.tolist()
        assert store.models.load_pyfunc(uri).predict(DATA).tolist() == MODEL.predict(DATA).tolist()


def test_a_model_has_one_digest_wherever_it_is(store: Store, run: Run, tmp_path: Path) -> None:
    """In its run, as a version, and fetched; but with a file more it is another, also if MLflow put that there."""
    info = store.log_model(run, MODEL, "model", registered_model_name="prod")
    folder = store.artifacts.download(info.model_uri, tmp_path)
    assert folder_digest(folder) == store.registry.get_version("prod", 1).digest
    (folder / "registered_model_meta").write_text("model_name: prod\n")
    assert folder_digest(folder) != store.registry.get_version("prod", 1).digest


def test_writers_of_one_run_count_together(bucket: MemoryBucket, store: Store, run: Run) -> None:
    """Eight writers, each with a session of its own: eight numbers, and each file has the number of its record."""
    stores = [tiny_store(bucket, seed=n + 1, create=False, pool=Pool()) for n in range(8)]
    threads = [
        threading.Thread(target=each.models.log, args=(each.runs.get(run.id), MODEL, f"model{n}"))
        for n, each in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.models.logged(run.id)
    assert [record.model_id for record in found] == [f"m-{run.id}-{n}" for n in range(1, 9)]
    for record in found:
        assert store.models.describe(f"runs:/{run.id}/{record.path}").model_id == record.model_id
        assert store.artifacts.list(record.model_uri)


def test_a_name_is_taken_once(bucket: MemoryBucket, store: Store, run: Run) -> None:
    """By another model, here or in another process, or by files; nothing of the second is kept."""
    store.models.log(run, MODEL, "model")
    run.log_text("x", "files/x.txt")
    other = tiny_store(bucket, seed=5, create=False)
    for writer, name in ((store, "model"), (other, "model"), (other, "files"), (store, "files")):
        before = run.manifest
        with pytest.raises(ArtifactExistsError, match=name) as caught:
            writer.models.log(writer.runs.get(run.id), MODEL, name)
        assert "another path" in caught.value.hint
        assert run.manifest == before
    assert len(store.models.logged(run.id)) == 1


def test_a_users_tags_are_no_models(run: Run) -> None:
    """Whatever stands in a tag of that name, listing goes on."""
    tags = {"holdall.model.1": "no json", "holdall.model.x": "{}", "holdall.model.2": '{"path": 1, "odd": 2}'}
    assert logged_models(run.id, tags) == []


def test_no_such_model(store: Store, run: Run, tmp_path: Path) -> None:
    """The error says what was asked for, and whether it could exist at all."""
    with pytest.raises(ArtifactNotFoundError):
        store.models.load(f"models:/m-{run.id}-9")
    with pytest.raises(InvalidURIError):
        store.models.get("m-1")
    with pytest.raises(ContentError, match="no MLmodel file"):
        store.models.load(tmp_path)
    run.log_text("x", "x.txt")
    with pytest.raises(ContentError, match="no MLmodel file"):
        store.models.load(f"runs:/{run.id}/x.txt")


def test_an_object_that_no_flavor_knows(store: Store, run: Run) -> None:
    """The error lists the flavors that there are."""
    with pytest.raises(UnknownFlavorError, match=r"builtins\.object.*python_function, .*sklearn"):
        store.models.log(run, object(), "model")


def test_damage_is_found_before_anything_is_unpickled(bucket: MemoryBucket, store: Store) -> None:
    """A bit that was flipped in the bucket never reaches the unpickler."""
    run = store.runs.start()
    big = LogisticRegression().fit(DATA, DATA["a"] > 1)
    big.padding_ = np.random.default_rng(0).random(20_000)
    info = store.models.log(run, big, "model")
    (name, *_) = [entry.key for entry in bucket.list("packs/") if entry.size > 4000]
    data = bytearray(bucket.get(name))
    data[2000] ^= 1
    bucket.delete(name)
    bucket.put(name, bytes(data))
    with pytest.raises(IntegrityError):
        tiny_store(bucket, seed=3, create=False).models.load(info.model_uri)


def test_fetched_files_are_gone_when_nobody_needs_them(
    store: Store, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A native model needs none; a python_function keeps them while it lives."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    info = store.models.log(run, MODEL, "model", input_example=DATA.head(3))
    store.models.load(info.model_uri)
    assert list(tmp_path.iterdir()) == []
    loaded = store.models.load_pyfunc(info.model_uri)
    assert loaded.input_example.equals(DATA.head(3))
    assert len(list(tmp_path.iterdir())) == 1
    del loaded
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ArtifactNotFoundError):
        store.models.load(f"runs:/{run.id}/other")
    assert list(tmp_path.iterdir()) == []
    kept = store.models.load_pyfunc(info.model_uri, dst_path=str(tmp_path / "kept"))
    del kept
    gc.collect()
    assert (tmp_path / "kept/model/MLmodel").exists()


@pytest.mark.parametrize(
    ("key", "value"), [("pickled_model", "../model.pkl"), ("pickled_model", "/model.pkl"), ("code", "a/../../b")]
)
def test_a_manifest_leads_nowhere_else(store: Store, tmp_path: Path, key: str, value: str) -> None:
    """A folder from a stranger cannot have other files of this machine loaded, nor code put before all other."""
    store.models.save(MODEL, tmp_path / "model")
    file = tmp_path / "model/MLmodel"
    said = yaml.safe_load(file.read_text())
    said["flavors"]["sklearn"][key] = value
    file.write_text(yaml.safe_dump(said))
    for load in (store.models.load, store.models.load_pyfunc):
        with pytest.raises(ContentError, match="leads out of the model's folder"):
            load(tmp_path / "model")


def test_a_small_model_is_one_request(bucket: MemoryBucket, store: Store, run: Run) -> None:
    """Whatever stands beside it: one object more in the bucket, the entry."""
    store.models.log(run, MODEL, "first", input_example=DATA.head())
    before = {entry.key for entry in bucket.list()}
    store.models.log(run, MODEL, "second", input_example=DATA.head(), tags={"a": 1})
    (made,) = {entry.key for entry in bucket.list()} - before
    assert made.startswith(f"runs/{run.id}/log/")


def test_code_comes_along(store: Store, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and folders, without what was compiled; found first when it is loaded."""
    package = tmp_path / "my_own_package_of_code"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").write_text("WORD = 'mine'\n")
    (package / "__pycache__/x.pyc").write_bytes(b"x")
    monkeypatch.setattr(sys, "path", list(sys.path))
    info = store.models.log(run, MODEL, "model", code_paths=[str(package)])
    names = {path for path in run.manifest if path.startswith("model/code/")}
    assert names == {"model/code/my_own_package_of_code/__init__.py"}
    store.models.load(info.model_uri)
    assert __import__("my_own_package_of_code").WORD == "mine"
    del sys.modules["my_own_package_of_code"]
    with pytest.raises(SourceUnreadableError, match="nowhere"):
        store.models.log(run, MODEL, "other", code_paths=["nowhere.py"])


def test_code_of_one_name_from_two_places_is_refused(store: Store, run: Run, tmp_path: Path) -> None:
    """Neither may hide the other; the same place twice is one."""
    for place in ("one", "other"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "helpers.py").write_text(f"PLACE = {place!r}\n")
    one, other = (str(tmp_path / place / "helpers.py") for place in ("one", "other"))
    with pytest.raises(ValueError, match="two of code_paths have one name"):
        store.models.log(run, MODEL, "model", code_paths=[one, other])
    assert not list(run.manifest)
    store.models.log(run, MODEL, "model", code_paths=[one, one])
    assert run.read("model/code/helpers.py") == b"PLACE = 'one'\n"


def test_extra_files_come_along(store: Store, run: Run, tmp_path: Path) -> None:
    """By address; the flavor's part of the manifest lists them."""
    (tmp_path / "notes.txt").write_text("x")
    run.log_text("y", "plots/y.txt")
    info = store.models.log(
        run, MODEL, "model", extra_files=[str(tmp_path / "notes.txt"), f"runs:/{run.id}/plots/y.txt"]
    )
    assert info.flavors["sklearn"]["extra_files"] == [{"path": "extra_files/notes.txt"}, {"path": "extra_files/y.txt"}]
    assert run.load_text("model/extra_files/y.txt") == "y"
    with pytest.raises(InvalidURIError, match="only local files"):
        store.models.log(run, MODEL, "other", extra_files=["s3://bucket/x"])


def test_what_is_said_of_a_model_obeys_the_rules_of_runs(store: Store, run: Run) -> None:
    """Names and lengths; and nothing is logged otherwise."""
    with pytest.raises(InvalidNameError, match="bad\\*key"):
        store.models.log(run, MODEL, "model", params={"bad*key": 1})
    assert run.manifest == {}


def test_a_folder_with_something_in_it_is_left_alone(store: Store, tmp_path: Path) -> None:
    """A model is saved to a folder that is not there, or is empty; a failure leaves it so."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").write_text("x")
    with pytest.raises(DestinationError, match="something here"):
        store.models.save(MODEL, tmp_path / "full")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="one of conda_env"):
        store.models.save(MODEL, tmp_path / "empty", conda_env={}, pip_requirements=[])
    assert list((tmp_path / "empty").iterdir()) == []
    store.models.save(MODEL, tmp_path / "empty")
    assert store.models.load(tmp_path / "empty").coef_.tolist() == MODEL.coef_.tolist()


def test_a_model_that_fails_on_its_example_is_kept(store: Store, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Without a signature, and with a warning that has the model's own words."""
    info = store.models.log(run, MODEL, "model", input_example=pd.DataFrame({"z": [1.0]}))
    assert info.signature is None
    assert "fails on its input example" in caplog.text
    assert "model/input_example.json" in run.manifest


def test_mlflows_own_signature_is_taken(store: Store, run: Run) -> None:
    """Whatever has its `to_dict()`, byte for byte."""
    import mlflow.models

    theirs = mlflow.models.infer_signature(DATA, MODEL.predict(DATA), {"x": 1})
    info = store.models.log(run, MODEL, "model", signature=theirs)
    assert info.signature is not None
    assert info.signature.to_dict() == theirs.to_dict()
    assert info.signature == infer_signature(DATA, MODEL.predict(DATA), {"x": 1})


def test_the_signature_is_enforced(store: Store, run: Run) -> None:
    """Columns are put in order, those too many dropped, those missing named."""
    info = store.models.log(run, MODEL, "model", input_example=DATA)
    loaded: Any = store.models.load_pyfunc(info.model_uri)
    mixed = DATA.assign(c=1)[["c", "b", "a"]]
    with pytest.warns(UserWarning, match="c"):
        assert loaded.predict(mixed).tolist() == MODEL.predict(DATA).tolist()
    with pytest.raises(ValueError, match="b: "):
        loaded.predict(DATA[["a"]])
