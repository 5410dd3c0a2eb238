"""Stores to test with: small chunks, small packs, a frozen clock, known randomness."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from typing import ParamSpec, TypeVar

from holdall.chunks.damage import Damage
from holdall.chunks.pool import Pool
from holdall.chunks.verification import PackVerifier
from holdall.format.chunking import Chunker
from holdall.format.records import Descriptor
from holdall.format.reference import Ref
from holdall.format.roots import Root
from holdall.format.sealing import AES
from holdall.keys.making import Maker, NewSlot
from holdall.keys.unlock import Unlock
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.location import Location

P = ParamSpec("P")
T = TypeVar("T")
SEALED = os.environ.get("HOLDALL_TESTS_SEALED") == "1"  # whether stores are encrypted that a test does not want plain
PASSPHRASE = "open, sesame"
TINY = Descriptor("0" * 32, 0, Chunker(256, 1024, 4096), 8192)


def entropy(seed: int) -> Callable[[int], bytes]:
    """So many bytes, the same ones each time the tests run."""
    source = random.Random(seed)
    return source.randbytes


class Serial(Pool):
    """A pool that does everything at once, in the caller's thread: for tests that call it very often."""

    def submit(self, task: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(task(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    submit_small = submit

    def submit_with_budget(self, size: int, task: Callable[[], T]) -> Future[T]:
        return self.submit(task)


class TrustingVerifier(PackVerifier):
    """Takes every footer's word: for packs that stand for others, and have not the bytes that they claim."""

    def __init__(self) -> None:
        super().__init__(MemoryBucket(), Serial(), Damage())

    def start(self, refs: Iterable[Ref]) -> None:
        for _ in refs:
            pass

    def is_done(self, ref: Ref) -> bool:
        return True

    def verify(self, ref: Ref) -> bool:
        return True


def tiny_location(
    bucket: Bucket, *, seed: int = 0, create: bool = True, pool: Pool | None = None, sealed: bool = SEALED
) -> Location:
    """A location with 1 KiB chunks and 8 KiB packs, whose clocks tick a second at each look; perhaps encrypted."""
    clock, sleep = itertools.count(1_700_000_000_000, 1000).__next__, lambda _: None
    unlock = Unlock(passphrase=PASSPHRASE) if sealed else None
    location = Location(
        bucket, pool or Pool(), clock, entropy(seed), sleep, "holdall test", trusted=True, unlock=unlock
    )
    location.ticks = itertools.count(0.0, 1.0).__next__
    if create and sealed:
        location.create(TINY, cipher=AES, slots=partial(first_slot, bucket))
    elif create:
        location.create(TINY)
    return location


def first_slot(bucket: Bucket, store: str, root: Root) -> None:
    """Make a key slot that is opened quickly."""
    new = NewSlot(passphrase=PASSPHRASE, scrypt=(1, 1, 1))
    Maker(bucket, store, entropy(99), itertools.count(1_600_000_000_000).__next__).add(new, root)


def tiny_store(
    bucket: Bucket, *, seed: int = 0, create: bool = True, pool: Pool | None = None, sealed: bool = SEALED
) -> Store:
    """A store at such a location."""
    return Store(tiny_location(bucket, seed=seed, create=create, pool=pool, sealed=sealed))
