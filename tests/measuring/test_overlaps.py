"""Stretches of packs: what was new with each owner, in order of time."""

from __future__ import annotations

import random

from holdall.measuring.overlaps import first_of, overlaps


def test_a_byte_is_new_with_the_first_that_has_it() -> None:
    """Whoever comes later has it without storing it, however the stretches lie."""
    stretches = [(1, 0, 100), (0, 50, 150), (2, 120, 130), (2, 200, 210)]
    assert first_of(stretches, {0: 0, 1: 1, 2: 2}) == {0: 100, 1: 50, 2: 10}
    assert first_of(stretches, {0: 2, 1: 0, 2: 1}) == {1: 100, 2: 20, 0: 40}


def test_what_was_new_adds_up_to_what_is_there() -> None:
    """Held against a count of single bytes."""
    drawn = random.Random(5)
    for _ in range(50):
        stretches = [(drawn.randrange(5), at := drawn.randrange(60), at + drawn.randrange(1, 20)) for _ in range(12)]
        ranks = drawn.sample(range(5), 5)
        first = {byte: min((ranks[o], o) for o, a, b in stretches if a <= byte < b)[1]
                 for _, start, stop in stretches for byte in range(start, stop)}  # fmt: skip
        found = first_of(stretches, dict(enumerate(ranks)))
        assert {o: n for o, n in found.items() if n} == {o: list(first.values()).count(o) for o in set(first.values())}
        assert found.total() == overlaps(stretches)[0]
