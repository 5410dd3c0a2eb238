"""Every verb by which MLflow's own client logs and loads artifacts, with its runs elsewhere and these in a store.

What each costs in requests is in a table: what the same verb of the core costs, and one more at most.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry

import holdall
from holdall.storage.schemes import _memory
from holdall.storage.wrappers.trace import Request, TraceBucket
from holdall.store import Run, Store
from holdall.surfaces.mlflow import finding, plugin, runs_of_roots
from holdall.surfaces.mlflow.artifact_repository import HoldallArtifactRepository as Repository

ROOT = f"0/{'ab' * 16}/artifacts"


@pytest.fixture(scope="module", autouse=True)
def _tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep MLflow's runs in files, which is quicker than a database, and tell MLflow of the plugin."""
    _artifact_repository_registry.register("holdall+memory", plugin.artifact_repository)
    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        mlflow.set_tracking_uri(tmp_path_factory.mktemp("tracked").as_uri())
        yield
    mlflow.set_tracking_uri(before)


@pytest.fixture
def requests() -> Iterator[tuple[str, list[Request]]]:
    """A new store in memory: its address, and all that it is asked."""
    name, asked = os.urandom(8).hex(), list[Request]()
    Store.open(f"memory://{name}").maintenance.create()
    _memory[name] = TraceBucket(_memory[name], asked.append)
    yield f"memory://{name}", asked
    runs_of_roots._open.end_all()


def _figure() -> Figure:
    figure = Figure()
    figure.subplots().plot([1, 2])
    return figure


def _table(run: str, at: Path) -> list[Any]:
    for _ in range(3):
        mlflow.log_table({"n": [1, 2]}, "table.json")
    return list(mlflow.load_table("table.json", run_ids=[run])["n"])


def _stream(run: str, at: Path) -> bytes:
    mlflow.log_stream(BytesIO(b"streamed"), "stream.bin")
    return Path(mlflow.artifacts.download_artifacts(run_id=run, artifact_path="stream.bin")).read_bytes()


def _folder(run: str, at: Path) -> list[str]:
    (at / "d" / "deep").mkdir(parents=True)
    (at / "d" / "deep" / "f.txt").write_text("x")
    mlflow.log_artifacts(str(at / "d"), "folder")
    mlflow.log_artifact(str(at / "d"), "other")
    found = Path(mlflow.artifacts.download_artifacts(run_id=run))
    return sorted(str(path.relative_to(found)) for path in found.rglob("*") if path.is_file())


def _figures(run: str, at: Path) -> list[str]:
    mlflow.log_figure(_figure(), "figure.png")
    mlflow.log_image(np.zeros((2, 2), dtype="uint8"), "image.png")
    mlflow.log_image(np.zeros((2, 2), dtype="uint8"), key="series", step=1)
    return [
        mlflow.artifacts.load_image(f"runs:/{run}/image.png").size,
        len(mlflow.artifacts.list_artifacts(run_id=run)),
    ]


def _texts(run: str, at: Path) -> tuple[Any, ...]:
    for text in ("first", "second"):
        mlflow.log_text(text, "a/text.txt")
    mlflow.log_dict({"rate": 0.1}, "config.json")
    uri = f"runs:/{run}"
    return mlflow.artifacts.load_text(f"{uri}/a/text.txt"), mlflow.artifacts.load_dict(f"{uri}/config.json")


VERBS: dict[str, tuple[Callable[[str, Path], Any], Any]] = {
    "texts": (_texts, ("second", {"rate": 0.1})),
    "tables": (_table, [1, 2] * 3),
    "streams": (_stream, b"streamed"),
    "folders": (_folder, ["folder/deep/f.txt", "other/d/deep/f.txt"]),
    "pictures": (_figures, [(2, 2), 3]),
}


@pytest.mark.parametrize("verb", VERBS)
def test_mlflows_verbs_log_and_load(requests: tuple[str, list[Request]], verb: str, tmp_path: Path) -> None:
    """What MLflow's client logs into a store, it loads again; in the run of its root, as a run of this store."""
    address, _ = requests
    experiment = mlflow.create_experiment(os.urandom(4).hex(), artifact_location=f"holdall+{address}/e")
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run() as run:
        does, expected = VERBS[verb]
        assert does(run.info.run_id, tmp_path) == expected
    (found,) = Store.open(address).runs.search()
    assert found.data.tags["holdall.mlflow.root"] == f"e/{run.info.run_id}/artifacts"


def _item(at: Path, size: int) -> Path:
    (at / "d").mkdir(exist_ok=True)
    (at / "d" / "f.bin").write_bytes(os.urandom(size))
    return at


Door = Callable[[Repository, Path], object]
Core = Callable[[Run, Store, Path], object]
# what is done through MLflow's door and by the core's own verb, after a first file was logged by the same process
COSTS: dict[str, tuple[Door, Core]] = {
    "log a small file": (
        lambda door, at: door.log_artifact(_item(at, 100) / "d" / "f.bin", "x"),
        lambda run, _, at: run.log_artifact(_item(at, 100) / "d" / "f.bin", "x", on_conflict="replace"),
    ),
    "log a large file": (
        lambda door, at: door.log_artifact(_item(at, 200_000) / "d" / "f.bin", "x"),
        lambda run, _, at: run.log_artifact(_item(at, 200_000) / "d" / "f.bin", "x", on_conflict="replace"),
    ),
    "log a folder": (
        lambda door, at: door.log_artifacts(_item(at, 100) / "d", "x"),
        lambda run, _, at: run.log_artifacts(_item(at, 100) / "d", "x", on_conflict="replace"),
    ),
    "log a small stream": (
        lambda door, at: door.log_artifact_from_stream(BytesIO(b"x" * 100), "f.bin", "x"),
        lambda run, _, at: run.log_bytes(b"x" * 100, "x/f.bin", on_conflict="replace"),
    ),
    "log a large stream": (
        lambda door, at: door.log_artifact_from_stream(BytesIO(os.urandom(200_000)), "f.bin", "x"),
        lambda run, _, at: run.log_stream(BytesIO(os.urandom(200_000)), "x/f.bin", on_conflict="replace"),
    ),
    "list a folder": (
        lambda door, at: door.list_artifacts("first"),
        lambda run, store, at: store.artifacts.list(f"runs:/{run.id}/first"),
    ),
    "list nothing": (
        lambda door, at: door.list_artifacts("nothing"),
        lambda run, store, at: store.artifacts.list(f"runs:/{run.id}/nothing"),
    ),
    "fetch a file": (
        lambda door, at: door.download_artifacts("first/f.bin", str(at)),
        lambda run, _, at: run.download("first/f.bin", at),
    ),
    "fetch a folder": (
        lambda door, at: door.download_artifacts("first", str(at)),
        lambda run, _, at: run.download("first", at),
    ),
    "fetch all": (
        lambda door, at: door.download_artifacts("", str(at)),
        lambda run, _, at: run.download(None, at),
    ),
    "delete a file": (
        lambda door, at: door.delete_artifacts("first/f.bin"),
        lambda run, _, at: run.delete_artifact("first/f.bin", trim=True),
    ),
    "delete all": (
        lambda door, at: door.delete_artifacts(),
        lambda run, store, at: store.maintenance.discard(run.id),
    ),
}


@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
@pytest.mark.parametrize("verb", COSTS)
@pytest.mark.every(3)
def test_a_verb_costs_one_request_more_at_most(
    requests: tuple[str, list[Request]], verb: str, server: bool, tmp_path: Path
) -> None:
    """Once the store is known, MLflow's door asks the bucket what the core's verb asks, and at most once more."""
    address, asked = requests
    through, own = COSTS[verb]
    door = Repository(f"holdall+{address}/{ROOT}")
    door.log_artifact_from_stream(BytesIO(b"first" * 30_000), "f.bin", "first")
    store = Store.open(address)
    run = store.runs.ensure("own", experiment="own", paths="versioned")
    run.log_stream(BytesIO(b"other" * 30_000), "first/f.bin")
    (tmp_path / "own").mkdir()
    (tmp_path / "door").mkdir()
    before = len(asked)
    own(run, store, tmp_path / "own")
    core = len(asked) - before
    through(door, tmp_path / "door")
    assert len(asked) - before - core <= core + 1, [(each.verb, each.key) for each in asked[before + core :]]
    assert core


def test_a_new_root_costs_as_much_as_a_new_run(requests: tuple[str, list[Request]]) -> None:
    """The first file of a run of MLflow's: a run is begun, and looked for before; the store is looked for once."""
    address, asked = requests
    store = Store.open(address)
    store.runs.ensure("own", experiment="own", paths="versioned").log_bytes(b"x", "f.bin")  # what a process does once
    begin = len(asked)
    store.runs.ensure("own", experiment="another", paths="versioned").log_bytes(b"x", "f.bin")
    core = len(asked) - begin
    Repository(f"holdall+{address}/0/{'1' * 32}/artifacts").log_artifact_from_stream(BytesIO(b"x"), "f.bin")
    finding._known.clear()
    middle = len(asked)
    Repository(f"holdall+{address}/1/{'2' * 32}/artifacts").log_artifact_from_stream(BytesIO(b"x"), "f.bin")
    again = len(asked)
    Repository(f"holdall+{address}/1/{'3' * 32}/artifacts").log_artifact_from_stream(BytesIO(b"x"), "f.bin")
    looked_for = 1  # GET of a descriptor in the experiment's folder; that of the store is known to the process
    assert again - middle - looked_for <= core + 1
    assert len(asked) - again <= core  # the experiment is there


def test_what_runs_hold_in_common_is_stored_once(requests: tuple[str, list[Request]]) -> None:
    """The same model logged in ten runs takes the space of one."""
    address, _ = requests
    data, store = os.urandom(1 << 20), Store.open(address)
    for n in range(10):
        Repository(f"holdall+{address}/0/{n:032x}/artifacts").log_artifact_from_stream(BytesIO(data), "model.bin", "m")
    assert store.maintenance.stats().object_bytes < 1.2 * len(data)
    assert pd.Series([run.info.run_name for run in store.runs.search()]).nunique() == 10
    assert holdall.Store.open(address).maintenance.check().intact
