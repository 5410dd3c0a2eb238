"""Which chunks of a pack get a hint."""

from __future__ import annotations

import pytest

from holdall.chunks.hints import smallest_ids

MIB = 1 << 20
IDS = [bytes([n]) * 32 for n in (7, 3, 9, 1, 8, 2, 5, 4, 6)]


@pytest.mark.parametrize(
    ("payload", "hints"),
    [(1, 2), (MIB - 1, 2), (MIB, 4), (8 * MIB, 4), (32 * MIB, 4), (32 * MIB + 1, 5), (64 * MIB, 8)],
)
def test_a_pack_has_hints_by_its_size(payload: int, hints: int) -> None:
    """Four for 32 MiB, as many from a mebibyte on, and two below: of its smallest chunk ids."""
    assert smallest_ids(IDS, payload) == sorted(IDS)[:hints]
