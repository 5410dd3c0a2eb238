"""Sessions that know nothing of one another find what the bucket has, with few requests."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.support.bigstore import put_pack
from tests.support.stores import Serial, TrustingVerifier, entropy
from tests.support.versions import Edit, Versions, appended, history, region, scattered

from holdall.chunks.chunk_index import CAPACITY, ChunkIndex
from holdall.chunks.dedup import ChunkQuery, Deduplicator
from holdall.format.layout import HINTS, PACKS, PackName, hint_key
from holdall.format.pack import Footer, Row
from holdall.format.records import encode_hint
from holdall.format.reference import CHUNK
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import Request, TraceBucket

KIB, MIB = 1 << 10, 1 << 20
PACK = 64 * KIB


def ids_of(seed: int, count: int) -> list[bytes]:
    """Random chunk ids."""
    source = entropy(seed)
    return [source(32) for _ in range(count)]


class Asked:
    """Counts what is asked of a bucket."""

    def __init__(self, bucket: MemoryBucket) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.bucket = TraceBucket(bucket, self._count)

    def _count(self, request: Request) -> None:
        self.requests[request.verb, request.key.split("/")[0] + "/"] += 1

    @property
    def hints(self) -> int:
        """Hints looked for."""
        return self.requests["get", HINTS]

    @property
    def footers(self) -> int:
        """Footers read."""
        return self.requests["get_range", PACKS]


def look(deduplicator: Deduplicator, ids: list[bytes], *, window: int = 64) -> list[PackName | None]:
    """The packs where the chunks of a stream are found, of 1 KiB each."""
    found = []
    for at in range(0, len(ids), window):
        found += deduplicator.lookup([ChunkQuery(id, KIB, 0) for id in ids[at : at + window]])
    return [ref and ref.location for ref in found]  # type: ignore[misc]


def ten_packs() -> tuple[Asked, list[bytes], list[PackName]]:
    """A bucket with a stream's 640 chunks in ten packs of one session; the chunks, and the packs."""
    bucket, ids = MemoryBucket(), ids_of(2, 640)
    names = [PackName(b"s" * 16, n) for n in range(10)]
    for n, name in enumerate(names):
        put_pack(bucket, name, ids[64 * n : 64 * n + 64], length=KIB)
    return Asked(bucket), ids, names


@pytest.mark.parametrize("edit", [scattered(20), scattered(2), region(20), appended(8)])
def test_many_versions_by_strangers_are_stored_nearly_once(edit: Edit) -> None:
    """Each of twenty versions is written by a session of its own; what is stored is little more than what is new."""
    versions, logged, seen, logical = Versions(chunk=16 * KIB, pack=MIB, bucket=MemoryBucket()), 0, set[bytes](), 0
    for ids in history(512, edit, versions=20):
        logged += versions.log(ids).stored
        seen.update(ids)
        logical += len(ids) * 16 * KIB
    assert logged <= len(seen) * 16 * KIB + 0.1 * logical


@pytest.mark.parametrize("edit", [scattered(20), region(20)])
def test_the_last_of_many_versions_is_found_again_by_a_stranger(edit: Edit) -> None:
    """Of a file that lies in many packs, hardly a chunk is stored again by whoever has seen none of them."""
    versions = Versions(chunk=16 * KIB, pack=MIB, bucket=MemoryBucket())
    for ids in history(512, edit, versions=20):
        versions.log(ids)
    assert versions.log(ids).stored <= 0.05 * 512 * 16 * KIB


def test_a_new_stream_asks_four_hints_for_a_window() -> None:
    """Where nothing is known, a window costs four requests and no more, however many chunks it has."""
    asked = Asked(MemoryBucket())
    assert set(
        look(Deduplicator(ChunkIndex(asked.bucket, Serial(), TrustingVerifier()), pack_size=PACK), ids_of(1, 640))
    ) == {None}
    assert asked.requests == {("get", HINTS): 40, ("list", "gc/"): 1}


def test_a_known_stream_is_followed_by_its_footers() -> None:
    """Where packs of one session follow each other, each costs one request; so do the two that would be next."""
    asked, ids, names = ten_packs()
    found = look(Deduplicator(ChunkIndex(asked.bucket, Serial(), TrustingVerifier()), pack_size=PACK), ids)
    assert found == [name for name in names for _ in range(64)]
    assert (asked.hints, asked.footers) == (4, 12)


def test_footers_are_asked_for_while_the_stream_still_runs_along_the_packs_before() -> None:
    """A walk of some steps finds them there: nobody waits for one after the other."""
    asked, ids, _ = ten_packs()
    deduplicator = Deduplicator(ChunkIndex(asked.bucket, Serial(), TrustingVerifier()), pack_size=PACK)
    seen = []
    for n in range(10):
        look(deduplicator, ids[64 * n : 64 * n + 64])
        seen.append(asked.footers)
    assert seen == [1, 2, 4, 5, 7, 8, 9, 10, 11, 12]


def test_a_stream_that_differs_within_a_pack_is_still_followed_behind_it() -> None:
    """A changed chunk in the middle of a pack does not hide the next pack."""
    bucket, ids = MemoryBucket(), ids_of(9, 128)
    names = [PackName(b"s" * 16, n) for n in range(2)]
    for n, name in enumerate(names):
        put_pack(bucket, name, ids[64 * n : 64 * n + 64], length=KIB)
    for key in [hint_key(id) for id in ids[64:]]:
        bucket.objects.pop(key, None)
    largest = ids.index(max(ids[:63]))
    found = look(
        Deduplicator(ChunkIndex(bucket, Serial(), TrustingVerifier()), pack_size=PACK),
        [*ids[:largest], b"?" * 32, *ids[largest + 1 :]],
    )
    assert found[largest] is None
    assert found[64:] == [names[1]] * 64


def test_hints_that_lead_nowhere_new_are_not_asked_for_ever() -> None:
    """False hints, each to another pack that lacks the chunk, cost a bounded number of requests."""
    bucket, ids = MemoryBucket(), sorted(ids_of(3, 64))
    for n, id in enumerate(ids):
        name = PackName(n.to_bytes(15) + b"x", 0)
        put_pack(bucket, name, ids_of(100 + n, 3))
        bucket.objects[hint_key(id)] = encode_hint(id, name)
    asked = Asked(bucket)
    assert set(look(Deduplicator(ChunkIndex(asked.bucket, Serial(), TrustingVerifier()), pack_size=PACK), ids)) == {
        None
    }
    assert asked.hints <= 8


def test_a_chunk_that_is_stored_again_leaves_its_hint_to_another() -> None:
    """Hints to a pack are for chunks that were new: the others' lead elsewhere already."""
    known, old, new = ChunkIndex(MemoryBucket(), Serial()), ids_of(4, 5), ids_of(5, 5)
    known.hints.prefer(min(new), again=old)
    assert known.hints.select(old + new, 10) == sorted(new)[:2]
    known.hints.prefer(min(new), again=old)
    assert known.hints.select(old, 10) == sorted(old)[:2]


def test_what_was_sought_gets_a_hint() -> None:
    """Who writes the same stream again asks for the same chunk first, and finds the pack in its first window."""
    known, first, later = ChunkIndex(MemoryBucket(), Serial()), sorted(ids_of(6, 8))[4:], sorted(ids_of(6, 8))[:4]
    known.hints.prefer(first[0])
    known.add_footer(PackName(b"a" * 16, 0), footer_of(first + later))
    assert known.hints.select(first + later, 10) == [*later[:2], first[0]]
    assert len(known.hints.select(first + later, 32 << 20)) == 4


def test_all_copies_of_a_chunk_are_known_until_their_packs_are_condemned() -> None:
    """A chunk in several packs is found as long as one of them may be referred to."""
    known, ids = ChunkIndex(MemoryBucket(), Serial()), ids_of(7, 3)
    names = [PackName(letter * 16, 0) for letter in (b"a", b"b")]
    for name in names:
        known.add_footer(name, footer_of(ids))
    assert [ref.location for ref in known.copies(ids[0])] == names
    assert known.get(ids[0]) == known.copies(ids[0])[0]
    assert known.get(ids_of(8, 1)[0]) is None


def test_what_a_session_knows_has_a_bound() -> None:
    """However many footers it reads, a session remembers so many chunks at most, the last ones."""
    known, count = ChunkIndex(MemoryBucket(), Serial()), 1 << 14
    packs = [ids_of(n, count) for n in range(CAPACITY // count + 3)]
    for n, ids in enumerate(packs):
        known.add_footer(PackName(b"s" * 16, n), footer_of(ids))
    remembered = [n for n, ids in enumerate(packs) if known.get(ids[0])]
    assert remembered == list(range(3, len(packs)))


def footer_of(ids: list[bytes]) -> Footer:
    """Of a pack of chunks of one byte."""
    rows = tuple(Row(id, 8 + n, 1, 1, 0, CHUNK) for n, id in enumerate(ids))
    return Footer(8 + len(ids), b"", rows)
