"""No flipped bit goes unnoticed: `check` names it, and no read returns wrong bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

import pytest
from tests.support.depth import DEEP, thinned
from tests.support.stores import Serial, entropy, tiny_store

from holdall.errors import FormatError, HoldallError
from holdall.format.codec import SPLIT, encode_planes
from holdall.format.damage import DamageRecord, encode_damage
from holdall.format.digest import blob_id, sha256
from holdall.format.document import parse_document
from holdall.format.layout import SHAPES, PackName, damage_key, generation_key, parse_key
from holdall.format.pack import PackBuilder, footer_length
from holdall.format.records import encode_generation
from holdall.format.reference import CHUNK, NODE
from holdall.format.sealing import PLAIN
from holdall.format.tree import Entry, Kind
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.trees import tree_builder
from holdall.trees.session import Draft
from holdall.trees.snapshot import InlineBlobs

PARTS = 4
CUT = bytes(66_000) + entropy(7)(300)  # one zstd chunk many times over, and a raw one
NUMBERS = b"".join(bytes([byte, 7, 1, 63]) for byte in entropy(8)(150))
Held: TypeAlias = dict[tuple[str, str], bytes]  # what is at each path of each run


class Watching(MemoryBucket):
    """Notes which objects it was asked for."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__()
        self.objects, self.asked = objects, set[str]()

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        self.asked.add(key)
        return super().get(key, limit=limit)


BESIDE = {"probe", "catalog", "reserved", "share"}  # what no run leaves in a store,
OF_KEYS = {"slot", "revoked", "root", "keys", "own", "shredded"}  # and what only encrypted ones have


def finished_store() -> tuple[MemoryBucket, Held]:
    """A finished run with each codec; and what it holds."""
    bucket = MemoryBucket()
    finished = tiny_store(bucket).runs.start(name="finished")
    finished.log_bytes(b"words, words, words, words", "a/small.txt")
    finished.log_bytes(CUT, "cut.bin")
    log_planes(finished, "numbers.bin")
    finished.finish()
    held = {"a/small.txt": b"words, words, words, words", "cut.bin": CUT, "numbers.bin": NUMBERS}
    return bucket, {(finished.id, path): data for path, data in held.items()}


def crashed_store() -> tuple[MemoryBucket, Held]:
    """A crashed run, and what a collector and a reader of a damaged pack left; and what the run holds."""
    bucket = MemoryBucket()
    crashed = tiny_store(bucket).runs.start()
    crashed.log_bytes(b"half of it", "half.txt")
    for generation, word in ((0, "condemn"), (0, "verdict"), (0, "done"), (1, "condemn")):
        bucket.put(generation_key(generation, word), encode_generation(generation, word, []))
    lost = DamageRecord(PackName(b"lost" * 4, 0), 0, "holdall test", "it was not what it said")
    bucket.put(damage_key(lost.pack), encode_damage(lost))
    return bucket, {(crashed.id, "half.txt"): b"half of it"}


STORES = (finished_store, crashed_store)  # two small ones: each flip costs a check of all that is beside it


def log_planes(run: Run, path: str) -> None:
    """Commit a file whose one chunk is stored in planes, which writers do not choose yet."""
    session, builder, inline = run._writing(), PackBuilder(), InlineBlobs([], PLAIN)
    codec, stored = encode_planes(NUMBERS, 4, 0)
    assert codec == SPLIT
    name = next(session.pack_names)
    ref = builder.add(blob_id(NUMBERS), CHUNK, codec, stored, len(NUMBERS)).ref(name)
    session.location.bucket.put(name.key, bytes(builder.finish()))
    entry = Entry(path, Kind.FILE, len(NUMBERS), sha256(NUMBERS), content=ref)
    root = tree_builder.build([entry], lambda data: inline.place(data, NODE))
    counts = {"files": 1, "bytes": len(NUMBERS), "new_bytes": len(NUMBERS), "stored_bytes": len(stored)}
    session.append(lambda: Draft([{"op": "commit", "tree": root.to_json(), **counts}], inline.blobs))


def test_the_small_stores_are_complete_and_intact() -> None:
    """What is flipped below holds an object of every kind that writers make, and is intact as it stands."""
    kinds = set()
    for small_store in STORES:
        bucket, held = small_store()
        found = tiny_store(bucket, create=False).maintenance.check()
        assert (found.problems, found.orphans, found.foreign) == ([], [], [])
        kinds |= {key.kind for name in bucket.objects if (key := parse_key(name))}
        assert read_all(bucket, held) == Counter(right=len(held))
    assert kinds == SHAPES.keys() - BESIDE - OF_KEYS


def read_all(bucket: MemoryBucket, held: Held) -> Counter[str]:
    """Read some files: how many came back right, and how many were refused. Wrong bytes fail at once."""
    store = tiny_store(bucket, create=False, pool=Serial())
    outcome = Counter[str]()
    for (run_id, path), data in held.items():
        try:
            assert store.runs.get(run_id).read(path) == data, f"{path} came back different"
            outcome["right"] += 1
        except HoldallError:
            outcome["refused"] += 1
    return outcome


def readers(bucket: MemoryBucket, held: Held) -> dict[str, Held]:
    """The files that are read from each object; any other object can be what it likes, since nobody looks."""
    found: dict[str, Held] = {key: {} for key in bucket.objects}
    for file, data in held.items():
        watching = Watching(bucket.objects)
        assert read_all(watching, {file: data}) == Counter(right=1)
        for key in watching.asked & found.keys():
            found[key][file] = data
    return found


def looks_the_same(key: str, whole: bytes, flipped: bytes, at: int) -> bool:
    """Whether a flip was tried when another one was.

    Every reader of a document has `parse_document` do it first, which refuses each flip in the
    same words (or goes on, and this fails): one bit in thirteen bytes is tried for all of them.
    A chunk is held against its digest: one bit of each byte. Each bit of what leads to chunks is tried.
    """
    parsed = parse_key(key)
    if parsed is not None and parsed.kind in ("pack", "canary"):
        return not DEEP and at % 8 != at // 8 % 8 and (parsed.kind == "canary" or at // 8 in payload(whole))
    with pytest.raises(FormatError, match=r"not a document of two lines|not the digest of its first"):
        parse_document(flipped, key)
    return at % 8 != at // 8 % 8 or (not DEEP and at // 8 % 13 != 0)


def payload(pack: bytes) -> range:
    """Where the chunks of a pack are: before its footer, and the 48 bytes that say how long that is."""
    return range(8, len(pack) - 48 - footer_length(pack, "a pack"))


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.long
def test_no_flipped_bit_goes_unnoticed(part: int, record_property: Callable[[str, object], None]) -> None:
    """Whichever bit of a store is flipped, `check` names its object, and reading gives right bytes or an error."""
    for small_store in STORES:
        bucket, held = small_store()
        store, reading = tiny_store(bucket, create=False, pool=Serial()), readers(bucket, held)
        flips = [(key, at) for key, data in sorted(bucket.objects.items()) for at in range(8 * len(data))]
        outcome, tried = Counter[str](), 0
        for key, at in thinned(flips[part::PARTS], 3):
            whole = bucket.objects[key]
            flipped = bytearray(whole)
            flipped[at // 8] ^= 1 << at % 8
            if looks_the_same(key, whole, bytes(flipped), at):
                continue
            bucket.objects[key] = bytes(flipped)
            problems = store.maintenance.check().problems
            assert problems, f"bit {at} of {key} was flipped, and check found nothing"
            assert any(names(key, problem.where) for problem in problems), f"{key}: {problems}"
            outcome += read_all(bucket, reading[key])
            bucket.objects[key] = whole
            tried += 1
        counted = f"flipped bits, part {part}: {tried} in {len(bucket.objects)} objects, each named by check"
        record_property("counted", f"{counted}; reads: {dict(outcome)}")


def names(key: str, where: str) -> bool:
    """Whether a problem's place names the object: the object itself, or the log that it is an entry of."""
    parsed = parse_key(key)
    return where == key or (parsed is not None and parsed.kind == "log" and where == parsed.log)
