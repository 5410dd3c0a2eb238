"""What a new state's trees have that the last one's have not: the log since, folded.

What earlier entries carry inline is content that only they have. Once it is more than a little, or a run ends that has
it in many entries, it moves: into a pack, or at the end into the entry itself, since either is read in one request.
SPEC.md, "State and checkpoints".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

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
ONE_PLACE: Final = 4 << 20  # bytes of nodes that a run's end brings together
SCATTERED: Final = 16  # entries that content may lie in when a run ends: so many are fetched side by side
PlaceContent: TypeAlias = Callable[[bytes, int], Ref]  # the bytes and the kind of a blob -> where it is


@dataclass(slots=True)
class Rows:
    """Rows that a tree gets, ascending, and the paths of those that it loses."""

    added: list[Entry] = field(default_factory=list)
    removed: Set[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


@dataclass(slots=True)
class Folded:
    """What the trees of a state get and lose.

    Attributes:
        paths, versions: Of each tree, its rows.
        inline: Bytes of content that are in log entries.
        moving: The rows, of paths and of versions, whose content is to move out of them; none where it stays.
    """

    paths: Rows = field(default_factory=Rows)
    versions: Rows = field(default_factory=Rows)
    inline: int = 0
    moving: tuple[Sequence[Entry], Sequence[Entry]] = ((), ())

    def moved(self, blobs: RunBlobReader, place: PlaceContent) -> Folded:
        """Return the same with the content that moves where `place` puts it; all other is in packs already."""
        paths, versions = (_moved(blobs, some, place) for some in self.moving)
        return Folded(
            Rows(_ascending(_by_path(self.paths.added) | paths), self.paths.removed),
            Rows(_ascending(_by_path(self.versions.added) | versions), self.versions.removed),
            _inline_sum([*paths.values(), *versions.values()]),
        )


def fold(view: View, *, final: bool) -> Folded:
    """Return what is new since the last state. Content moves if there is much of it in the log.

    `final`: also if it is in many entries, as the run ends: who reads it would get them all.
    """
    if single_commit_root(view):
        return Folded(inline=view.state.inline)
    if isinstance(view.paths, VersionedPaths):
        return _fold_changes(view, view.paths, final=final)
    fresh = _by_path(Paths(view.paths.blobs, view.state.deltas).walk())
    folded = Folded(Rows(_ascending(fresh)), inline=view.state.inline + _inline_sum(fresh.values()))
    if not _may_move(folded.inline, base_of(view), final=final):
        return folded
    moving = [*_inline_of(base_of(view), view), *filter(inline_bytes, fresh.values())]
    return replace(folded, moving=(moving, ())) if _is_much(folded.inline, moving) else folded


def _fold_changes(view: View, paths: VersionedPaths, *, final: bool) -> Folded:
    """Fold what a versioned run changed: rows move from one tree to the other, and some are dropped."""
    changes = history(paths)
    fresh, versions = dict(changes.fresh), _by_path(version.row for version in changes.begun)
    ended = _by_path(version.row for version in changes.ended)
    before = _inline_sum([*changes.gone.values(), *ended.values()])
    folded = Folded(
        Rows(_ascending(fresh), changes.gone.keys() - fresh.keys()),
        Rows(_ascending(versions), ended.keys()),
        max(view.state.inline - before, 0) + _inline_sum([*fresh.values(), *versions.values()]),
    )
    if not _may_move(folded.inline, paths.base, final=final):
        return folded
    held = [entry for entry in _inline_of(paths.base, view) if entry.path not in changes.gone]
    kept = [row for row in _inline_of(paths.versions, view) if row.path not in ended]
    moving = [*held, *filter(inline_bytes, fresh.values())], [*kept, *filter(inline_bytes, versions.values())]
    return replace(folded, moving=moving) if _is_much(folded.inline, moving[0]) else folded


def _may_move(inline: int, base: Tree | None, *, final: bool) -> bool:
    """Return whether content in the log may be too much: by its size, or as the run ends and may be looked through."""
    return inline > FOLD or (final and inline > 0 and (base is None or nodes_bytes(base) < ONE_PLACE))


def _is_much(inline: int, held: Sequence[Entry]) -> bool:
    """Return whether content in the log is more, or in more entries, than may stay there."""
    return inline > FOLD or len({entry.content.location for entry in held if entry.content}) > SCATTERED


def _moved(blobs: RunBlobReader, moving: Sequence[Entry], place: PlaceContent) -> dict[str, Entry]:
    """Return entries whose content is in the log, with it elsewhere."""
    contents = blobs.read([entry.content for entry in moving if entry.content])
    return {
        entry.path: replace(entry, content=place(data, CHUNK if entry.whole else RECIPE))
        for entry, data in zip(moving, contents, strict=True)
    }


def _by_path(entries: Iterable[Entry]) -> dict[str, Entry]:
    return {entry.path: entry for entry in entries}


def inline_bytes(entry: Entry) -> int:
    """Return how many bytes of an entry's content are in the log."""
    return entry.content.stored if entry.content and isinstance(entry.content.location, InEntry) else 0


def base_of(view: View) -> Tree | None:
    """Return the tree of the last state."""
    return Tree(view.paths.blobs, view.state.tree) if view.state.tree else None


def nodes_bytes(tree: Tree) -> int:
    """Return how many bytes the leaves of a tree have. Cost: the nodes above them."""
    return sum(leaf.ref.raw for leaf in tree.leaves())


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
