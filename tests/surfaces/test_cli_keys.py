"""`holdall store init --encrypt` and `holdall store key`: who may open a store, at a shell."""

from __future__ import annotations

import json
import os
import pickle
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.shell import Shell

from holdall.__main__ import program
from holdall.format.document import encode_document, parse_document
from holdall.storage.credentials import handed_over
from holdall.surfaces.cli import passphrases, store
from holdall.surfaces.cli.program import opener

SECRET = "correct horse battery staple"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in ("HOLDALL_PASSPHRASE", "HOLDALL_PASSPHRASE_COMMAND", "HOLDALL_IDENTITY", "HOLDALL_KMS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "words.txt").write_text("very private words\n" * 9)
    return Shell(tmp_path)


def test_a_store_is_made_with_a_passphrase_and_opened_by_the_environment(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The passphrase comes from the standard input; without it nothing is read, and nothing of it is in the bucket."""
    assert "encrypted" in shell("store", "init", "--encrypt", "--passphrase", "--label", "anna", input=f"{SECRET}\n")
    refused = shell.run("artifact", "log", "words.txt", code=1)
    assert "stays closed: nothing was given that could open it; it has key slots: 1 for a passphrase" in refused.output
    assert "HOLDALL_PASSPHRASE" in refused.output
    monkeypatch.setenv("HOLDALL_PASSPHRASE", SECRET)
    run = shell.log("words.txt")
    assert shell("artifact", "cat", f"runs:/{run}/words.txt") == "very private words\n" * 9
    stored = b"".join(path.read_bytes() for path in (shell.folder / "store").rglob("*") if path.is_file())
    assert b"private" not in stored
    assert b"horse" not in stored
    monkeypatch.setenv("HOLDALL_PASSPHRASE", "another one")
    assert "none opened by what was tried (a passphrase)" in shell("run", "list", code=1)


def test_keys_are_added_listed_and_revoked(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each opens the store until it is revoked; the last one stays, unless it is forced to go."""
    shell("store", "key", "new", "first.key")
    monkeypatch.setenv("HOLDALL_IDENTITY", str(shell.folder / "first.key"))
    shell("store", "init", "--encrypt")
    public = shell("store", "key", "new", "anna.key").strip()
    assert re.fullmatch("age1[a-z0-9]{58}", public)
    assert (shell.folder / "anna.key").stat().st_mode & 0o777 == 0o600
    assert "no key was written there: File exists" in shell("store", "key", "new", "anna.key", code=1)
    assert f"recipient {public} (anna)" in shell("store", "key", "add", "--recipient", public, "--label", "anna")
    shell("store", "key", "add", "--passphrase", "--label", "paper", input="on paper, in the safe\n")
    listed = shell.json("store", "key", "list")
    assert [(slot["kind"], slot["label"], slot["opened"], slot["proven"]) for slot in listed] == [
        ("recipient", "", True, True),
        ("recipient", "anna", False, True),
        ("passphrase", "paper", False, True),
    ]
    run = shell.log("words.txt")
    monkeypatch.setenv("HOLDALL_IDENTITY", str(shell.folder / "anna.key"))
    assert "private" in shell("artifact", "cat", f"runs:/{run}/words.txt")
    plan = shell("store", "key", "revoke", "0", "--dry-run")
    assert "revoke  slot 0, recipient age1" in plan
    assert f"left    2 slots: 1, recipient {public} (anna), 2, passphrase (paper)" in plan
    assert "there is no terminal to ask at" in shell("store", "key", "revoke", "0", code=2)
    shell("store", "key", "revoke", "0", "--yes")
    shell("store", "key", "revoke", "2", "--yes")
    assert "revoked" in shell("store", "key", "list")
    assert "key slot 1 is the last that opens" in shell("store", "key", "revoke", "1", "--yes", code=1)
    assert "there is no key slot 2" in shell("store", "key", "revoke", "2", "--yes", code=1)
    assert "there is no key slot 9" in shell("store", "key", "revoke", "9", "--yes", code=1)
    shell("store", "key", "revoke", "1", "--yes", "--force")
    assert "it has no key slot" in shell("run", "list", code=1)


def test_keys_of_a_store_are_listed_without_one(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as can be told; of a store that is not encrypted there are none."""
    shell("store", "init", "--encrypt", "--passphrase", input=f"{SECRET}\n")
    (slot,) = shell.json("store", "key", "list")
    assert (slot["opened"], slot["proven"], slot["current"]) == (False, None, True)
    monkeypatch.setenv("HOLDALL_STORE", "./plain")
    shell("--store", "./plain", "store", "init")
    assert "is not encrypted" in shell("--store", "./plain", "store", "key", "list")
    refused = shell("--store", "./plain", "store", "key", "add", "--passphrase", code=2, input=f"{SECRET}\n")
    assert "is not encrypted: it has no keys" in refused


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["store", "init", "--encrypt"], "name the key that is to open the store: --passphrase"),
        (["store", "init", "--encrypt", "--passphrase"], "no passphrase in the standard input's first line"),
        (["store", "init", "--passphrase"], "are of an encrypted store"),
        (
            ["store", "init", "--encrypt", "--passphrase", "--kms", "x"],
            "give one of --passphrase, --recipient and --kms",
        ),
        (["store", "init", "--encrypt", "--recipient", "age1qq"], "is no public key"),
        (["store", "init", "--encrypt", "--recipient", "nowhere"], "No such file"),
        (["store", "key", "add"], "give one of --passphrase, --recipient and --kms"),
    ],
)
def test_what_makes_no_store_says_why(shell: Shell, words: list[str], reason: str) -> None:
    """And none is made."""
    assert reason in shell(*words, code=1 if "nowhere" in words else 2)
    assert not (shell.folder / "store" / "holdall.json").exists()


def test_who_names_no_key_is_asked_for_a_passphrase(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortest call makes a store, at a terminal: its first key is what is typed."""
    monkeypatch.setattr(store, "at_a_terminal", lambda: True)
    shell("store", "init", "--encrypt", input=f"{SECRET}\n")
    assert [slot["kind"] for slot in shell.json("store", "key", "list")] == ["passphrase"]


def test_where_only_encrypted_stores_are_taken_no_other_is_made(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """HOLDALL_ENCRYPTED=required holds for making a store, too."""
    monkeypatch.setenv("HOLDALL_ENCRYPTED", "required")
    assert "is not encrypted" in shell("store", "init", code=1)
    assert not (shell.folder / "store" / "holdall.json").exists()


def test_slots_that_cannot_be_read_are_listed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list shows what is wrong with them, and other commands what is to be done: restore them."""
    shell("store", "key", "new", "a.key")
    monkeypatch.setenv("HOLDALL_IDENTITY", str(shell.folder / "a.key"))
    shell("store", "init", "--encrypt")
    with (shell.folder / "store/keys/slots/00000000").open("a") as file:
        file.write("x")
    assert "key slot 0" in shell.json("store", "key", "list")[0]["damage"]
    assert "hint:  no key slot can be read: restore" in shell("run", "list", code=1)


def test_revoking_needs_a_key_that_tells_what_is_left(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot that a stranger put there looks like one that opens the store; it is no reason to give up the last."""
    shell("store", "key", "new", "a.key")
    monkeypatch.setenv("HOLDALL_IDENTITY", str(shell.folder / "a.key"))
    shell("store", "init", "--encrypt")
    shell("--store", "./other", "store", "init", "--encrypt")
    ours, other = shell.folder / "store/keys/slots", shell.folder / "other/keys/slots/00000000"
    mine, theirs = (parse_document(path.read_bytes(), "a slot")[0] for path in (ours / "00000000", other))
    (ours / "00000001").write_bytes(encode_document(theirs | {"store": mine["store"], "slot": 1}))
    assert "is the last that opens" in shell("store", "key", "revoke", "0", "--yes", code=1)
    monkeypatch.delenv("HOLDALL_IDENTITY")
    assert "stays closed" in shell("store", "key", "revoke", "0", "--yes", code=1)
    assert (ours / "00000000").exists()


def test_a_short_passphrase_is_refused(shell: Shell) -> None:
    """Whoever reads the bucket can guess it at leisure."""
    assert "at least 8 characters" in shell("store", "init", "--encrypt", "--passphrase", code=2, input="horse\n")


def test_at_a_terminal_a_passphrase_is_asked_for(shell: Shell) -> None:
    """Once, hidden, by the command that needs it, which goes on then."""
    shell("store", "init", "--encrypt", "--passphrase", input=f"{SECRET}\n")
    shown, code = typed(shell, SECRET, "store", "key", "add", "--recipient", shell("store", "key", "new", "k").strip())
    assert code == 0, shown
    assert shown.count("Passphrase of") == 1
    assert "key slot 1 opens the store now" in shown
    assert "horse" not in shown


def test_what_was_typed_goes_to_the_processes_of_a_server(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """They open the store of `model serve` each for itself, and nobody is there to be asked again."""
    shell("store", "init", "--encrypt", "--passphrase", input=f"{SECRET}\n")
    monkeypatch.setitem(passphrases._typed, "", SECRET)
    with program.make_context("holdall", ["--store", str(shell.folder / "store"), "run", "list"]), handed_over():
        packed = pickle.dumps(opener())
    passphrases.forget()
    assert pickle.loads(packed)().runs.search() == []


def test_the_pages_are_not_served_where_a_key_is_missing(shell: Shell) -> None:
    """`holdall ui` says so, where a passphrase can be asked for, before anybody looks at a page."""
    shell("store", "init", "--encrypt", "--recipient", shell("store", "key", "new", "k").strip())
    refused = shell("ui", "--port", "0", code=1)
    assert "stays closed" in refused
    assert "listening" not in refused


@pytest.mark.deep
def test_a_wrong_passphrase_is_no_other_question(shell: Shell) -> None:
    """It is an error, as everywhere."""
    shell("store", "init", "--encrypt", "--passphrase", input=f"{SECRET}\n")
    shown, code = typed(shell, "no such words", "run", "list")
    assert code == 1
    assert "none opened by what was tried (a passphrase)" in shown
    assert shown.count("Passphrase of") == 1


def typed(shell: Shell, answer: str, *words: str) -> tuple[str, int]:
    """What a command shows at a terminal where its first question is answered so; and its exit code."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "HOLDALL_STORE": "./store", "HOLDALL_CACHE": "off", "TERM": "dumb"}
    command = [sys.executable, "-m", "holdall", *words]
    process = subprocess.Popen(
        command, cwd=shell.folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown, answered, until = b"", False, time.monotonic() + 120
    try:
        while time.monotonic() < until:
            if select.select([ours], [], [], 1.0)[0]:
                try:
                    data = os.read(ours, 4096)
                except OSError:  # the other end is closed
                    break
                shown += data
            if not answered and b"Passphrase of" in shown:
                os.write(ours, f"{answer}\n".encode())
                answered = True
        return shown.decode(), process.wait(60)
    finally:
        process.kill()
        os.close(ours)


def test_an_experiment_with_own_keys_is_made_and_shredded(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be destroyed is shown first; afterwards its runs are told to be destroyed, and others are read."""
    shell("store", "key", "new", "first.key")
    monkeypatch.setenv("HOLDALL_IDENTITY", str(shell.folder / "first.key"))
    shell("store", "init", "--encrypt")
    id = shell.json("experiment", "create", "patients", "--own-keys")["created"]
    own = shell("artifact", "log", "words.txt", "--experiment", "patients", "--json")
    other = shell.log("words.txt")
    assert "with 1 run" in shell("experiment", "shred", "patients", "--yes")
    assert not (shell.folder / "store" / "keys" / "experiments" / id).exists()
    run = json.loads(own)["run_id"]
    assert f"the keys of experiment {id} were destroyed" in shell("run", "show", run, code=1)
    assert shell("artifact", "cat", f"runs:/{other}/words.txt").startswith("very")
    assert "no keys of its own" in shell("experiment", "shred", "Default", "--yes", code=2)


def test_a_store_is_rekeyed_and_rewritten(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that opened it opens it still, and all that was logged before."""
    shell("store", "key", "new", "first.key")
    monkeypatch.setenv("HOLDALL_IDENTITY", str(shell.folder / "first.key"))
    shell("store", "init", "--encrypt")
    run = shell.log("words.txt")
    assert "keep    slot 0" in shell("store", "rekey", "--dry-run")
    assert "root key 1" in shell("store", "rekey", "--yes")
    assert "sealed anew" in shell("store", "rekey", "--rewrite")
    assert shell("artifact", "cat", f"runs:/{run}/words.txt").startswith("very")
    assert [slot["epoch"] for slot in shell.json("store", "key", "list") if not slot["revoked"]] == [1]
