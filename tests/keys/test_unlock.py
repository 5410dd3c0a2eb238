"""What a user gives to open a store: taken from the settings, and shown nowhere."""

from __future__ import annotations

import json
import os
import pickle
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

import holdall
from holdall.errors import InvalidArgumentError
from holdall.format.roots import Root
from holdall.keys.bech32 import encode
from holdall.keys.identities import read_identities, read_recipients
from holdall.keys.making import NewSlot
from holdall.keys.unlock import Unlock
from holdall.runs.environment import capture
from holdall.runs.masking import mask_text
from holdall.settings import Settings, read_settings
from holdall.storage.credentials import handed_over
from holdall.store import Store

SECRET = "correct horse battery staple"
IDENTITY = "AGE-SECRET-KEY-1GPQ5YS6YG4RYWJZFFF95CN2WFAG9Z5JN2324V46CT9D9KHZATE0S5FAZ64"


def test_the_settings_make_it() -> None:
    """Each variable is one way; where none is set nobody looks whether a store is encrypted."""
    assert read_settings({}).unlock is None
    assert read_settings({"HOLDALL_PASSPHRASE": "", "HOLDALL_KMS": "0"}).unlock is None
    found = read_settings({"HOLDALL_PASSPHRASE": SECRET}).unlock
    assert found == Unlock(SECRET, kms=False)
    both = os.pathsep.join(["one", "two"])
    given = {"HOLDALL_PASSPHRASE_COMMAND": "pass show x", "HOLDALL_IDENTITY": both, "HOLDALL_KMS": "1"}
    assert read_settings(given).unlock == Unlock(None, "pass show x", ("one", "two"))


@pytest.mark.parametrize(
    "holder",
    [
        Unlock(SECRET, f"echo {SECRET}", (SECRET,)),
        read_settings({"HOLDALL_PASSPHRASE": SECRET, "HOLDALL_IDENTITY": SECRET}),
        NewSlot(passphrase=SECRET),
        Root(0, SECRET.encode()),
        (Root(0, SECRET.encode()),),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_no_text_shows_a_secret(holder: object) -> None:
    """Of whatever holds one: in a traceback, a log, a notebook."""
    for text in (repr(holder), str(holder), f"{holder}", repr([holder]), repr({"x": holder})):
        assert "horse" not in text, text


def test_a_store_is_given_it_as_an_option_too() -> None:
    """To `holdall.open`, which takes what `Store.open` takes; anything else is refused, and not repeated."""
    given = Unlock(SECRET)
    assert holdall.open("memory://unlocked", unlock=given)._location.unlock is given
    assert Store.open("memory://unlocked", unlock=given)._location.unlock is given
    with pytest.raises(InvalidArgumentError, match=r"holdall\.Unlock") as caught:
        holdall.open("memory://unlocked", unlock=SECRET)
    assert "horse" not in str(caught.value)


def test_it_travels_to_workers() -> None:
    """With all that it has."""
    given = Unlock(SECRET, "command", ("identity",), False)
    with handed_over():
        assert pickle.loads(pickle.dumps(given)) == given


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (Unlock(SECRET), "a passphrase"),
        (Unlock(identities=("a.key", f" {IDENTITY.lower()}")), "an identity"),
        (Unlock(SECRET, identities=(IDENTITY,)), "a passphrase and an identity"),
    ],
)
def test_a_pickle_with_secrets_is_told_of(given: Unlock, told: str) -> None:
    """Of a store, encrypted or not, of a file system, of settings; and nothing of them is said."""
    files = fsspec.filesystem("holdall", store="memory://unlocked", unlock=given)
    for holder in (given, holdall.open("memory://unlocked", unlock=given), files, Settings(unlock=given)):
        with pytest.warns(UserWarning, match=f"holds {told} in clear") as caught:
            pickle.dumps(holder)
        assert all(word not in str(caught[0].message) for word in ("horse", "1GPQ5"))


def test_a_pickle_without_secrets_is_no_news() -> None:
    """A command and a file's name are found anew where it is unpickled; nobody else reads a pipe to an own process."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        packed = pickle.dumps(holdall.open("memory://unlocked", unlock=Unlock(None, "pass show it", ("a.key",))))
        with handed_over():
            assert b"horse" in pickle.dumps(Unlock(SECRET, identities=(IDENTITY,)))
    assert b"pass show it" in packed


# --- the command ----------------------------------------------------------------


def printing(code: str) -> Unlock:
    return Unlock(passphrase_command=f'"{sys.executable}" -c "{code}"')


def test_the_first_line_that_a_command_prints_is_the_passphrase() -> None:
    """Without its end, whatever follows; with spaces, for they may be meant."""
    assert printing("print(' a b '); print('more')").given_passphrase() == " a b "
    assert printing("import sys; sys.stdout.write('x\\r\\n')").given_passphrase() == "x"


def test_a_command_runs_once_in_a_process(tmp_path: Path) -> None:
    """However many stores are opened by it."""
    given = Unlock(passphrase_command=f"sh -c 'echo x >> {tmp_path}/runs; echo secret'")
    assert [given.given_passphrase() for _ in range(3)] == ["secret"] * 3
    assert (tmp_path / "runs").read_text() == "x\n"


def test_no_shell_reads_the_command() -> None:
    """Its words are a program and arguments: nothing is expanded, piped or put together."""
    assert Unlock(passphrase_command="echo $HOME; id").given_passphrase() == "$HOME; id"


def test_a_passphrase_comes_before_the_command() -> None:
    """Which does not run then."""
    assert Unlock("given", "/nowhere").given_passphrase() == "given"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("/nowhere/at/all", "cannot be run: No such file"),
        ("'half", "cannot be run: its quotes do not match"),
        ("  ", "cannot be run"),
        ("false", "failed with status 1"),
        ("true", "printed no passphrase"),
    ],
)
def test_a_command_that_gives_none_is_told(command: str, reason: str) -> None:
    """In one sentence, which repeats neither the command nor what it printed."""
    with pytest.raises(InvalidArgumentError, match=reason) as caught:
        Unlock(passphrase_command=command).given_passphrase()
    assert caught.value.__cause__ is None


# --- what runs keep, and what programs are told ---------------------------------


def test_a_run_keeps_no_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recorded of where it ran has no variable; on a command line it is masked."""
    for name in ("HOLDALL_PASSPHRASE", "HOLDALL_PASSPHRASE_COMMAND", "HOLDALL_IDENTITY"):
        monkeypatch.setenv(name, SECRET)
    argv = ["train.py", f"--passphrase={SECRET}", "--passphrase", "horse", "HOLDALL_PASSPHRASE=horse"]
    assert "horse" not in json.dumps(capture(argv=argv, cwd=tmp_path))
    assert "horse" not in mask_text("HOLDALL_PASSPHRASE=horse python train.py")
    assert "SECRET" not in mask_text("AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQS2E8F5K")


def test_programs_that_are_asked_are_told_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git and nvidia-smi get the environment without our own variables."""
    seen = tmp_path / "seen"
    for name in ("git", "nvidia-smi"):
        (tmp_path / name).write_text(f"#!/bin/sh\nenv >> {seen}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("HOLDALL_PASSPHRASE", SECRET)
    monkeypatch.setenv("OTHER", "stays")
    facts: dict[str, Any] = capture(argv=["x"], cwd=tmp_path, path=str(tmp_path))
    assert facts
    told = seen.read_text()
    assert "OTHER=stays" in told
    assert "HOLDALL_" not in told


# --- identities, as text --------------------------------------------------------


def test_the_text_of_a_file_of_keys_is_as_good_as_the_file(tmp_path: Path) -> None:
    """With its remarks, as it stands in a secret of a CI: in the variable, and for `Unlock`."""
    holdall.new_identity(tmp_path / "key")
    text = (tmp_path / "key").read_text()
    unlock = read_settings({"HOLDALL_IDENTITY": text}).unlock
    assert unlock is not None
    assert unlock.identities == (text,)
    assert read_identities(text) == read_identities(tmp_path / "key")


AROUND = ["# anna {}", "key={}", '"{}"', "# anna\n{}x", "x\n{}", "age1x,{}"]


@pytest.mark.parametrize(
    ("read", "around"),
    [*((read_identities, around) for around in AROUND), *((read_recipients, around) for around in ["{}", *AROUND])],
)
def test_no_error_takes_an_identity_for_a_path(read: Callable[[str], object], around: str) -> None:
    """Errors and logs say paths; what holds an identity is none, whatever stands around it or is wrong with it."""
    secret = encode("age-secret-key-", bytes(32)).upper()
    for text in (around.format(secret), around.format(secret.lower())):
        with pytest.raises(InvalidArgumentError) as caught:
            read(text)
        assert secret[20:40].lower() not in str(caught.value).lower()


def test_a_passphrase_is_text() -> None:
    """Of other bytes half would become the same character, which is guessed sooner: they are refused."""
    with pytest.raises(InvalidArgumentError, match="no text"):
        printing("import sys; sys.stdout.buffer.write(bytes([104, 255, 10]))").given_passphrase()
