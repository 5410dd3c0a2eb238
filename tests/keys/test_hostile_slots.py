"""Slots that anybody may have written: each is refused with an error that says so, and costs nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from tests.support.depth import thinned

from holdall.errors import FormatError, HoldallError, IntegrityError, KeyUnavailableError, WrongKeyError
from holdall.format.document import encode_document
from holdall.format.layout import root_key, slot_key
from holdall.format.roots import MAX_ROOT, Root, encode_older, open_older, root_proof
from holdall.format.slots import MAX_SLOT, ByPassphrase, Slot, encode_slot, parse_slot
from holdall.keys import unlocking
from holdall.keys.identities import public_key, public_text
from holdall.keys.making import Maker, NewSlot
from holdall.keys.objects import MOST_READ
from holdall.keys.unlock import Unlock
from holdall.keys.unlocking import find_roots
from holdall.keys.wrapping import unwrap_by_passphrase
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import Request, TraceBucket

STORE, OTHER = "01" * 16, "02" * 16
ROOT = Root(0, bytes(range(32)))
PROOF = root_proof(ROOT, STORE)
IDENTITY = bytes(range(100, 132))
CHEAP = (1, 1, 1)
PASSPHRASE = "correct horse"
NEW = {
    "passphrase": NewSlot(passphrase=PASSPHRASE, label="anna", scrypt=CHEAP),
    "recipient": NewSlot(recipient=public_text(public_key(IDENTITY)), label="anna"),
}


def identity() -> str:
    from holdall.keys.bech32 import encode

    return encode("age-secret-key-", IDENTITY).upper()


UNLOCK = Unlock(PASSPHRASE, identities=(identity(),), kms=False)


def made(new: NewSlot, root: Root = ROOT, store: str = STORE, number: int = 0) -> Slot:
    bucket = MemoryBucket()
    for n in range(number):
        bucket.put(slot_key(n), b"")
    return Maker(bucket, store, os.urandom, lambda: 1_750_000_000_000).add(new, root)


def opened(*documents: bytes, roots: dict[int, bytes] | None = None) -> tuple[Root, ...]:
    bucket = MemoryBucket()
    for n, document in enumerate(documents):
        bucket.put(slot_key(n), document)
    for epoch, data in (roots or {}).items():
        bucket.put(root_key(epoch), data)
    return find_roots(bucket, STORE, UNLOCK, PROOF)


def sealed_anew(line: bytes) -> bytes:
    """A document with this line, and the right digest below it: whoever changes one changes both."""
    return b'%s\n{"sha256":"%s"}\n' % (line, hashlib.sha256(line).hexdigest().encode())


def flips(data: bytes) -> Iterator[bytes]:
    for n in range(8 * len(data)):
        yield data[: n // 8] + bytes([data[n // 8] ^ 1 << n % 8]) + data[n // 8 + 1 :]


@pytest.mark.parametrize("kind", NEW)
def test_every_flipped_bit_is_an_error(kind: str) -> None:
    """Also where the digest below is made to fit; cut off at any byte, too. It opens when nothing was flipped."""
    document = encode_slot(made(NEW[kind]))
    line = document.splitlines()[0]
    assert opened(document) == (ROOT,)
    changed = [*flips(document), *map(sealed_anew, flips(line)), *(document[:n] for n in range(len(document)))]
    for data in thinned(changed, 3):
        with pytest.raises((FormatError, IntegrityError, KeyUnavailableError)):
            opened(data)
    print(f"{len(thinned(changed, 3))} changes of a {kind} slot, an error each")


@pytest.mark.parametrize("kind", NEW)
def test_a_slot_is_of_its_place_alone(kind: str) -> None:
    """In another's place, of another store or another epoch it opens nothing, even where it is made to say so."""
    slot = made(NEW[kind], number=1)
    with pytest.raises(FormatError, match="it is another slot"):
        opened(encode_slot(slot))
    with pytest.raises(WrongKeyError):
        opened(encode_slot(replace(slot, number=0)))
    with pytest.raises(IntegrityError, match="of another store"):
        opened(encode_slot(made(NEW[kind], store=OTHER)))
    with pytest.raises(WrongKeyError):
        opened(encode_slot(replace(made(NEW[kind], store=OTHER), store=STORE)))
    later = {1: encode_older(Root(1, ROOT.key), ROOT, STORE)}
    with pytest.raises(WrongKeyError):
        opened(encode_slot(replace(made(NEW[kind]), epoch=1)), roots=later)


def test_a_slot_of_the_wrong_kind_is_an_error() -> None:
    """What one kind says of itself is nothing to another; a kind of later versions is passed over."""
    one, two = (json.loads(encode_slot(made(NEW[kind])).splitlines()[0]) for kind in NEW)
    for body, kind in ((one, "recipient"), (two, "passphrase"), (one, "aws-kms"), (two, "aws-kms")):
        with pytest.raises(FormatError):
            opened(encode_document(body | {"kind": kind}))
    later = encode_document(one | {"kind": "of-2027", "wrapped": None})
    with pytest.raises(KeyUnavailableError, match="1 for 'of-2027'"):
        opened(later)
    assert opened(later, encode_slot(made(NEW["recipient"], number=1))) == (ROOT,)


@pytest.mark.parametrize(
    "hostile",
    [
        {"log_n": 60},
        {"log_n": 21},
        {"log_n": 0},
        {"r": 1 << 30},
        {"r": 9},
        {"p": 5},
        {"p": 0},
        {"log_n": -1},
        {"log_n": True},
        {"log_n": "17"},
        {"log_n": 1e9},
        {"salt": "ab" * 1_000},
        {"salt": ""},
        {"label": "x" * 201},
        {"label": "a\nb"},
        {"label": "\x1b[2J"},
        {"label": None},
        {"kind": ""},
        {"kind": "x" * 1_000},
        {"kind": ["passphrase"]},
        {"epoch": 1 << 16},
        {"epoch": -1},
        {"slot": 1},
        {"store": None},
        {"wrapped": "ab" * 47},
        {"wrapped": "AB" * 48},
        {"proof": "ab" * 33},
        {"time": -1},
    ],
    ids=str,
)
def test_hostile_values_are_refused_before_anything_is_computed(
    hostile: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No memory is taken and no key derived for a slot that says what no writer says."""

    def never(*_: object) -> bytes:
        raise AssertionError("scrypt ran")

    monkeypatch.setattr(Scrypt, "__init__", never)
    body = json.loads(encode_slot(EXAMPLE).splitlines()[0])
    with pytest.raises((FormatError, IntegrityError)) as caught:
        opened(encode_document(body | hostile))
    assert len(str(caught.value)) < 3_000
    assert str(caught.value).isprintable()


EXAMPLE = Slot(STORE, 0, 0, 0, "", ByPassphrase(bytes(16)), "passphrase", bytes(48), bytes(32))


@pytest.mark.parametrize("field", ["wrapped", "key"])
def test_a_slot_of_kms_is_bounded(field: str) -> None:
    """In the name of its key, and in what that made."""
    body = json.loads(encode_slot(EXAMPLE).splitlines()[0]) | {"kind": "aws-kms", "key": "arn", "wrapped": "ab" * 100}
    assert parse_slot(encode_document(body), 0, STORE).kind == "aws-kms"
    for value in ("ab" * 7_000, "", None, "\n"):
        with pytest.raises(FormatError):
            parse_slot(encode_document(body | {field: value}), 0, STORE)


def test_large_objects_are_not_read() -> None:
    """A slot, and the object of a root, have their greatest lengths."""
    with pytest.raises(HoldallError, match="bytes"):
        opened(bytes(MAX_SLOT + 1))
    with pytest.raises(FormatError, match="cannot be"):
        open_older(bytes(MAX_ROOT + 1), Root(1, ROOT.key), STORE)


# --- who may create objects -----------------------------------------------------


def test_nobody_gets_a_root_of_strangers() -> None:
    """Anybody can make a slot for a public key with a root of their own in it: it is not taken for the store's."""
    theirs = Root(0, os.urandom(32))
    with pytest.raises(WrongKeyError, match="slot 0 holds no root of this store: somebody else put it there"):
        opened(encode_slot(made(NEW["recipient"], theirs)))
    assert opened(encode_slot(made(NEW["recipient"], theirs)), encode_slot(made(NEW["recipient"], number=1))) == (ROOT,)


def test_nobody_begins_an_epoch_who_has_not_the_root_before() -> None:
    """A later root counts only if it leads to the first one, whichever objects say otherwise."""
    theirs, before = Root(1, os.urandom(32)), Root(0, os.urandom(32))
    slots = [encode_slot(made(NEW["recipient"], theirs)), encode_slot(made(NEW["recipient"], number=1))]
    with pytest.raises(KeyUnavailableError, match="opens root key 0, and the store has root key 1"):
        opened(*slots, roots={1: encode_older(theirs, before, STORE)})
    newer = Root(1, os.urandom(32))
    with pytest.raises(KeyUnavailableError):
        opened(*slots, roots={1: encode_older(newer, ROOT, STORE)})
    with pytest.raises((FormatError, IntegrityError)):
        opened(encode_slot(made(NEW["recipient"], newer)), roots={1: encode_older(newer, ROOT, OTHER)})


def test_many_slots_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes thousands costs a reader a bounded number of requests, and a bounded number of tries."""
    bucket = MemoryBucket()
    Maker(bucket, STORE, os.urandom, lambda: 0).add(NEW["recipient"], ROOT)
    for n in range(1, 1_000):
        dear = replace(EXAMPLE, number=n, by=ByPassphrase(bytes(16), 20, 8, 1))
        bucket.put(slot_key(n), encode_slot(dear))
    seen: list[Request] = []
    assert find_roots(TraceBucket(bucket, seen.append), STORE, UNLOCK, PROOF) == (ROOT,)
    assert [request.verb for request in seen].count("get") == MOST_READ
    tries: list[Slot] = []
    monkeypatch.setattr(unlocking, "unwrap_by_passphrase", lambda slot, *_: tries.append(slot))
    with pytest.raises(WrongKeyError, match="would take too long"):
        find_roots(bucket, STORE, Unlock("no"), PROOF)
    assert len(tries) == 8


def test_a_strangers_slot_that_costs_the_most_is_tried_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the newest epoch, or of one that has not begun: two of them use up what a passphrase may cost."""
    dear = ByPassphrase(bytes(16), 20, 8, 4)
    slots = [replace(EXAMPLE, number=n, epoch=epoch, by=dear) for n, epoch in enumerate([0, 0, 0, 7])]
    bucket = MemoryBucket()
    for slot in slots:
        bucket.put(slot_key(slot.number), encode_slot(slot))
    Maker(bucket, STORE, os.urandom, lambda: 0).add(NEW["passphrase"], ROOT)
    tries: list[int] = []

    def seen(slot: Slot, by: ByPassphrase, passphrase: str) -> bytes | None:
        tries.append(slot.number)
        if by == dear:
            raise MemoryError
        return unwrap_by_passphrase(slot, by, passphrase)

    monkeypatch.setattr(unlocking, "unwrap_by_passphrase", seen)
    assert find_roots(bucket, STORE, Unlock(PASSPHRASE), PROOF) == (ROOT,)
    assert tries == [4]
    with pytest.raises(WrongKeyError, match="slot 0 takes more memory than there is"):
        find_roots(bucket, STORE, Unlock("no"), PROOF)
    assert tries == [4, 4, 0]
