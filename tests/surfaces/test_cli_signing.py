"""Signing at a shell: what is signed, verified, refused, and what a command ends with."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.support.shell import Shell

import holdall
from holdall.errors import SigningKeyError
from holdall.format.signature import PREFIX, Signature, Statement
from holdall.settings import Settings, read_settings
from holdall.signing.keys import SigningKey
from holdall.store import Store


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def run_id(shell: Shell) -> str:
    """A run with a file, and two keys beside it."""
    for name in ("anna", "eve"):
        SigningKey.generate().save(shell.folder / name)
    (shell.folder / "a.txt").write_text("a")
    return shell.log("a.txt")


def test_a_run_is_signed_and_verified(shell: Shell, run_id: str) -> None:
    """By its key; by another it exits with 1, since it was tried, and says what to do."""
    made = shell.json("run", "sign", run_id, "--key", "anna")
    assert made["artifact"] == f"runs:/{run_id}"
    found = shell.json("run", "verify", run_id, "--signed-by", "anna.pub")
    assert (found["files"], found["signatures"]) == (1, [made])
    assert "signed" in shell("run", "verify", run_id)
    text = shell("run", "verify", run_id, "--signed-by", "eve.pub", code=1)
    assert "error: runs:/" in text
    assert "hint:  `holdall run verify RUN_ID`" in text
    assert shell.json("run", "verify", run_id, "--signed-by", "eve.pub", "--signed-by", "anna.pub")["signatures"]


def test_signatures_of_an_encrypted_store_are_checked(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are sealed as all tags are, and hold there; one that does not is told, and without a key none is seen."""
    shell("store", "key", "new", "k")
    monkeypatch.setenv("HOLDALL_IDENTITY", str(shell.folder / "k"))
    shell("store", "init", "--encrypt")
    SigningKey.generate().save(shell.folder / "anna")
    (shell.folder / "a.txt").write_text("a")
    first, second = shell.log("a.txt"), shell.log("a.txt")
    made = shell.json("run", "sign", first, "--key", "anna")
    assert shell.json("run", "verify", first, "--signed-by", "anna.pub")["signatures"] == [made]
    assert shell.json("store", "check", "--signatures", "--signed-by", "anna.pub") == [made]
    assert not any(b"signature" in path.read_bytes() for path in (shell.folder / "store").rglob("*") if path.is_file())
    tags = Store.open(str(shell.folder / "store"), unlock=read_settings().unlock).runs.get(first).data.tags
    ((tag, text),) = ((tag, text) for tag, text in tags.items() if tag.startswith(PREFIX))
    shell("run", "tag", second, tag, text)  # of another run
    assert second in shell("store", "check", "--signatures", code=1)
    monkeypatch.delenv("HOLDALL_IDENTITY")
    assert "stays closed" in shell("store", "check", "--signatures", code=1)


def test_hostile_signatures_are_shown_as_what_they_are(shell: Shell, run_id: str) -> None:
    """A time that no calendar has, and texts that steer a terminal, in what anybody may have written."""
    anna = SigningKey.load(shell.folder / "anna")
    said = Statement("0" * 32, run_id, "files", "\x1b[2J", "sha256:" + "0" * 64, 2**53 - 1)
    made = Signature(said, anna.public.der, anna.sign(said.to_bytes(anna.public.der)))
    shell("run", "tag", run_id, made.tag, made.to_text())
    shell("run", "tag", run_id, f"{PREFIX}{'0' * 16}", "\x1b[31m{")
    for words, code in (
        (["store", "check", "--signatures"], 1),
        (["run", "verify", run_id], 1),  # none of them is valid
        (["run", "show", run_id], 0),
    ):
        assert "\x1b" not in shell(*words, code=code)
    assert "what is there now" in shell("store", "check", "--signatures", code=1)


def test_what_is_not_signed_says_so(shell: Shell, run_id: str) -> None:
    """And is verified all the same."""
    assert shell("run", "verify", run_id).splitlines()[-1] == "not signed"


def test_the_store_is_checked_for_signatures(shell: Shell, run_id: str) -> None:
    """All that are valid: 0; one that is not, or by a key that was not named: 1."""
    assert shell("store", "check", "--signatures") == "all of 0 signatures valid\n"
    shell("run", "sign", run_id, "--key", "anna")
    assert "all of 1 signature valid" in shell("store", "check", "--signatures", "--signed-by", "anna.pub")
    assert "INVALID" in shell("store", "check", "--signatures", "--signed-by", "eve.pub", code=1)
    shell("artifact", "log", "anna.pub", "--run", run_id)
    assert "what is there now" in shell("store", "check", "--signatures", code=1)
    assert [each["problem"] != "" for each in shell.json("store", "check", "--signatures", code=1)] == [True]


@pytest.mark.parametrize(
    "words", [["--signed-by", "anna.pub"], ["--signatures", "--record"], ["--signatures", "--references"]]
)
def test_only_signatures_are_checked_at_once(shell: Shell, words: list[str]) -> None:
    """What else is asked for does not go with it."""
    assert "--signatures goes with --signed-by alone" in shell("store", "check", *words, code=2)


@pytest.mark.parametrize("words", [["--oci"], ["--hf"]])
def test_only_folders_and_archives_are_exported_signed(shell: Shell, words: list[str]) -> None:
    """An image has a place of its own for signatures."""
    assert "--sign goes with" in shell("model", "export", "models:/m/1", "to", "--sign", "anna", *words, code=2)


def test_a_new_key_replaces_nothing(shell: Shell) -> None:
    """And what it makes is shown by its fingerprint; a private key is not shown."""
    assert "ed25519" in shell("signing-key", "new", "anna")
    assert "keys replace nothing" in shell("signing-key", "new", "anna", code=2)
    [found] = shell.json("signing-key", "show", "anna.pub")
    assert found["key"] == SigningKey.load(shell.folder / "anna").public.fingerprint
    assert found["key"] in shell("signing-key", "show", "anna.pub")
    assert "holds a private key" in shell("signing-key", "show", "anna", code=2)


def test_a_passphrase_is_asked_for(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice where a key is made; it is a variable where one is used."""
    shell("signing-key", "new", "sealed", "--passphrase", input="horse\nhorse\n")
    assert "ENCRYPTED" in (shell.folder / "sealed").read_text()
    (shell.folder / "a.txt").write_text("a")
    run_id = shell.log("a.txt")
    assert "no private key that signs here" in shell("run", "sign", run_id, "--key", "sealed", code=2)
    monkeypatch.setenv("HOLDALL_SIGNING_PASSPHRASE", "horse")
    assert "signed" in shell("run", "sign", run_id, "--key", "sealed")


def test_the_environment_names_the_key(shell: Shell, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file, its text, or a command with a public key; without any, the error says which variable."""
    assert "HOLDALL_SIGNING_KEY: it is not set" in shell("run", "sign", run_id, code=2)
    anna = SigningKey.load(shell.folder / "anna")
    for value in (str(shell.folder / "anna"), (shell.folder / "anna").read_text()):
        monkeypatch.setenv("HOLDALL_SIGNING_KEY", value)
        assert shell.json("run", "sign", run_id)["key"] == anna.public.fingerprint
    (shell.folder / "agent.py").write_text(
        "import sys\nfrom holdall.signing.keys import SigningKey\n"
        f"sys.stdout.buffer.write(SigningKey.load({str(shell.folder / 'eve')!r}).sign(sys.stdin.buffer.read()))"
    )
    monkeypatch.setenv("HOLDALL_SIGNING_COMMAND", f"{sys.executable} {shell.folder / 'agent.py'}")
    monkeypatch.setenv("HOLDALL_SIGNING_KEY", str(shell.folder / "eve.pub"))
    made = shell.json("run", "sign", run_id)
    assert made["key"] == SigningKey.load(shell.folder / "eve").public.fingerprint
    monkeypatch.setenv("HOLDALL_SIGNING_KEY", str(shell.folder / "anna.pub"))
    assert "is no signature by" in shell("run", "sign", run_id, code=2)


def test_no_setting_shows_a_key() -> None:
    """Neither the key nor its passphrase, where settings are printed."""
    given = {"HOLDALL_SIGNING_KEY": "SECRET-1", "HOLDALL_SIGNING_PASSPHRASE": "SECRET-2"}
    assert "SECRET" not in repr(read_settings(given))
    with pytest.raises(SigningKeyError) as caught:
        read_settings({"HOLDALL_SIGNING_KEY": "-----BEGIN PRIVATE KEY-----\nSECRET-3\n"}).load_signing_key()
    assert "SECRET" not in str(caught.value)
    assert Settings().signing_key is None


def test_start_run_signs_by_the_settings_or_a_file(shell: Shell, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it ends, in a block or by `end_run`; a key that is missing starts nothing."""
    store = Store.open(str(shell.folder / "store"))
    holdall.set_store(store.url)
    public = SigningKey.load(shell.folder / "anna").public
    count = len(store.runs.search())
    monkeypatch.delenv("HOLDALL_SIGNING_KEY", raising=False)
    with pytest.raises(SigningKeyError, match="it is not set"):
        holdall.start_run(sign=True)
    assert holdall.active_run() is None
    assert len(store.runs.search()) == count
    with holdall.start_run(sign=str(shell.folder / "anna")) as first:
        holdall.log_text("x", "x.txt")
    monkeypatch.setenv("HOLDALL_SIGNING_KEY", str(shell.folder / "anna"))
    second = holdall.start_run(sign=True)
    holdall.end_run("FAILED")
    with holdall.start_run(sign=False) as third:
        pass
    for run in (first, second):
        assert run.verify(signed_by=public)
    assert third.verify().signatures == []
    assert json.dumps(second.info.status) == '"FAILED"'


def test_who_signed_is_shown(shell: Shell, run_id: str) -> None:
    """By `run show` and `model show`, with what is wrong; a damaged run is shown all the same."""
    shell("model", "register", f"runs:/{run_id}/a.txt", "letter")
    assert "signed by" not in shell("run", "show", run_id)
    shell("run", "sign", run_id, "--key", "anna")
    shell("model", "sign", "models:/letter/1", "--key", "eve")
    both = shell("model", "show", "models:/letter/1")
    assert "all of the run" in both
    assert "its files" in both
    assert [each["problem"] for each in shell.json("model", "show", "models:/letter/1")["signatures"]] == ["", ""]
    assert "all of the run" in shell("run", "show", run_id)
    shell("artifact", "log", "anna.pub", "--run", run_id)
    assert "what is there now" in shell("run", "show", run_id)
