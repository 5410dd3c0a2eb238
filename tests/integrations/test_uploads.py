"""What a training saves is logged while it goes on, whatever becomes of the files; what fails is a warning."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.faulty import Fault, FaultyBucket
from tests.support.stores import tiny_store

import holdall
from holdall.integrations.job import Job, flat, key_of, number_of
from holdall.integrations.uploads import Uploads
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


@pytest.fixture
def job(here: Store) -> Job:
    return Job.begin("test", paths="versioned")


def checkpoint(folder: Path, step: int, content: bytes = b"weights") -> Path:
    made = folder / f"checkpoint-{step}"
    made.mkdir()
    (made / "model.bin").write_bytes(content)
    return made


class Held:
    """Keeps a run's background thread busy until it is let go."""

    def __init__(self, run: holdall.Run) -> None:
        self.free = threading.Event()
        run.later(self.free.wait)


@pytest.mark.parametrize("links", [True, False])
def test_a_checkpoint_that_is_deleted_at_once_is_logged(
    job: Job, tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a second name of its files, or by a copy where the disk has no hard links; nothing is left of them."""
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    held, uploads = Held(job.run), Uploads(job)
    made = checkpoint(tmp_path, 1)
    (made / "latest").symlink_to("model.bin")
    uploads.log(made, "checkpoints/checkpoint-1")
    shutil.rmtree(made)
    held.free.set()
    uploads.wait()
    assert job.run.read("checkpoints/checkpoint-1/model.bin") == b"weights"
    assert [entry.path.rpartition("/")[2] for entry in job.run.entries("checkpoints")] == ["latest", "model.bin"]
    assert (job.failures, os.listdir(tmp_path)) == ([], [])


def _no_links(*_: object) -> None:
    raise OSError("no links here")


def test_a_file_that_is_replaced_by_another_is_logged_as_it_was(job: Job, tmp_path: Path) -> None:
    """As `last.ckpt` is: the new one is logged after it, and one version is kept where that is asked for."""
    held, uploads = Held(job.run), Uploads(job, pending=2, keep_last=1)
    for epoch in range(2):
        (tmp_path / "new").write_text(f"epoch {epoch}")
        (tmp_path / "new").rename(tmp_path / "last.ckpt")
        uploads.log(tmp_path / "last.ckpt", "last.ckpt")
    (tmp_path / "last.ckpt").unlink()
    held.free.set()
    uploads.wait()
    assert (job.run.load_text("last.ckpt"), len(job.run.versions("last.ckpt"))) == ("epoch 1", 1)


def test_what_is_rewritten_in_place_before_it_is_uploaded_is_no_checkpoint(job: Job, tmp_path: Path) -> None:
    """It would be that of another step under this one's name: a failure, which names the file."""
    held, uploads = Held(job.run), Uploads(job)
    made = checkpoint(tmp_path, 1)
    uploads.log(made, "checkpoint-1")
    (made / "model.bin").write_bytes(b"of a later step")
    held.free.set()
    uploads.wait()
    (failure,) = job.failures
    assert isinstance(failure, holdall.SourceChangedError)
    assert "in place" in str(failure)
    assert (job.run.manifest, os.listdir(tmp_path)) == ({}, ["checkpoint-1"])


def test_a_name_that_goes_while_its_file_is_read_is_no_change(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting one name of a file touches the other's ctime, which reading takes for a change: it is read again."""
    made, uploads, tries = checkpoint(tmp_path, 1), Uploads(job, "now"), []
    log_artifacts = holdall.Run.log_artifacts

    def log_and_change(run: holdall.Run, *args: Any, **kwargs: Any) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise holdall.SourceChangedError("model.bin", "it changed while it was read")
        return log_artifacts(run, *args, **kwargs)

    monkeypatch.setattr(holdall.Run, "log_artifacts", log_and_change)
    uploads.log(made, "checkpoint-1")
    assert (list(job.run.manifest), job.failures, len(tries)) == (["checkpoint-1/model.bin"], [], 3)


def test_who_saves_faster_than_the_bucket_takes_waits(job: Job, tmp_path: Path) -> None:
    """Of `pending` uploads that are under way, one must be done before another is begun."""
    held, uploads = Held(job.run), Uploads(job, pending=2)
    for step in range(2):
        uploads.log(checkpoint(tmp_path, step), f"checkpoint-{step}")
    third = threading.Thread(target=lambda: uploads.log(checkpoint(tmp_path, 2), "checkpoint-2"))
    third.start()
    third.join(0.05)
    assert third.is_alive()
    held.free.set()
    third.join()
    uploads.wait()
    assert len(job.run.manifest) == 3


def test_what_the_framework_deletes_goes_and_its_space_too(job: Job, tmp_path: Path) -> None:
    """In a versioned run; in another one it stays."""
    for run, left in ((job, ["checkpoint-1/model.bin"]), (Job(_immutable(), "test", own=False), None)):
        uploads = Uploads(run)
        made = [checkpoint(tmp_path, step) for step in range(2)]
        for step, folder in enumerate(made):
            uploads.log(folder, f"checkpoint-{step}")
        shutil.rmtree(made[0])
        uploads.remove_missing()
        uploads.wait()
        assert list(run.run.manifest) == (left or ["checkpoint-0/model.bin", "checkpoint-1/model.bin"])
        shutil.rmtree(made[1])
    with pytest.raises(holdall.ArtifactNotFoundError):
        job.run.versions("checkpoint-0/model.bin")


def _immutable() -> holdall.Run:
    return holdall.start_run(nested=True)


def test_what_a_killed_process_left_is_removed(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the next one that saves there; what a living process is uploading stays."""
    host = socket.gethostname()
    dead, living = (tmp_path / f".holdall-upload-{host}-{pid}-abcd" for pid in (2**22 + 1, os.getppid()))
    own = tmp_path / f".holdall-upload-{host}-{os.getpid()}-0000"  # of this id, but another process
    for folder in (dead, living, own):
        folder.mkdir()
    Uploads(job, "now").log(checkpoint(tmp_path, 1), "checkpoint-1")
    assert sorted(os.listdir(tmp_path)) == [living.name, "checkpoint-1"]


def test_uploading_now_is_done_when_it_returns(job: Job, tmp_path: Path) -> None:
    """And a word that is neither is refused."""
    Uploads(job, "now").log(checkpoint(tmp_path, 1), "checkpoint-1")
    assert list(job.run.manifest) == ["checkpoint-1/model.bin"]
    with pytest.raises(holdall.InvalidArgumentError, match="'background' or 'now'"):
        Uploads(job, "later")  # type: ignore[arg-type]  # on purpose


# --- the run ---


def test_a_bucket_that_fails_stops_no_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Measurements, parameters, uploads and the end are warnings then, and the measurements are written later."""
    bucket = FaultyBucket(MemoryBucket())
    run = tiny_store(bucket).runs.start()
    job = Job(run, "test", own=True)
    bucket.plan(Fault("put", "fail", times=None))
    job.log_params({"rate": 0.1})
    job.log_metrics({"loss": 0.5}, 1)
    Uploads(job).log(checkpoint(tmp_path, 1), "checkpoint-1")
    job.end()
    assert len(job.failures) >= 1
    assert "the training goes on" in caplog.text
    bucket.clear()
    job.end()
    assert run.record.data.metrics == {"loss": 0.5}


def test_the_active_run_is_used_and_stays_open(here: Store) -> None:
    """A run that is given, too; one of its own ends; and one that a failed training left is FAILED."""
    with holdall.start_run() as run:
        job = Job.begin("test")
        job.end()
        assert (job.run.id, job.own, run.info.status) == (run.id, False, "RUNNING")
    given = here.runs.start()
    assert Job.begin("test", given).run is given
    left, job = Job.begin("test"), Job.begin("test")
    assert left.run.info.status == "FAILED"
    job.end()
    assert (job.run.info.status, holdall.active_run()) == ("FINISHED", None)
    again = Job.begin("test", job.run.id)
    assert (again.run.id, again.own, again.run.info.status) == (job.run.id, True, "RUNNING")
    again.end()


def test_other_settings_of_a_resumed_training_are_told(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    """The run keeps what it has, takes what is new, and the training goes on."""
    job.log_params({"rate": 0.1})
    job.log_params({"rate": 0.2, "depth": 3, "nothing": None, "long": "x" * 9_000, "a b(c)": 1})
    found = job.run.record.data.params
    assert (found["rate"], found["depth"], len(found["long"]), found["a b_c_"]) == ("0.1", "3", 6_000, "1")
    assert ("keeps them: rate" in caplog.text, job.failures) == (True, [])


@pytest.mark.parametrize(
    ("name", "key"), [("a//b", "a/b"), ("../x", "_../x"), ("loss (mean)", "loss _mean_"), ("", "_."), ("/x", "x")]
)
def test_a_name_of_a_framework_becomes_one_that_a_run_may_have(job: Job, name: str, key: str) -> None:
    """As near as that is possible."""
    assert key_of(name) == key
    job.log_metrics({name: 1.0}, 0)
    assert (job.failures, list(job.run.record.data.metrics)) == ([], [key])


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1.0), (True, 1.0), (np.float32(2), 2.0), (np.array([3]), 3.0), ("4", None), (None, None), (np.ones(2), None)],
)
def test_only_numbers_are_measurements(value: object, number: float | None) -> None:
    """Those of any library, but no texts and no arrays of several."""
    assert number_of(value) == number


def test_nested_settings_are_one_level() -> None:
    """With the names of all levels; an empty one stays as it is."""
    assert flat({"a": {"b": {"c": 1}}, "d": {}}) == {"a/b/c": 1, "d": {}}
