"""However many versions there were, a file is read with few requests, and little is stored again for that."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.depth import examples
from tests.support.versions import Edit, Versions, appended, history, region, same_places, scattered

from holdall.chunks.defrag import FragmentationLimiter
from holdall.chunks.plan import plan_ranges
from holdall.format.layout import PackName
from holdall.format.reference import Ref

KIB, MIB = 1 << 10, 1 << 20
CHUNK = 64 * KIB
A_MIB = MIB // CHUNK  # chunks


def chunks_of(pack: int, count: int, *, at: int = 8, stored: int = CHUNK) -> list[Ref]:
    """Neighbours in a pack."""
    name = PackName(bytes([pack]) * 16, 0)
    return [Ref(bytes([pack, *n.to_bytes(31)]), name, at + n * stored, stored, CHUNK, 0) for n in range(count)]


def fresh_copy(chunks: int, pack: int) -> int:
    """Requests for a file that was written where nothing was known."""
    whole, rest = divmod(chunks, pack // CHUNK - 1)
    return len(
        plan_ranges(ref for n in range(whole + 1) for ref in chunks_of(n, pack // CHUNK - 1 if n < whole else rest))
    )


def choose(limiter: FragmentationLimiter, refs: list[Ref | None]) -> list[Ref | None]:
    """What a limiter decides of a window, each chunk of which is in one place at most."""
    return limiter.select([(CHUNK, (ref,) if ref else ()) for ref in refs])


@pytest.mark.parametrize(
    ("size", "edit", "most_again"),
    [
        (8, scattered(6), 0.04),
        (24, scattered(20), 0.04),
        (64, scattered(40), 0.025),
        (64, scattered(4), 0.005),
        (200, scattered(40), 0.01),
        (64, region(40), 0.065),
        (200, region(160), 0.01),
        (64, appended(16), 0.01),
        (200, appended(16), 0.004),
    ],
)
@pytest.mark.every(3)
def test_each_of_many_versions_costs_at_most_twice_the_requests_of_a_fresh_copy_and_eight(
    size: int, edit: Edit, most_again: float, record_property: Callable[[str, object], None]
) -> None:
    """Thirty versions in a row, each of them written where all before are known; most of the saving stays."""
    versions, again, logical = Versions(), 0, 0
    for ids in history(size * A_MIB, edit):
        outcome, fresh = versions.log(ids), fresh_copy(len(ids), 32 * MIB)
        assert outcome.requests <= 2 * fresh + 8
        again, logical = again + outcome.rewritten, logical + len(ids) * CHUNK
    assert again <= most_again * logical
    record_property("counted", f"fragments: {size} MiB, 30 versions: {outcome.requests} requests, fresh {fresh}")


@pytest.mark.parametrize("size", [8, 24, 64])
def test_the_first_eight_versions_of_a_file_give_nothing_up(size: int) -> None:
    """A request for each version is no burden, as they go side by side: nothing is stored again yet."""
    versions = Versions()
    assert all(versions.log(ids).rewritten == 0 for ids in history(size * A_MIB, scattered(size // 2), versions=8))


@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_small_file_has_no_more_pieces_than_megabytes(size: int) -> None:
    """Eight requests for a file of one megabyte would be seven too many: beside the usual one for each is allowed."""
    versions = Versions()
    for ids in history(size * A_MIB, scattered(2)):
        assert versions.log(ids).requests <= size + 2


@pytest.mark.parametrize("pack", [MIB, 8 * MIB])
def test_small_packs_are_held_to_the_same(pack: int) -> None:
    """Where a pack is less than one request could read, a fresh copy takes more requests, and so may a version."""
    versions = Versions(pack=pack)
    for ids in history(64 * A_MIB, scattered(40)):
        assert versions.log(ids).requests <= 2 * fresh_copy(len(ids), pack) + 8


@pytest.mark.parametrize("edit", [scattered(40), scattered(4), region(40), appended(16), same_places(20)])
def test_the_same_version_again_stores_nothing(edit: Edit) -> None:
    """What was refused once stands together now, and that copy is taken: nothing is stored again for ever."""
    versions = Versions()
    for ids in history(64 * A_MIB, edit):
        versions.log(ids)
        assert versions.log(ids).stored == 0


def test_a_frozen_backbone_is_never_refused() -> None:
    """However often the same layers are trained, all that stays the same is taken where it is."""
    versions = Versions()
    assert all(versions.log(ids).rewritten == 0 for ids in history(100 * A_MIB, same_places(20)))


@pytest.mark.parametrize("size", [3, 64, 200])
def test_a_file_with_one_region_changed_is_never_refused(size: int) -> None:
    """Only what is new is stored, in a file of any size."""
    versions, changed = Versions(), size * A_MIB // 10
    outcomes = [versions.log(ids) for ids in history(size * A_MIB, region(changed), versions=2)]
    assert [outcome.stored for outcome in outcomes] == [size * MIB, changed * CHUNK]


def test_files_that_stand_in_one_place_are_left_there() -> None:
    """Small files of one pack, wherever in it, are whole where they are."""
    pack = chunks_of(1, 500)
    for start in range(0, 500, 5):
        limiter = FragmentationLimiter()
        assert choose(limiter, [*pack[start : start + 5]]) == pack[start : start + 5]


def test_chunks_that_were_replaced_in_a_pack_make_no_fragments() -> None:
    """A pack with gaps that the reader reads across is one stretch."""
    window = [None if n % 8 == 0 else ref for n, ref in enumerate(chunks_of(1, 512))]
    assert choose(FragmentationLimiter(), window) == window


def test_of_two_copies_the_one_among_its_neighbours_is_taken() -> None:
    """A chunk that was stored again is referred to where most of the file is."""
    scraps, together = [chunks_of(n, 1)[0] for n in range(2, 22)], chunks_of(1, 20)
    copies = [(CHUNK, (scrap, ref)) for scrap, ref in zip(scraps, together, strict=True)]
    assert FragmentationLimiter().select(copies) == together


def test_the_poorest_pieces_are_refused_first() -> None:
    """Of too many stretches, those with the fewest bytes of the file for a request are stored again."""
    rich = [ref for pack in (1, 2) for ref in chunks_of(pack, 200)]
    poor = [ref for pack in range(3, 40) for ref in chunks_of(pack, 3)]
    limiter = FragmentationLimiter()
    chosen = choose(limiter, [*rich, *poor, None])
    assert chosen[: len(rich)] == rich
    assert set(chosen[len(rich) :]) & set(poor) != set(poor)
    assert limiter.rewritten == sum(ref is None for ref in chosen[:-1]) * CHUNK


@pytest.mark.parametrize("window", [64, 100, 200, 1600])
def test_windows_along_one_pack_count_as_one_stretch(window: int) -> None:
    """However a file's windows fall, what follows in other packs is judged as if it had come at once."""
    pack, poor = chunks_of(1, 1600), [ref for pack in range(3, 160) for ref in chunks_of(pack, 3)]

    def judged(size: int) -> list[Ref | None]:
        limiter = FragmentationLimiter(reach=MIB)
        for start in range(0, len(pack), size):
            assert choose(limiter, [*pack[start : start + size]]) == pack[start : start + size]
        return choose(limiter, [*poor, None])

    assert judged(window) == judged(len(pack))
    assert None in judged(window)[:-1]


pieces = st.tuples(st.integers(0, 9), st.integers(0, 400), st.integers(1, 60), st.booleans())


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(st.lists(pieces, min_size=1, max_size=12), min_size=1, max_size=5))
def test_whatever_is_known_reading_costs_little_more_than_a_fresh_copy(windows: list[list[tuple[int, ...]]]) -> None:
    """However the known chunks lie, requests stay within the law, and only a copy that was offered is taken."""
    limiter, taken, size = FragmentationLimiter(), list[Ref](), 0
    for window in windows:
        refs = [
            ref if known else None
            for pack, first, count, known in window
            for ref in chunks_of(pack + 1, first + count)[first:]
        ]
        chosen = choose(limiter, [None, *refs])
        assert all(ref in (None, offered) for ref, offered in zip(chosen[1:], refs, strict=True))
        taken += [ref for ref in chosen if ref]
        size += len(chosen) * CHUNK
    assert len(plan_ranges(taken)) <= 2 * (1 + size / (16 * MIB)) + 2 + 8
