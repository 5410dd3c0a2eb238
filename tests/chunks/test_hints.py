"""Which chunks of a pack get a hint."""

from __future__ import annotations

import pytest

from holdall.chunks.hints import smallest_ids

MIB = 1 << 20
IDS = [bytes([n]) * 32 for n in (7, 3, 9, 1, 8, 2)]


@pytest.mark.parametrize(
    ("payload", "hints"),
    [(1, 1), (MIB - 1, 1), (MIB, 2), (MIB + 1, 2), (16 * MIB, 2), (16 * MIB + 1, 3), (24 * MIB + 1, 4), (32 * MIB, 4)],
)
def test_a_pack_has_hints_by_its_size(payload: int, hints: int) -> None:
    """Four for 32 MiB; two from a mebibyte on, and one at least: of its smallest chunk ids."""
    assert smallest_ids(IDS, payload) == sorted(IDS)[:hints]
