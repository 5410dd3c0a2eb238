"""What `gc/` keeps a writer from referring to.

A collector names the packs that it is about to delete in a generation, before
it deletes any. A writer looks at them before it believes a footer (W2), and
again where a fence in its log says that a generation has come (W4). What
cannot be read stops the writer: it might refer to what is being deleted.
A generation's `verdict` is the collectors' affair: to a writer it says less than `condemn`.
"""

from __future__ import annotations

from dataclasses import dataclass

from holdall.errors import DamageError, GarbageStateError, ObjectNotFoundError
from holdall.format.document import MAX_DOCUMENT
from holdall.format.layout import GARBAGE, PackName, generation_key, parse_key
from holdall.format.records import parse_generation
from holdall.storage.bucket import Bucket


@dataclass(frozen=True, slots=True)
class GarbageListing:
    """What one look at `gc/` showed.

    Attributes:
        condemned: The packs that incomplete generations condemn.
        damaged: Those that are recorded as damaged.
        generations: The numbers of all generations, done or not.
    """

    condemned: frozenset[PackName]
    damaged: frozenset[PackName]
    generations: frozenset[int]


def look_at_garbage(bucket: Bucket) -> GarbageListing:
    """Return what writers must not refer to (W2). A generation whose `condemn` is gone meanwhile counts as done.

    Raises:
        GarbageStateError: A generation cannot be read.

    Cost: one listing, and a GET for each incomplete generation.
    """
    words: dict[int, set[str]] = {}
    damaged: set[PackName] = set()
    for found in bucket.list(GARBAGE):
        key = parse_key(found.key)
        if key and key.kind in ("condemn", "done"):
            words.setdefault(key.number, set()).add(key.kind)
        elif key and key.kind == "damaged" and key.pack:
            damaged.add(key.pack)
    incomplete = [generation for generation, there in words.items() if there == {"condemn"}]
    named = (_packs(bucket, generation, "condemn") or () for generation in incomplete)
    return GarbageListing(frozenset[PackName]().union(*named), frozenset(damaged), frozenset(words))


def packs_of_fence(bucket: Bucket, generation: int) -> frozenset[PackName] | None:
    """Return the packs that a generation names, whether it is done or not; None if it has no objects.

    Raises:
        GarbageStateError: It cannot be read.

    Cost: a GET or two.
    """
    deleted = _packs(bucket, generation, "done")
    return _packs(bucket, generation, "condemn") if deleted is None else deleted


def _packs(bucket: Bucket, generation: int, word: str) -> frozenset[PackName] | None:
    key = generation_key(generation, word)
    try:
        return parse_generation(bucket.get(key, limit=MAX_DOCUMENT), generation, word)
    except ObjectNotFoundError:
        return None
    except DamageError as error:
        raise GarbageStateError(f"{bucket.url}/{key}", str(error)) from error
