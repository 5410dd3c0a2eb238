"""What a versioned run holds: later commits replace what earlier ones put at a path, and paths can be removed.

Each commit's tree is a layer, and a removal hides what is at or below its paths in the layers before it. So a path
holds what the newest layer has there, unless that is hidden:

    commit 5    a        dir/x
    remove 6             dir          (hides dir/x of 5)
    commit 7    a                dir/y
                |                |
    held        a of 7           dir/y

Where a layer or an entry cannot be read, nothing is known of the paths that it may have changed: what older
layers say of them is not given as if it were certain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import merge

from holdall.errors import FormatError, IntegrityError
from holdall.format.changes import Change, Committed, Removed
from holdall.format.paths import ancestors, sort_key
from holdall.format.reference import Ref
from holdall.format.tree import Entry, Kind
from holdall.trees.blobs import RunBlobReader
from holdall.trees.paths import PathLookup, Paths, Unread, _Wanted
from holdall.trees.tree import Tree

_STEP = 2  # between two changes: what cannot be read of those before a state comes right after its tree


class VersionedPaths(Paths):
    """The trees of a versioned run, from its last state on, with what removes paths between them.

    Attributes:
        base: The tree of the last state.
        versions: That of the earlier versions that it knew.
        changes: All since, in order.
    """

    def __init__(
        self,
        blobs: RunBlobReader,
        roots: Iterable[Ref] = (),
        *,
        versions: Ref | None = None,
        older: Callable[[], Paths] | None = None,
    ) -> None:
        self._clock = 0
        self._when: list[int] = []  # of each tree
        self._gone: dict[str, int] = {}  # path -> when it was removed last
        self.changes: list[Change] = []
        super().__init__(blobs, roots, older=older)
        self.base = self.trees[0] if self.trees else None
        self.versions = Tree(blobs, versions) if versions else None

    def add(self, root: Ref, said: str = "a commit") -> None:
        """Add a layer. Args: as `Paths.add`."""
        self._when.append(self._tick())
        super().add(root, said)

    def change(self, change: Change) -> None:
        """Take in the next change."""
        if isinstance(change, Committed):
            self.add(change.tree, f"entry {change.n}")
        elif isinstance(change, Removed):
            self._gone |= dict.fromkeys(change.paths, self._tick())
        self.changes.append(change)

    def layers(self) -> list[Tree]:
        """Return the trees of the commits among the changes, in their order."""
        return self.trees[1:] if self.base else self.trees

    def lose(self, said: str, error: IntegrityError) -> None:
        """Note that an entry cannot be read: it may have changed any path."""
        self._lost.append(Unread(said, error, when=self._tick()))

    def find(self, paths: Sequence[str]) -> dict[str, Entry]:
        """Return the entry at each path that has one.

        Raises:
            IncompleteError: What cannot be read may have changed one of them later.
        """
        look, known = self._look(paths)
        unread = []
        for part in look.unread:
            doubtful = _Wanted([path for path in paths if known[path] < part.when])
            if doubtful.touched_by(part.first, part.fence, below=False):
                unread.append(part)
        if unread:
            raise self._incomplete(unread)
        return look.there

    def lookup(self, paths: Sequence[str]) -> PathLookup:
        """Return what is known of these paths, and what cannot be read. Cost: O(nodes on the way to them)."""
        return self._look(paths)[0]

    def walk(self, prefix: str = "") -> Iterator[Entry]:
        """Yield every entry at or below a path, in the tree's order.

        Raises:
            FormatError: A path was committed below another's file or link.
            IncompleteError: At the end: what cannot be read may have changed some of them later.
        """
        unread: list[Unread] = []
        last, at = None, 0
        for entry, when in self._layered(prefix, unread):
            last, at = entry, when
            yield entry
        alone = last is not None and last.path == prefix and last.kind is not Kind.DIRECTORY  # nothing lies below it
        if rest := [part for part in unread if not alone or part.when > at]:
            raise self._incomplete(rest)

    # --- inside ---

    def _tick(self) -> int:
        self._clock += _STEP
        return self._clock

    def _removed_at(self, path: str) -> int:
        """Return when a path, or one above it, was removed last; -1 if that never was."""
        return max(self._gone.get(one, -1) for one in (*ancestors(path), path)) if self._gone else -1

    def _look(self, paths: Sequence[str]) -> tuple[PathLookup, dict[str, int]]:
        """Return what is known of some paths, and of each when it changed last, as far as that is known."""
        look, known = PathLookup(unread=list(self._lost)), dict[str, int]()
        hidden: set[str] = set()
        for tree, said, when in reversed([*zip(self.trees, self._said, self._when, strict=True)]):
            found = self._in_tree(tree, said, paths)
            look.unread += self._dated(tree, when, found.unread)
            for path, entry in found.there.items():
                if path not in known:
                    known[path] = max(when, gone := self._removed_at(path))
                    look.there |= {path: entry} if gone < when else {}
            for path, below in found.below.items():
                if self._removed_at(below) < when:
                    look.below.setdefault(path, below)
                else:
                    hidden.add(path)
        for path in hidden - look.below.keys():
            if found_below := self._first_below(path):
                look.below[path] = found_below.path
        return look, {path: known.get(path, self._removed_at(path)) for path in paths}

    def _first_below(self, path: str) -> Entry | None:
        return next((entry for entry in self._merged(path, []) if entry.path != path), None)

    def _merged(self, prefix: str, unread: list[Unread]) -> Iterator[Entry]:
        return (entry for entry, _ in self._layered(prefix, unread))

    def _layered(self, prefix: str, unread: list[Unread]) -> Iterator[tuple[Entry, int]]:
        """Yield what is held at or below a path, in order, each with when it came there."""
        unread += self._lost
        layers = zip(self.trees, self._said, self._when, strict=True)
        streams = [self._layer(tree, said, when, prefix, unread) for tree, said, when in layers]
        last, standing = None, ""
        for entry, when in merge(*streams, key=lambda one: (sort_key(one[0].path), -one[1])):
            if entry.path == last:
                continue
            last = entry.path
            if self._removed_at(entry.path) > when:
                continue
            if standing and entry.path.startswith(standing):
                raise FormatError(self.blobs.journal.log, f"{entry.path!r} was committed below {standing[:-1]!r}")
            standing = "" if entry.kind is Kind.DIRECTORY else f"{entry.path}/"
            yield entry, when

    def _layer(
        self, tree: Tree, said: str, when: int, prefix: str, unread: list[Unread]
    ) -> Iterator[tuple[Entry, int]]:
        lacking: list[Unread] = []
        for entry in self._entries(tree, said, prefix, lacking):
            yield entry, when
        unread += self._dated(tree, when, lacking)

    def _dated(self, tree: Tree, when: int, unread: Sequence[Unread]) -> list[Unread]:
        """Return parts of a tree with when they came; of what stands in for the state's tree, right after it."""
        return [replace(part, when=when + (self._before is not None and tree is self.trees[0])) for part in unread]
