"""Planning ranges: everything once, nothing needless."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdall.chunks.plan import plan_ranges
from holdall.format.layout import PackName
from holdall.format.reference import Ref

PACKS = [PackName(bytes([n]) * 16, n) for n in (1, 2)]


def refs_of(pack: PackName, lengths: list[int]) -> list[Ref]:
    """Blobs of these lengths, back to back."""
    refs, at = [], 8
    for length in lengths:
        refs.append(Ref(at.to_bytes(32), pack, at, length, length, 0))
        at += length
    return refs


all_refs = st.lists(st.integers(1, 300), min_size=1, max_size=40).map(lambda lengths: refs_of(PACKS[0], lengths))


@given(all_refs, st.data(), st.integers(1, 500), st.integers(1, 1000))
def test_each_wanted_blob_is_in_exactly_one_range(refs: list[Ref], data: st.DataObject, gap: int, limit: int) -> None:
    """However often a blob is asked for, one range holds it, and ranges hold nothing else."""
    wanted = data.draw(st.lists(st.sampled_from(refs)))
    ranges = plan_ranges(wanted, gap=gap, limit=limit)
    assert sorted(ref.offset for span in ranges for ref in span.refs) == sorted({ref.offset for ref in wanted})


@given(all_refs, st.data(), st.integers(1, 500), st.integers(1, 1000))
def test_ranges_keep_to_gap_and_limit(refs: list[Ref], data: st.DataObject, gap: int, limit: int) -> None:
    """No range is longer than the limit unless one blob is, and none spans a gap that is too wide."""
    wanted = data.draw(st.lists(st.sampled_from(refs), min_size=1))
    for span in plan_ranges(wanted, gap=gap, limit=limit):
        assert span.stop - span.start <= limit or len(span.refs) == 1
        ends = [ref.offset + ref.stored for ref in span.refs]
        assert all(b.offset - end <= gap for end, b in zip(ends, span.refs[1:], strict=False))


def test_neighbours_come_with_one_request() -> None:
    """Two thousand small blobs of one pack are one range."""
    assert len(plan_ranges(refs_of(PACKS[0], [4096] * 2000))) == 1


def test_a_long_stretch_is_split_into_equal_parts() -> None:
    """33 MiB are fetched as three ranges of about 11, not as 16, 16 and 1."""
    ranges = plan_ranges(refs_of(PACKS[0], [65536] * 528))
    assert [round((span.stop - span.start) / 2**20) for span in ranges] == [11, 11, 11]


def test_packs_are_fetched_apart() -> None:
    """Blobs of two packs never share a range."""
    ranges = plan_ranges(refs_of(PACKS[0], [10]) + refs_of(PACKS[1], [10]))
    assert {span.pack for span in ranges} == set(PACKS)
    assert len(ranges) == 2
