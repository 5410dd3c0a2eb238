"""Policies, deletion and purging on the command line, in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.grep import grep
from tests.support.shell import Shell

from holdall.storage.local import LocalBucket
from holdall.store import Store

SECRET = b"token=abcdefgh"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with a leak, and a file that is none."""
    (tmp_path / "leak.txt").write_bytes(SECRET * 8_000)
    (tmp_path / "data.txt").write_bytes(b"harmless" * 10_000)
    return Shell(tmp_path)


def test_a_collection_deletes_what_no_rule_keeps(shell: Shell) -> None:
    """A dry run says so and writes nothing; then the runs are deleted, and come back by `run restore`."""
    ids = [shell.log("data.txt", "--experiment", "digits") for _ in range(3)]
    shell("experiment", "retention", "digits", "--last", "1")
    told = shell("gc", "--dry-run")
    assert f"run {ids[0]} would be deleted: the policy of its experiment does not keep it: last 1" in told
    assert len(shell.json("run", "list")) == 3
    found = shell.json("gc")
    assert set(found["expired"]) == set(ids[:2])
    assert [run["run_id"] for run in shell.json("run", "list")] == ids[2:]
    assert "deleted     2 runs, each not purged: it can still be restored" in shell("gc")
    shell("run", "restore", ids[0])
    assert shell.json("gc")["expired"] == {}, "what was restored stays"


def test_rules_of_a_collection_are_for_experiments_that_are_named(shell: Shell) -> None:
    """They take the place of the policy, once; without a name they would be for every run there is."""
    ids = [shell.log("data.txt", "--experiment", "digits") for _ in range(2)]
    assert "-e names" in shell("gc", "--last", "1", code=2)
    assert list(shell.json("gc", "-e", "digits", "--last", "1")["expired"]) == ids[:1]


def test_a_purge_says_what_goes_asks_and_leaves_no_byte(shell: Shell) -> None:
    """What another run holds stays and is named; a second purge has nothing to do."""
    kept = shell.log("data.txt")
    leak = shell.log("leak.txt")
    bucket = LocalBucket(shell.folder / "store")
    shell("artifact", "log", "data.txt", "--run", leak)
    told = shell("run", "purge", leak, code=2)
    assert f"purge  {leak}  " in told
    assert f"  stays     runs:/{kept}/data.txt: the same content as data.txt\n" in told
    assert "--yes goes on without asking" in told
    assert grep(bucket, SECRET)
    before = sorted(info.key for info in bucket.list())
    plan = shell.json("run", "purge", leak, "--dry-run")[0]
    assert (plan["run_id"], plan["files"]) == (leak, 2)
    assert sorted(info.key for info in bucket.list()) == before
    told = shell("run", "purge", leak, "--yes")
    assert f"purged  {leak}  " in told
    assert grep(bucket, SECRET) == []
    assert shell("artifact", "cat", f"runs:/{kept}/data.txt") == "harmless" * 10_000
    assert f"purged already  {leak}" in shell("run", "purge", leak, "--yes")
    assert shell("store", "check").splitlines()[-1] == "intact"
    assert "no run" in shell("run", "restore", leak, code=1)


def test_runs_that_hold_the_same_are_purged_together(shell: Shell) -> None:
    """None of them keeps the content of another, and the plan names none of them as one that does."""
    ids = [shell.log("leak.txt") for _ in range(3)]
    told = shell("run", "purge", *ids, "--yes")
    assert "stays" not in told
    assert grep(LocalBucket(shell.folder / "store"), SECRET) == []


def test_an_open_run_is_said_to_be_open(shell: Shell) -> None:
    """Its process may upload the content anew."""
    with Store.open(str(shell.folder / "store")).runs.start() as run:
        run.log_bytes(SECRET, "leak.txt")
        assert "  open      a process may be writing to it" in shell("run", "purge", run.id, "--dry-run")


def test_a_purge_of_what_is_registered_names_the_versions(shell: Shell) -> None:
    """With how to go on; nothing is changed."""
    leak = shell.log("leak.txt")
    store = Store.open(str(shell.folder / "store"))
    store.registry.register(f"runs:/{leak}/leak.txt", "fraud")
    store.registry.set_alias("fraud", "champion", 1)
    told = shell("run", "purge", leak, "--yes", code=1)
    assert "it is held by models:/fraud/1 (@champion)" in told
    assert "`holdall model delete NAME VERSION`" in told
    assert shell.json("run", "list")[0]["run_id"] == leak


def test_an_earlier_version_that_holds_the_content_is_told_as_such(shell: Shell) -> None:
    """What the path holds now is clean, and would make the plan look wrong."""
    leak = shell.log("leak.txt")
    other = shell.json("artifact", "log", "leak.txt", "--versioned")["run_id"]
    (shell.folder / "leak.txt").write_text("clean")
    shell("artifact", "log", "leak.txt", "--run", other, "--replace")
    told = shell("run", "purge", leak, "--dry-run")
    assert f"  stays     runs:/{other}/leak.txt: the same content as leak.txt (an earlier version)" in told
    assert [left["earlier"] for left in shell.json("run", "purge", leak, "--dry-run")[0]["remaining"]] == [True]


def test_a_run_that_a_version_holds_is_deleted_and_kept(shell: Shell) -> None:
    """The command says so: its bytes do not come back before the version goes."""
    id = shell.log("data.txt")
    Store.open(str(shell.folder / "store")).registry.register(f"runs:/{id}/data.txt", "fraud")
    told = shell("run", "delete", id, "--yes")
    assert f"{id} is kept all the same while models:/fraud has a version of it" in told


def test_many_files_that_hold_the_content_are_counted(shell: Shell) -> None:
    """Twenty are listed; all of them if that is asked for."""
    (shell.folder / "many").mkdir()
    for n in range(25):
        (shell.folder / f"many/{n}.txt").write_bytes(SECRET * 8_000)
    shell.log("many")
    leak = shell.log("leak.txt")
    told = shell("run", "purge", leak, "--dry-run")
    assert told.count("  stays     runs:/") == 20
    assert "... and in 5 more files; --verbose lists them" in told
    assert shell("run", "purge", leak, "--dry-run", "--verbose").count("  stays     runs:/") == 25
