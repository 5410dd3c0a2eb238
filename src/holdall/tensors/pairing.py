"""Which tensor of one model is which of the other: by file and name, and then by name alone.

So a checkpoint in five files is compared with the same one in three. What is left over
was added or removed, or has another name: the same bytes, of the same dtype and shape.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holdall.tensors.stored import Stored


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was paired, and what was not."""

    both: Sequence[tuple[Stored, Stored]]
    removed: Sequence[Stored]
    added: Sequence[Stored]


def pair(a: Sequence[Stored], b: Sequence[Stored]) -> Pairs:
    """Pair the tensors of two models: those of one file and name, then those of one name, as their files come."""
    known = {(tensor.file, tensor.name): tensor for tensor in b}
    both = {(one.file, one.name): other for one in a if (other := known.get((one.file, one.name)))}
    taken = {(other.file, other.name) for other in both.values()}
    left = by_name(other for other in b if (other.file, other.name) not in taken)
    removed = []
    for one in a:
        if (one.file, one.name) in both:
            continue
        if some := left.get(one.name):
            both[one.file, one.name] = some.pop(0)
        else:
            removed.append(one)
    added = [other for some in left.values() for other in some]
    return Pairs([(one, both[one.file, one.name]) for one in a if (one.file, one.name) in both], removed, added)


def by_name(tensors: Iterable[Stored]) -> dict[str, list[Stored]]:
    """Return tensors by name, each name's in the order in which they come."""
    found: dict[str, list[Stored]] = defaultdict(list)
    for tensor in tensors:
        found[tensor.name].append(tensor)
    return found
