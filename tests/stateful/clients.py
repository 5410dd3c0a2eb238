"""Clients that die at a request, and what a run must show: for the state machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tests.support.faulty import Crash, FaultyBucket
from tests.support.stores import Serial, entropy, tiny_location

from holdall.errors import ArtifactNotFoundError
from holdall.format.chunking import Chunker
from holdall.format.records import Descriptor
from holdall.storage.bucket import Bucket
from holdall.store import Store

STORE: Final = Descriptor("0" * 32, 0, Chunker(4096, 16384, 32768), 40_000)
# Small ones go into entries, the others into packs; they share chunks.
BASE: Final = entropy(51)(140_000)
CONTENTS: Final = [b"a", b"b" * 500, BASE[:70_000], BASE[:90_000], BASE[70_000:], BASE]


@dataclass(frozen=True)
class Held:
    """What a path holds now, if anything, and what it held before, the oldest first."""

    now: bytes | None = None
    before: tuple[bytes, ...] = ()


@dataclass
class Known:
    """What a run must show.

    Attributes:
        versioned: Whether its paths may be replaced.
        stage: "active", "deleted" or "purged".
        paths: What each path holds and held.
        pinned: Whether a version of a registered model is below it.
        slow: What a slow writer may log, or may never.
    """

    versioned: bool
    stage: str = "active"
    paths: dict[str, Held] = field(default_factory=dict)
    pinned: bool = False
    slow: dict[str, bytes] = field(default_factory=dict)


class Doom:
    """Dies before request `at`, and gets nothing through from then on."""

    def __init__(self) -> None:
        self.left: int | None = None

    def __call__(self, number: int, moment: str, verb: str, key: str) -> None:
        if moment == "before" and self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Crash


class Client:
    """A process: a store of its own, with what it remembers."""

    def __init__(self, bucket: Bucket, seed: int, *, sealed: bool = False) -> None:
        self.doom = Doom()
        doomed = FaultyBucket(bucket, on=self.doom)
        self.location = tiny_location(doomed, seed=seed, create=False, pool=Serial(), sealed=sealed)
        self.store = Store(self.location)


def held_by(store: Store, run_id: str, path: str) -> Held:
    """What the store says that a path holds and held."""
    run = store.runs.get(run_id)
    try:
        found = run.versions(path)
    except ArtifactNotFoundError:
        return Held()
    now = [run.read(path) for version in found if version.current]
    before = [run.read(path, version=version.version) for version in found if not version.current]
    return Held(now[0] if now else None, tuple(reversed(before)))
