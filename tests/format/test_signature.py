"""What is signed, as bytes, and the tag that keeps a signature: as SPEC.md says, and nothing else is taken for one."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from holdall.errors import FormatError
from holdall.format import signature as rules
from holdall.format.signature import FILES, RUN, Signature, Statement, parse_signature, tag_of

KEY = bytes(44)
SAID = Statement("0" * 32, "1" * 32, FILES, "model", "sha256:" + "2" * 64, 7)


def vector() -> tuple[str, str, dict[str, Any]]:
    """The vector of SPEC.md: what is signed, the tag's key and its value."""
    text = (Path(rules.__file__).parent / "SPEC.md").read_text().partition("**Vector.**")[2]
    found = re.search(r"((?:    .+\n){7})\n    (holdall\.signature\.\S+)\n        (\{.+\})\n", text)
    assert found
    return re.sub("(?m)^    ", "", found[1]), found[2], json.loads(found[3])


def test_the_vector_is_verified_by_what_the_page_says_alone() -> None:
    """With `cryptography`, and nothing of holdall's."""
    signed, tag, body = vector()
    der = base64.b64decode(body["key"])
    key: Any = load_der_public_key(der)
    key.verify(base64.b64decode(body["signature"]), signed.encode())
    name = f"sha256:{hashlib.sha256(der).hexdigest()}"
    manifest = f"{hashlib.sha256(b'hello, world' + bytes([10])).hexdigest()}  hello.txt\n"
    assert body["digest"] == f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    lines = ["holdall signature 1", f"store {body['store']}", f"run {body['run']}", "of run"]
    lines += [f"digest {body['digest']}", f"time {body['time']}", f"key {name}"]
    assert signed == "".join(f"{line}\n" for line in lines)
    about = json.dumps([name, "run", ""]).encode()
    assert tag == f"holdall.signature.{hashlib.sha256(about).hexdigest()[:16]}"


def test_holdall_makes_the_vector() -> None:
    """The same bytes, tag and value."""
    signed, tag, body = vector()
    found = parse_signature(tag, json.dumps(body))
    assert found.statement.to_bytes(found.key).decode() == signed
    assert json.loads(found.to_text()) == body


@pytest.mark.parametrize("path", ["model", "", 'a "quoted" name', "ü/\x1f", "x" * 1000, "of run", "a\nb"])
def test_what_is_said_is_read_back(path: str) -> None:
    """Whatever the path is called."""
    given = Signature(replace(SAID, path=path), KEY, b"s" * 64)
    assert parse_signature(given.tag, given.to_text()) == given


def test_no_two_statements_are_signed_as_the_same_bytes() -> None:
    """Nor is one of a run like one of files, a path cannot add a line, and each key signs its own."""
    others = [
        replace(SAID, store="3" * 32), replace(SAID, run="3" * 32), replace(SAID, of=RUN, path=""),
        replace(SAID, path=""), replace(SAID, path="model\ndigest"), replace(SAID, digest="sha256:" + "3" * 64),
        replace(SAID, time=8),
    ]  # fmt: skip
    texts = [each.to_bytes(KEY) for each in (SAID, *others)]
    assert len({*texts, SAID.to_bytes(bytes(45))}) == len(others) + 2
    assert {text.count(b"\n") for text in texts} == {7}


BAD: dict[str, Any] = {
    "store": ["", "0" * 31, "Z" * 32, None, 7], "run": ["", "0" * 33, None], "of": ["model", None, RUN, ["files"]],
    "path": ["..", "/x", "a//b", "x" * 1100, None, 7, "a\0"], "digest": ["", "sha256:00", "blake3:" + "2" * 64, None],
    "time": [-1, 1.0, True, "7", 2**53, None],
    "key": ["", "!", "AA", "AA==A", base64.b64encode(bytes(513)).decode(), 7],
    "signature": ["", "!", base64.b64encode(bytes(257)).decode(), None],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, some in BAD.items() for value in some])
def test_what_is_no_signature_is_none(name: str, value: object) -> None:
    """A field that is missing, of another type or out of bounds."""
    body = json.loads(Signature(SAID, KEY, b"s").to_text())
    for wrong in (body | {name: value}, {key: kept for key, kept in body.items() if key != name}):
        with pytest.raises(FormatError):
            parse_signature(tag_of(KEY, FILES, "model"), json.dumps(wrong))


@pytest.mark.parametrize("text", ["", "[]", "{", "{" * 100, '{"time":1,"time":1}', "x" * 9000, "\ud800", '{"a":NaN}'])
def test_neither_is_what_is_no_object(text: str) -> None:
    """It is refused without being looked into."""
    with pytest.raises(FormatError):
        parse_signature(tag_of(KEY, FILES, "model"), text)


def test_a_signature_is_named_after_its_key_and_subject() -> None:
    """So nobody keeps another's under the name of one that was taken back."""
    given = Signature(SAID, KEY, b"s")
    for tag in (tag_of(KEY, FILES, ""), tag_of(bytes(45), FILES, "model"), tag_of(KEY, RUN, "")):
        with pytest.raises(FormatError, match="named after another"):
            parse_signature(tag, given.to_text())
