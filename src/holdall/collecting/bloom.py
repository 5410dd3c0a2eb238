"""A set of packs that errs only towards saying yes: ten bits a pack, whatever the number of packs.

What is marked is always found in it. One in a hundred that is not may be found
as well: then garbage stays until the next time, when the salt is another.
"""

from __future__ import annotations

import hashlib
from typing import Final

from holdall.format.layout import PackName

_BITS: Final = 10  # for each pack
_HASHES: Final = 7
_LEAST: Final = 1 << 20  # bits


class BloomFilter:
    """Packs that were added, and about one in a hundred others.

    Args:
        expected: How many will be added; more of them make it err more often, and nothing worse.
        salt: Random bytes, other ones for each filter.
        least: Bits that it has at least.
    """

    def __init__(self, expected: int, salt: bytes, *, least: int = _LEAST) -> None:
        self._bits = bytearray(max(least, _BITS * expected) // 8 + 1)
        self._count, self._salt = len(self._bits) * 8, salt

    def add(self, pack: PackName) -> None:
        """Add a pack."""
        for bit in self._places(pack):
            self._bits[bit >> 3] |= 1 << (bit & 7)

    def __contains__(self, pack: PackName) -> bool:
        return all(self._bits[bit >> 3] >> (bit & 7) & 1 for bit in self._places(pack))

    def _places(self, pack: PackName) -> list[int]:
        seed = pack.session + pack.number.to_bytes(4, "little")
        drawn = hashlib.blake2b(seed, digest_size=16, key=self._salt).digest()
        first, step = int.from_bytes(drawn[:8], "little"), int.from_bytes(drawn[8:], "little") | 1
        return [(first + i * step) % self._count for i in range(_HASHES)]
