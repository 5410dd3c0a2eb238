"""Key slots: who has what opens one, and nobody else does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdall.errors import InvalidArgumentError, KeyUnavailableError, WrongKeyError
from holdall.format.roots import Root, root_proof
from holdall.keys.identities import new_identity, read_identities, read_recipients
from holdall.keys.making import Maker, NewSlot, new_root
from holdall.keys.unlock import Unlock
from holdall.keys.unlocking import find_roots
from holdall.storage.memory import MemoryBucket

STORE = "01" * 16
CHEAP = (4, 8, 1)


def maker(bucket: MemoryBucket, store: str = STORE) -> Maker:
    return Maker(bucket, store, os.urandom, lambda: 1_750_000_000_000)


def test_a_passphrase_opens_its_slot() -> None:
    """And gives the root; another passphrase opens nothing."""
    bucket, root = MemoryBucket(), new_root(os.urandom)
    maker(bucket).add(NewSlot(passphrase="correct horse", scrypt=CHEAP), root)
    assert find_roots(bucket, STORE, Unlock("correct horse"), root_proof(root, STORE)) == (root,)
    with pytest.raises(WrongKeyError, match="none opened by what was tried"):
        find_roots(bucket, STORE, Unlock("battery staple"), root_proof(root, STORE))
    with pytest.raises(KeyUnavailableError, match="1 for a passphrase"):
        find_roots(bucket, STORE, Unlock(), root_proof(root, STORE))


def test_an_identity_opens_its_slot(tmp_path: Path) -> None:
    """Given as a file, or as its text."""
    bucket, root = MemoryBucket(), new_root(os.urandom)
    public = new_identity(tmp_path / "key", os.urandom(32))
    maker(bucket).add(NewSlot(recipient=public), root)
    proof = root_proof(root, STORE)
    assert find_roots(bucket, STORE, Unlock(identities=(tmp_path / "key",)), proof) == (root,)
    text = (tmp_path / "key").read_text().splitlines()[-1]
    assert find_roots(bucket, STORE, Unlock(identities=(text,)), proof) == (root,)


@pytest.mark.parametrize("as_text", [True, False])
def test_the_two_halves_of_a_key_are_told_apart(as_text: bool, tmp_path: Path) -> None:
    """A private key where a public one goes is named and never repeated; and the other way round."""
    public = new_identity(tmp_path / "anna.key")
    secret = (tmp_path / "anna.key").read_text().splitlines()[1]
    with pytest.raises(InvalidArgumentError, match="give its public one") as told:
        read_recipients(secret if as_text else tmp_path / "anna.key")
    assert secret not in str(told.value)
    with pytest.raises(InvalidArgumentError, match="is a public key, which opens nothing"):
        read_identities(public)


def test_the_newest_root_leads_to_all_older_ones() -> None:
    """Who has the slot of the newest epoch has all roots; who has an older one is told that it was rekeyed."""
    bucket = MemoryBucket()
    roots = [Root(epoch, os.urandom(32)) for epoch in range(3)]
    for root in roots:
        maker(bucket).add(NewSlot(passphrase=f"epoch {root.epoch}", scrypt=CHEAP), root)
        if root.epoch:
            maker(bucket).new_epoch(root, roots[root.epoch - 1])
    proof = root_proof(roots[0], STORE)
    assert find_roots(bucket, STORE, Unlock("epoch 2"), proof) == tuple(reversed(roots))
    with pytest.raises(KeyUnavailableError, match="opens root key 1, and the store has root key 2"):
        find_roots(bucket, STORE, Unlock("epoch 1"), proof)
