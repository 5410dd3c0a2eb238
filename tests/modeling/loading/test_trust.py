"""Whose models may run code: no name, link, place or disguise of a file gets around the reader's answer."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LinearRegression

from holdall.chunks.pool import Pool
from holdall.errors import ContentError, DestinationError, UntrustedModelError
from holdall.modeling.files.places import check_names, named, within
from holdall.modeling.loading.trust import Trust, folder_digest
from holdall.modeling.model import Model
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

DATA = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
STRICT, OWN = Trust("listed"), Trust("same-store")


class Sneaky:
    """Makes a file when a pickle of it is read."""

    def __reduce__(self) -> Any:
        return os.system, ("echo pwned > pwned.txt",)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store() -> Store:
    return Store._over(MemoryBucket(), Pool(), trusted=True)


@pytest.fixture
def folder(store: Store, here: Path) -> Path:
    """A model of skops, which loads under every policy."""
    model = LinearRegression().fit(DATA, [1.0, 2.0, 3.0])
    store.models.save(model, here / "model", serialization_format="skops", input_example=DATA)
    assert store.models.load(here / "model", trust=STRICT) is not None
    return here / "model"


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    said = yaml.safe_load((folder / "MLmodel").read_text())
    change(said)
    (folder / "MLmodel").write_text(yaml.safe_dump(said))


ELSEWHERE = [
    "/etc/passwd", "../x", "a/../../x", "..", "a/..", "C:x", "C:/x", "c:\\x", "\\\\host\\share", "a\\..\\x", "a\\b",
    "file:/etc/passwd", "file:///etc/passwd", "s3://bucket/x", "http://host/x", "a\0b", "", None, 7, ["x"], "x" * 2000,
]  # fmt: skip


@pytest.mark.parametrize("said", ELSEWHERE, ids=repr)
def test_a_name_that_leads_elsewhere_is_refused(said: object, tmp_path: Path) -> None:
    """By its letters alone, on every system."""
    for way in (named, lambda name: within(tmp_path, name)):
        with pytest.raises(ContentError, match="leads out of the model's folder"):
            way(said)


@pytest.mark.parametrize(
    ("said", "path"),
    [("model.pkl", "model.pkl"), ("./data/", "data"), ("a//b", "a/b"), (".", "."), ("ab:c", "ab:c")],
)
def test_a_name_below_the_folder_is_its_path(said: str, path: str, tmp_path: Path) -> None:
    """However it is spelt."""
    assert named(said) == path
    assert within(tmp_path, said) == tmp_path / path


@pytest.mark.parametrize("key", [
    "pickled_model", "model_path", "model_data", "data", "code", "python_model", "model_binary", "saved_model_dir",
    "env",
])  # fmt: skip
@pytest.mark.parametrize("flavor", ["sklearn", "python_function", "a flavor of somebody's"])
def test_no_part_of_a_manifest_leads_elsewhere(key: str, flavor: str) -> None:
    """Whichever flavor says it, known or not; before anything is loaded."""
    with pytest.raises(ContentError, match="leads out"):
        check_names(Model(flavors={flavor: {key: "../x"}}), "MLmodel")


@pytest.mark.parametrize("said", [
    {"artifacts": {"a": {"path": "../x", "uri": "x"}}}, {"extra_files": [{"path": "../x"}]}, {"components": ["../x"]},
    {"env": {"conda": "/x", "virtualenv": "y"}}, {"env": {"conda": "x", "virtualenv": "/y"}},
])  # fmt: skip
def test_neither_do_the_names_inside_of_its_parts(said: dict[str, Any]) -> None:
    """Artifacts, extra files, environments and components."""
    with pytest.raises(ContentError, match="leads out"):
        check_names(Model(flavors={"python_function": said}), "MLmodel")


def test_an_example_lies_in_the_folder(store: Store, folder: Path) -> None:
    """`saved_input_example_info` reads no other file, by name or by link; loaded, described and inspected."""
    (folder.parent / "secret.json").write_text("[1]")
    loaded = store.models.load_pyfunc(folder)
    (folder / "input_example.json").unlink()
    (folder / "input_example.json").symlink_to("../secret.json")
    with pytest.raises(ContentError, match="leads out"):
        _ = loaded.input_example
    for read in (store.models.load, store.models.load_pyfunc, store.models.describe, store.models.inspect):
        with pytest.raises(ContentError, match="leads out"):
            read(folder)
    (folder / "input_example.json").unlink()
    edit(folder, lambda said: said["saved_input_example_info"].update(artifact_path="../secret.json"))
    for read in (store.models.load, store.models.load_pyfunc, store.models.describe, store.models.inspect):
        with pytest.raises(ContentError, match="leads out"):
            read(folder)


@pytest.mark.parametrize("name", [".skops", "a.SKOPS", "sub/.skops", "model.skops", "model.skops/", "x.skops.pkl", "x"])
@pytest.mark.parametrize("said", ["skops", None, "pickle", "cloudpickle", "SKOPS"])
def test_a_pickle_is_no_skops_whatever_it_is_called(store: Store, folder: Path, name: str, said: str | None) -> None:
    """Nor whatever the MLmodel file says: it is refused, and nothing of it runs."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name.rstrip("/")).write_bytes(pickle.dumps(Sneaky()))
    edit(folder, lambda body: body["flavors"]["sklearn"].update(pickled_model=name, serialization_format=said))
    edit(folder, lambda body: body["flavors"]["python_function"].update(model_path=name))
    for load in (store.models.load, store.models.load_pyfunc):
        with pytest.raises((UntrustedModelError, ContentError)):
            load(folder, trust=STRICT)
    assert not Path("pwned.txt").exists()


@pytest.mark.parametrize(
    "place", ["registered_model_meta", "sub/registered_model_meta", ".hidden", "code/__pycache__/m.pyc"]
)
def test_the_digest_covers_every_file(folder: Path, place: str) -> None:
    """Whatever it is called, wherever it lies."""
    before = folder_digest(folder)
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_bytes(b"1")
    after = folder_digest(folder)
    (folder / place).write_bytes(b"2")
    assert len({before, after, folder_digest(folder)}) == 3


def test_the_digest_covers_links_and_refuses_what_no_run_can_hold(folder: Path) -> None:
    """A link may be exchanged as a file may; a pipe has no content."""
    digests = {folder_digest(folder)}
    for target in ("model.skops", "MLmodel", "sub"):
        (folder / "link").symlink_to(target)
        digests.add(folder_digest(folder))
        (folder / "link").unlink()
    assert len(digests) == 4
    os.mkfifo(folder / "pipe")
    with pytest.raises(ContentError, match="pipe"):
        folder_digest(folder)


def test_a_model_with_links_has_one_digest_wherever_it_is(store: Store, here: Path, folder: Path) -> None:
    """In its run, as a version and fetched."""
    (folder / "also.skops").symlink_to("model.skops")
    run = store.runs.start()
    run.log_artifacts(folder, "model")
    version = store.registry.register(f"runs:/{run.id}/model", "prod")
    fetched = store.artifacts.download(f"runs:/{run.id}/model", here / "fetched")
    assert store.models.digest(f"runs:/{run.id}/model") == version.digest == folder_digest(fetched)


def logged(store: Store, name: str = "model") -> str:
    run = store.runs.start()
    return store.models.log(run, LinearRegression().fit(DATA, [1.0, 2.0, 3.0]), name).model_uri


@pytest.mark.parametrize("stranger", ["model.pt2", "code/x.py", "sub/registered_model_meta", "link"])
def test_what_lay_in_the_destination_is_not_the_stores(store: Store, here: Path, stranger: str) -> None:
    """Files that were there before are not loaded as if they were the model's."""
    uri, place = logged(store), here / "kept/model" / stranger
    place.parent.mkdir(parents=True)
    place.symlink_to("/etc/passwd") if stranger == "link" else place.write_bytes(b"x")
    for load in (store.models.load, store.models.load_pyfunc):
        with pytest.raises(DestinationError, match=f"not the model's: {stranger}"):
            load(uri, dst_path=str(here / "kept"), trust=OWN)


def test_a_destination_serves_again_and_again(store: Store, here: Path) -> None:
    """The same model's files are no strangers, nor other models beside it, nor what Python compiled of its code."""
    uri, other = logged(store), logged(store, "other")
    for each in (uri, other, uri):
        assert store.models.load(each, dst_path=str(here / "kept"), trust=OWN) is not None
    (here / "kept/model/code/__pycache__").mkdir(parents=True)
    (here / "kept/model/code/__pycache__/x.cpython-311.pyc").write_bytes(b"planted")
    assert store.models.load(uri, dst_path=str(here / "kept"), trust=OWN) is not None
    assert not (here / "kept/model/code/__pycache__").exists()


# --- the scanner ---


class Double:
    def predict(self, data: Any) -> Any:
        return data


def test_the_scanner_reads_what_the_loader_loads(store: Store, here: Path) -> None:
    """`python_model: sub/x.pkl` is not the harmless `x.pkl` beside it."""
    store.models.save(Double(), here / "model", flavor="python_function")
    (here / "model/sub").mkdir()
    (here / "model/sub/x.pkl").write_bytes(pickle.dumps(Sneaky()))
    (here / "model/x.pkl").write_bytes(pickle.dumps([1]))
    edit(here / "model", lambda said: said["flavors"]["python_function"].update(python_model="sub/x.pkl"))
    found = store.models.inspect(here / "model")
    assert found.runs_code == ["sub/x.pkl"]
    assert found.imports is not None
    assert [each.verdict for each in found.imports["sub/x.pkl"]] == ["dangerous"]
    with pytest.raises(UntrustedModelError, match=r"sub/x\.pkl"):
        store.models.load_pyfunc(here / "model", trust=STRICT)


def polyglot(path: Path) -> None:
    """A pickle to whoever reads from the start, an archive of nothing to whoever reads from the end."""
    path.write_bytes(pickle.dumps(Sneaky()))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("harmless.txt", "hello")


@pytest.mark.parametrize("name", ["model.pkl", "model.npy", "model.zip", "model.pth", "model.bin", "model", "model.7z"])
@pytest.mark.parametrize(
    "make", [lambda path: path.write_bytes(pickle.dumps(Sneaky())), polyglot], ids=["as is", "zip"]
)
def test_the_scanner_goes_by_content(store: Store, folder: Path, name: str, make: Callable[[Path], Any]) -> None:
    """A pickle is read as one whatever it is called, and whatever hangs on its end."""
    make(folder / name)
    edit(folder, lambda said: said["flavors"]["sklearn"].update(pickled_model=name, serialization_format="pickle"))
    edit(folder, lambda said: said["flavors"]["python_function"].update(model_path=name))
    found = store.models.inspect(folder)
    assert found.imports is not None
    assert "dangerous" in [each.verdict for each in found.imports[name]]


def test_torch_loads_the_file_that_is_listed(store: Store, here: Path) -> None:
    """A model that says that it is a pickle is not loaded out of a graph beside it, which nobody looked at."""
    torch = pytest.importorskip("torch")
    store.models.save(torch.nn.Linear(1, 1), here / "model")
    (here / "model/data/model.pt2").write_bytes(b"a graph of somebody's")
    assert store.models.inspect(here / "model").runs_code == ["data/model.pth"]
    loaded = store.models.load(here / "model")
    assert loaded(torch.from_numpy(np.ones((1, 1), "float32"))).shape == (1, 1)
