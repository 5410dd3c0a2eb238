"""The command line gives up what it made: versions of models, tags, paths of versioned runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with a store, and a file to log."""
    (tmp_path / "a.txt").write_text("all is well")
    return Shell(tmp_path)


def registered(shell: Shell, count: int = 3) -> str:
    """The id of a run of which so many versions of `fraud` are registered."""
    run = shell.log("a.txt")
    for _ in range(count):
        shell("model", "register", f"runs:/{run}/a.txt", "fraud")
    return run


def test_versions_of_a_model_are_deleted_by_number_and_alias(shell: Shell) -> None:
    """And then the run that they held can be purged, as the refusal's hint says."""
    run = registered(shell)
    shell("model", "alias", "fraud", "champion", "2")
    told = " ".join(shell("run", "purge", run, "--yes", code=1).split())
    assert "holdall model delete NAME VERSION" in told
    assert "2 (@champion)" in told
    assert shell.json("model", "delete", "fraud", "1", "--yes") == {"name": "fraud", "versions": ["1"], "model": False}
    assert "models:/fraud/2, @champion" in shell("model", "delete", "fraud", "--alias", "champion", "--yes")
    assert [one["version"] for one in shell.json("model", "show", "fraud")["versions"]] == ["3"]
    shell("model", "delete", "fraud", "3", "--yes")
    assert "purged" in shell("run", "purge", run, "--yes")


def test_a_model_is_deleted_with_all_its_versions(shell: Shell) -> None:
    """`--all` takes the model; nothing holds its run any more."""
    run = registered(shell)
    assert shell.json("model", "delete", "fraud", "--all", "--yes")["versions"] == ["1", "2", "3"]
    assert shell.json("model", "list") == []
    shell("run", "purge", run, "--yes")


def test_what_to_delete_is_said_once_and_asked_for(shell: Shell) -> None:
    """Neither none nor two of version, alias and all; without --yes nothing goes; what is not there is named."""
    registered(shell, 1)
    for words in ([], ["1", "--all"], ["1", "--alias", "x"]):
        shell("model", "delete", "fraud", *words, "--yes", code=2)
    shell("model", "delete", "fraud", "1", code=2)
    shell("model", "delete", "fraud", "9", "--yes", code=1)
    shell("model", "delete", "frau", "--all", "--yes", code=1)
    assert len(shell.json("model", "list")) == 1


def test_tags_are_set_and_removed(shell: Shell) -> None:
    """Of a run, of a model and of a version; a run that was kept by its tag can be purged without it."""
    run = registered(shell, 1)
    assert shell.json("model", "tag", "fraud", "team", "risk")["tags"] == {"team": "risk"}
    assert shell.json("model", "tag", "fraud", "ok", "", "--version", "1")["tags"] == {"ok": ""}
    assert shell.json("model", "tag", "fraud", "ok", "--version", "1", "--delete")["tags"] == {}
    shell("model", "delete", "fraud", "1", "--yes")
    assert shell.json("run", "tag", run, "holdall.keep", "yes")["tags"]["holdall.keep"] == "yes"
    assert "run tag RUN_ID KEY --delete" in " ".join(shell("run", "purge", run, "--yes", code=1).split())
    shell("run", "tag", run, "holdall.keep", "--delete")
    shell("run", "purge", run, "--yes")
    for words in (["run", "tag", "0" * 32, "a"], ["model", "tag", "fraud", "a", "b", "--delete"]):
        shell(*words, code=2)


def test_paths_are_given_up_by_the_address_that_fetches_them(shell: Shell) -> None:
    """`delete` and `trim` take what `get` takes, short ids too, and say what they did for programs."""
    run = shell.log("a.txt", "--versioned")
    for text in ("second", "third"):
        (shell.folder / "a.txt").write_text(text)
        shell("artifact", "log", "a.txt", "--run", run, "--replace")
    uri = f"runs:/{run[:20]}/a.txt"
    assert shell.json("artifact", "trim", uri, "--keep-last", "2", "--yes") == {
        "run_id": run,
        "path": "a.txt",
        "kept": 2,
    }
    assert len(shell.json("artifact", "versions", uri)) == 2
    done = shell.json("artifact", "delete", uri, "--yes")
    assert done == {"run_id": run, "path": "a.txt", "files": ["a.txt"], "bytes": 5}
    shell("artifact", "delete", f"runs:/{run}", "--yes", code=2)


def test_nobody_is_asked_for_what_cannot_be(shell: Shell) -> None:
    """A run whose paths never change, and a path that is not there, are told first; else it asks."""
    plain, versioned = shell.log("a.txt"), shell.log("a.txt", "--versioned")
    for verb in (["delete"], ["trim", "--keep-last", "1"]):
        assert "is not versioned" in shell("artifact", *verb, f"runs:/{plain}/a.txt", code=2)
        assert "--yes" in shell("artifact", *verb, f"runs:/{versioned}/a.txt", code=2)
    told = shell("artifact", "delete", f"runs:/{versioned}/c.txt", code=1)
    assert "holds no artifact" in told
    assert "delete  0" not in told


def test_an_engine_is_one_that_there_is(shell: Shell) -> None:
    """`gc --engine` takes the names of engines alone, and says which there are."""
    shell.log("a.txt")
    assert "'threads', 'ray', 'dask'" in shell("gc", "--engine", "thread", code=2)
    shell("gc", "--engine", "threads", "--dry-run")


def test_links_are_followed_where_that_is_asked_for(shell: Shell, tmp_path: Path) -> None:
    """`artifact log --follow` logs the file that a link leads to; without it a link that leads out is refused."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/link.txt").symlink_to("../a.txt")
    assert "links='follow'" in shell("artifact", "log", "folder", code=1)
    logged = shell.json("artifact", "log", "folder", "--follow")
    assert shell("artifact", "cat", f"{logged['uri']}/link.txt") == "all is well"
