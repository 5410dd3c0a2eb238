"""The command line on a run of which a pack is lost: what is whole is shown, what is not is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Two runs; the pack of the second commit of the first is gone."""
    for name in ("one", "two", "three"):
        (tmp_path / name).write_bytes(os.urandom(300_000))
    shell = Shell(tmp_path)
    (tmp_path / "id").write_text(shell.log("one"))
    before = set((tmp_path / "store/packs").rglob("*-*"))
    shell("artifact", "log", "two", "--run", (tmp_path / "id").read_text())
    for pack in set((tmp_path / "store/packs").rglob("*-*")) - before:
        pack.unlink()
    (tmp_path / "other").write_text(shell.log("three"))
    return shell


def test_listings_show_what_there_is_and_warn_once(shell: Shell, caplog: pytest.LogCaptureFixture) -> None:
    """Of one run, of many, and of two side by side."""
    run_id, other = (shell.folder / "id").read_text(), (shell.folder / "other").read_text()
    for command in (
        ["artifact", "list", f"runs:/{run_id}"],
        ["artifact", "list", f"runs:/{run_id}", "--recursive", "--json"],
        ["run", "show", run_id],
        ["run", "show", run_id, "--json"],
        ["run", "compare", run_id, other],
    ):
        caplog.clear()
        assert "one" in shell(*command)
        assert caplog.text.count("the pack is gone") == 1
        assert "what entry" in caplog.text
    assert run_id[:8] in shell("run", "list")
    shell("store", "stats")
    shell("store", "du")
    assert run_id in caplog.text


def test_what_must_be_all_there_says_that_it_is_not(shell: Shell) -> None:
    """It ends with 1, once what is whole was fetched."""
    run_id = (shell.folder / "id").read_text()
    told = shell("artifact", "get", f"runs:/{run_id}", "-d", "out", code=1)
    assert "the pack is gone" in told
    assert "hint:" in told
    assert [path.name for path in (shell.folder / "out").iterdir()] == ["one"]
    for command in (["run", "manifest", run_id], ["artifact", "diff", f"runs:/{run_id}", f"runs:/{run_id}"]):
        assert "the pack is gone" in shell(*command, code=1)
    assert shell.run("run", "manifest", run_id, code=1).stdout.split()[1:] == ["one"]
    assert shell.run("run", "manifest", run_id, "--digest", code=1).stdout == ""
    shell("artifact", "get", f"runs:/{run_id}/one", "-d", "alone")
    assert (shell.folder / "alone/one").read_bytes() == (shell.folder / "one").read_bytes()


def test_the_run_is_logged_on(shell: Shell) -> None:
    """Also the file that was lost, which then is there again."""
    run_id = (shell.folder / "id").read_text()
    for name in ("three", "two"):
        shell("artifact", "log", name, "--run", run_id)
        shell("artifact", "get", f"runs:/{run_id}/{name}", "-d", "again")
        assert (shell.folder / "again" / name).read_bytes() == (shell.folder / name).read_bytes()
