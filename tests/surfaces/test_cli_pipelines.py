"""The steps of a pipeline, each a program of its own, write to one run from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with a file to log."""
    (tmp_path / "a.txt").write_text("all is well")
    return Shell(tmp_path)


def test_steps_share_the_run_that_the_environment_names(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started by one, logged to by others, ended by the last."""
    run = shell("run", "start", "-e", "nightly", "--name", "seventh", "--tag", "commit=0f3a=b").strip()
    monkeypatch.setenv("HOLDALL_RUN_ID", run)
    assert shell("artifact", "log", "a.txt", "--to", "texts").strip() == f"runs:/{run}/texts/a.txt"
    shell("run", "log", "--param", "rate=0.1", "--metric", "loss=0.25", "--metric", "worst=nan", "--step", "3")
    assert shell.json("run", "show", run)["status"] == "RUNNING"
    shell("run", "log", "--tag", "stage=evaluation")
    shell("run", "end", "--status", "failed")
    shown = shell.json("run", "show", run)
    assert (shown["run_name"], shown["status"]) == ("seventh", "FAILED")
    assert shown["params"] == {"rate": "0.1"}
    assert shown["metrics"]["loss"] == 0.25
    assert {"commit": "0f3a=b", "stage": "evaluation"}.items() <= shown["tags"].items()


def test_a_key_names_one_run_that_is_gone_on_with(shell: Shell) -> None:
    """A job that is started again has the run of its first try, running again if it was ended."""
    first = shell("run", "start", "-e", "nightly", "--key", "execution 7", "--versioned").strip()
    shell("run", "end", "--run", first)
    assert shell.json("run", "start", "-e", "nightly", "--key", "execution 7") == {"run_id": first}
    assert shell.json("run", "show", first)["status"] == "RUNNING"
    assert shell("run", "start", "-e", "nightly", "--key", "execution 8").strip() != first


def test_options_of_a_new_run_are_for_a_new_run(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names an experiment means a run of its own, whatever the environment says."""
    run = shell("run", "start").strip()
    monkeypatch.setenv("HOLDALL_RUN_ID", run)
    assert run not in shell("artifact", "log", "a.txt", "-e", "other")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "log", "--param", "a=1"], "which run?"),
        (["run", "end"], "which run?"),
        (["run", "log", "--run", "ab"], "nothing to log"),
        (["run", "log", "--run", "ab", "--param", "rate"], "KEY=VALUE, not 'rate'"),
        (["run", "log", "--run", "ab", "--tag", "=1"], "KEY=VALUE, not '=1'"),
        (["run", "log", "--run", "ab", "--metric", "loss=low"], "'low' is no number"),
        (["run", "start", "--tag", "team"], "KEY=VALUE, not 'team'"),
        (["run", "start", "--key", ""], "empty"),
    ],
)
def test_a_mistyped_call_is_told(shell: Shell, words: list[str], said: str) -> None:
    """Before anything is asked of the store: no store is made by a call that is wrong."""
    assert said in shell(*words, code=2)
    assert not (shell.folder / "store").exists()


def test_a_reference_goes_into_the_run_that_the_environment_names(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what is logged does; without a run it says how to name one, and asks nothing of what it refers to."""
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake/part.csv").write_text("1")
    monkeypatch.setenv("HOLDALL_REFERENCES", f"file://{tmp_path}/lake/")
    command = ["artifact", "reference", f"file://{tmp_path}/lake/part.csv"]
    assert "holdall run start" in shell(*command, code=2)
    run = shell("run", "start").strip()
    monkeypatch.setenv("HOLDALL_RUN_ID", run)
    assert f"runs:/{run}/part.csv" in shell(*command)
