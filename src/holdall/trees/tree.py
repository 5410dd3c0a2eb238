"""What a run holds: paths, read as lazily as possible.

A tree's nodes lie in packs or inside log entries. Looking up k paths reads one
node per level and path; walking a directory reads only its stretch. What was
read is kept, since a node never changes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from holdall.chunks.damage import Damage
from holdall.chunks.delivery import Whose, checked, path_of
from holdall.chunks.pool import Pool
from holdall.chunks.reader import ChunkReader
from holdall.errors import FormatError, IntegrityError, LogGapError
from holdall.format.entry import LogEntry
from holdall.format.layout import PackName
from holdall.format.paths import sort_key
from holdall.format.reference import InEntry, Ref
from holdall.format.tree import Child, Entry, Node, check_child, parse_node
from holdall.storage.bucket import Bucket
from holdall.trees.journal import Journal

_KEPT: Final = 256  # nodes and entries that a run's handle remembers
_AT_ONCE: Final = 128  # nodes fetched side by side,
_BYTES_AT_ONCE: Final = 8 << 20  # and the bytes of them

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Blobs:
    """Blobs of one run, wherever they are: in packs, or inline in its log."""

    def __init__(
        self,
        bucket: Bucket,
        pool: Pool,
        journal: Journal,
        damage: Damage | None = None,
        *,
        packs: ChunkReader | None = None,
    ) -> None:
        self.journal = journal
        self.packs = packs or ChunkReader(bucket, pool, damage)
        self._entries: _Recent[int, LogEntry] = _Recent()
        self._nodes: _Recent[Ref, Node | bytes] = _Recent()

    def read(self, refs: Sequence[Ref], *, path: Whose = None) -> list[bytes]:
        """The decoded bytes of some blobs, in the order asked for; `path` says whose they are, for errors.

        Raises:
            IntegrityError: One of them is not what was written.
        """
        packed = [ref for ref in refs if isinstance(ref.place, PackName)]
        found = dict(zip(packed, self.packs.read(packed, path=path), strict=True)) if packed else {}
        entries = self._fetch_entries({ref.place.n for ref in refs if isinstance(ref.place, InEntry)})
        return [found[ref] if ref in found else _inline(ref, entries, path) for ref in refs]

    def nodes(self, refs: Sequence[Ref]) -> list[Node]:
        """The tree nodes at some references."""
        kept = self._nodes.get_all(refs)
        missing = [ref for ref in refs if ref not in kept]
        kept.update(zip(missing, self.read(missing), strict=True))
        found: dict[Ref, Node] = {}
        for ref, node in kept.items():
            if isinstance(node, bytes):
                node = parse_node(node, ref.place.n if isinstance(ref.place, InEntry) else None)
                self._nodes.put(ref, node)
            found[ref] = node
        return [found[ref] for ref in refs]

    def remember(self, entry: LogEntry) -> None:
        """Keep an entry at hand that was read or written anyway."""
        if entry.blobs:
            self._entries.put(entry.n, entry)

    def remember_node(self, ref: Ref, data: bytes) -> None:
        """Keep a node at hand that was just put into a pack; it is parsed when somebody asks for it."""
        if isinstance(ref.place, PackName):
            self._nodes.put(ref, data)

    def _fetch_entries(self, numbers: Iterable[int | None]) -> dict[int, LogEntry]:
        """Some entries: all of them, however few are kept."""
        wanted = {n for n in numbers if n is not None}
        found = self._entries.get_all(wanted)
        if missing := sorted(wanted - found.keys()):
            try:
                entries = self.journal.read_many(missing)
            except (LogGapError, FormatError) as error:
                raise IntegrityError(f"an inline blob in {self.journal.log}", str(error)) from error
            for entry in entries:
                found[entry.n] = entry
                self._entries.put(entry.n, entry)
        return found


def _inline(ref: Ref, entries: Mapping[int, LogEntry], path: Whose) -> bytes:
    assert isinstance(ref.place, InEntry)
    assert ref.place.n is not None, "absolute once it was read"
    entry = entries[ref.place.n]
    where = f"{entry.log} entry {entry.n}, blob {ref.offset}"
    if ref.offset >= len(entry.blobs):
        raise IntegrityError(where, "there is no such blob", path_of(path, ref))
    return checked(ref, entry.blobs[ref.offset].data, where, path_of(path, ref))


class _Recent(Generic[K, V]):
    """What was used last, and no more of it than `_KEPT`; threads may share it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get_all(self, keys: Iterable[K]) -> dict[K, V]:
        """What is kept of these, which are then the latest used."""
        found = {}
        for key in keys:
            with suppress(KeyError):  # not kept, or no longer, by another thread's doing
                found[key] = self._kept[key]
                self._kept.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> None:
        """Keep this, and forget what was not used for longest."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at a path and what follows it.

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

    def __init__(self, blobs: Blobs, root: Ref) -> None:
        self._blobs, self.root = blobs, root

    def find(self, paths: Iterable[str]) -> dict[str, Found]:
        """What stands at each path, and what follows it. Cost: O(nodes on the way to them)."""
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
        """Every entry at or below a path, in the tree's order."""
        for leaf in self._leaves([_Below(self.root)], sort_key(prefix), prefix):
            for entry in leaf.entries:
                if _within(entry.path, prefix):
                    yield entry

    def leaves(self) -> list[Child]:
        """The tree's leaves as rows of a level above them, in order."""
        return [Child(place.first or "", place.ref) for place in self._levels()[-1]]

    def nodes(self) -> list[Ref]:
        """Where every node of the tree is, the root first."""
        return [place.ref for places in self._levels() for place in places]

    def leaf(self, row: Child) -> tuple[Entry, ...]:
        """The entries of one leaf."""
        return self._blobs.nodes([row.ref])[0].entries

    def _levels(self) -> list[list[_Below]]:
        """The nodes of each level from the root on, as the level above lists them."""
        root = self._fetch([_Below(self.root)])[0]
        levels = [[_Below(self.root, root.level, root.rows[0].path)]]
        for _ in range(root.level):
            levels.append([])
            for some in _batches(levels[-2]):
                for place, node in zip(some, self._fetch(some), strict=True):
                    levels[-1] += _children(node, place.fence)
        return levels

    def _fetch(self, places: Sequence[_Below]) -> list[Node]:
        """Nodes, each held against the row that led to it."""
        nodes = self._blobs.nodes([place.ref for place in places])
        for place, node in zip(places, nodes, strict=True):
            check_child(node, place.level, place.first, place.fence)
        return nodes

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
    """The nodes below one, each with the first path behind it."""
    rows = node.children
    fences = [*(row.path for row in rows[1:]), fence]
    return [_Below(row.ref, node.level - 1, row.path, end) for row, end in zip(rows, fences, strict=True)]


def _batches(places: Sequence[_Below]) -> Iterator[Sequence[_Below]]:
    """Nodes that are fetched side by side: not many, and not much."""
    start, room = 0, _BYTES_AT_ONCE
    for at, place in enumerate(places):
        room -= place.ref.raw
        if at > start and (room < 0 or at - start == _AT_ONCE):
            yield places[start:at]
            start, room = at, _BYTES_AT_ONCE - place.ref.raw
    if places:
        yield places[start:]


def _descend(node: Node, fence: str | None, paths: Iterable[str]) -> list[tuple[_Below, list[str]]]:
    """Which children the paths lead to."""
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
    """The children that may hold something at or below the prefix."""
    if not prefix:
        return places
    keys = [sort_key(place.first or "") for place in places]
    first = max(bisect_right(keys, low) - 1, 0)
    last = bisect_left(keys, low + b"\1")  # everything below sorts under prefix + "\0..."
    return places[first:last]
