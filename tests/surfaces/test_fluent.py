"""The active run, as users of MLflow know it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from tests.support.faulty import FaultyBucket
from tests.support.stores import tiny_store

import holdall
from holdall.chunks.pool import SerialExecutor
from holdall.errors import (
    AccessDeniedError,
    ActiveRunError,
    ArtifactNotFoundError,
    InvalidURIError,
    NoActiveRunError,
    RunNotFoundError,
    StoreNotFoundError,
)
from holdall.storage.memory import MemoryBucket
from holdall.surfaces.fluent import active


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[holdall.Store]:
    """A store in a folder, current for one test."""
    yield holdall.set_store(str(tmp_path / "store"))
    while holdall.active_run():
        holdall.end_run()
    active._state.store = None


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A file to log."""
    path = tmp_path / "report.txt"
    path.write_text("all is well\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inside.txt").write_text("inside\n")
    return path


def test_a_run_logs_and_reads_back(report: Path) -> None:
    """The shortest script: start, log, end; then list, load and fetch by address."""
    with holdall.start_run() as run:
        holdall.log_artifact(report)
        holdall.log_artifact(str(report), "texts/deep")
    uri = f"runs:/{run.info.run_id}"
    assert [(f.path, f.is_dir, f.file_size) for f in holdall.artifacts.list_artifacts(uri)] == [
        ("report.txt", False, 12),
        ("texts", True, None),
    ]
    assert [f.path for f in holdall.artifacts.list_artifacts(run_id=run.id, artifact_path="texts/deep")] == [
        "texts/deep/report.txt"
    ]
    assert holdall.artifacts.list_artifacts(f"{uri}/report.txt") == []
    assert holdall.artifacts.load_text(f"{uri}/report.txt") == "all is well\n"
    with holdall.artifacts.open_artifact(f"{uri}/texts/deep/report.txt") as file:
        assert file.readlines() == [b"all is well\n"]
    fetched = holdall.artifacts.download_artifacts(run_id=run.id, artifact_path="texts")
    assert (Path(fetched) / "deep/report.txt").read_text() == "all is well\n"
    assert run.state.status == "FINISHED"


def test_log_artifact_returns_none_and_the_handle_the_entry(store: holdall.Store, report: Path) -> None:
    """The fluent verb returns nothing, as MLflow's; the explicit one returns the entry with its digest."""
    with holdall.start_run() as run:
        assert holdall.log_artifact(report) is None
    entry = store.runs.get(run.id).entry("report.txt")
    assert run.manifest == {"report.txt": entry.sha256.hex()}
    assert store.runs.start().log_artifact(report).sha256 == entry.sha256  # type: ignore[union-attr]


def test_without_a_run_the_error_shows_two_ways_out(report: Path) -> None:
    """No run is started behind the user's back; the hint names both remedies."""
    with pytest.raises(NoActiveRunError) as caught:
        holdall.log_artifact(report)
    assert "start_run" in caught.value.hint
    assert "HOLDALL_AUTO_RUN=1" in caught.value.hint


def test_auto_run_starts_one(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With HOLDALL_AUTO_RUN=1 a log verb starts a run, as in MLflow."""
    monkeypatch.setenv("HOLDALL_AUTO_RUN", "1")
    holdall.log_artifact(report)
    started = holdall.active_run()
    assert started is not None
    assert started.manifest.keys() == {"report.txt"}


def test_a_second_run_must_be_nested(report: Path) -> None:
    """Two active runs are an error that names the first, unless one is inside the other."""
    with holdall.start_run() as outer:
        with pytest.raises(ActiveRunError, match=outer.id):
            holdall.start_run()
        with holdall.start_run(nested=True) as inner:
            holdall.log_artifact(report)
        assert holdall.active_run() is outer
    assert inner.manifest
    assert not outer.manifest


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_block_that_raises_says_how_the_run_ended(error: type[BaseException], status: str) -> None:
    """An exception ends the run as FAILED, Ctrl-C as KILLED, and goes on."""
    with pytest.raises(error), holdall.start_run() as run:
        raise error
    assert run.state.status == status


def test_a_run_is_gone_on_with_by_id(report: Path) -> None:
    """`start_run(run_id=...)` and `run_id=` write to a run that has ended."""
    with holdall.start_run() as run:
        pass
    holdall.log_artifact(report, "one", run_id=run.id)
    with holdall.start_run(run_id=run.id):
        holdall.log_artifact(report, "two")
    assert run.manifest.keys() == {"one/report.txt", "two/report.txt"}


def test_threads_log_into_the_main_threads_run(report: Path) -> None:
    """A worker thread without a run of its own logs into the script's; one with its own does not meet others."""
    seen: dict[int, str] = {}

    def own(n: int) -> None:
        with holdall.start_run() as run:
            holdall.log_artifact(report, f"thread{n}")
            seen[n] = run.id

    with holdall.start_run() as run:
        thread = threading.Thread(target=holdall.log_artifact, args=(report, "worker"))
        thread.start()
        thread.join()
        threads = [threading.Thread(target=own, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert run.manifest.keys() == {"worker/report.txt"}
    assert len(set(seen.values())) == 4


def test_reading_makes_no_store(tmp_path: Path) -> None:
    """A mistyped address is an error when it is read from, and nothing appears there."""
    holdall.set_store(str(tmp_path / "mistyped"))
    with pytest.raises(StoreNotFoundError, match="mistyped"):
        holdall.artifacts.list_artifacts("runs:/" + "0" * 32)
    assert not (tmp_path / "mistyped").exists()


def test_addresses_are_checked(report: Path) -> None:
    """What is no address, no run or no artifact is told apart."""
    with holdall.start_run() as run:
        holdall.log_artifact(report)
    with pytest.raises(InvalidURIError, match="32 lower-case hex"):
        holdall.artifacts.load_text("runs:/nonsense/report.txt")
    with pytest.raises(InvalidURIError, match="runs:/<run_id>"):
        holdall.artifacts.load_text(str(report))
    with pytest.raises(RunNotFoundError):
        holdall.artifacts.load_text("runs:/" + "0" * 32 + "/report.txt")
    with pytest.raises(ArtifactNotFoundError, match=r"other\.txt"):
        holdall.artifacts.load_text(f"runs:/{run.id}/other.txt")
    with pytest.raises(ValueError, match="either artifact_uri"):
        holdall.artifacts.download_artifacts()
    with pytest.raises(ValueError, match="either artifact_uri"):
        holdall.artifacts.download_artifacts(f"runs:/{run.id}", run_id=run.id)


def test_a_script_that_forgets_to_end_its_run(tmp_path: Path, store: holdall.Store, report: Path) -> None:
    """At exit the run is finished and its session closed."""
    code = f"import holdall; run = holdall.start_run(); holdall.log_artifact({str(report)!r}); print(run.id)"
    environment = {"HOLDALL_STORE": str(tmp_path / "store"), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    state = store.runs.get(done.stdout.strip()).state
    assert (state.status, state.sessions, state.files) == ("FINISHED", set(), 1)


def test_a_run_whose_end_was_refused_stays_active() -> None:
    """When the last PUT fails, the run can be ended again, and then says how it ended."""
    armed = [False]

    def refuse(number: int, when: str, verb: str, key: str) -> None:
        if armed[0] and when == "before" and verb == "put":
            raise AccessDeniedError("b", key, "expired")

    active._state.store = tiny_store(FaultyBucket(MemoryBucket(), on=refuse))
    run = holdall.start_run()
    armed[0] = True
    with pytest.raises(AccessDeniedError):
        holdall.end_run()
    assert holdall.active_run() is run
    armed[0] = False
    holdall.end_run()
    assert holdall.active_run() is None
    assert run.state.status == "FINISHED"


def test_what_is_logged_in_the_background_is_what_it_was(store: holdall.Store) -> None:
    """Changing a dict after it was handed over changes nothing of what is logged."""
    with holdall.start_run() as run:
        gate = threading.Event()
        run.later(gate.wait)
        metrics, notes = {"loss": 0.5}, {"text": "then"}
        holdall.log_metrics(metrics, synchronous=False)
        holdall.log_dict(notes, "notes.json", synchronous=False)
        metrics["loss"], notes["text"] = 999.0, "now"
        gate.set()
    assert store.runs.get(run.id).record.data.metrics == {"loss": 0.5}
    assert holdall.artifacts.load_dict(f"runs:/{run.id}/notes.json") == {"text": "then"}


def test_sigterm_is_seen_to_though_a_thread_began_the_first_run(tmp_path: Path, store: holdall.Store) -> None:
    """Where a thread started a run first, the main thread's run is still KILLED by SIGTERM."""
    code = (
        "import holdall, os, signal, threading\n"
        "first = threading.Thread(target=lambda: holdall.start_run().__exit__(None, None, None))\n"
        "first.start(); first.join()\n"
        "run = holdall.start_run(); print(run.id, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    environment = os.environ | {"HOLDALL_STORE": str(tmp_path / "store")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert store.runs.get(done.stdout.strip()).state.status == "KILLED"


def test_what_an_outliving_thread_logs_is_kept(tmp_path: Path, store: holdall.Store) -> None:
    """A thread that goes on after the main one loses nothing: its session is closed at the very end."""
    code = (
        "import holdall, threading, time\n"
        "run = holdall.start_run(); print(run.id, flush=True)\n"
        "def work():\n"
        "    time.sleep(0.5)\n"
        "    for n in range(10): run.log_metrics({'late': n}, step=n)\n"
        "threading.Thread(target=work).start()\n"
    )
    environment = os.environ | {"HOLDALL_STORE": str(tmp_path / "store")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    run = store.runs.get(done.stdout.strip())
    assert len(run.history("late")) == 10
    assert run.state.sessions == set()


def test_background_work_is_done_before_the_process_ends(tmp_path: Path, store: holdall.Store) -> None:
    """What was handed over and never waited for is there when the script has ended."""
    code = (
        "import holdall\n"
        "run = holdall.start_run(); print(run.id, flush=True)\n"
        "for n in range(50): holdall.log_text(str(n), f'{n}.txt', synchronous=False)\n"
    )
    environment = os.environ | {"HOLDALL_STORE": str(tmp_path / "store")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    run = store.runs.get(done.stdout.strip())
    assert len(run.manifest) == 50
    assert run.state.status == "FINISHED"


def test_every_verb_can_be_done_in_the_background(tmp_path: Path, report: Path) -> None:
    """Each log verb takes `synchronous=False` and gives an outcome to wait for."""
    figure = Figure()
    figure.subplots().plot([1, 2])
    with holdall.start_run() as run:
        later: Any = {"synchronous": False}
        outcomes = [
            holdall.log_param("a", 1, **later),
            holdall.log_params({"b": 2}, **later),
            holdall.log_metric("m", 1.0, **later),
            holdall.log_metrics({"n": 2.0}, **later),
            holdall.set_tag("t", "x", **later),
            holdall.set_tags({"u": "y"}, **later),
            holdall.log_artifact(report, **later),
            holdall.log_artifacts(report.parent / "folder", "folder", **later),
            holdall.log_text("text", "text.txt", **later),
            holdall.log_dict({"a": 1}, "dict.json", **later),
            holdall.log_stream(io.BytesIO(b"stream"), "stream.bin", **later),
            holdall.log_figure(figure, "figure.png", **later),
            holdall.log_image(np.zeros((4, 4)), "image.png", **later),
            holdall.log_table({"c": [1]}, "table.json", **later),
        ]
        for outcome in outcomes:
            assert outcome is not None
            outcome.wait()
    assert {path.partition("/")[0] for path in run.manifest} == {
        *("dict.json", "figure.png", "folder", "image.png", "report.txt", "stream.bin", "table.json", "text.txt"),
    }
    assert run.data.params == {"a": "1", "b": "2"}


def test_a_full_queue_makes_the_caller_wait() -> None:
    """No more than the bound wait to be done in the background."""
    lane, gate, handed = SerialExecutor(bound=2), threading.Event(), []

    def hand_over() -> None:
        for n in range(5):
            lane.submit(gate.wait)
            handed.append(n)

    thread = threading.Thread(target=hand_over)
    thread.start()
    while len(handed) < 2:
        time.sleep(0.01)
    time.sleep(0.2)  # in which a third would be taken
    assert len(handed) == 2
    gate.set()
    thread.join()
    lane.drain()
    assert len(handed) == 5
