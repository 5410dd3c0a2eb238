"""The vectors of SPEC.md, "Keys", computed by nothing of ours: from what the page says, and Python's library."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import holdall.format
from holdall.errors import InvalidArgumentError
from holdall.format.own_keys import encode_own, own_root, parse_own, parse_shredded, unwrap_own
from holdall.format.roots import Root, root_proof
from holdall.keys.bech32 import decode, encode
from holdall.keys.identities import public_key, public_text, read_identities
from holdall.keys.making import Maker, NewSlot
from holdall.keys.unlock import Unlock
from holdall.keys.unlocking import find_roots
from holdall.storage.memory import MemoryBucket

PAGE = (Path(holdall.format.__file__).parent / "SPEC.md").read_text().split("\n## Keys\n")[1].split("\n## ")[0]
FOUND = re.findall(r"^    (keys/\S+)\n        (.*)\n        (.*)$", PAGE, re.MULTILINE)
OBJECTS = {key: f"{first}\n{second}\n".encode() for key, first, second in FOUND}
STORE, PASSPHRASE = "01" * 16, "correct horse"
ROOTS = [bytes(range(32)), bytes(range(32, 64))]
IDENTITY = bytes(range(64, 96))
EXPERIMENT = "0123456789abcdef"
OWN = f"keys/experiments/{EXPERIMENT}"
EPHEMERAL = {1: bytes(range(112, 144)), 2: bytes(range(144, 176))}


def body(key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(OBJECTS[key].splitlines()[0])
    return found


def hkdf(key: bytes, info: str, salt: bytes = bytes(32)) -> bytes:
    extracted = hmac.digest(salt, key, "sha256")
    return hmac.digest(extracted, info.encode() + b"\x01", "sha256")


def unsealed(key: bytes, sealed: str, about: str) -> bytes:
    return AESGCM(key).decrypt(bytes(12), bytes.fromhex(sealed), about.encode())


def about(slot: dict[str, Any], *fields: str) -> str:
    names = ("store", "slot", "epoch", "time", "kind", "label", *fields)
    return "\n".join(["holdall slot", *(str(slot[name]) for name in names)])


def proof(slot: dict[str, Any], root: bytes, text: str) -> str:
    data = text.encode() + b"\n" + bytes.fromhex(slot["wrapped"])
    return hmac.digest(hkdf(root, "holdall slot proof"), data, "sha256").hex()


def test_the_page_has_all_kinds_of_vectors() -> None:
    """Which the tests below look at."""
    assert list(OBJECTS) == [
        "keys/roots/00000001",
        *(f"keys/slots/0000000{n}" for n in range(3)),
        OWN,
        f"{OWN}-shredded",
    ]


def test_the_slot_of_a_passphrase_is_as_the_page_says() -> None:
    """By Python's own scrypt."""
    slot = body("keys/slots/00000000")
    text = about(slot, "salt", "log_n", "r", "p")
    salt, n = bytes.fromhex(slot["salt"]), 1 << slot["log_n"]
    key = hashlib.scrypt(PASSPHRASE.encode(), salt=salt, n=n, r=slot["r"], p=slot["p"], dklen=32)
    assert unsealed(key, slot["wrapped"], text) == ROOTS[0]
    assert slot["proof"] == proof(slot, ROOTS[0], text)


@pytest.mark.parametrize("number", [1, 2])
def test_the_slot_of_a_recipient_is_as_the_page_says(number: int) -> None:
    """From either side of the exchange."""
    slot = body(f"keys/slots/0000000{number}")
    text, root = about(slot, "recipient", "ephemeral"), ROOTS[slot["epoch"]]
    ours, theirs = bytes.fromhex(slot["recipient"]), bytes.fromhex(slot["ephemeral"])
    for private, public in ((IDENTITY, theirs), (EPHEMERAL[number], ours)):
        shared = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
        key = hkdf(shared, "holdall slot recipient", theirs + ours)
        assert unsealed(key, slot["wrapped"], text) == root
    assert slot["proof"] == proof(slot, root, text)


def test_roots_are_as_the_page_says() -> None:
    """The newer one opens the older one, which the descriptor proves."""
    text = f"holdall older root\n{STORE}\n1"
    assert unsealed(hkdf(ROOTS[1], text), body("keys/roots/00000001")["older"], text) == ROOTS[0]
    told = hkdf(ROOTS[0], f"holdall root proof\n{STORE}\n0").hex()
    assert told == root_proof(Root(0, ROOTS[0]), STORE)
    assert f"`{told}`" in PAGE


def test_the_vectors_are_what_is_written_and_read() -> None:
    """Byte by byte, with what is random elsewhere given; and both ways to open them find the roots that they should."""
    bucket, drawn = MemoryBucket(), [bytes(range(96, 112)), *EPHEMERAL.values()]
    maker = Maker(bucket, STORE, lambda _: drawn.pop(0), lambda: 1_750_000_000_000)
    first, second = (Root(epoch, key) for epoch, key in enumerate(ROOTS))
    maker.add(NewSlot(passphrase=PASSPHRASE, label="anna", scrypt=(10, 8, 1)), first)
    for root in (first, second):
        maker.add(NewSlot(recipient=public_text(public_key(IDENTITY)), label="ci"), root)
    maker.new_epoch(second, first)
    made = {info.key: bucket.get(info.key) for info in bucket.list()}
    assert made == {key: data for key, data in OBJECTS.items() if not key.startswith(OWN)}
    identity = encode("age-secret-key-", IDENTITY).upper()
    assert f"`{identity}`" in PAGE
    assert f"`{public_text(public_key(IDENTITY))}`" in PAGE
    found = find_roots(bucket, STORE, Unlock(identities=(identity,)), root_proof(first, STORE))
    assert found == (second, first)


def test_keys_of_an_experiment_are_as_the_page_says() -> None:
    """The root unwraps them; what they seal by takes both; and only who has a root says that they were destroyed."""
    own, mark, x = body(OWN), body(f"{OWN}-shredded"), bytes(range(176, 208))
    text = f"holdall experiment keys\n{STORE}\n{EXPERIMENT}\n0"
    assert unsealed(hkdf(ROOTS[0], text, bytes.fromhex(own["salt"])), own["wrapped"], text) == x
    domain = hkdf(ROOTS[0], f"holdall experiment root\n{STORE}\n{EXPERIMENT}\n0", x)
    assert f"`{domain.hex()}`" in PAGE
    said = f"holdall shredded proof\n{STORE}\n{EXPERIMENT}\n1\n{mark['time']}"
    assert mark["proof"] == hkdf(ROOTS[1], said).hex()
    roots = [Root(epoch, key) for epoch, key in enumerate(ROOTS)]
    parsed = parse_own(OBJECTS[OWN], EXPERIMENT, STORE)
    assert (encode_own(parsed), unwrap_own(parsed, roots[0])) == (OBJECTS[OWN], x)
    assert own_root(x, roots[0], STORE, EXPERIMENT) == domain
    assert parse_shredded(OBJECTS[f"{OWN}-shredded"], EXPERIMENT, STORE, roots) == mark["time"]


# --- the texts of keys ----------------------------------------------------------


def test_keys_are_those_of_age() -> None:
    """A pair that age's own tests have."""
    pair = "AGE-SECRET-KEY-184JMZMVQH3E6U0PSL869004Y3U2NYV7R30EU99CSEDNPH02YUVFSZW44VU"
    public = "age1cy0su9fwf3gf9mw868g5yut09p6nytfmmnktexz2ya5uqg9vl9sss4euqm"
    (identity,) = read_identities(pair)
    assert public_text(public_key(identity)) == public
    assert encode("age-secret-key-", identity).upper() == pair


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        ("a", "A12UEL5L"),
        ("split", "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w"),
        ("abcdef", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"),
    ],
)
def test_bech32_is_that_of_bip_173(prefix: str, text: str) -> None:
    """Whose valid texts are read and written; each with a character changed, swapped, missing or added is refused."""
    assert encode(prefix, decode(prefix, text)) == text.lower()
    for n in range(len(prefix) + 1, len(text)):
        other = "q" if text[n].lower() != "q" else "p"
        twisted = text[:n] + (other.upper() if text.isupper() else other) + text[n + 1 :]
        for wrong in (twisted, text[:n] + text[n + 1 :], text[:n] + "b" + text[n + 1 :], text[:n]):
            with pytest.raises(ValueError, match=r"it|bits"):
                decode(prefix, wrong)


def test_a_mistyped_identity_is_not_repeated(tmp_path: Path) -> None:
    """What is wrong is said, and where; the key itself is a secret, also where it is no key."""
    wrong = encode("age-secret-key-", IDENTITY).upper()[:-1] + "Q"
    (tmp_path / "key").write_text(f"# a remark\n\n{wrong}\n")
    for given, where in ((wrong, "the identity that was given"), (tmp_path / "key", "line 3 of")):
        with pytest.raises(InvalidArgumentError, match=f"{where}.* its checksum is wrong") as caught:
            read_identities(given)
        assert wrong[20:] not in str(caught.value)
        assert caught.value.__cause__ is None
