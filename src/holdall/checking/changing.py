"""What a versioned run holds, change by change, each held against the law: SPEC.md, "Versioned runs"."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping

from holdall.format.changes import Trimmed
from holdall.format.paths import MAX_VERSIONED_PATH, ancestors, sort_key
from holdall.format.tree import Entry, Kind
from holdall.trees.history import Trims, Version


class ChangingPaths:
    """The paths of a versioned run and their earlier versions, as its operations say.

    Args:
        log: The run's.
        note: Is told what is wrong.

    Attributes:
        held: What it holds, by path.
        earlier: The earlier versions, by the path and the entry until which it held them.
    """

    def __init__(self, log: str, note: Callable[[str], None]) -> None:
        self._log, self._note = log, note
        self.held: dict[str, Entry] = {}
        self.earlier: dict[tuple[str, int], Entry] = {}
        self._order: list[bytes] = []  # of what is held, so that what is below a path is found
        self._since: dict[str, int] = {}  # path -> the entry that gave it what it holds

    def put(self, entry: Entry, n: int, kept: set[str]) -> None:
        """Take in a row of a commit of entry n. Args: `kept`: the paths that pins keep as they are."""
        old = self.held.get(entry.path)
        if old is None or not old.same_as(entry):
            self._forbid(entry, old, kept)
            self._displace(entry.path, n)
            insort(self._order, sort_key(entry.path))
            self._since[entry.path] = n
        self.held[entry.path] = entry

    def remove(self, paths: Iterable[str], n: int, kept: set[str]) -> None:
        """Take in a removal of entry n; what is not there is passed over."""
        for path in paths:
            gone = self._at_or_below(path)
            if gone and (_is_kept(path, kept) or any(one.startswith(f"{path}/") for one in kept)):
                self._note(f"{self._log}: {path!r} is removed, and a pin keeps it, or something below it, as it is")
            for one in gone:
                self._displace(one, n)

    def trim(self, trim: Trimmed) -> None:
        """Take in the end of earlier versions."""
        trims = Trims([trim])
        for path, until in [at for at, entry in self.earlier.items() if trims.end(Version(at[1], entry))]:
            del self.earlier[path, until]

    def restate(self, held: Mapping[str, Entry], earlier: Mapping[tuple[str, int], Entry]) -> None:
        """Take both as a state tells them: what it says is where readers look."""
        self.held, self.earlier = dict(held), dict(earlier)
        self._order = sorted(map(sort_key, held))

    def _forbid(self, entry: Entry, old: Entry | None, kept: set[str]) -> None:
        """Note what is against a row that is new, or other than what is there."""
        path = entry.path
        if _is_kept(path, kept):
            self._note(f"{self._log}: {path!r} is committed below what a pin keeps as it is")
        above = (self.held.get(one) for one in ancestors(path))
        under = any(each.kind is not Kind.DIRECTORY for each in above if each)
        over = entry.kind is not Kind.DIRECTORY and any(one != path for one in self._at_or_below(path))
        if under or over or (old and (old.kind is Kind.DIRECTORY) != (entry.kind is Kind.DIRECTORY)):
            self._note(f"{self._log}: {path!r} is committed, and what is in its way was not removed")
        if len(path.encode()) > MAX_VERSIONED_PATH:
            self._note(f"{self._log}: {path!r} is too long for a versioned run")

    def _displace(self, path: str, n: int) -> None:
        old = self.held.pop(path, None)
        if old is None:
            return
        del self._order[bisect_left(self._order, sort_key(path))]
        if old.kind is not Kind.DIRECTORY and self._since.get(path) != n:
            self.earlier[path, n] = old

    def _at_or_below(self, path: str) -> list[str]:
        start, stop = bisect_left(self._order, sort_key(path)), bisect_left(self._order, sort_key(path) + b"\1")
        inside = (key.replace(b"\0", b"/").decode() for key in self._order[start:stop])
        return [one for one in inside if one == path or one.startswith(f"{path}/")]


def _is_kept(path: str, kept: set[str]) -> bool:
    return bool(kept) and not kept.isdisjoint({"", path, *ancestors(path)})
