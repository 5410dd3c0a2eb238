"""The guide's DAG, run by a real Airflow; and what its connections say of stores."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import holdall
from holdall.errors import InvalidArgumentError
from holdall.integrations.airflow import get_provider_info

PAGE = Path(holdall.__file__).parent / "guide/pipelines.md"


def test_the_provider_names_a_module_that_has_a_file_system() -> None:
    """Airflow imports it by this name when a path begins with `holdall://`."""
    from holdall.integrations.airflow import filesystem

    assert get_provider_info()["filesystems"] == [filesystem.__name__]
    assert filesystem.schemes == [filesystem.get_fs(None).protocol]


def test_without_a_connection_the_store_is_the_usual_one(tmp_path: Path) -> None:
    """And what a path says of the store comes first."""
    from holdall.integrations.airflow.filesystem import get_fs

    with holdall.open(str(tmp_path)).runs.start() as run:
        run.log_text("all is well", "report.txt")
    found = get_fs(None, {"store": str(tmp_path)})
    assert found.cat(f"holdall://runs/{run.id}/report.txt") == b"all is well"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of an Airflow that was never used, whose DAG is the guide's."""
    pytest.importorskip("airflow", reason="doors: airflow is not installed: pip install -e '.[airflow]'")
    (tmp_path / "dags").mkdir()
    (dag,) = (body for body in re.findall(r"```py\n(.*?)```", PAGE.read_text(), re.DOTALL) if "DAG(" in body)
    (tmp_path / "dags/nightly.py").write_text(dag)
    return {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW_CONN_KEPT": '{"conn_type": "generic", "extra": {"store": "%s"}}' % (tmp_path / "store"),
        "AIRFLOW_CONN_OTHER": '{"conn_type": "generic"}',
        "HOLDALL_STORE": str(tmp_path / "store"),
        "HOLDALL_CACHE": "off",
    }


def airflow(home: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *words], env=home, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.doors
@pytest.mark.timeout(600)
def test_a_dag_logs_into_one_run_and_reads_it_back(home: dict[str, str], tmp_path: Path) -> None:
    """Standalone, in processes of Airflow's own: the second task reads by `ObjectStoragePath` what the first logged."""
    airflow(home, "db", "migrate")
    airflow(home, "dags", "test", "nightly")
    store = holdall.open(str(tmp_path / "store"))
    (run,) = store.runs.search()
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": 0.25})
    assert list(store.runs.get(run.info.run_id).manifest) == ["model/weights.txt"]


@pytest.mark.doors
def test_a_connection_says_which_store(home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its extra; one that says nothing is an error that tells what to put there."""
    from holdall.integrations.airflow.filesystem import get_fs

    for name, value in home.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HOLDALL_STORE")
    with holdall.open(str(tmp_path / "store")).runs.start() as run:
        run.log_text("all is well", "report.txt")
    assert get_fs("kept").cat(f"runs/{run.id}/report.txt") == b"all is well"
    with pytest.raises(InvalidArgumentError, match="'other' names no store"):
        get_fs("other")
