"""Slots are made and revoked by several at once, and broken off anywhere: numbers are given once, and one is left."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable

import pytest

import holdall
from holdall.errors import (
    KeySlotNotFoundError,
    LastKeyError,
    ObjectExistsError,
    StoreExistsError,
    TransientStorageError,
)
from holdall.format.document import encode_document
from holdall.format.layout import revoked_key, root_key, slot_key
from holdall.format.roots import Root, root_proof
from holdall.keys.identities import public_key, public_text
from holdall.keys.making import Maker, NewSlot
from holdall.keys.objects import list_keys
from holdall.keys.unlock import Unlock
from holdall.keys.unlocking import find_roots
from holdall.storage.credentials import handed_over
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import Request, TraceBucket
from holdall.store import Store

STORE = "01" * 16
ROOT = Root(0, bytes(range(32)))
IDENTITY = bytes(range(100, 132))
NEW = NewSlot(recipient=public_text(public_key(IDENTITY)), label="anna")


def maker(bucket: MemoryBucket | TraceBucket) -> Maker:
    return Maker(bucket, STORE, os.urandom, lambda: 0)


def meanwhile(bucket: MemoryBucket, verb: str, key: str, act: Callable[[], object]) -> TraceBucket:
    """A bucket where somebody else acts just after the first such request."""
    done: list[str] = []

    def observe(request: Request) -> None:
        if not done and (request.verb, request.key) == (verb, key):
            done.append(key)
            act()

    return TraceBucket(bucket, observe)


def test_a_number_is_given_once() -> None:
    """Also where its slot is gone: the mark stays."""
    bucket = MemoryBucket()
    assert [maker(bucket).add(NEW, ROOT).number for _ in range(3)] == [0, 1, 2]
    maker(bucket).revoke(2)
    maker(bucket).revoke(1)
    assert maker(bucket).add(NEW, ROOT).number == 3
    assert [info.key for info in bucket.list("keys/")] == [
        *(slot_key(0), revoked_key(1), revoked_key(2)),
        slot_key(3),
    ]


def test_two_who_add_at_once_get_two_numbers() -> None:
    """Who comes second takes the next one, and what was wrapped for it is bound to that."""
    bucket = MemoryBucket()
    slow = meanwhile(bucket, "list", "keys/roots/", lambda: maker(bucket).add(NEW, ROOT))
    assert maker(slow).add(NEW, ROOT).number == 1
    unlock = Unlock(identities=(identity(),))
    bucket.delete(slot_key(0))
    assert find_roots(bucket, STORE, unlock, root_proof(ROOT, STORE)) == (ROOT,)


def test_a_slot_whose_number_was_given_and_revoked_meanwhile_is_made_anew() -> None:
    """Its mark would make it as good as gone."""
    bucket = MemoryBucket()

    def others() -> None:
        maker(bucket).add(NEW, ROOT)
        maker(bucket).revoke(0, force=True)

    slow = meanwhile(bucket, "list", "keys/roots/", others)
    assert maker(slow).add(NEW, ROOT).number == 1
    assert list_keys(bucket).live == [1]


def test_two_who_revoke_the_last_two_at_once_leave_one() -> None:
    """Each sees the other's mark before it deletes; who does takes its own back."""
    bucket = MemoryBucket()
    for _ in range(2):
        maker(bucket).add(NEW, ROOT)
    seen: list[int] = []

    def other() -> None:
        with pytest.raises(LastKeyError):
            maker(bucket).revoke(1)
        seen.append(1)

    maker(meanwhile(bucket, "put", revoked_key(0), other)).revoke(0)
    assert seen == [1]
    assert list_keys(bucket).live == [1]


def test_a_revocation_that_broke_off_holds_and_can_be_ended() -> None:
    """The mark counts from its first moment; whoever revokes again deletes what is left over."""
    bucket = MemoryBucket()
    for _ in range(2):
        maker(bucket).add(NEW, ROOT)
    bucket.put(revoked_key(0), encode_document({"store": STORE, "slot": 0, "time": 0}))
    assert list_keys(bucket).live == [1]
    maker(bucket).revoke(0)
    assert not list(bucket.list(slot_key(0) + "\0", limit=1))
    with pytest.raises(KeySlotNotFoundError):
        maker(bucket).revoke(0)


def test_a_strangers_slot_does_not_let_the_last_one_go() -> None:
    """Where the root is known, only a slot counts that somebody made who had it."""
    bucket = MemoryBucket()
    maker(bucket).add(NEW, ROOT)
    maker(bucket).add(NEW, Root(0, os.urandom(32)))
    with pytest.raises(LastKeyError):
        maker(bucket).revoke(0, root=ROOT)
    assert list_keys(bucket).live == [0, 1]


def test_a_creation_whose_answer_is_lost_is_ours() -> None:
    """A slot, and an epoch, that are there already as they were sent: nothing is made twice."""
    bucket = MemoryBucket()

    class Lossy(MemoryBucket):
        def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
            bucket.put(key, data)
            raise ObjectExistsError(self.url, key)

    lossy = TraceBucket(bucket, lambda _: None)
    lossy.put = Lossy().put  # type: ignore[method-assign]
    assert maker(lossy).add(NEW, ROOT).number == 0
    newer = Root(1, os.urandom(32))
    maker(lossy).new_epoch(newer, ROOT)
    with pytest.raises(ObjectExistsError):
        maker(bucket).new_epoch(Root(1, os.urandom(32)), ROOT)


def test_only_those_who_have_the_root_are_given_the_next_one() -> None:
    """A slot is made anew for its owner, but for a passphrase's, which only its owner can give."""
    bucket, newer = MemoryBucket(), Root(1, os.urandom(32))
    slot = maker(bucket).add(NEW, ROOT)
    secret = maker(bucket).add(NewSlot(passphrase="correct horse", scrypt=(1, 1, 1)), ROOT)
    assert slot.proven_by(ROOT)
    assert not slot.proven_by(newer)
    again = maker(bucket).again(slot, newer)
    assert again is not None
    assert (again.number, again.epoch, again.label) == (2, 1, "anna")
    assert maker(bucket).again(secret, newer) is None
    maker(bucket).new_epoch(newer, ROOT)
    found = find_roots(bucket, STORE, Unlock(identities=(identity(),)), root_proof(ROOT, STORE))
    assert found == (newer, ROOT)


def identity() -> str:
    from holdall.keys.bech32 import encode

    return encode("age-secret-key-", IDENTITY).upper()


# --- of a whole store -----------------------------------------------------------


def sealed(url: str) -> Store:
    store = holdall.open(url, unlock=Unlock(identities=(identity(),)))
    store.maintenance.create(encrypt=True)
    return store


def test_the_keys_of_a_store_are_found_in_two_waves() -> None:
    """Two listings side by side, and a GET for each slot: what nobody has a key for is not looked for elsewhere."""
    bucket = MemoryBucket()
    for _ in range(3):
        maker(bucket).add(NEW, ROOT)
    seen: list[Request] = []
    find_roots(TraceBucket(bucket, seen.append), STORE, Unlock(identities=(identity(),)), root_proof(ROOT, STORE))
    asked = [(request.verb, request.key) for request in seen]
    assert sorted(asked[:2]) == [("list", "keys/roots/"), ("list", "keys/slots/")]
    assert sorted(asked[2:]) == [("get", slot_key(n)) for n in range(3)]


def test_a_store_is_not_made_twice_nor_given_a_strangers_key() -> None:
    """Who comes second leaves no slot behind, and no store without `unlock` is made."""
    url = f"memory://{os.urandom(8).hex()}"
    store = sealed(url)
    with pytest.raises(StoreExistsError):
        sealed(url)
    assert len(store.maintenance.keys.list()) == 1
    with pytest.raises(holdall.InvalidArgumentError, match="opens it"):
        holdall.open(f"{url}/other").maintenance.create(encrypt=True)
    with pytest.raises(holdall.StoreNotFoundError):
        holdall.open(f"{url}/other").maintenance.keys.list()


def test_check_tells_of_keys() -> None:
    """A slot that is damaged, and that none is left which opens the store."""
    store = sealed(f"memory://{os.urandom(8).hex()}")
    assert store.maintenance.check().problems == []
    bucket = store._location.bucket
    bucket.put(slot_key(1), b"no slot\n")
    (problem,) = store.maintenance.check().problems
    assert problem.where == slot_key(1)
    assert [slot.damage != "" for slot in store.maintenance.keys.list()] == [False, True]
    bucket.delete(slot_key(0))
    assert "no key slot holds the newest root key" in [p.detail for p in store.maintenance.check().problems][1]
    bucket.put(root_key(2), b"x")
    told = {problem.where: problem.detail for problem in store.maintenance.check().problems}
    assert "it is missing" in told[root_key(1)]
    assert "not a document" in told[root_key(2)]


def test_no_failure_is_taken_for_a_wrong_key() -> None:
    """Where the bucket does not answer, that is the error."""

    class Silent(MemoryBucket):
        def get(self, key: str, *, limit: int | None = None) -> bytes:
            raise TransientStorageError(self.url, key, "no answer")

    bucket = Silent()
    maker(bucket).add(NEW, ROOT)
    with pytest.raises(TransientStorageError):
        find_roots(bucket, STORE, Unlock(identities=(identity(),)), root_proof(ROOT, STORE))


def test_a_pickle_with_keys_in_it_is_told_of() -> None:
    """Who reads it can read the store; what goes to a process of this one's, by a pipe, is no news."""
    store = sealed(f"memory://{os.urandom(8).hex()}")
    with pytest.warns(UserWarning, match="holds its keys in clear"):
        pickle.dumps(store._location)
    with warnings.catch_warnings(), handed_over():
        warnings.simplefilter("error")
        pickle.dumps(store._location)
        pickle.dumps(holdall.open(f"memory://{os.urandom(8).hex()}")._location)
