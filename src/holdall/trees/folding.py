"""What a new state's trees have that the last one's have not: the log since, folded.

What earlier entries carry inline is content that only they have; once it is more than a little, it moves into a pack,
since only a pack can be read in one request. SPEC.md, "State and checkpoints".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Final

from holdall.chunks.writer import ChunkWriter
from holdall.format.layout import PackName
from holdall.format.paths import sort_key
from holdall.format.reference import CHUNK, RECIPE, InEntry, Ref
from holdall.format.tree import Entry
from holdall.trees.blobs import RunBlobReader
from holdall.trees.history import history
from holdall.trees.paths import Paths
from holdall.trees.tree import Tree
from holdall.trees.versioned_paths import VersionedPaths
from holdall.trees.view import View

FOLD: Final = 128 << 10  # inline bytes in a log before they move into a pack


@dataclass(slots=True)
class Rows:
    """Rows that a tree gets, ascending, and the paths of those that it loses."""

    added: list[Entry] = field(default_factory=list)
    removed: Set[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


@dataclass(slots=True)
class Folded:
    """What the trees of a state get and lose. Attributes: paths, versions, inline (bytes that stay in log entries)."""

    paths: Rows = field(default_factory=Rows)
    versions: Rows = field(default_factory=Rows)
    inline: int = 0


def fold(view: View, writer: ChunkWriter) -> Folded:
    """Return what is new since the last state; content that moves goes to the writer."""
    if single_commit_root(view):
        return Folded(inline=view.state.inline)
    if isinstance(view.paths, VersionedPaths):
        return _fold_changes(view, view.paths, writer)
    base, blobs = base_of(view), view.paths.blobs
    fresh = {entry.path: entry for entry in Paths(blobs, view.state.deltas).walk()}
    inline = view.state.inline + _inline_sum(fresh.values())
    if inline > FOLD:
        fresh |= _moved(blobs, _inline_of(base, view), fresh, writer)
        inline = 0
    return Folded(Rows(_ascending(fresh)), inline=inline)


def _fold_changes(view: View, paths: VersionedPaths, writer: ChunkWriter) -> Folded:
    """Fold what a versioned run changed: rows move from one tree to the other, and some are dropped."""
    changes = history(paths)
    fresh, versions = dict(changes.fresh), {version.row.path: version.row for version in changes.begun}
    ended = {version.row.path: version.row for version in changes.ended}
    before = _inline_sum([*changes.gone.values(), *ended.values()])
    inline = max(view.state.inline - before, 0) + _inline_sum([*fresh.values(), *versions.values()])
    if inline > FOLD:
        old = [entry for entry in _inline_of(paths.base, view) if entry.path not in changes.gone]
        fresh |= _moved(paths.blobs, old, fresh, writer)
        known = [row for row in _inline_of(paths.versions, view) if row.path not in ended]
        versions |= _moved(paths.blobs, known, versions, writer)
        inline = 0
    return Folded(
        Rows(_ascending(fresh), changes.gone.keys() - fresh.keys()),
        Rows(_ascending(versions), ended.keys()),
        inline,
    )


def _moved(
    blobs: RunBlobReader, old: Iterable[Entry], fresh: Mapping[str, Entry], writer: ChunkWriter
) -> dict[str, Entry]:
    """Return those of some entries whose content is in the log, with it in a pack."""
    moving = [*old, *filter(inline_bytes, fresh.values())]
    contents = blobs.read([entry.content for entry in moving if entry.content])
    return {
        entry.path: replace(entry, content=writer.put_blob(data, CHUNK if entry.whole else RECIPE))
        for entry, data in zip(moving, contents, strict=True)
    }


def inline_bytes(entry: Entry) -> int:
    """Return how many bytes of an entry's content are in the log."""
    return entry.content.stored if entry.content and isinstance(entry.content.location, InEntry) else 0


def base_of(view: View) -> Tree | None:
    """Return the tree of the last state."""
    return Tree(view.paths.blobs, view.state.tree) if view.state.tree else None


def single_commit_root(view: View) -> Ref | None:
    """Return the tree of the only commit so far, if all of it is in packs: it is the state's unchanged."""
    state, deltas = view.state, view.state.deltas
    alone = len(deltas) == 1 and len(state.changes) <= 1 and not (state.tree or state.versions)
    return deltas[0] if alone and isinstance(deltas[0].location, PackName) else None


def _inline_of(tree: Tree | None, view: View) -> list[Entry]:
    return [entry for entry in tree.walk() if inline_bytes(entry)] if tree and view.state.inline else []


def _inline_sum(entries: Iterable[Entry]) -> int:
    return sum(map(inline_bytes, entries))


def _ascending(entries: Mapping[str, Entry]) -> list[Entry]:
    return sorted(entries.values(), key=lambda entry: sort_key(entry.path))
