"""What a run refers to: every blob that is needed to read it as of its newest entry.

    checkpoint's tree, trees of the commits since     each node, and the content of each row
      '-> recipe of a file that was cut                 and its chunks
    facts of the checkpoint, environment              a JSON blob each
    parts that are kept of groups                     as the tree
    of a versioned run, its earlier versions          as the tree; content that it holds no longer is none of it

What only entries before the newest checkpoint refer to is needed by nobody
(SPEC.md, "State and checkpoints"), and is left out. Nothing is guessed: where a
node or recipe cannot be read, what it would name is not known, and that is an
error. Who deletes must be exact. A purged run refers to nothing.

Reads go side by side, and what was read is not kept: a run of any size passes
through a few megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Final

from holdall.chunks.reader import ChunkReader
from holdall.errors import DamageError, IncompleteError
from holdall.format.layout import PackName
from holdall.format.recipe import parse_recipe, recipe_packs
from holdall.format.reference import Ref
from holdall.trees.history import earlier_entries
from holdall.trees.tree import Tree
from holdall.trees.versioned_paths import VersionedPaths
from holdall.trees.view import View

_RECIPES: Final = 16 << 20  # bytes of recipes fetched together


def references(view: View) -> Iterator[Ref]:
    """Yield a reference to each blob that a run needs: nodes, contents, recipes, chunks, facts, environment.

    Blobs in packs and in the run's own log come alike, a tree at a time; one that several paths share comes for each.

    Raises:
        IncompleteError: An entry or checkpoint of its log cannot be read.
        IntegrityError: A node or recipe is damaged or gone.

    Cost: the run's trees and recipes, side by side; no content is read.
    """
    for ref, recipes in _outline(view):
        if ref:
            yield ref
        for data in view.paths.blobs.read_recipes(recipes):
            yield from parse_recipe(data).chunks


def packs_needed(view: View) -> Iterator[PackName]:
    """Yield the pack of each blob that a run needs, with repetitions: as `references`, and much quicker."""
    for ref, recipes in _outline(view):
        if ref and isinstance(ref.location, PackName):
            yield ref.location
        for data in view.paths.blobs.read_recipes(recipes):
            yield from recipe_packs(data)


def fetch_roots(views: Iterable[View], reader: ChunkReader) -> None:
    """Fetch the roots of many runs' trees, side by side; one that is damaged is told when its run is followed."""
    roots = [(view.paths.blobs, tree.root) for view in views for tree in listing_trees(view)]
    packed = [(blobs, root) for blobs, root in roots if isinstance(root.location, PackName)]
    with suppress(DamageError):
        for (blobs, root), data in zip(packed, reader.read([root for _, root in packed]), strict=True):
            blobs.remember_node(root, data)


def _outline(view: View) -> Iterator[tuple[Ref | None, Sequence[Ref]]]:
    """Yield what a run needs but for the chunks of recipes; with it, now and then, recipes that were passed."""
    if view.state.purged:
        return
    _check_whole(view)
    for named in (view.facts, view.state.environment):
        if named:
            yield named, ()
    recipes: list[Ref] = []
    room = _RECIPES
    for ref, is_recipe in _below(view):
        if is_recipe:
            recipes.append(ref)
            room -= ref.raw
        yield ref, recipes if room < 0 else ()
        recipes, room = ([], _RECIPES) if room < 0 else (recipes, room)
    yield None, recipes


def _below(view: View) -> Iterator[tuple[Ref, bool]]:
    """Yield the nodes and contents of a run's trees, and whether each is a recipe."""
    changing = view.paths if isinstance(view.paths, VersionedPaths) else None
    for tree in listing_trees(view):
        for ref, node in tree.visit():
            yield ref, False
            for entry in () if node.level or changing else node.entries:
                if entry.content:
                    yield entry.content, not entry.whole
    if changing:
        yield from _kept(changing)
    for tree in view.part_trees:
        for ref, node in tree.visit():
            yield ref, False
            for entry in () if node.level else node.entries:
                if entry.content:
                    yield entry.content, not entry.whole


def _kept(paths: VersionedPaths) -> Iterator[tuple[Ref, bool]]:
    """Yield the contents that a versioned run holds or keeps as earlier versions: its trees list others, too."""
    for entry in chain(paths.walk(), earlier_entries(paths)):
        if entry.content:
            yield entry.content, not entry.whole


def listing_trees(view: View) -> Sequence[Tree]:
    """Return the trees of a run: of its paths, and of the earlier versions that its state knew."""
    if view.state.purged:
        return ()
    earlier = view.paths.versions if isinstance(view.paths, VersionedPaths) else None
    return [*view.paths.trees, earlier] if earlier else view.paths.trees


def _check_whole(view: View) -> None:
    """Raise an IncompleteError if the view was made around something that cannot be read."""
    view.paths.check_whole()
    if view.unread:
        raise IncompleteError(view.paths.blobs.journal.log, f"its newest checkpoint: {view.unread}") from view.unread
