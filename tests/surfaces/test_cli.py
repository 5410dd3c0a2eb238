"""The command line, as a person uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


class Shell:
    """Runs `holdfast` in a folder, on a store there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "holdfast", *words],
            cwd=self.folder,
            env=os.environ | {"HOLDFAST_STORE": "./store"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with a few files."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.txt").write_text("a")
    (tmp_path / "data/big.bin").write_bytes(os.urandom(300_000))
    return Shell(tmp_path)


def test_log_list_cat_get_manifest(shell: Shell) -> None:
    """What was logged is listed, printed, fetched, and accepted by the real sha256sum."""
    uri = shell("artifact", "log", "data", "--to", "inputs").strip()
    run_id = uri.split("/")[1]
    assert uri == f"runs:/{run_id}/inputs/data"
    assert shell("artifact", "list", uri).splitlines() == [
        "     1 B  inputs/data/a.txt",
        "300.0 kB  inputs/data/big.bin",
    ]
    assert shell("artifact", "cat", f"{uri}/a.txt") == "a"
    assert shell("artifact", "get", f"runs:/{run_id}", "-d", "out").strip() == "out"
    (shell.folder / "sums").write_text(shell("run", "manifest", run_id))
    checked = subprocess.run(["sha256sum", "-c", "../sums"], cwd=shell.folder / "out", capture_output=True, text=True)
    assert checked.stdout.splitlines() == ["inputs/data/a.txt: OK", "inputs/data/big.bin: OK"]
    assert shell("run", "manifest", run_id, "--digest").startswith("sha256:")


def test_logging_into_a_run_that_there_is(shell: Shell) -> None:
    """`--run` adds to a run; the same path with other content is refused with both hashes and a hint."""
    run_id = shell("artifact", "log", "data/a.txt").strip().split("/")[1]
    shell("artifact", "log", "data/big.bin", "--run", run_id)
    (shell.folder / "data/a.txt").write_text("b")
    told = shell("artifact", "log", "data/a.txt", "--run", run_id, code=1)
    assert told.count("sha256:") == 2
    assert "hint:" in told


def test_init_check_stats_doctor(shell: Shell) -> None:
    """A store is made once, is intact, is measured, and its bucket is tried."""
    assert "safe for writing" in shell("store", "init")
    assert "already" in shell("store", "init", code=1)
    shell("artifact", "log", "data")
    assert shell("store", "check").splitlines()[-1] == "intact"
    assert shell("store", "check", "--quick").splitlines()[-1] == "intact"
    assert "300.0 kB in 2 files" in shell("store", "stats")
    assert "safe for writing" in shell("store", "doctor", "./elsewhere")


def test_check_names_damage_and_whom_it_touches(shell: Shell) -> None:
    """A damaged pack is named with the paths that need it, and the exit code says so."""
    uri = shell("artifact", "log", "data/big.bin").strip()
    (pack,) = (shell.folder / "store/packs").rglob("*-00000000")
    data = bytearray(pack.read_bytes())
    data[1000] ^= 1
    pack.write_bytes(data)
    told = shell("store", "check", code=1)
    assert str(pack.relative_to(shell.folder / "store")) in told
    assert f"touches {uri}" in told
    assert "big.bin" in shell("artifact", "get", uri, "-d", "out", code=1)
    assert not (shell.folder / "out/big.bin").exists()


def test_errors_are_two_lines_and_a_code(shell: Shell) -> None:
    """No traceback: what is wrong, how to mend it, exit code 1; a wrong call is code 2."""
    told = shell("artifact", "list", "runs:/" + "0" * 32, code=1)
    assert told.startswith("error: there is no holdfast store at")
    assert "Traceback" not in told
    assert "hint:" in told
    assert "nonsense" in shell("store", "nonsense", code=2)


def test_the_demo_shows_what_was_there_already(shell: Shell) -> None:
    """The demo's second run finds most bytes in the store, and every fetched byte is verified."""
    told = shell("demo")
    percent = [int(line.split()[-3].rstrip("%")) for line in told.splitlines() if line.strip().startswith("all")]
    assert percent[0] == 0
    assert percent[1] > 60
    assert "every SHA-256" in told
    assert (shell.folder / "store/holdfast.json").exists()


def test_the_demo_runs_on_an_s3_server_of_its_own(shell: Shell) -> None:
    """`demo --s3` needs nothing from outside and leaves nothing behind."""
    told = shell("demo", "--s3")
    assert "s3://" in told
    assert "every SHA-256" in told
    assert not (shell.folder / "store").exists()
