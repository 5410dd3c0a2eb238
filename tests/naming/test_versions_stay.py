"""A registered version stays what it was: nothing is added below its path, and what was is noticed by every reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from tests.support.faulty import FaultyBucket
from tests.support.logs import entries_of
from tests.support.stores import tiny_store

from holdall.errors import RegisteredPathError, RunNotFoundError, VersionChangedError
from holdall.format.state import State
from holdall.naming.pins import pin, unpin
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.session import Draft

MODEL = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


@pytest.fixture
def store(bucket: MemoryBucket) -> Store:
    return tiny_store(bucket)


def registered(store: Store, path: str = "deep/model") -> Run:
    """A run that goes on, with a version of `fraud`."""
    run = store.runs.start()
    run.log_bytes(b"weights", f"{path}/model.pth")
    store.registry.register(f"runs:/{run.id}/{path}", "fraud")
    return run


def folder(tmp_path: Path, run: Run) -> None:
    (tmp_path / "empty").mkdir(exist_ok=True)
    run.log_artifacts(str(tmp_path), "deep/model")


ADDED: dict[str, Callable[[Path, Run], Any]] = {
    "a file beside it": lambda _, run: run.log_bytes(b"other", "deep/model/model.pt2"),
    "a file further below": lambda _, run: run.log_text("other", "deep/model/a/b/c.txt"),
    "a table": lambda _, run: run.log_table({"a": [1]}, "deep/model/table.json"),
    "an empty folder": folder,
    "a large file": lambda _, run: run.log_bytes(np.random.default_rng(0).bytes(30_000), "deep/model/large"),
}


@pytest.mark.parametrize("add", ADDED.values(), ids=ADDED)
def test_nothing_is_added_below_a_version(store: Store, bucket: MemoryBucket, tmp_path: Path, add: Any) -> None:
    """By who registered it, and by who did not know; whatever it is, nothing of it is uploaded."""
    run = registered(store)
    for writer in (run, tiny_store(bucket, seed=1, create=False).runs.resume(run.id)):
        packs = [each.key for each in bucket.list("packs/")]
        with pytest.raises(RegisteredPathError, match="a version of models:/fraud is registered there"):
            add(tmp_path, writer)
        assert [each.key for each in bucket.list("packs/")] == packs
    assert list(run.manifest) == ["deep/model/model.pth"]


def test_all_else_goes_on(store: Store) -> None:
    """The same again, other paths, tags, parameters, and the end of the run."""
    run = registered(store)
    run.log_bytes(b"weights", "deep/model/model.pth")
    run.log_bytes(b"x", "deep/model2/x")
    run.log_bytes(b"x", "deep/x")
    run.set_tags({"a": "b"})
    run.log_params({"p": 1})
    run.finish()
    assert len(run.manifest) == 3
    assert store.maintenance.check().intact


def test_a_whole_run_can_be_a_version(store: Store) -> None:
    """Then no file is added to it anywhere."""
    run = store.runs.start()
    run.log_bytes(b"weights", "model.pth")
    store.registry.register(f"runs:/{run.id}", "fraud")
    with pytest.raises(RegisteredPathError):
        run.log_bytes(b"x", "elsewhere")
    assert store.artifacts.read("models:/fraud/1/model.pth") == b"weights"


def test_a_version_that_is_deleted_keeps_nothing(store: Store) -> None:
    """But one of two that name one path is not the other."""
    run = registered(store)
    store.registry.register(f"runs:/{run.id}/deep", "other")
    store.registry.delete_version("fraud", 1)
    with pytest.raises(RegisteredPathError, match="models:/other"):
        run.log_bytes(b"x", "deep/model/x")
    store.registry.delete_model("other")
    run.log_bytes(b"x", "deep/model/x")


@pytest.mark.parametrize("much", [False, True], ids=["in the state", "in its facts"])
def test_it_is_known_when_the_log_is_long(store: Store, bucket: MemoryBucket, much: bool) -> None:
    """A reader that begins at a state knows it too, also where the state is too large for its entry."""
    run = registered(store)
    for n in range(140):
        run.set_tags({f"tag{n}": "x" * (900 if much else 1)})
        run.flush()
    run.finish()
    again = tiny_store(bucket, seed=2, create=False).runs.resume(run.id)
    with pytest.raises(RegisteredPathError):
        again.log_bytes(b"x", "deep/model/x")
    assert store.maintenance.check().intact


def test_what_lands_while_it_is_registered_is_of_the_version(bucket: MemoryBucket) -> None:
    """A commit between the look at the files and the pin is seen: the digest is of what the pin keeps."""
    run_of: list[Run] = []

    def between(_: int, when: str, verb: str, key: str) -> None:
        if run_of and when == "before" and verb == "put" and key.startswith(f"runs/{run_of[0].id}"):
            run_of.pop().log_bytes(b"late", "model/late.bin")

    store = tiny_store(FaultyBucket(bucket, on=between), seed=3)
    other = tiny_store(bucket, seed=4, create=False)
    run = other.runs.start()
    run.log_bytes(b"weights", "model/model.pth")
    store.registry.create_model("fraud")
    run_of.append(run)
    store.registry.register(f"runs:/{run.id}/model", "fraud")
    assert not run_of
    assert store.artifacts.read("models:/fraud/1/late.bin") == b"late"
    assert store.maintenance.check().intact


READ: dict[str, Callable[[Store, Path], Any]] = {
    "load": lambda store, _: store.models.load("models:/fraud/1"),
    "load_pyfunc": lambda store, _: store.models.load_pyfunc("models:/fraud@best"),
    "describe": lambda store, _: store.models.describe("models:/fraud/latest"),
    "inspect": lambda store, _: store.models.inspect("models:/fraud/1"),
    "export": lambda store, tmp_path: store.models.export("models:/fraud/1", tmp_path / "out"),
    "download": lambda store, tmp_path: store.artifacts.download("models:/fraud/1", tmp_path / "out"),
    "read": lambda store, _: store.artifacts.read("models:/fraud/1/MLmodel"),
    "open": lambda store, _: store.artifacts.open("models:/fraud/1/MLmodel").read(),
    "list": lambda store, _: store.artifacts.list("models:/fraud/1"),
    "as an artifact": lambda store, tmp_path: store.models.save(
        lambda data: data, tmp_path / "new", artifacts={"base": "models:/fraud/1"}, pip_requirements=[]
    ),
}


@pytest.fixture
def changed(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store in which another program, which knows no pins, added a file to a version."""
    run = store.runs.start()
    frame = pd.DataFrame({"a": [1.0]})
    store.log_model(run, MODEL, "model", input_example=frame, pip_requirements=[], registered_model_name="fraud")
    store.registry.set_alias("fraud", "best", 1)
    with monkeypatch.context() as careless:
        careless.setattr(State, "pin_above", lambda *_: None)
        run.log_bytes(b"planted", "model/planted.pkl")
    run.finish()
    return store


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_a_version_that_changed_is_not_read(changed: Store, tmp_path: Path, read: Callable[[Store, Path], Any]) -> None:
    """By its number, its alias or as the latest; by its place in the run it still is."""
    with pytest.raises(VersionChangedError, match="models:/fraud/1 was registered as sha256:"):
        read(changed, tmp_path)
    assert changed.artifacts.read(f"{changed.registry.resolve('models:/fraud/1')}/planted.pkl") == b"planted"


def test_the_check_names_it(changed: Store) -> None:
    """The commit that should not be, in the run's log."""
    found = changed.maintenance.check(quick=True)
    assert not found.intact
    assert any("below what a pin keeps" in problem.detail for problem in found.problems)


def test_the_check_compares_digests(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a version whose pin says no path, too, as pins of other programs may."""
    run = store.runs.start()
    run.log_bytes(b"weights", "model/model.pth")
    with monkeypatch.context() as careless:
        careless.setattr(State, "pin_above", lambda *_: None)
        store.registry.register(f"runs:/{run.id}/model", "fraud")
        version = store.registry.get_version("fraud", 1)
    assert store.maintenance.check().intact
    log = store.registry._log(store.registry._names.holder("fraud") or "")
    log.append(
        lambda: [
            {
                "op": "version",
                "version": 2,
                "source": version.source,
                "run": run.id,
                "path": "model",
                "digest": "sha256:" + "0" * 64,
                "pin": log.state.versions[1].pin,
                "user": None,
                "run_link": None,
                "model_id": None,
            }
        ]
    )
    (problem,) = store.maintenance.check().problems
    assert problem.detail.startswith("version 2 is sha256:0000")
    assert problem.touches == (f"runs:/{run.id}/model",)


def test_a_run_that_is_gone_is_not_pinned(store: Store) -> None:
    """Purged, or never there: a pin would keep nothing. To take one back is no error where the run was purged."""
    run = registered(store)
    with pytest.raises(RunNotFoundError):
        pin(store._location, "0" * 32, "models/a/b", "models:/fraud", "")
    run._writing().append(lambda: Draft([{"op": "purge"}]))
    with pytest.raises(RunNotFoundError):
        pin(store._location, run.id, "models/a/b", "models:/fraud", "")
    unpin(store._location, run.id, "models/a/b")
    there = entries_of(store._location.bucket, run.id)
    run._writing().close()  # behind a purge nothing is written
    assert entries_of(store._location.bucket, run.id) == there
