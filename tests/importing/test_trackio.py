"""What Trackio keeps is brought: from a folder that the real package wrote, and from databases that it did not."""

from __future__ import annotations

import math
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.mlruns import digests
from tests.support.stores import tiny_store

from holdall import importing
from holdall.errors import InvalidURIError
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store

WRITTEN = Path(__file__).parent / "trackio_written"  # by trackio 0.43.0, as `SCRIPT` does
SCRIPT = """
import os, pathlib, sys
os.environ["TRACKIO_DIR"] = sys.argv[1]
import numpy, trackio
run = trackio.init(project="vision", name="first", config={"rate": 0.1, "nested": {"a": [1, 2]}}, auto_log_gpu=False)
for n, loss in enumerate([1.0, float("nan"), float("inf"), float("-inf")]):
    trackio.log({"loss": loss, "note": "text", "n": n}, step=n * 10)
trackio.log({"picture": trackio.Image(numpy.zeros((4, 4, 3), dtype="uint8"))}, step=50)
trackio.alert(title="bad", text="loss is nan", level=trackio.AlertLevel.WARN)
place = pathlib.Path(sys.argv[1]).parent / "weights.bin"
place.write_bytes(b"weights")
made = trackio.Artifact("model", type="model")
made.add_file(str(place))
run.log_artifact(made)
trackio.finish()
trackio.init(project="vision", name="second", config={}, auto_log_gpu=False)
trackio.log({"loss": 0.5})
trackio.finish()
"""


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBucket())


def check(store: Store, folder: Path) -> None:
    """See that what the script logged is here, and that a second time nothing is new."""
    report = importing.from_trackio(store, folder).perform()
    assert report.complete
    assert report.outcomes == {"new": 2}
    assert importing.from_trackio(store, folder).perform().outcomes == {"same": 2}
    run = run_called(store, "first")
    assert run.data.params == {"rate": "0.1", "nested/a": "[1, 2]"}
    points = [(one.step, repr(one.value)) for one in run.history("loss")]
    assert points == [(0, "1.0"), (10, "nan"), (20, "inf"), (30, "-inf")]
    assert run.history("loss")[0].timestamp > 1_700_000_000_000
    assert [one.value for one in run.history("n")] == [0, 1, 2, 3]
    assert run.read("artifacts/model/v0/weights.bin") == b"weights"
    media = {digest for path, digest in run.manifest.items() if path.startswith("media/50/")}
    assert media == set(digests(folder / "media").values())
    assert b'"note": "text"' in run.read("trackio/rows.jsonl")
    assert b'"title": "bad"' in run.read("trackio/alerts.jsonl")
    assert [one.value for one in run_called(store, "second").history("loss")] == [0.5]


def run_called(store: Store, name: str) -> Run:
    (found,) = store.runs.search(f"attributes.run_name = '{name}'")
    return store.runs.get(found.info.run_id)


def test_a_project_is_brought_with_its_numbers_media_and_artifacts(store: Store, tmp_path: Path) -> None:
    """Times and steps, what is no number, pictures and the files of artifacts, each with its digest."""
    shutil.copytree(WRITTEN, tmp_path / "trackio")
    before = digests(tmp_path / "trackio")
    check(store, tmp_path / "trackio")
    assert digests(tmp_path / "trackio") == before  # nothing is written into the source


@pytest.mark.doors
def test_what_the_package_writes_now_is_brought(store: Store, tmp_path: Path) -> None:
    """The real one, in a process of its own."""
    pytest.importorskip("trackio", reason="trackio is not installed: see the extra doors")
    (tmp_path / "there").mkdir()
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path / "there/trackio")], check=True, capture_output=True)
    check(store, tmp_path / "there/trackio")


def test_a_database_from_before_runs_had_ids_is_read_by_their_names(store: Store, tmp_path: Path) -> None:
    """As the first versions of Trackio wrote it: metrics alone."""
    with sqlite3.connect(tmp_path / "old.db") as database:
        database.execute("CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp, run_name, step, metrics)")
        rows = [(f"2025-08-01T00:00:0{n}", "brave-fox", n, f'{{"loss": {n}}}') for n in range(3)]
        database.executemany("INSERT INTO metrics (timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?)", rows)
    database.close()
    assert importing.from_trackio(store, tmp_path).perform().complete
    assert [one.value for one in run_called(store, "brave-fox").history("loss")] == [0, 1, 2]


def test_a_hostile_database_names_no_file_outside(store: Store, tmp_path: Path) -> None:
    """Not by an artifact's path, its digest or a run's name; what cannot be parsed is kept out, and told."""
    folder = tmp_path / "trackio"
    shutil.copytree(WRITTEN, folder)
    (tmp_path / "secret").write_text("secret")
    with sqlite3.connect(folder / "vision.db") as database:
        evil = '[{"path": "../../x", "digest": "' + "a" * 64 + '"}, {"path": "x", "digest": "../../../secret"}, 7]'
        database.execute("UPDATE artifact_versions SET manifest = ?", [evil])
        database.execute("UPDATE metrics SET metrics = ? WHERE step = 10", ["[" * 100_000])
        database.execute("UPDATE metrics SET run_name = '../../..', metrics = '{\"a\": 1e999}' WHERE step = 0")
    database.close()
    (folder / "broken.db").write_bytes(b"no database at all, and long enough to be looked at" * 10)
    report = importing.from_trackio(store, folder).perform()
    assert {(one.what, one.source_id if one.what == "experiment" else one.path) for one in report.problems} == {
        ("experiment", "broken"),
        ("file", "artifacts/model/v0/../../x"),
    }
    kept = [store.runs.get(run.info.run_id) for run in store.runs.search(stage=None)]
    assert not [path for run in kept for path in run.manifest if b"secret" in run.read(path)]
    assert any(math.isinf(run.data.metrics.get("a", 0)) for run in kept)


def test_a_view_in_place_of_a_table_is_not_asked(store: Store, tmp_path: Path) -> None:
    """It can be a query that never ends; a run of the database's real tables is brought all the same."""
    endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n AS id, 'a' AS run_name FROM r"
    with sqlite3.connect(tmp_path / "vision.db") as database:
        database.execute(f"CREATE VIEW metrics AS {endless}")
        database.execute("CREATE TABLE configs (id, run_name, config, created_at)")
        database.execute("INSERT INTO configs VALUES (1, 'a', '{}', '2026-01-01')")
    database.close()
    assert importing.from_trackio(store, tmp_path).perform().outcomes == {"new": 1}


def test_a_folder_without_a_database_is_refused(store: Store, tmp_path: Path) -> None:
    """The error says what is missing."""
    with pytest.raises(InvalidURIError, match="no Trackio"):
        importing.from_trackio(store, tmp_path)
