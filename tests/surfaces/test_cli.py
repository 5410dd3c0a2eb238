"""The command line, as a person uses it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from tests.support.shell import Shell
from tests.support.tensor_files import npz

from holdall.__main__ import program
from holdall.errors import ArtifactNotFoundError, StorageError
from holdall.store import Run, Store


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
        "      1 B  inputs/data/a.txt",
        "293.0 KiB  inputs/data/big.bin",
    ]
    assert shell("artifact", "cat", f"{uri}/a.txt") == "a"
    assert shell.run("artifact", "get", f"runs:/{run_id}", "-d", "out").stdout.strip() == "out"
    (shell.folder / "sums").write_text(shell("run", "manifest", run_id))
    checked = subprocess.run(["sha256sum", "-c", "../sums"], cwd=shell.folder / "out", capture_output=True, text=True)
    assert checked.stdout.splitlines() == ["inputs/data/a.txt: OK", "inputs/data/big.bin: OK"]
    assert shell("run", "manifest", run_id, "--digest").startswith("sha256:")


def test_what_lies_behind_a_link_was_not_fetched(shell: Shell) -> None:
    """The same content behind a link is not below the folder: it is neither taken for fetched nor replaced."""
    uri = shell("artifact", "log", "data").strip()
    (shell.folder / "out").mkdir()
    (shell.folder / "out/data").symlink_to("../data")
    before = (shell.folder / "data/a.txt").stat()
    told = shell("artifact", "get", uri, "-d", "out", "--force", code=1)
    assert "nothing is written below a link" in told
    assert "remove the link" in told
    assert (shell.folder / "data/a.txt").stat() == before


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
    assert "293.0 KiB in 2 files" in shell("store", "stats")
    assert "safe for writing" in shell("store", "doctor", "./elsewhere")


def test_check_tells_what_may_be_a_packs_upload_still_going_on(shell: Shell) -> None:
    """A pack that no run refers to is no damage, and need not be a dead writer's."""
    run_id = shell("artifact", "log", "data/big.bin").split("/")[1]
    shutil.rmtree(shell.folder / "store/runs" / run_id)
    told = shell("store", "check").splitlines()
    orphans = [line for line in told if line.startswith("orphan   packs/")]
    assert orphans
    assert all(
        line.endswith(": no run refers to it, as after a killed upload or while one goes on") for line in orphans
    )
    assert told[-1] == "intact"


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
    assert told.startswith("1 run, ")
    assert "big.bin" in shell("artifact", "get", uri, "-d", "out", code=1)
    assert not (shell.folder / "out/big.bin").exists()


def test_errors_are_two_lines_and_a_code(shell: Shell) -> None:
    """No traceback: what is wrong, how to mend it, exit code 1; a wrong call is code 2."""
    told = shell("artifact", "list", "runs:/" + "0" * 32, code=1)
    assert told.startswith("error: there is no holdall store at")
    assert "Traceback" not in told
    assert "hint:" in told
    assert "nonsense" in shell("store", "nonsense", code=2)


def _commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*words, name))


COMMANDS = dict(_commands(program))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_an_example_that_is_a_right_call(
    words: tuple[str, ...], shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--help` of every noun and verb has an example, and the program accepts it as it stands there."""
    told = shell(*words, "--help")
    (example,) = (line for line in told.splitlines() if "Example: holdall " in line)
    called: list[tuple[str, ...]] = []
    for verb, command in COMMANDS.items():
        if not isinstance(command, click.Group):
            monkeypatch.setattr(command, "callback", lambda verb=verb, **_: called.append(verb))
    (shell.folder / "model.pt").touch()
    for folder in ("trained", "hub", "trackio", "logs"):
        (shell.folder / folder).mkdir()
    shell(*shlex.split(example.partition("holdall ")[2].partition(" | ")[0]))
    assert called
    assert called[0][: len(words)] == words


def test_what_is_mistyped_is_answered_with_what_was_meant(shell: Shell) -> None:
    """A wrong noun, verb, option, subject, address, path or experiment: code 2 or 1, and a suggestion."""
    run_id = shell.log("data", "--experiment", "digits")
    for words, code, suggestion in [
        (["artifct", "list"], 2, "'artifact'"),
        (["artifact", "lst"], 2, "'list'"),
        (["run", "list", "--jsn"], 2, "--json"),
        (["guide", "serach"], 2, "'search'"),
        (["artifact", "list", f"run:/{run_id}/data"], 2, f"'runs:/{run_id}/data'"),
        (["artifact", "cat", f"{run_id}/data/a.txt"], 2, f"'runs:/{run_id}/data/a.txt'"),
        (["artifact", "list", f"runs:/{run_id}/dat"], 1, "'data'"),
        (["artifact", "get", f"runs:/{run_id}/data/a.tx"], 1, "'data/a.txt'"),
        (["run", "list", "-e", "digit"], 1, "'digits'"),
    ]:
        assert suggestion in shell(*words, code=code).lower().partition("did you mean")[2], words


def test_wrong_calls_are_code_2_and_failures_code_1(shell: Shell) -> None:
    """A script can tell what it did wrong from what went wrong."""
    shell.log("data")
    shell("run", "search", "metrics.x <", code=2)
    shell("run", "show", "nonsense!", code=2)
    shell("artifact", "log", "absent", code=2)
    shell("artifact", "log", "data", "--run", "0" * 32, "--name", "new", code=2)
    shell("run", "show", "0" * 32, code=1)
    shell("run", "show", "0123", code=1)
    shell("store", "check", "./elsewhere", code=1)
    os.environ["HOLDALL_MEMORY"] = "much"
    try:
        assert "is not a size" in shell("run", "list", code=2)
    finally:
        del os.environ["HOLDALL_MEMORY"]


def test_a_reader_that_stops_early_is_no_error(shell: Shell) -> None:
    """`holdall artifact cat ... | head -c 1` says nothing of broken pipes."""
    uri = f"runs:/{shell.log('data/big.bin')}/big.bin"
    command = f"{sys.executable} -m holdall --store ./store artifact cat {uri} | head -c 1 > /dev/null"
    done = subprocess.run(command, shell=True, cwd=shell.folder, capture_output=True, text=True)
    assert done.stderr == ""


def test_listing_directories_files_and_all_that_is_below(shell: Shell) -> None:
    """Directories with their sums, a file by itself, everything with -r; as JSON with digests."""
    (shell.folder / "data/deep").mkdir()
    (shell.folder / "data/deep/b.txt").write_text("bb")
    (shell.folder / "data/link").symlink_to("a.txt")
    (shell.folder / "data/empty").mkdir()
    uri = f"runs:/{shell.log('data')}"
    assert shell("artifact", "list", uri).split() == ["293.0", "KiB", "data/"]
    assert shell("artifact", "list", f"{uri}/data").splitlines() == [
        "      1 B  data/a.txt",
        "293.0 KiB  data/big.bin",
        "      2 B  data/deep/",
        "        -  data/empty/",
        "        -  data/link -> a.txt",
    ]
    assert shell("artifact", "list", f"{uri}/data/a.txt").split() == ["1", "B", "data/a.txt"]
    assert "data/deep/b.txt" in shell("artifact", "list", "-r", uri)
    found = {one["path"]: one for one in shell.json("artifact", "list", "-r", uri)}
    assert found["data/deep/b.txt"]["bytes"] == 2
    assert len(found["data/deep/b.txt"]["sha256"]) == 64
    assert found["data/link"] == {"path": "data/link", "kind": "link", "target": "a.txt"}


def test_get_takes_globs(shell: Shell) -> None:
    """Only what is included and not excluded is fetched."""
    uri = f"runs:/{shell.log('data')}"
    shell("artifact", "get", uri, "-d", "some", "--include", "*.txt")
    assert sorted(os.listdir(shell.folder / "some/data")) == ["a.txt"]
    assert shell.json("artifact", "get", uri, "-d", "others", "--exclude", "*.txt") == {"path": "others"}
    assert sorted(os.listdir(shell.folder / "others/data")) == ["big.bin"]


def test_get_says_how_much_it_fetched(shell: Shell) -> None:
    """On the standard error, so that the path alone can be piped on."""
    uri = f"runs:/{shell.log('data')}"
    assert shell.run("artifact", "get", uri, "-d", "out").stderr == "fetched 2 files, 293.0 KiB\n"
    assert "default" in shell("artifact", "get", "--help")
    shell("artifact", "get", uri)
    assert (shell.folder / "data/a.txt").read_text() == "a"


def test_patterns_that_fit_nothing_are_an_error(shell: Shell) -> None:
    """It names them; an empty folder would look like success."""
    uri = f"runs:/{shell.log('data')}"
    assert "*.zip" in shell("artifact", "get", uri, "-d", "out", "--include", "*.zip", code=1)
    told = shell("artifact", "get", f"{uri}/data", "-d", "out", "--include", "a.*", "--exclude", "*.txt", code=1)
    assert "a.* below data without *.txt" in told
    assert not (shell.folder / "out").exists()
    with pytest.raises(ArtifactNotFoundError, match="zip"):
        Store.open(str(shell.folder / "store")).artifacts.download(uri, shell.folder / "out", include="*.zip")


def test_get_replaces_no_other_file_unless_forced(shell: Shell) -> None:
    """The same content stays as it is; other content, or a link, is refused before anything is fetched."""
    (shell.folder / "data/link").symlink_to("a.txt")
    uri = f"runs:/{shell.log('data')}"
    shell("artifact", "get", uri, "-d", "out")
    out = shell.folder / "out/data"
    before = (out / "big.bin").stat()
    (out / "a.txt").unlink()
    assert "fetched 1 file, 1 B; 1 file there already" in shell("artifact", "get", uri, "-d", "out")
    after = (out / "big.bin").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)  # it is read, which moves its atime
    (out / "a.txt").write_text("b")
    (out / "big.bin").unlink()
    told = shell("artifact", "get", uri, "-d", "out", code=1)
    assert "a.txt" in told
    assert "--force" in told
    assert (out / "a.txt").read_text() == "b"
    assert not (out / "big.bin").exists()
    shell("artifact", "get", uri, "-d", "out", "--force")
    assert (out / "a.txt").read_text() == "a"
    assert (out / "big.bin").exists()
    (out / "link").unlink()
    (out / "link").symlink_to("big.bin")
    assert "link" in shell("artifact", "get", uri, "-d", "out", code=1)
    shell("artifact", "get", uri, "-d", "out", "--force")
    assert os.readlink(out / "link") == "a.txt"


def test_diff_says_what_differs_and_by_its_code_whether(shell: Shell) -> None:
    """0 for the same, 1 for a difference; which paths, which lines."""
    before = f"runs:/{shell.log('data')}/data"
    (shell.folder / "data/a.txt").write_text("a\nb\n")
    (shell.folder / "data/c.txt").write_text("c")
    after = f"runs:/{shell.log('data')}/data"
    assert "0 added" in shell("artifact", "diff", before, before)
    told = shell("artifact", "diff", before, after, code=1)
    assert "+ c.txt" in told
    assert "~ a.txt" in told
    assert "+b" in shell("artifact", "diff", before, after, "--text", code=1).splitlines()
    found = shell.json("artifact", "diff", before, after, code=1)
    assert [one["path"] for one in found["added"]] == ["c.txt"]
    assert [one["path"] for one in found["changed"]] == ["a.txt"]
    assert found["removed"] == []


def test_diff_tells_tensors_most_changed_first(shell: Shell) -> None:
    """As lines, or as JSON without what JSON lacks; its code says whether any differs."""
    sides = []
    for more in (0.0, 1.0):
        arrays = {"a.bias": np.ones(3) * 10, "b.weight": np.ones((2, 2)), "c": np.zeros(2)}
        arrays["a.bias"][0] += more / 10
        arrays["b.weight"] += more
        (shell.folder / "data" / "m.npz").write_bytes(npz(arrays))
        sides.append(f"runs:/{shell.log('data')}/data")
    assert "0 changed, 3 same" in shell("artifact", "diff", "--tensors", sides[0], sides[0])
    told = shell("artifact", "diff", "--tensors", *sides, code=1).splitlines()
    assert told[2] == "~ b.weight  float64  [2, 2]  4 of 4 changed  max 1, mean 1, norm 2  relative 1"
    assert told[3].startswith("~ a.bias  float64  [3]  1 of 3 changed  max 0.1, ")
    found = shell.json("artifact", "diff", "--tensors", *sides, code=1)
    assert [(one["name"], one["change"]) for one in found["changes"]] == [
        ("b.weight", "changed"),
        ("a.bias", "changed"),
        ("c", "same"),
    ]
    assert "not for tensors" in shell("artifact", "diff", "--tensors", "--text", *sides, code=2)


def test_a_new_run_whose_logging_fails_has_failed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not look as if it were still running."""

    def refuse(*_: object) -> None:
        raise OSError("the disk is on fire")

    monkeypatch.setattr(Run, "_log_items", refuse)
    shell("artifact", "log", "data", code=1)
    assert [run["status"] for run in shell.json("run", "list")] == ["FAILED"]


def test_what_cannot_be_logged_starts_no_run(shell: Shell) -> None:
    """A path that no run may hold, a device, a pipe and an empty path leave nothing behind."""
    shell.log("data")
    os.mkfifo(shell.folder / "pipe")
    (shell.folder / "data/link").symlink_to("/etc/hostname")
    for code, words in [
        (2, ["data/a.txt", "--to", "/abs"]),
        (2, ["data/a.txt", "--to", "../x"]),
        (2, ["data/a.txt", "--to", ""]),
        (2, [""]),
        (1, ["/dev/null"]),
        (1, ["pipe"]),
        (1, ["data"]),
    ]:
        shell("artifact", "log", *words, code=code)
        assert len(shell.json("run", "list")) == 1, words


def test_a_wrong_storage_option_is_one_line_and_code_2(shell: Shell) -> None:
    """Whatever the place it is meant for says of it."""
    s3 = ["--store", "s3://bucket/x"]
    for words, told in [
        ([*s3, "-o", "bogus=1"], "bogus"),
        ([*s3, "-o", "=1"], "''"),
        ([*s3, "-o", "endpoint_url=5"], "endpoint_url"),
        ([*s3, "-o", "client_kwargs=7"], "client_kwargs"),
        ([*s3, "-o", "s3_additional_kwargs=much"], "s3_additional_kwargs"),
        (["-o", "foo=1"], "foo"),
        (["-o", "endpoint_url=5"], "endpoint_url"),
        (["-o", "nonsense"], "NAME=VALUE"),
    ]:
        (line,) = shell(*words, "run", "list", code=2).splitlines()
        assert line.startswith("error: "), words
        assert told in line


def test_a_key_of_digits_is_a_text(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is a text to the storage library is never read as a number."""
    given: list[dict[str, object]] = []

    def refuse(_: str, options: dict[str, object], **__: object) -> None:
        given.append(options)
        raise OSError("enough")

    monkeypatch.setattr(Store, "open", refuse)
    shell("-o", "key=012", "-o", "secret=3", "-o", "anon=true", "run", "list", code=1)
    assert given == [{"key": "012", "secret": "3", "anon": True}]


def test_options_of_the_store_stand_before_the_noun(shell: Shell) -> None:
    """Whoever writes them behind it is told."""
    run_id = shell.log("data")
    for words in (["--store", "x"], ["--store=x"], ["-o", "a=b"], ["--option", "a=b"]):
        for before, after in [(["run"], ["show", run_id]), (["run", "show", run_id], [])]:
            told = shell(*before, *words, *after, code=2)
            assert "before the noun" in told
    assert "before the noun" not in shell("run", "show", "--nonsense", code=2)


def test_cat_of_a_directory_names_what_takes_one(shell: Shell) -> None:
    """It is there, but it is no file."""
    (shell.folder / "data/empty").mkdir()
    run_id = shell.log("data")
    for path in ("", "/data", "/data/empty"):
        told = shell("artifact", "cat", f"runs:/{run_id}{path}", code=2)
        assert "directory" in told
        assert f"holdall artifact list runs:/{run_id}{path}`" in told
        assert f"holdall artifact get runs:/{run_id}{path}`" in told
    shell("artifact", "cat", f"runs:/{run_id}/dat", code=1)


def test_causes_are_told_once_and_after_the_hint(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an error says already is not said again as its cause."""

    def fail(*_: object, **__: object) -> None:
        try:
            try:
                raise OSError("no route")
            except OSError as error:
                raise RuntimeError("request failed: no route") from error
        except RuntimeError as error:
            raise StorageError("s3://b", "key", "HTTP 500: slow down") from error

    monkeypatch.setattr(Store, "open", fail)
    lines = shell("run", "list", code=1).splitlines()
    assert [line.split()[0] for line in lines] == ["error:", "hint:", "cause:"]
    assert lines[2] == "cause: RuntimeError: request failed: no route"


def test_an_empty_value_is_a_wrong_call(shell: Shell) -> None:
    """As of a variable that is not set: it is not taken for the default."""
    run_id = shell.log("data")
    for words in [
        ["--store", "", "run", "list"],
        ["store", "stats", ""],
        ["store", "du", ""],
        ["run", "list", "-e", ""],
        ["run", "show", ""],
        ["artifact", "log", "data", "-e", ""],
        ["artifact", "log", "data", "--name", ""],
        ["artifact", "log", "data", "--run", ""],
        ["artifact", "get", f"runs:/{run_id}", "-d", ""],
    ]:
        shell(*words, code=2)
    assert len(shell.json("run", "list")) == 1


def test_what_is_logged_is_where_the_printed_address_says(shell: Shell) -> None:
    """A file that is reached by a link has the link's name."""
    (shell.folder / "link.txt").symlink_to("data/a.txt")
    for path in ("link.txt", "data/../data", "./data/a.txt"):
        uri = shell("artifact", "log", path, "--to", "there").strip()
        assert shell.json("artifact", "list", uri), uri


def test_du_shows_what_is_shared(shell: Shell) -> None:
    """Two runs with the same files: each one's bytes are shared, their sum is stored once."""
    for name in ("one", "two"):
        shell.log("data/big.bin", "--experiment", name, "--name", name)
    found = shell.json("store", "du")
    assert found["total"]["logical"] == 600_000
    assert 300_000 < found["total"]["stored"] < 302_000
    assert [run["run_name"] for run in found["runs"]] == ["one", "two"] or len(found["runs"]) == 2
    assert all(one["shared"] >= 300_000 for one in (*found["runs"], *found["experiments"]))
    told = shell("store", "du").splitlines()
    assert told[5].endswith("all together")
    assert found["held"]["total"] > found["total"]["stored"]
    assert "the whole bucket" in told[7]
    assert shell("store", "du", "--summary").splitlines()[3].endswith("all together")


def test_the_store_verbs_speak_json(shell: Shell) -> None:
    """init, doctor, stats and check: one document each, with the verdict in it."""
    assert shell.json("store", "init")["safe_for_writing"] is True
    shell.log("data")
    assert shell.json("store", "doctor")["safe_for_writing"] is True
    assert shell.json("store", "stats")["files"] == 2
    assert shell.json("store", "check")["intact"] is True
    (pack,) = (shell.folder / "store/packs").rglob("*-00000000")
    pack.unlink()
    found = shell.json("store", "check", code=1)
    assert found["intact"] is False
    assert found["problems"]


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_completion_can_be_switched_on(shell_name: str) -> None:
    """The program prints what a shell needs to complete nouns, verbs and run ids."""
    env = os.environ | {"_HOLDALL_COMPLETE": f"{shell_name}_source"}
    done = subprocess.run([Path(sys.executable).with_name("holdall")], env=env, capture_output=True, text=True)
    assert "_HOLDALL_COMPLETE" in done.stdout


def test_completion_knows_run_ids_experiments_and_subjects(shell: Shell) -> None:
    """What is completed is looked up in the store that the line names; without one, nothing is offered."""
    run_id = shell.log("data", "--experiment", "digits")

    def complete(*words: str) -> list[str]:
        env = os.environ | {"_HOLDALL_COMPLETE": "bash_complete", "COMP_CWORD": str(len(words))}
        env |= {"COMP_WORDS": " ".join(["holdall", *words]), "HOLDALL_STORE": "./store"}
        program = [Path(sys.executable).with_name("holdall")]
        done = subprocess.run(program, env=env, cwd=shell.folder, capture_output=True, text=True)
        return [line.partition(",")[2] for line in done.stdout.splitlines() if line]

    assert complete("run", "show", run_id[:5]) == [run_id]
    assert complete("--store", "./nowhere", "run", "show", run_id[:5]) == []
    assert complete("run", "list", "-e", "di") == ["digits"]
    assert complete("guide", "sea") == ["search"]
    assert complete("sto") == ["store"]


class Process(Shell):
    """The same in a process of its own, for what lasts as long as that."""

    def __call__(self, *words: str, code: int = 0, input: str | None = None) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "holdall", *words],
            cwd=self.folder,
            env=os.environ | {"HOLDALL_STORE": "./store"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.mark.long
def test_the_demo_shows_what_was_there_already(shell: Shell) -> None:
    """The demo's second run finds most bytes in the store, and every fetched byte is verified."""
    told = Process(shell.folder)("demo")
    percent = [int(line.split()[-3].rstrip("%")) for line in told.splitlines() if line.strip().startswith("all")]
    assert percent[0] == 0
    assert percent[1] > 60
    assert "every SHA-256" in told
    assert (shell.folder / "store/holdall.json").exists()


@pytest.mark.long
@pytest.mark.deep  # the demo on a folder runs in every run, and the server in every session
def test_the_demo_runs_on_an_s3_server_of_its_own(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """`demo --s3` needs nothing from outside and leaves nothing behind, whatever opens the user's own store."""
    monkeypatch.setenv("HOLDALL_PASSPHRASE", "correct horse battery staple")
    told = Process(shell.folder)("demo", "--s3")
    assert "s3://" in told
    assert "every SHA-256" in told
    assert not (shell.folder / "store").exists()


def test_a_store_is_healed_from_its_copy(shell: Shell) -> None:
    """`store check --repair-from` and `store repair --from` say what they take, in text and in JSON, and end with 0."""
    uri = shell("artifact", "log", "data").strip()
    place = shell.folder / "store"
    shutil.copytree(place, shell.folder / "copy")
    packs = [path for path in (place / "packs").rglob("*") if path.is_file()]
    for pack in packs:
        pack.unlink()
    told = shell("store", "repair", "--from", "copy", "--dry-run")
    assert "would heal" in told
    assert "copy" in told.split("whole in")[1]
    assert not any(pack.exists() for pack in packs)
    told = shell("store", "check", "--repair-from", "copy")
    assert "heals" in told
    assert told.splitlines()[-1] == "intact"
    shell("artifact", "get", uri, "-d", "out")
    assert (shell.folder / "out/data/big.bin").read_bytes() == (shell.folder / "data/big.bin").read_bytes()
    assert shell.json("store", "repair", "--from", "copy") == []
    assert shell.json("store", "check", "--repair-from", "copy")["healed"] == []
    assert "no copy of it" in shell("store", "repair", "--from", "store", code=2)
    assert "nowhere" in shell("store", "check", "--repair-from", "nowhere", code=1)
