"""OpenSSF's `model.sig`: what the package model-signing made is verified, what is changed is not, and the other way."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdall.errors import FormatError
from holdall.signing.folders import files_of, problem_with, read_bundle, sign_folder, signer_of
from holdall.signing.keys import SigningKey
from holdall.signing.public_keys import PublicKey, public_keys
from holdall.signing.statements import FILE, MAX_BUNDLE, parse_bundle, sign_files

BUNDLES = Path(__file__).parent / "bundles"
KEYS = {name: public_keys(BUNDLES / f"{name}.pub")[0] for name in ("p256", "p384", "p521")}
MADE = {"files": "p256", "p384": "p384", "p521": "p521", "blake2": "p256", "blake3": "p256", "shards": "p256"}
FILES = {"a.txt": b"hello\n", "sub/b.bin": b"x\n", "sub/ü n.py": b"py"}
GIT = ".gitattributes"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that the bundles are of."""
    for path, data in FILES.items():
        (tmp_path / "m" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "m" / path).write_bytes(data)
    return tmp_path / "m"


def put(folder: Path, name: str) -> Path:
    """The folder, with the bundle of a name in it."""
    (folder / FILE).write_bytes((BUNDLES / f"{name}.sig").read_bytes())
    return folder


@pytest.mark.parametrize("name", MADE)
def test_what_model_signing_made_is_verified(name: str, folder: Path) -> None:
    """Of each curve, hash and way to cut; by its own key, and no other."""
    assert signer_of(put(folder, name), [*KEYS.values()]) == KEYS[MADE[name]]
    others = [key for key in KEYS.values() if key != KEYS[MADE[name]]]
    assert "is not by one of these keys" in str(signer_of(folder, others))
    assert "is not by one of these keys" in str(signer_of(folder, []))


def test_a_bundle_says_which_files_it_is_of(folder: Path) -> None:
    """All of them; also those that it ignores must have been signed, unless who verifies says otherwise."""
    (folder / GIT).write_text("# not signed\n")
    assert signer_of(put(folder, "files"), [*KEYS.values()]) == f"not signed: {GIT}"
    assert signer_of(folder, [*KEYS.values()], ignore=[GIT]) == KEYS["p256"]
    assert signer_of(put(folder, "whole"), [*KEYS.values()]) == KEYS["p256"]
    assert "not there" in problem_with(_without(folder, GIT), parse_bundle((BUNDLES / "whole.sig").read_bytes()))


def _without(folder: Path, path: str) -> Path:
    (folder / path).unlink()
    return folder


CHANGES: dict[str, Callable[[Path], object]] = {
    "longer": lambda folder: (folder / "a.txt").write_bytes(b"hello\n\n"),
    "shorter": lambda folder: (folder / "a.txt").write_bytes(b"hell"),
    "empty": lambda folder: (folder / "a.txt").write_bytes(b""),
    "one bit": lambda folder: (folder / "a.txt").write_bytes(b"hellp\n"),
    "more": lambda folder: (folder / "sub" / "c").write_bytes(b""),
    "gone": lambda folder: (folder / "sub/b.bin").unlink(),
    "renamed": lambda folder: (folder / "sub/b.bin").rename(folder / "b.bin"),
    "swapped": lambda folder: ((folder / "a.txt").write_bytes(b"x\n"), (folder / "sub/b.bin").write_bytes(b"hello\n")),
    "leads out": lambda folder: (folder / "link").symlink_to("/etc/hostname"),
    "leads up": lambda folder: (folder / "link").symlink_to(".."),
    "leads nowhere": lambda folder: (folder / "link").symlink_to("nothing"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["files", "blake3", "shards"])
@pytest.mark.every(3)
def test_a_folder_that_is_not_what_was_signed_is_refused(name: str, change: str, folder: Path) -> None:
    """Whatever changed in it."""
    CHANGES[change](put(folder, name))
    assert isinstance(signer_of(folder, [*KEYS.values()]), str)


def test_a_link_counts_as_the_file_that_it_leads_to(folder: Path) -> None:
    """In place of a file that was signed, if it has the same content; a folder in a folder's place does not."""
    (folder / "sub/b.bin").unlink()
    (folder / "sub/same").write_bytes(b"x\n")
    (folder / "sub/b.bin").symlink_to("same")
    assert signer_of(put(folder, "files"), [*KEYS.values()]) == "not signed: sub/same"
    assert signer_of(folder, [*KEYS.values()], ignore=["sub/same"]) == KEYS["p256"]


def test_no_byte_of_a_bundle_can_be_another(folder: Path) -> None:
    """Each is flipped: what is still verified says the very same."""
    data = (BUNDLES / "files.sig").read_bytes()
    said = parse_bundle(data)
    kept = 0
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            found = parse_bundle(flipped)
        except FormatError:
            continue
        if found.signer([KEYS["p256"]]) is not None:
            kept += 1
            assert (found.resources, found.payload) == (said.resources, said.payload)
    assert kept  # of the hint, and of names that say nothing


def changed(data: bytes, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> bytes:
    """A bundle with something else in it or its statement; signatures are of what it was."""
    body = json.loads(data)
    statement = json.loads(base64.b64decode(body["dsseEnvelope"]["payload"]))
    change(body, statement)
    if "dsseEnvelope" in body and isinstance(body["dsseEnvelope"], dict):
        body["dsseEnvelope"].setdefault("payload", "")
        if body["dsseEnvelope"]["payload"] == json.loads(data)["dsseEnvelope"]["payload"]:
            body["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    return json.dumps(body).encode()


def resource(statement: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = statement["predicate"]["resources"][0]
    return found


HOSTILE: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "no material": lambda body, _: body.pop("verificationMaterial"),
    "a certificate": lambda body, _: body.update(verificationMaterial={"certificate": {"rawBytes": ""}}),
    "no envelope": lambda body, _: body.update(dsseEnvelope=[]),
    "another type": lambda body, _: body["dsseEnvelope"].update(payloadType="text/plain"),
    "no signatures": lambda body, _: body["dsseEnvelope"].update(signatures=[]),
    "many signatures": lambda body, _: body["dsseEnvelope"].update(signatures=[{"sig": "AAAA"}] * 17),
    "signatures of another kind": lambda body, _: body["dsseEnvelope"].update(signatures=["AAAA"]),
    "a signature that is no base64": lambda body, _: body["dsseEnvelope"].update(signatures=[{"sig": "!"}]),
    "a payload that is no base64": lambda body, _: body["dsseEnvelope"].update(payload="!"),
    "a payload that is no JSON": lambda body, _: body["dsseEnvelope"].update(payload="AAAA"),
    "another statement": lambda _, said: said.update(_type="x"),
    "another predicate": lambda _, said: said.update(predicateType="https://slsa.dev/provenance/v1"),
    "no predicate": lambda _, said: said.update(predicate=None),
    "another hash": lambda _, said: said["predicate"]["serialization"].update(hash_type="md5"),
    "another method": lambda _, said: said["predicate"]["serialization"].update(method="tensors"),
    "no resources": lambda _, said: said["predicate"].update(resources={}),
    "a name twice": lambda _, said: said["predicate"]["resources"].append(dict(resource(said))),
    **{
        f"a name of {name!r}": lambda _, said, name=name: resource(said).update(name=name)  # type: ignore[misc]
        for name in ("../x", "/etc/passwd", "a//b", "", None, 7, "x" * 2000, "a\0b")
    },
    "a digest that is short": lambda _, said: resource(said).update(digest="00"),
    "a digest that is none": lambda _, said: resource(said).update(digest=None),
    "an algorithm of its own": lambda _, said: resource(said).update(algorithm="blake3"),
    "a shard without a span": lambda _, said: said["predicate"]["serialization"].update(method="shards"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_an_error(name: str, folder: Path) -> None:
    """Of the one kind, before any key is asked; nothing that it names is opened."""
    data = changed((BUNDLES / "files.sig").read_bytes(), HOSTILE[name])
    with pytest.raises(FormatError):
        parse_bundle(data)
    (folder / FILE).write_bytes(data)
    assert isinstance(signer_of(folder, [*KEYS.values()]), str)


@pytest.mark.parametrize("data", [b"", b"[]", b"{" * 100_000, b"\xff", b'{"a":1,"a":1}'])
def test_neither_is_what_is_no_bundle(data: bytes, folder: Path) -> None:
    """Nor one that is a link, or too large to be looked at."""
    with pytest.raises(FormatError):
        parse_bundle(data)
    with pytest.raises(FormatError, match="more than 16 MiB"):
        parse_bundle(bytes(MAX_BUNDLE + 1))
    (folder / FILE).symlink_to(BUNDLES / "files.sig")
    assert read_bundle(folder) is None


SPANS = [
    [(0, 4)],
    [(4, 6)],
    [(0, 3), (4, 6)],
    [(0, 4), (3, 6)],
    [(0, 4), (4, 7)],
    [(0, 0), (0, 6)],
    [(-1, 6)],
    [(0, 99)],
]


@pytest.mark.parametrize("spans", SPANS)
def test_parts_must_be_all_of_a_file(spans: list[tuple[int, int]], folder: Path) -> None:
    """Without a gap, an overlap or an end elsewhere, though each part has its digest."""
    bundle = parse_bundle((BUNDLES / "shards.sig").read_bytes())
    parts = [
        type(bundle.resources[0])("a.txt", hashlib.sha256(FILES["a.txt"][max(start, 0) : stop]).digest(), start, stop)
        for start, stop in spans
    ]
    others = [each for each in bundle.resources if each.path != "a.txt"]
    made = type(bundle)("sha256", (*parts, *others), b"", ())
    assert problem_with(folder, made) == "changed: a.txt"
    assert problem_with(folder, bundle) == ""


@pytest.mark.parametrize("kind", ["secp256r1", "secp384r1", "secp521r1"])
def test_what_is_signed_here_is_verified_here(kind: str, folder: Path) -> None:
    """By each curve that the other tool knows; it is signed once, and is no model.sig of a file of another name."""
    key = _of_curve(kind)
    assert sign_folder(folder, key, "m") == folder / FILE
    assert signer_of(folder, [SigningKey.generate().public, key.public]) == key.public
    known = {path: real.read_bytes() for path, real in files_of(folder).items()}
    assert known == FILES
    with pytest.raises(FormatError, match="signed already"):
        sign_folder(folder, key)


def _of_curve(kind: str) -> SigningKey:
    from cryptography.hazmat.primitives import serialization as coding
    from cryptography.hazmat.primitives.asymmetric import ec

    curves = {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1(), "secp521r1": ec.SECP521R1()}
    made = ec.generate_private_key(curves[kind])
    text = made.private_bytes(coding.Encoding.PEM, coding.PrivateFormat.PKCS8, coding.NoEncryption())
    return SigningKey.load(text.decode())


def test_an_ed25519_bundle_of_others_is_verified(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The format knows it, though the package does not; so we write none."""
    key = SigningKey.generate()
    monkeypatch.setattr(type(key.public), "kind", property(lambda self: "secp256r1"))
    made = sign_files("m", {path: hashlib.sha256(data).digest() for path, data in FILES.items()}, key)
    monkeypatch.undo()
    (folder / FILE).write_bytes(made)
    assert isinstance(signer_of(folder, [key.public]), PublicKey)


@pytest.mark.doors
@pytest.mark.parametrize("kind", ["secp256r1", "secp384r1", "secp521r1"])
def test_model_signing_verifies_what_is_signed_here(kind: str, folder: Path) -> None:
    """The package itself, as a program; and we what it signs, in the same folder."""
    if not (importlib.util.find_spec("model_signing") and importlib.util.find_spec("OpenSSL")):
        pytest.skip("model-signing is not installed")
    key = _of_curve(kind)
    key.save(folder.parent / "key")
    sign_folder(folder, key, "m")
    words = [str(folder), "--signature", str(folder / FILE)]
    verify = ["verify", "key", *words, "--public_key", str(folder.parent / "key.pub")]
    sign = ["sign", "key", *words, "--private_key", str(folder.parent / "key")]
    assert _model_signing(*verify) == 0
    (folder / "a.txt").write_bytes(b"other")
    assert _model_signing(*verify) != 0
    (folder / FILE).unlink()
    assert _model_signing(*sign) == 0
    assert signer_of(folder, [key.public]) == key.public


def _model_signing(*words: str) -> int:
    return subprocess.run([sys.executable, "-m", "model_signing", *words], capture_output=True).returncode


@pytest.mark.parametrize("algorithm", [[], {}, None, 1])
def test_a_statement_that_hashes_by_no_name_is_none(algorithm: object) -> None:
    """Whatever JSON stands there: a bundle is read before anybody knows who signed it."""
    bundle = json.loads((BUNDLES / "files.sig").read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    statement["predicate"]["serialization"]["hash_type"] = algorithm
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    with pytest.raises(FormatError, match="not known here"):
        parse_bundle(json.dumps(bundle).encode())
