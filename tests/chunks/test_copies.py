"""Blobs of packs that are damaged or gone, read from wherever they are whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.chunks.test_writer_reader import POOL, write, writer_of
from tests.support.stores import entropy

from holdall.chunks.copies import WholeCopies
from holdall.chunks.pending import WrittenStream
from holdall.errors import IntegrityError
from holdall.format.layout import HINTS, PackName
from holdall.format.reference import Ref
from holdall.storage.memory import MemoryBucket

DATA = entropy(4)(40_000)


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


def twice(bucket: MemoryBucket) -> tuple[list[Ref], list[Ref]]:
    """The same content, stored by two sessions that knew nothing of each other."""
    first = write(writer_of(bucket, 1), DATA)
    for key in [key for key in bucket.objects if key.startswith(HINTS)]:
        del bucket.objects[key]
    return refs_of(first), refs_of(write(writer_of(bucket, 2), DATA))


def refs_of(written: WrittenStream) -> list[Ref]:
    return [chunk.ref for chunk in written.chunks]


def packs_of(refs: list[Ref]) -> set[PackName]:
    return {ref.location for ref in refs if isinstance(ref.location, PackName)}


def test_a_blob_is_read_from_any_pack_that_has_it(bucket: MemoryBucket) -> None:
    """Whether its own is gone or only said to be damaged; and it is told where it was found."""
    old, new = twice(bucket)
    assert packs_of(old).isdisjoint(packs_of(new))
    assert len(packs_of(old)) > 1
    lost, *damaged = sorted(packs_of(old))
    del bucket.objects[lost.key]
    copies = WholeCopies(bucket, POOL, damaged)
    assert all(map(copies.needs, old))
    assert not any(map(copies.needs, new))
    assert b"".join(copies.read(old)) == DATA
    assert copies.found == {ref.id: ref for ref in new}
    assert [copies.borrowable(ref) for ref in old] == [ref.location for ref in new]
    assert [copies.where(ref) for ref in old] == [str(ref.location) for ref in new]


def test_a_damaged_pack_is_read_where_it_is_whole(bucket: MemoryBucket) -> None:
    """There is no other: most of it often is whole, but nothing may be borrowed from it."""
    refs = refs_of(write(writer_of(bucket), DATA))
    copies = WholeCopies(bucket, POOL, packs_of(refs))
    assert b"".join(copies.read(refs)) == DATA
    assert [copies.borrowable(ref) for ref in refs] == [None] * len(refs)


def test_what_no_pack_has_is_asked_for_elsewhere(bucket: MemoryBucket) -> None:
    """And what nobody has is an error that names the pack."""
    refs = refs_of(write(writer_of(bucket), DATA))
    for pack in packs_of(refs):
        del bucket.objects[pack.key]
    asked: list[Ref] = []

    def elsewhere(wanted: Sequence[Ref]) -> dict[bytes, tuple[bytes, str]]:
        asked.extend(wanted)
        return {refs[0].id: (b"the bytes", "a log")} if refs[0] in wanted else {}

    copies = WholeCopies(bucket, POOL, [], [elsewhere, lambda wanted: {ref.id: (b"more", "there") for ref in wanted}])
    assert copies.read(refs[:2]) == [b"the bytes", b"more"]
    assert (copies.where(refs[0]), copies.where(refs[1]), asked) == ("a log", "there", refs[:2])
    copies = WholeCopies(bucket, POOL, [], [elsewhere])
    with pytest.raises(IntegrityError, match=str(refs[1].location)):
        copies.read(refs[1:2])
