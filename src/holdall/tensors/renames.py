"""Tensors that have another name: the same bytes, dtype and shape, among those that were removed and those added.

Large ones are found by a chunk that lies in both at the same place, small ones by the
hash of their bytes; and then what chunks leave open is read. So the cost is that of a
chunk or two at each end.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Final

from holdall.tensors.layout import order
from holdall.tensors.sharing import inside, unproven
from holdall.tensors.side import STEP, Side
from holdall.tensors.stored import Extent, Stored

_SMALL: Final = 1 << 20  # bytes of a tensor that is read whole: larger ones have chunks of their own
_MOST: Final = 256 << 20  # bytes of small ones that are read
_CANDIDATES: Final = 8


def find_renamed(a: Side, b: Side, removed: Sequence[Stored], added: Sequence[Stored]) -> list[tuple[int, int]]:
    """Return which of the removed tensors is which of the added ones, by their numbers in both lists."""
    kinds = ({_kind(one) for one in removed} & {_kind(one) for one in added}) - {None}
    old, new = (_placed(side, some, kinds) for side, some in ((a, removed), (b, added)))
    by_key: dict[Hashable, list[int]] = defaultdict(list)
    for n, keys in _keyed(a, old):
        for key in keys:
            by_key[key].append(n)
    taken: set[int] = set()
    found = []
    for n, keys in _keyed(b, new):
        candidates = dict.fromkeys(before for key in keys for before in by_key.get(key, ()) if before not in taken)
        for before in list(candidates)[:_CANDIDATES]:
            if _same(a, old[before], b, new[n]):
                taken.add(before)
                found.append((before, n))
                break
    return found


def _placed(side: Side, tensors: Sequence[Stored], kinds: set[Hashable]) -> dict[int, Stored]:
    """Return those of some kinds, by their numbers, where their bytes lie as they are."""
    numbers = [n for n, one in enumerate(tensors) if _kind(one) in kinds]
    found = side.located([tensors[n] for n in numbers])
    return {n: one for n, one in zip(numbers, found, strict=True) if isinstance(one.place, Extent)}


def _kind(tensor: Stored) -> Hashable:
    """Return what two tensors have in common that can be the same."""
    return (tensor.dtype, tensor.shape, tensor.big_endian, order(tensor)) if tensor.nbytes else None


def _keyed(side: Side, tensors: Mapping[int, Stored]) -> Iterator[tuple[int, list[Hashable]]]:
    """Yield the number of each tensor with what finds the same one: its hash, or the chunks in it."""
    group: list[int] = []
    left = _MOST
    for n, tensor in tensors.items():
        left -= tensor.extent if tensor.extent <= _SMALL else 0
        if tensor.extent <= _SMALL and left >= 0:
            group.append(n)
        if sum(tensors[one].extent for one in group) > 4 * STEP:
            yield from _hashed(side, tensors, group)
            group = []
    yield from _hashed(side, tensors, group)
    for n, tensor in tensors.items():
        if tensor.extent > _SMALL and isinstance(tensor.place, Extent):
            chunks = side.chunks(tensor.place.path)
            parts = inside(chunks, tensor.place.start, tensor.extent) if chunks else ()
            yield n, [(_kind(tensor), id, at) for id, at in parts]


def _hashed(side: Side, tensors: Mapping[int, Stored], numbers: list[int]) -> Iterator[tuple[int, list[Hashable]]]:
    parts = []
    for n in numbers:
        place = tensors[n].place
        assert isinstance(place, Extent)
        parts.append((place.path, place.start, place.start + tensors[n].extent))
    for n, data in zip(numbers, side.read(parts), strict=True):
        yield n, [(_kind(tensors[n]), hashlib.sha256(data).digest())]


def _same(a: Side, one: Stored, b: Side, other: Stored) -> bool:
    """Return whether two tensors have the same bytes; what chunks do not prove is read."""
    assert isinstance(one.place, Extent)
    assert isinstance(other.place, Extent)
    if one.extent != other.extent:
        return False
    if one.extent <= _SMALL:
        return True  # by their hashes
    path, start, other_path, other_start = one.place.path, one.place.start, other.place.path, other.place.start
    open = unproven(a.chunks(path), start, b.chunks(other_path), other_start, one.extent)
    parts = [(at, min(at + STEP, stop)) for begin, stop in open for at in range(begin, stop, STEP)]
    return all(
        a.read([(path, start + at, start + end)]) == b.read([(other_path, other_start + at, other_start + end)])
        for at, end in parts
    )
