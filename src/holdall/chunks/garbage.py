"""What `gc/` keeps a writer from referring to.

A collector names the packs that it is about to delete in a generation, before
it deletes any. A writer looks at them before it believes a footer (W2), and
again where a fence in its log says that a generation has come (W4). What
cannot be read stops the writer: it might refer to what is being deleted.
"""

from __future__ import annotations

from holdall.errors import DamageError, GarbageStateError, ObjectNotFoundError
from holdall.format.document import MAX_DOCUMENT
from holdall.format.layout import GARBAGE, PackName, generation_key, parse_key
from holdall.format.records import parse_generation
from holdall.storage.bucket import Bucket


def excluded_packs(bucket: Bucket) -> tuple[frozenset[PackName], frozenset[PackName]]:
    """Return the packs that incomplete generations condemn, and those that are recorded as damaged.

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
    condemned = frozenset[PackName]().union(*(_packs(bucket, generation, "condemn") for generation in incomplete))
    return condemned, frozenset(damaged)


def packs_of_fence(bucket: Bucket, generation: int) -> frozenset[PackName]:
    """Return the packs that a generation names, whether it is done or not. Cost: a GET or two.

    Raises:
        GarbageStateError: It cannot be read, or is not there though a fence speaks of it.
    """
    try:
        return _packs(bucket, generation, "done")
    except ObjectNotFoundError:
        try:
            return _packs(bucket, generation, "condemn")
        except ObjectNotFoundError as error:
            where = f"{bucket.url}/{generation_key(generation, 'condemn')}"
            raise GarbageStateError(where, "a fence in the run's log speaks of it, and it is not there") from error


def _packs(bucket: Bucket, generation: int, word: str) -> frozenset[PackName]:
    key = generation_key(generation, word)
    try:
        return parse_generation(bucket.get(key, limit=MAX_DOCUMENT), generation, word)
    except DamageError as error:
        raise GarbageStateError(f"{bucket.url}/{key}", str(error)) from error
