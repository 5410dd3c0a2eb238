"""All that a run holds, also where a part of it cannot be read.

A run's paths are in the tree of its last state and in those of the commits
since. A pack that is lost takes the nodes with it that lie in it, and nothing
else: what the others say is given first, and then an error names the rest.

    walk   every entry that can be read, in order; then `IncompleteError`, if there may be more
    find   the entries at some paths; `IncompleteError` only if one of them may be in what cannot be read
    lookup the same for writers, who are told what cannot be known

Only bytes that are not those that were written are passed over. A node that is
whole and breaks a rule of the format is no accident, and is refused.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge

from holdall.errors import DamageError, FormatError, IncompleteError, IntegrityError
from holdall.format.paths import ancestors, sort_key
from holdall.format.reference import Ref
from holdall.format.tree import Entry, Kind, check_child
from holdall.trees.blobs import RunBlobReader
from holdall.trees.tree import Tree


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of a run's paths that cannot be read.

    Attributes:
        said: Who said what it holds, such as "entry 5".
        error: Why it cannot be read.
        first: The first path that it may hold; "" where that is not known.
        fence: The path that comes after all that it may hold, if that is known.
        when: Where it stands among the changes of a versioned run.
    """

    said: str
    error: IntegrityError
    first: str = ""
    fence: str | None = None
    when: int = 0

    def __str__(self) -> str:
        end = f", before {self.fence!r}" if self.fence is not None else ""
        part = f" from {self.first!r} on{end}" if self.first or end else ""
        return f"what {self.said} says is there{part}: {self.error}"


@dataclass(slots=True)
class PathLookup:
    """What is known of some paths.

    Attributes:
        there: The entries at those that have one.
        below: One path below each that has any.
        unread: The parts that cannot be read and may have more of them, or more below them.
    """

    there: dict[str, Entry] = field(default_factory=dict)
    below: dict[str, str] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)

    def add(self, other: PathLookup) -> None:
        """Add what is known from later trees."""
        self.there = other.there | self.there
        self.below = other.below | self.below
        self.unread += other.unread


class Paths:
    """The trees of a run, from its last state on, in the order of the log.

    They have no path in common, by the law of immutability. But who logged while a tree could not be read may have
    given a path of it again: the same content is no matter, and of other content the earlier counts.
    """

    def __init__(
        self, blobs: RunBlobReader, roots: Iterable[Ref] = (), *, older: Callable[[], Paths] | None = None
    ) -> None:
        self.blobs = blobs
        self.trees: list[Tree] = []
        self._said: list[str] = []
        self._lost: list[Unread] = []  # entries that cannot be read: nothing is known of what they committed
        self._before: Paths | None = None
        self.has_moved: Callable[[IntegrityError], bool] = lambda _: False  # whether a newer entry may tell more
        self._older = older  # the same as the tree of the state, as the entries before it told
        for root in roots:
            self.add(root, "its state")

    def add(self, root: Ref, said: str = "a commit") -> None:
        """Add the tree of another commit, or of the state that comes first; `said` is its name in errors."""
        self.trees.append(Tree(self.blobs, root))
        self._said.append(said)

    def lose(self, said: str, error: IntegrityError) -> None:
        """Note that an entry cannot be read."""
        self._lost.append(Unread(said, error))

    def check_whole(self) -> None:
        """Raise an IncompleteError if entries cannot be read."""
        if self._lost:
            raise self._incomplete(self._lost)

    def find(self, paths: Sequence[str]) -> dict[str, Entry]:
        """Return the entry at each path that has one.

        Raises:
            IncompleteError: A path that was not found may be in what cannot be read.
        """
        found = self.lookup(paths)
        lacking = _Wanted([path for path in paths if path not in found.there])
        if unread := [part for part in found.unread if lacking.touched_by(part.first, part.fence, below=False)]:
            raise self._incomplete(unread)
        return found.there

    def lookup(self, paths: Sequence[str]) -> PathLookup:
        """Return what is known of these paths, and what cannot be read. Cost: O(nodes on the way to them)."""
        look = PathLookup(unread=list(self._lost))
        for tree, said in zip(self.trees, self._said, strict=True):
            look.add(self._in_tree(tree, said, paths))
        return look

    def below(self, paths: Sequence[str]) -> dict[str, str]:
        """Return one path below each path that has any, as far as can be read."""
        return self.lookup(paths).below

    def walk(self, prefix: str = "") -> Iterator[Entry]:
        """Yield every entry at or below a path, in the tree's order.

        Raises:
            FormatError: Two commits gave one path other content, or one gave a path below another's file or link.
            IncompleteError: At the end: there may be more, in what cannot be read.
        """
        unread: list[Unread] = []
        last = None
        for entry in self._merged(prefix, unread):
            last = entry
            yield entry
        alone = last is not None and last.path == prefix and last.kind is not Kind.DIRECTORY  # nothing lies below it
        if unread and not alone:
            raise self._incomplete(unread)

    # --- inside ---

    def _merged(self, prefix: str, unread: list[Unread]) -> Iterator[Entry]:
        unread += self._lost
        streams = [self._entries(tree, said, prefix, unread) for tree, said in zip(self.trees, self._said, strict=True)]
        last, standing, twice = None, "", ""
        for entry in merge(*streams, key=lambda entry: sort_key(entry.path)):
            if last is not None and entry.path == last.path:
                twice = twice if entry.same_as(last) else entry.path
                continue
            if standing and entry.path.startswith(standing):
                raise FormatError(self.blobs.journal.log, f"{entry.path!r} was committed below {standing[:-1]!r}")
            last, standing = entry, "" if entry.kind is Kind.DIRECTORY else f"{entry.path}/"
            yield entry
        if twice:
            raise FormatError(self.blobs.journal.log, f"{twice!r} was committed twice")

    def _instead_of(self, tree: Tree) -> Paths | None:
        """Return the paths of the entries before the state, if `tree` is the state's."""
        if self._older is None or tree is not self.trees[0]:
            return None
        try:
            self._before = self._before or self._older()  # reading that takes a request for each entry
        except DamageError:
            return None
        return self._before

    def _incomplete(self, unread: Sequence[Unread]) -> IncompleteError:
        error = IncompleteError(self.blobs.journal.log, "\n".join(map(str, unread)))
        error.__cause__ = unread[0].error
        return error

    def _entries(self, tree: Tree, said: str, prefix: str, unread: list[Unread]) -> Iterator[Entry]:
        """Yield the entries of one tree; where a node cannot be read, those of the others."""
        last = None
        try:
            for entry in tree.walk(prefix):
                last = entry
                yield entry
            return
        except IntegrityError as error:
            if self.has_moved(error):
                raise
        done = b"" if last is None else sort_key(last.path)
        if older := self._instead_of(tree):
            yield from (entry for entry in older._merged(prefix, unread) if sort_key(entry.path) > done)
            return
        for part in _rest(self.blobs, tree.root, said, _Wanted([prefix] if prefix else [])):
            if isinstance(part, Unread):
                unread.append(part)
                continue
            for entry in part:
                inside = not prefix or entry.path == prefix or entry.path.startswith(f"{prefix}/")
                if inside and sort_key(entry.path) > done:
                    yield entry

    def _in_tree(self, tree: Tree, said: str, paths: Sequence[str]) -> PathLookup:
        """Return what one tree tells of these paths, and what of it cannot be read."""
        look = PathLookup()
        try:
            found = tree.find(paths)
        except IntegrityError as error:
            if self.has_moved(error):
                raise
            if older := self._instead_of(tree):
                return older.lookup(paths)
            self._lookup_rest(tree, said, paths, look)
            return look
        for path, at in found.items():
            if at.entry:
                look.there[path] = at.entry
            if at.following is not None and at.following.startswith(path + "/"):
                look.below[path] = at.following
        return look

    def _lookup_rest(self, tree: Tree, said: str, paths: Sequence[str], look: PathLookup) -> None:
        entries: list[Entry] = []
        for part in _rest(self.blobs, tree.root, said, _Wanted(paths)) if paths else ():
            if isinstance(part, Unread):
                look.unread.append(part)
            else:
                entries += part
        keys = [sort_key(entry.path) for entry in entries]
        for path in paths:
            at = bisect_left(keys, sort_key(path))
            if at < len(keys) and entries[at].path == path:
                look.there.setdefault(path, entries[at])
                at += 1
            if at < len(keys) and entries[at].path.startswith(path + "/"):
                look.below.setdefault(path, entries[at].path)


class _Wanted:
    """Some paths and all below them; none at all means every path there is."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = set(paths)
        self._keys = sorted(map(sort_key, paths))

    def touched_by(self, first: str, fence: str | None, *, below: bool = True) -> bool:
        """Return whether a stretch of paths may have one of these, or one `below` them."""
        if not self._paths:
            return below
        low = bisect_left(self._keys, sort_key(first)) if first else 0
        high = len(self._keys) if fence is None else bisect_left(self._keys, sort_key(fence))
        return low < high or (below and bool(first) and not self._paths.isdisjoint(ancestors(first)))


def _rest(
    blobs: RunBlobReader,
    ref: Ref,
    said: str,
    wanted: _Wanted,
    first: str = "",
    fence: str | None = None,
    level: int | None = None,
) -> Iterator[tuple[Entry, ...] | Unread]:
    """Yield the leaves of a tree that can be read, and what cannot, in order; node by node, as this is seldom."""
    if not wanted.touched_by(first, fence):
        return
    try:
        node = blobs.nodes([ref])[0]
    except IntegrityError as error:
        yield Unread(said, error, first, fence)
        return
    check_child(node, level, first or None, fence)
    if not node.level:
        yield node.entries
        return
    rows = node.children
    for row, after in zip(rows, [*(row.path for row in rows[1:]), fence], strict=True):
        yield from _rest(blobs, row.ref, said, wanted, row.path, after, node.level - 1)
