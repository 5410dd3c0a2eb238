"""What a run holds: paths, read as lazily as possible.

A tree's nodes lie in packs or inside log entries. Looking up k paths reads one
node per level and path; walking a directory reads only its stretch.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from holdall.format.paths import sort_key
from holdall.format.reference import Ref
from holdall.format.tree import Child, Entry, Node, check_child
from holdall.trees.blobs import RunBlobReader

_AT_ONCE: Final = 128  # nodes fetched side by side,
_BYTES_AT_ONCE: Final = 8 << 20  # and the bytes of them


@dataclass(frozen=True, slots=True)
class Found:
    """The entry at a path, and what follows it.

    Attributes:
        entry: What is there, if anything.
        following: The next path in the tree's order, if any: what is in a
            directory follows it directly.
    """

    entry: Entry | None
    following: str | None


@dataclass(frozen=True, slots=True)
class _Below:
    """A node that a row leads to, and what that row says of it. Attributes: as the arguments of `check_child`."""

    ref: Ref
    level: int | None = None
    first: str | None = None
    fence: str | None = None


class Tree:
    """The paths under one root."""

    def __init__(self, blobs: RunBlobReader, root: Ref) -> None:
        self._blobs, self.root = blobs, root

    def find(self, paths: Iterable[str]) -> dict[str, Found]:
        """Return the entry at each path, and what follows it. Cost: O(nodes on the way to them)."""
        found: dict[str, Found] = {}
        level = [(_Below(self.root), list(paths))]
        while level:
            nodes = self._fetch([place for place, _ in level])
            below: list[tuple[_Below, list[str]]] = []
            for node, (place, wanted) in zip(nodes, level, strict=True):
                if node.level:
                    below += _descend(node, place.fence, wanted)
                else:
                    found |= _search(node.entries, place.fence, wanted)
            level = below
        return found

    def walk(self, prefix: str = "") -> Iterator[Entry]:
        """Yield every entry at or below a path, in the tree's order."""
        for leaf in self._leaves([_Below(self.root)], sort_key(prefix), prefix):
            for entry in leaf.entries:
                if _within(entry.path, prefix):
                    yield entry

    def visit(self) -> Iterator[tuple[Ref, Node]]:
        """Yield every node with where it is, each before those below it. Cost: as `walk`; none is read twice."""
        return self._visit([_Below(self.root)])

    def leaves(self) -> list[Child]:
        """Return the tree's leaves as rows of a level above them, in order."""
        return [Child(place.first or "", place.ref) for place in self._levels()[-1]]

    def nodes(self) -> list[Ref]:
        """Return where every node of the tree is, the root first."""
        return [place.ref for places in self._levels() for place in places]

    def leaf(self, row: Child) -> tuple[Entry, ...]:
        """Return the entries of one leaf."""
        return self._blobs.nodes([row.ref])[0].entries

    def _levels(self) -> list[list[_Below]]:
        """Return the nodes of each level from the root on, as the level above lists them."""
        root = self._fetch([_Below(self.root)])[0]
        levels = [[_Below(self.root, root.level, root.rows[0].path)]]
        for _ in range(root.level):
            levels.append([])
            for some in _batches(levels[-2]):
                for place, node in zip(some, self._fetch(some), strict=True):
                    levels[-1] += _children(node, place.fence)
        return levels

    def _fetch(self, places: Sequence[_Below]) -> list[Node]:
        """Return nodes, each checked against the row that led to it."""
        nodes = self._blobs.nodes([place.ref for place in places])
        for place, node in zip(places, nodes, strict=True):
            check_child(node, place.level, place.first, place.fence)
        return nodes

    def _visit(self, places: Sequence[_Below]) -> Iterator[tuple[Ref, Node]]:
        for some in _batches(places):
            for place, node in zip(some, self._fetch(some), strict=True):
                yield place.ref, node
                if node.level:
                    yield from self._visit(_children(node, place.fence))

    def _leaves(self, places: Sequence[_Below], low: bytes, prefix: str) -> Iterator[Node]:
        for some in _batches(places):
            for place, node in zip(some, self._fetch(some), strict=True):
                if node.level:
                    yield from self._leaves(_overlapping(_children(node, place.fence), low, prefix), low, prefix)
                else:
                    yield node


def _within(path: str, prefix: str) -> bool:
    return not prefix or path == prefix or path.startswith(prefix + "/")


def _children(node: Node, fence: str | None) -> list[_Below]:
    """Return the nodes below one, each with the first path behind it."""
    rows = node.children
    fences = [*(row.path for row in rows[1:]), fence]
    return [_Below(row.ref, node.level - 1, row.path, end) for row, end in zip(rows, fences, strict=True)]


def _batches(places: Sequence[_Below]) -> Iterator[Sequence[_Below]]:
    """Yield the nodes in batches, limited in number and bytes, to be fetched side by side."""
    start, room = 0, _BYTES_AT_ONCE
    for at, place in enumerate(places):
        room -= place.ref.raw
        if at > start and (room < 0 or at - start == _AT_ONCE):
            yield places[start:at]
            start, room = at, _BYTES_AT_ONCE - place.ref.raw
    if places:
        yield places[start:]


def _descend(node: Node, fence: str | None, paths: Iterable[str]) -> list[tuple[_Below, list[str]]]:
    """Return the children that the paths lead to, each with its paths."""
    places = _children(node, fence)
    keys = [sort_key(row.path) for row in node.children]
    chosen: dict[int, list[str]] = {}
    for path in paths:
        chosen.setdefault(max(bisect_right(keys, sort_key(path)) - 1, 0), []).append(path)
    return [(places[i], some) for i, some in chosen.items()]


def _search(entries: Sequence[Entry], fence: str | None, paths: Iterable[str]) -> dict[str, Found]:
    keys = [sort_key(entry.path) for entry in entries]
    found = {}
    for path in paths:
        key = sort_key(path)
        at = bisect_left(keys, key)
        entry = entries[at] if at < len(keys) and keys[at] == key else None
        after = at + (entry is not None)
        found[path] = Found(entry, entries[after].path if after < len(keys) else fence)
    return found


def _overlapping(places: Sequence[_Below], low: bytes, prefix: str) -> Sequence[_Below]:
    """Return the children that may hold something at or below the prefix."""
    if not prefix:
        return places
    keys = [sort_key(place.first or "") for place in places]
    first = max(bisect_right(keys, low) - 1, 0)
    last = bisect_left(keys, low + b"\1")  # everything below sorts under prefix + "\0..."
    return places[first:last]
