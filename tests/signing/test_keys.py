"""Keys: read from what people have, made so that only they can read them, and never shown or carried away."""

from __future__ import annotations

import pickle
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as coding
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from holdall.errors import MissingLibraryError, SigningKeyError
from holdall.signing.agents import command_key
from holdall.signing.keys import SigningKey
from holdall.signing.public_keys import PublicKey, public_keys

OWN: dict[str, Any] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "secp256r1": ec.generate_private_key(ec.SECP256R1()),
    "secp384r1": ec.generate_private_key(ec.SECP384R1()),
    "secp521r1": ec.generate_private_key(ec.SECP521R1()),
}
OTHERS: dict[str, Any] = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "ed448": ed448.Ed448PrivateKey.generate(),
}
FORMATS = [coding.PrivateFormat.PKCS8, coding.PrivateFormat.OpenSSH]


def private_text(key: Any, format: Any = FORMATS[0], passphrase: bytes | None = None) -> str:
    sealed = coding.BestAvailableEncryption(passphrase) if passphrase else coding.NoEncryption()
    text: bytes = key.private_bytes(coding.Encoding.PEM, format, sealed)
    return text.decode()


def public_text(key: Any, *, ssh: bool = False) -> str:
    encoding = coding.Encoding.OpenSSH if ssh else coding.Encoding.PEM
    format = coding.PublicFormat.OpenSSH if ssh else coding.PublicFormat.SubjectPublicKeyInfo
    text: bytes = key.public_key().public_bytes(encoding, format)
    return text.decode()


@pytest.mark.parametrize("format", FORMATS, ids=["pem", "openssh"])
@pytest.mark.parametrize("kind", OWN)
def test_a_key_of_either_format_signs(kind: str, format: Any, tmp_path: Path) -> None:
    """As a file or as its text; the public key of either format says so, and no other key does."""
    text = private_text(OWN[kind], format)
    (tmp_path / "key").write_text(text)
    for given in (text, tmp_path / "key", str(tmp_path / "key")):
        key = SigningKey.load(given)
        assert key.public.kind == kind
        signature = key.sign(b"said")
        for ssh in (False, True):
            [public] = public_keys(public_text(OWN[kind], ssh=ssh))
            assert public == key.public
            assert public.verify(signature, b"said")
            assert not public.verify(signature, b"other")
            assert not public.verify(signature[:-1], b"said")
    assert not any(PublicKey(SigningKey.generate().public.der).verify(signature, b"said") for _ in range(2))


def test_a_passphrase_opens_its_key() -> None:
    """And nothing else does; one that the key does not need is none too many."""
    text = private_text(OWN["ed25519"], passphrase=b"horse")
    assert SigningKey.load(text, "horse").public == SigningKey.load(private_text(OWN["ed25519"]), "horse").public
    for wrong in (None, "", "cow"):
        with pytest.raises(SigningKeyError, match="no private key that signs here") as caught:
            SigningKey.load(text, wrong)
        assert "horse" not in str(caught.value)


@pytest.mark.parametrize("kind", OTHERS)
def test_other_kinds_sign_nothing(kind: str) -> None:
    """Private or public: what is named is what may be used."""
    with pytest.raises(SigningKeyError):
        SigningKey.load(private_text(OTHERS[kind]))
    with pytest.raises(SigningKeyError):
        public_keys(public_text(OTHERS[kind]))


NO_KEY = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize("text", ["", "# none\n", "x\n", NO_KEY])
def test_what_is_no_key_is_none(text: str, tmp_path: Path) -> None:
    """As a file, and what is missing, a folder, binary or huge as well."""
    (tmp_path / "key").write_text(text)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_bytes(bytes(100_000))
    for name in ("key", "none", ".", "binary", "huge"):
        for read in (public_keys, SigningKey.load):
            with pytest.raises(SigningKeyError):
                read(tmp_path / name)


def test_a_private_key_is_no_public_one() -> None:
    """Who names it where a public one belongs is told, and not shown it."""
    text = private_text(OWN["ed25519"])
    with pytest.raises(SigningKeyError, match="holds a private key") as caught:
        public_keys(text)
    assert text.splitlines()[1] not in str(caught.value)


def test_a_file_may_have_several_public_keys() -> None:
    """Blocks of PEM, or lines as in `authorized_keys`, with comments; each counts once."""
    both = [OWN["ed25519"], OWN["secp256r1"]]
    blocks = "Anna's\n" + "".join(map(public_text, [*both, *both]))
    lines = "# ours\n\n" + "".join(f"{public_text(key, ssh=True)} anna@host\n" for key in both)
    assert public_keys(blocks) == public_keys(lines)
    assert len(public_keys(blocks)) == 2


@pytest.mark.parametrize("passphrase", [None, "horse"])
@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_a_new_key_is_its_owners(kind: str, passphrase: str | None, tmp_path: Path) -> None:
    """Its file is for nobody else, whatever the umask; the public one is beside it; neither replaces anything."""
    key, place = SigningKey.generate(kind), tmp_path / "key"
    key.save(place, passphrase)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert SigningKey.load(place, passphrase).public == key.public
    assert public_keys(tmp_path / "key.pub") == [key.public]
    assert ("ENCRYPTED" in place.read_text()) is bool(passphrase)
    before = place.read_bytes()
    for name in ("key", "key.pub"):
        with pytest.raises(SigningKeyError, match="keys replace nothing"):
            SigningKey.generate().save(tmp_path / name.removesuffix(".pub"))
        place.unlink(missing_ok=True)
    assert not place.exists()
    assert before


def test_a_key_shows_and_leaves_nothing() -> None:
    """Neither by `repr` nor by pickling."""
    key = SigningKey.generate()
    assert key.public.fingerprint in repr(key)
    with pytest.raises(TypeError, match="stays in its process"):
        pickle.dumps(key)
    with pytest.raises(SigningKeyError, match="kinds of keys are"):
        SigningKey.generate("dsa")


AGENT = """
import base64, sys
from cryptography.hazmat.primitives.serialization import load_pem_private_key
key = load_pem_private_key(open({key!r}, "rb").read(), None)
sys.stdout.buffer.write({answer})
"""
SIGNED = "key.sign(sys.stdin.buffer.read())"


def agent(tmp_path: Path, answer: str) -> SigningKey:
    (tmp_path / "key").write_text(private_text(OWN["ed25519"]))
    (tmp_path / "agent.py").write_text(AGENT.format(key=str(tmp_path / "key"), answer=answer))
    return command_key([sys.executable, str(tmp_path / "agent.py")], public_text(OWN["ed25519"]))


@pytest.mark.parametrize("answer", [SIGNED, f"base64.b64encode({SIGNED}) + b'\\n'"], ids=["raw", "base64"])
def test_a_command_signs(answer: str, tmp_path: Path) -> None:
    """It gets the bytes, and gives the signature; it may have any spaces in it that it likes."""
    key = agent(tmp_path, answer)
    assert key.public.verify(key.sign(b"said"), b"said")
    with pytest.raises(SigningKeyError, match="held elsewhere"):
        key.save(tmp_path / "other")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("b''", "no signature by"),
        ("bytes(64)", "no signature by"),
        ("bytes(10**6)", "no signature by"),
        ("base64.b64encode(bytes(64))", "no signature by"),
        ("key.sign(b'other')", "no signature by"),
        ("sys.exit('no token')", "ended with 1: no token"),
    ],
)
@pytest.mark.every(3)
def test_a_command_that_does_not_sign_is_an_error(answer: str, said: str, tmp_path: Path) -> None:
    """What it gives is verified before anything is kept."""
    with pytest.raises(SigningKeyError, match=said):
        agent(tmp_path, answer).sign(b"said")


def test_a_command_that_cannot_be_run_is_an_error() -> None:
    """So is none, and one that is to sign with several keys. It is run without a shell."""
    public = SigningKey.generate().public
    for words in ("/no/such/program", ["sh -c true"]):
        with pytest.raises(SigningKeyError, match="it did not sign"):
            command_key(words, public).sign(b"x")
    with pytest.raises(SigningKeyError, match="it is empty"):
        command_key(" ", public)
    with pytest.raises(SigningKeyError, match="signs with one key"):
        command_key("true", public_text(OWN["ed25519"]) + public_text(OWN["secp256r1"]))


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked of a key; nothing else of holdall needs it."""
    key, private, public = SigningKey.generate(), private_text(OWN["ed25519"]), public_text(OWN["ed25519"])
    for module in ("exceptions", "hazmat.primitives.serialization", "hazmat.primitives.asymmetric.ed25519"):
        monkeypatch.setitem(sys.modules, f"cryptography.{module}", None)
    asked: list[Callable[[], object]] = [
        SigningKey.generate,
        lambda: SigningKey.load(private),
        lambda: public_keys(public),
        lambda: key.public.verify(b"x", b"x"),
    ]
    for ask in asked:
        with pytest.raises(MissingLibraryError) as caught:
            ask()
        assert caught.value.hint == "pip install 'holdall[crypto]'"


def test_no_error_takes_a_private_key_for_a_path() -> None:
    """Errors say paths: a key on one line, as a variable may hold it, is a key that cannot be read."""
    text = OWN["ed25519"].private_bytes(coding.Encoding.PEM, coding.PrivateFormat.PKCS8, coding.NoEncryption()).decode()
    for before in (" ", '"', "KEY="):
        given = before + text.replace("\n", "\\n")
        with pytest.raises(SigningKeyError) as caught:
            SigningKey.load(given)
        assert text.splitlines()[1][:20] not in str(caught.value)
