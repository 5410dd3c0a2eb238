"""The generations of a store, below `gc/`: what is condemned, what will be deleted, what is gone.

Each object is created once. Whoever comes second takes what is there, so any
number of collectors of a generation do the same (SPEC.md, G4, G7, G8).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from holdall.errors import (
    DamageError,
    GarbageNotFoundError,
    GarbageStateError,
    GenerationDecidedError,
    ObjectExistsError,
    ObjectNotFoundError,
)
from holdall.format.document import MAX_DOCUMENT
from holdall.format.layout import GARBAGE, GENERATIONS, PackName, generation_key, parse_key
from holdall.format.records import encode_generation, parse_generation, quarantine_end
from holdall.storage.bucket import Bucket


@dataclass(slots=True)
class Generation:
    """One generation, as a listing shows it.

    Attributes:
        number: Which.
        words: Those of `condemn`, `verdict` and `done` that are there.
    """

    number: int
    words: set[str] = field(default_factory=set)

    @property
    def incomplete(self) -> bool:
        """Return whether packs of it may still be deleted."""
        return "condemn" in self.words and "done" not in self.words


@dataclass(frozen=True, slots=True)
class GarbageState:
    """What `gc/` shows. Attributes: generations (ascending), damaged (packs with a record of damage)."""

    generations: Sequence[Generation]
    damaged: frozenset[PackName]

    @property
    def next(self) -> int:
        """Return the number of the next generation."""
        return max((one.number for one in self.generations), default=-1) + 1


def list_garbage(bucket: Bucket) -> GarbageState:
    """Return the generations there are. Cost: one listing."""
    found: dict[int, Generation] = {}
    damaged = set()
    for info in bucket.list(GARBAGE):
        key = parse_key(info.key)
        if key and key.kind in ("condemn", "verdict", "done"):
            found.setdefault(key.number, Generation(key.number)).words.add(key.kind)
        elif key and key.kind == "damaged" and key.pack:
            damaged.add(key.pack)
    return GarbageState(sorted(found.values(), key=lambda one: one.number), frozenset(damaged))


def read_condemned(bucket: Bucket, generation: int) -> tuple[frozenset[PackName], int]:
    """Return the packs that a generation condemns, and until when its verdict waits, in ms by the server's clock.

    Raises:
        GarbageStateError: They cannot be read.
    """
    key = generation_key(generation, "condemn")
    try:
        data = bucket.get(key, limit=MAX_DOCUMENT)
        return parse_generation(data, generation, "condemn"), quarantine_end(data, generation)
    except DamageError as error:
        raise GarbageStateError(f"{bucket.url}/{key}", str(error)) from error


def settle(
    bucket: Bucket, generation: int, word: str, packs: Iterable[PackName], until: int = 0
) -> tuple[frozenset[PackName], bool]:
    """Create an object of a generation, or take the one that is there.

    Returns:
        The packs that it names, and whether it was created just now.

    Raises:
        GarbageStateError: What is there cannot be read, or no number is left for a generation.

    Cost: one PUT; a GET where it is there.
    """
    named = sorted(packs)
    key = generation_key(generation, word)
    if generation >= GENERATIONS:
        last = generation_key(generation - 1, "").rstrip("/")
        raise GarbageStateError(f"{bucket.url}/{last}", "it has the last number there is, so no generation follows it")
    data = encode_generation(generation, word, named, until)
    try:
        bucket.put(key, data)
        return frozenset(named), True
    except ObjectExistsError:
        there = bucket.get(key, limit=MAX_DOCUMENT)
    try:
        return parse_generation(there, generation, word), there == data
    except DamageError as error:
        raise GarbageStateError(f"{bucket.url}/{key}", str(error)) from error


def decide(
    bucket: Bucket, generation: int, condemned: frozenset[PackName], needed: Iterable[PackName]
) -> frozenset[PackName]:
    """Create the verdict of a generation, or take the one that is there, and return what it names.

    Args:
        bucket: Of the store.
        generation: Which.
        condemned: What its `condemn` names.
        needed: What runs refer to.

    Raises:
        GarbageStateError: What is there cannot be read, or names other packs than were condemned: no writer keeps away
            from these, so nothing of the generation may be deleted.

    Cost: as `settle`.
    """
    verdict, _ = settle(bucket, generation, "verdict", condemned.difference(needed))
    if others := verdict - condemned:
        where = f"{bucket.url}/{generation_key(generation, 'verdict')}"
        raise GarbageStateError(where, f"it names {len(others)} packs that were not condemned, such as {min(others)}")
    return verdict


def is_done(bucket: Bucket, generation: int) -> bool:
    """Return whether a generation is done. Cost: one listing of one key."""
    key = generation_key(generation, "done")
    return any(info.key == key for info in bucket.list(key, limit=1))


def undo(bucket: Bucket, generation: int) -> frozenset[PackName]:
    """Give a generation an empty verdict, so that nothing of it is deleted, and return what it condemned.

    Raises:
        GenerationDecidedError: Its verdict is there: it deletes packs, or has.
        GarbageNotFoundError: There is no such generation.

    Cost: two GETs and two PUTs.
    """
    try:
        condemned, _ = read_condemned(bucket, generation)
    except ObjectNotFoundError as error:
        raise GarbageNotFoundError(f"garbage generation {generation}", bucket.url) from error
    verdict, _ = settle(bucket, generation, "verdict", ())
    if verdict:
        raise GenerationDecidedError(generation, len(verdict))
    settle(bucket, generation, "done", ())
    return condemned
