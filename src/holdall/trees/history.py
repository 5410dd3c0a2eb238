"""What the changes of a versioned run since its last state amount to: what is held now, and the earlier versions.

Reading a path needs none of this; it is for what folds the log into a state, lists versions, or must know all
that a run refers to. The trees of the changes are read whole, that of the state only where they change it.
SPEC.md, "Versioned runs".
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from holdall.errors import FormatError, InvalidPathError
from holdall.format.changes import Committed, Removed, Trimmed, parse_version_path, version_path
from holdall.format.paths import ancestors, check_link, sort_key
from holdall.format.tree import Entry, Kind
from holdall.trees.paths import Paths
from holdall.trees.tree import Tree
from holdall.trees.versioned_paths import VersionedPaths


@dataclass(frozen=True, slots=True)
class Version:
    """What a path held until an entry replaced or removed it. Attributes: until (the entry's number), entry."""

    until: int
    entry: Entry

    @property
    def row(self) -> Entry:
        """Return it as the tree of earlier versions has it."""
        return replace(self.entry, path=version_path(self.until, self.entry.path))


@dataclass(frozen=True, slots=True)
class History:
    """What changed since the last state, at or below a path.

    Attributes:
        fresh: What the state's tree lacks, or has otherwise, by path.
        gone: The rows of the state's tree that are held no longer, by path; some are in `fresh` with other content.
        begun: Earlier versions that the state's did not know.
        ended: Those of the state's that are kept no longer.
    """

    fresh: Mapping[str, Entry]
    gone: Mapping[str, Entry]
    begun: tuple[Version, ...]
    ended: tuple[Version, ...]


def history(paths: VersionedPaths, prefix: str = "") -> History:
    """Return what changed since the last state, at or below a path. Cost: the nodes of the changes, and on their way.

    Raises:
        IntegrityError: A node of a tree cannot be read.
    """
    commits = [list(tree.walk(prefix)) for tree in paths.layers()]
    removals = [path for change in paths.changes if isinstance(change, Removed) for path in _inside(change, prefix)]
    before = _touched(paths.base, {entry.path for rows in commits for entry in rows}, removals)
    replay = _Replay(before, commits, prefix)
    for at, change in enumerate(paths.changes):
        replay.apply(at, change)
    held = replay.held
    trims = Trims(change for change in paths.changes if isinstance(change, Trimmed))
    known = versions_of_state(paths, prefix) if trims else ()
    return History(
        fresh={path: entry for path, entry in held.items() if before.get(path) is not entry},
        gone={path: entry for path, entry in before.items() if held.get(path) is not entry},
        begun=tuple(replay.standing(paths)),
        ended=tuple(version for version in known if trims.end(version)),
    )


def earlier_versions(paths: VersionedPaths, prefix: str = "") -> list[Version]:
    """Return the earlier versions of a path and of all below it, the oldest first. Raises and cost: as `history`.

    Those that the state knew are read, all of them.
    """
    trims = Trims(change for change in paths.changes if isinstance(change, Trimmed))
    kept = [version for version in versions_of_state(paths, prefix) if not trims.end(version)]
    return [*kept, *history(paths, prefix).begun]


def earlier_entries(paths: Paths) -> Iterator[Entry]:
    """Yield the earlier versions of all paths; none of a run that is not versioned. Raises: as `history`."""
    if isinstance(paths, VersionedPaths):
        yield from (version.entry for version in earlier_versions(paths))


def versions_in_order(paths: Paths) -> Sequence[Version]:
    """Return the earlier versions of a run in the order of the tree that lists them. Raises: as `history`."""
    found = earlier_versions(paths) if isinstance(paths, VersionedPaths) else []
    return sorted(found, key=lambda version: sort_key(version.row.path))


class Trims:
    """Removals of earlier versions. It is true if there are any."""

    def __init__(self, trims: Iterable[Trimmed] = ()) -> None:
        self._before: dict[str, int] = {}
        for trim in trims:
            self.add(trim)

    def __bool__(self) -> bool:
        return bool(self._before)

    def add(self, trim: Trimmed) -> None:
        """Add one."""
        self._before[trim.path] = max(trim.before, self._before.get(trim.path, 0))

    def end(self, version: Version) -> bool:
        """Return whether one of them ends a version that was there before them."""
        path = version.entry.path
        return any(version.until < self._before.get(above, 0) for above in ("", *ancestors(path), path))


class _Replay:
    """The changes of a run, one after the other, as far as they are at or below a path."""

    def __init__(self, before: Mapping[str, Entry], commits: list[list[Entry]], prefix: str) -> None:
        self.held = dict(before)
        self._since: dict[str, int] = {}  # path -> the entry that gave it what it holds, since the state
        self._commits, self._prefix = iter(commits), prefix
        paths = {*before, *(entry.path for rows in commits for entry in rows)}
        self._order = sorted(paths, key=sort_key)
        self._keys = [sort_key(path) for path in self._order]
        self._begun: list[tuple[int, Version]] = []  # each with the place of the change that began it

    def apply(self, at: int, change: Committed | Removed | Trimmed) -> None:
        """Apply the change at some place."""
        if isinstance(change, Committed):
            for entry in next(self._commits):
                old = self.held.get(entry.path)
                if old is None or not old.same_as(entry):
                    self._displace(at, change.n, entry.path)
                    self._since[entry.path] = change.n
                self.held[entry.path] = entry
        elif isinstance(change, Removed):
            for path in _inside(change, self._prefix):
                for gone in self._at_or_below(path):
                    self._displace(at, change.n, gone)

    def standing(self, paths: VersionedPaths) -> Iterator[Version]:
        """Yield the versions that no later change ended, the oldest first."""
        kept: list[Version] = []
        later, place = Trims(), len(paths.changes)
        for at, version in reversed(self._begun):
            for change in reversed(paths.changes[at + 1 : place]):
                if isinstance(change, Trimmed):
                    later.add(change)
            place = min(place, at + 1)
            kept += [] if later.end(version) else [version]
        return reversed(kept)

    def _displace(self, at: int, n: int, path: str) -> None:
        old = self.held.pop(path, None)
        if old and old.kind is not Kind.DIRECTORY and self._since.get(path) != n:
            self._begun.append((at, Version(n, old)))

    def _at_or_below(self, path: str) -> list[str]:
        key = sort_key(path)
        start, stop = bisect_left(self._keys, key), bisect_left(self._keys, key + b"\1")
        inside = self._order[start:stop]
        return [one for one in inside if one == path or one.startswith(f"{path}/")]


def _inside(change: Removed, prefix: str) -> Iterator[str]:
    """Yield what a removal takes away at or below a path; the path itself where it takes all of that."""
    for path in change.paths:
        if not prefix or path == prefix or path.startswith(f"{prefix}/"):
            yield path
        elif prefix.startswith(f"{path}/"):
            yield prefix


def _touched(base: Tree | None, paths: set[str], removed: list[str]) -> dict[str, Entry]:
    """Return what the state's tree has at some paths, and at or below those that were removed."""
    if base is None or not (paths or removed):
        return {}
    found = base.find({*paths, *removed})
    touched = {path: at.entry for path, at in found.items() if at.entry}
    for path in removed:
        after = found[path].following
        if after is not None and after.startswith(f"{path}/"):
            touched |= {entry.path: entry for entry in base.walk(path)}
    return touched


def versions_of_state(paths: VersionedPaths, prefix: str = "") -> Iterator[Version]:
    """Yield the earlier versions of paths at or below one that the state knew, the oldest first."""
    what = f"an earlier version of {paths.blobs.journal.log}"
    for row in paths.versions.walk() if paths.versions else ():
        until, path = parse_version_path(row.path, what)
        if not prefix or path == prefix or path.startswith(f"{prefix}/"):
            try:
                if row.kind is Kind.LINK:
                    check_link(path, row.target)  # which may lead outside from here, and not from where it lies
            except InvalidPathError as error:
                raise FormatError(what, str(error)) from error
            if row.kind is Kind.DIRECTORY:
                raise FormatError(what, f"{path!r} was a directory")
            yield Version(until, replace(row, path=path))
