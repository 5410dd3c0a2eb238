"""Making tree nodes: a commit's own, and a state's from the state before it.

Nodes are made from the leaves up, and each must have its place before its
parent can name it. Where they go (into the entry, or into a pack) is the
caller's business: it gives a function that places a node.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from holdall.format.paths import sort_key
from holdall.format.reference import Ref
from holdall.format.tree import NODE_SIZE, Child, Entry, encode_node, split_rows
from holdall.trees.tree import Tree

PlaceNode: TypeAlias = Callable[[bytes], Ref]


def build(entries: Sequence[Entry], place: PlaceNode) -> Ref:
    """Build a new tree of these entries, at least one and ascending, and return its root."""
    return _build_levels(_leaves(entries, place), place)


def merge(tree: Tree, entries: Sequence[Entry], place: PlaceNode, removed: Collection[str] = ()) -> Ref | None:
    """Add entries to a tree, replace some, remove others; leaves without a change are kept.

    Returns:
        The new root; None if nothing is left.
    """
    leaves = tree.leaves()
    firsts = [sort_key(leaf.path) for leaf in leaves]

    def leaf_of(path: str) -> int:
        return max(bisect_right(firsts, sort_key(path)) - 1, 0)

    added: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        added[leaf_of(entry.path)].append(entry)
    changed = {*added, *map(leaf_of, removed)}
    rows: list[Child] = []
    for i, leaf in enumerate(leaves):
        if i not in changed:
            rows.append(leaf)
            continue
        kept = [entry for entry in tree.leaf(leaf) if entry.path not in removed]
        together = {entry.path: entry for entry in [*kept, *added[i]]}
        rows += _leaves(sorted(together.values(), key=lambda entry: sort_key(entry.path)), place)
    return _build_levels(rows, place) if rows else None


def _leaves(entries: Sequence[Entry], place: PlaceNode) -> list[Child]:
    return [Child(rows[0].path, place(encode_node(0, rows))) for rows in split_rows(entries, NODE_SIZE)]


def _build_levels(rows: list[Child], place: PlaceNode) -> Ref:
    """Build the levels above the leaves, and return the root."""
    level = 0
    while len(rows) > 1:
        level += 1
        rows = [Child(some[0].path, place(encode_node(level, some))) for some in split_rows(rows, NODE_SIZE)]
    return rows[0].ref
