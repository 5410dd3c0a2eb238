"""How ranges are dealt to workers, and how they travel."""

from __future__ import annotations

from itertools import groupby

from tests.support.stores import entropy

from holdall.chunks.plan import Range
from holdall.chunks.shared_reading import hands_of
from holdall.chunks.worker_reading import PackedRange, Place
from holdall.format.layout import PackName
from holdall.format.reference import Ref

SIZE = 100


def spans_of(files: list[int]) -> tuple[list[Range], dict[Ref, list[Place]]]:
    """A range for each hundred bytes of files, given by their numbers of ranges, each in a pack of its own."""
    draw, spans, places = entropy(3), [], dict[Ref, list[Place]]()
    for file, count in enumerate(files):
        for n in range(count):
            ref = Ref(draw(32), PackName(bytes(16), file), n * SIZE, SIZE, SIZE, 0)
            places[ref] = [(file, n * SIZE)]
            spans.append(Range.over([ref]))
    return spans, places


def test_what_is_hashed_last_is_short() -> None:
    """The longest file comes first, until all have the same left; from there on they take turns."""
    spans, places = spans_of([2, 6, 2])
    hands = hands_of(spans, places, [2 * SIZE, 6 * SIZE, 2 * SIZE], SIZE)
    files = [places[hand[0].refs[0]][0][0] for hand in hands]
    assert files[:4] == [1, 1, 1, 1]
    assert [sorted(files[4:7]), sorted(files[7:])] == [[0, 1, 2], [0, 1, 2]]
    for file, some in groupby(sorted(hands, key=lambda hand: places[hand[0].refs[0]][0][0]), lambda hand: hand[0].pack):
        starts = [hand[0].start for hand in some]
        assert starts == sorted(starts), file


def test_every_range_is_dealt_once_and_neighbours_together() -> None:
    """A hand is closed once it has its bytes; what is left over makes a smaller one."""
    spans, places = spans_of([5])
    hands = hands_of(spans, places, [5 * SIZE], 2 * SIZE)
    assert [len(hand) for hand in hands] == [2, 2, 1]
    assert [span for hand in hands for span in hand] == spans


def test_a_range_travels_with_all_places_of_its_blobs() -> None:
    """A blob that goes to several places is one row, and comes back with each of them."""
    spans, places = spans_of([2])
    first, second = (span.refs[0] for span in spans)
    places[first] += [(0, 700), (3, 2**40)]
    packed = PackedRange.of(Range.over([first, second]), places)
    assert packed.unpack() == [(first, 0, 0), (first, 0, 700), (first, 3, 2**40), (second, 0, SIZE)]
    assert (len(packed.blobs), len(packed.places)) == (2 * 49, 4 * 16)
