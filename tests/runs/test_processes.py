"""A run and its processes: children log into their parent's run, and each ends only what it began."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import family
from tests.support.logs import AccessLog, entries_of, ops_of, packs_in
from tests.support.servers import ROOT, Server
from tests.support.worker import Place, place_of

from holdall.format.layout import PACKS


@pytest.fixture(params=["local", "moto"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A new store's place."""
    return place_of(request, request.param, tmp_path)


def run_to_its_end(command: list[str]) -> subprocess.CompletedProcess[str]:
    """A script that finds the tests."""
    path = os.pathsep.join(filter(None, [str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, cwd=ROOT)


@pytest.mark.long
@pytest.mark.every(2)
def test_threads_and_children_log_into_one_run(place: Place, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Threads, forked and spawned children log at once: all of it is there, no pack's name is used twice, one end."""
    folder = tmp_path / "files"
    for path in family.FILES:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(family.content(path))
    place.store().maintenance.create()
    server: Server | None = request.getfixturevalue("moto") if place.options else None
    log = AccessLog(server, place.url) if server else None
    done = run_to_its_end(
        [sys.executable, "-m", "tests.support.family", place.url, json.dumps(place.options), str(folder)]
    )
    assert (done.returncode, done.stderr) == (0, "")
    (run_id,) = done.stdout.split()
    run, bucket = place.store().runs.get(run_id), place.bucket()
    assert run.manifest == {path: hashlib.sha256(family.content(path)).hexdigest() for path in family.FILES}
    entries = entries_of(bucket, run_id)
    assert len(packs_in(bucket)) == len(ops_of(entries, "commit")) == len(family.FILES)
    if log:
        created = [asked for asked in log.news() if asked.method == "PUT" and asked.key.startswith(PACKS)]
        assert sorted(asked.key for asked in created) == packs_in(bucket)
    assert [op["status"] for op in ops_of(entries, "status")] == ["RUNNING", "FINISHED"]
    assert run.state.sessions == set()
    found = place.store().maintenance.check()
    assert (found.problems, found.orphans) == ([], [])


ENDINGS = {
    "falls off its end": ("run = holdall.start_run()\nlog(run)", "FINISHED"),
    "raises": ("run = holdall.start_run()\nlog(run)\nraise ValueError", "FAILED"),
    "raises in the block": ("with holdall.start_run() as run:\n    log(run)\n    raise ValueError", "FAILED"),
    "is interrupted in the block": (
        "with holdall.start_run() as run:\n    log(run)\n    signal.raise_signal(signal.SIGINT)",
        "KILLED",
    ),
    "is interrupted": ("run = holdall.start_run()\nlog(run)\nsignal.raise_signal(signal.SIGINT)", "KILLED"),
    "is terminated": ("run = holdall.start_run()\nlog(run)\nsignal.raise_signal(signal.SIGTERM)", "KILLED"),
}
HEAD = """
import signal, holdall
holdall.set_store({url!r}, **{options!r})
def log(run):
    print(run.id, flush=True)
    run.log_bytes(b"all is well", "report.txt")
    run.log_bytes(bytes(range(256)) * 300, "model.bin")
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_however_a_script_ends_its_run_does(place: Place, ending: str, python: Callable[..., list[str]]) -> None:
    """The run says how its script ended, holds what was logged, and its session is closed."""
    code, status = ENDINGS[ending]
    done = run_to_its_end([*python("botocore.session"), "-c", HEAD.format(url=place.url, options=place.options) + code])
    assert done.stdout, done.stderr
    run = place.store().runs.get(done.stdout.strip())
    state = run.state
    assert (state.status, state.sessions, state.files) == (status, set(), 2)
    assert run.read("report.txt") == b"all is well"
    assert run.read("model.bin") == bytes(range(256)) * 300
