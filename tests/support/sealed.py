"""Encrypted stores to test with, whose experiments may have keys of their own."""

from __future__ import annotations

import itertools
from functools import partial

from tests.support.stores import TINY, entropy

from holdall.chunks.pool import Pool
from holdall.format.roots import Root
from holdall.format.sealing import AES
from holdall.keys.making import Maker, NewSlot
from holdall.keys.unlock import Unlock
from holdall.storage.bucket import Bucket
from holdall.store import Store
from holdall.trees.location import Location

_PASSPHRASE = "open, sesame"


def sealed_location(bucket: Bucket, *, seed: int = 0, create: bool = True) -> Location:
    """A location as `tiny_location` makes it, of a store that is encrypted."""
    clock, sleep = itertools.count(1_700_000_000_000, 1000).__next__, lambda _: None
    unlock = Unlock(passphrase=_PASSPHRASE)
    location = Location(bucket, Pool(), clock, entropy(seed), sleep, "holdall test", trusted=True, unlock=unlock)
    location.ticks = itertools.count(0.0, 1.0).__next__
    if create:
        location.create(TINY, cipher=AES, slots=partial(_slot, bucket))
    return location


def sealed_store(bucket: Bucket, *, seed: int = 0, create: bool = True) -> Store:
    """A store at such a location."""
    return Store(sealed_location(bucket, seed=seed, create=create))


def _slot(bucket: Bucket, store: str, root: Root) -> None:
    new = NewSlot(passphrase=_PASSPHRASE, scrypt=(1, 1, 1))
    Maker(bucket, store, entropy(99), itertools.count(1_600_000_000_000).__next__).add(new, root)
