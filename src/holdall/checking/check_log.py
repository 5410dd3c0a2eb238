"""One run's log, folded from its first entry and held against what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias, TypeVar

from holdall.checking.changing import ChangingPaths
from holdall.checking.check_series import check_series
from holdall.checking.content import Claim, Content
from holdall.checking.listed_entries import Note, each_listed
from holdall.errors import FormatError, HoldallError, IntegrityError
from holdall.format import digest
from holdall.format.changes import Trimmed
from holdall.format.document import Json
from holdall.format.entry import UNKNOWN, LogEntry
from holdall.format.layout import PackName
from holdall.format.paths import ancestors, sort_key
from holdall.format.recipe import parse_recipe
from holdall.format.reference import InEntry, Ref, ref_from_json
from holdall.format.state import State
from holdall.format.tree import Entry, Kind
from holdall.trees.addresses import log_uri
from holdall.trees.blobs import RunBlobReader
from holdall.trees.history import versions_of_state
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.tree import Tree
from holdall.trees.versioned_paths import VersionedPaths
from holdall.trees.view import View

Refer: TypeAlias = Callable[[Ref, str, bool], None]
K = TypeVar("K")


class LogCheck:
    """Follows one run's log, past all that is wrong with it.

    Args:
        location: The store.
        log: The run's.
        refer: Is told of each blob of a pack that a path depends on.
        note: Is told what is wrong.

    Attributes:
        contents: What its files hold, by what their paths claim of it.
        files, bytes: What its paths add up to.
        state: What its operations amount to; None where not all of them could be read.
    """

    def __init__(self, location: Location, log: str, refer: Refer, note: Note) -> None:
        self._journal = Journal(location.bucket, location.pool, log)
        self._blobs = RunBlobReader(location.bucket, location.pool, self._journal)
        self._uri = log_uri(log)
        self._refer, self._note = refer, note
        self._held: dict[str, Entry] = {}
        self._changing: ChangingPaths | None = None  # of a versioned run
        self._complete = True  # whether all paths that were committed are held
        self._needed = True  # whether readers need what is looked at: the last state tells what came before it
        self._blind = False  # whether a commit's paths could not be read, which no reader needs
        self.contents: dict[Claim, Content] = {}
        self.files = self.bytes = 0
        self.state: State | None = None

    @property
    def entries(self) -> list[Entry]:
        """Return the entries that the run holds, as far as its log could be followed."""
        return list(self._held.values() if self._changing is None else self._changing.held.values())

    @property
    def whole(self) -> bool:
        """Return whether all commits could be followed."""
        return self._complete and not self._blind

    def fold(self, listed: Iterable[int], read: Mapping[int, LogEntry | HoldallError] | None = None) -> None:
        """Check the entries that are there, one after the other; what is wrong with one is noted.

        Args:
            listed: Their numbers.
            read: All of them, or what is wrong with each, if they were fetched already.
        """
        told = View(self._blobs)  # believes the states
        folded = View(self._blobs)  # believes only operations
        numbers = sorted(listed)
        newest = {n: read[n] for n in numbers[-1:]} if read else {}
        newest = newest or dict(zip(numbers[-1:], self._journal.try_many(numbers[-1:]), strict=True))
        if any(isinstance(each, LogEntry) and each.purges for each in newest.values()):
            self.state = State(purged=True)
            return
        start = max((each.state_at or 0 for each in newest.values() if isinstance(each, LogEntry)), default=0)
        sound, state_at = True, None  # readers need the entries from `start` on: the last state and what follows it
        for entry in each_listed(self._journal, numbers, self._note, read or newest):
            if entry is None:
                sound = self._complete = False
                continue
            self._needed = entry.n >= start
            kept = set(folded.state.pinned.values())
            if sound:
                with self._noting():
                    sound = False
                    state_at = self._absorb(entry, told, folded, state_at)
                    sound = True
            if entry.n == 0 and folded.state.versioned:
                self._changing = ChangingPaths(self._journal.log, self._note)
            self._trees(entry, told if sound and self._complete else None, kept)
        self._check_nesting()
        self._check_kept()
        if sound:
            self.state = folded.state
            self._check_end(told, folded)

    def _absorb(self, entry: LogEntry, told: View, folded: View, state_at: int | None) -> int | None:
        """Take in an entry, and return the number of the newest one that carries a state."""
        state_at = state_at if entry.state is None else entry.n
        if entry.prev == UNKNOWN and entry.state is None and (entry.state_at or 0) < (state_at or 0):
            state_at = entry.state_at  # its writer could not read the entry that carries the newest
        if entry.state_at != state_at:
            raise FormatError(f"{entry.log} entry {entry.n}", f"its state_at is {entry.state_at}, not {state_at}")
        before = told.state
        told.absorb(entry)
        folded.absorb(replace(entry, state=None))
        folded.state.recent.clear()  # of a long log they would be all measurements
        if told.state is not before and not told.state.purged:
            with self._noting():
                check_series(entry, before, told.state, self._blobs)
        return state_at

    def _trees(self, entry: LogEntry, told: View | None, kept: set[str]) -> None:
        """Check the trees that an entry names, and the environment.

        `told`: what its state's is held against; `kept`: the paths that pins keep as they are.
        """
        if entry.state is not None and told:
            with self._noting():
                self._hold_against(entry, told)
        for op in entry.ops:
            with self._noting():
                if op["op"] == "commit" and op["tree"] is not None:
                    whole, self._complete = self._complete, False
                    root = ref_from_json(op["tree"], self._journal.log).carried_by(entry.n)
                    self._commit(Tree(self._blobs, root), op, kept, entry.n)
                    self._complete = whole
                elif op["op"] == "remove" and self._changing:
                    self._changing.remove(op["paths"], entry.n, kept)
                elif op["op"] == "trim" and self._changing:
                    self._changing.trim(Trimmed(entry.n, op["path"], op["before"]))
                elif op["op"] == "environment":
                    self._used(ref_from_json(op["facts"], self._journal.log).carried_by(entry.n), self._uri)

    def _check_end(self, told: View, folded: View) -> None:
        for tree in folded.part_trees:  # not committed, and needed by who will commit them
            with self._noting():
                for node in tree.nodes():
                    self._used(node, self._uri)
                for entry in tree.walk():
                    self._look_at(entry)
        folded.state.extremes = {
            key: folded.state.extremes.get(key) or [] for key in told.state.extremes
        }  # all it tells
        if _amounts_to(told.state) != _amounts_to(folded.state):
            self._note(f"{self._journal.log}: a state it carries is not what its entries amount to")

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except HoldallError as error:
            if self._needed or not isinstance(error, IntegrityError):
                self._note(str(error))

    def _commit(self, tree: Tree, op: Json, kept: set[str], n: int) -> None:
        try:
            entries = list(self._walk(tree))
        except IntegrityError:
            if self._needed:
                raise
            self._blind = True  # the state that comes after it tells its paths
            self.files += op["files"]
            self.bytes += op["bytes"]
            return
        for entry in entries:
            if self._changing:
                self._changing.put(entry, n, kept)
            else:
                self._forbid(entry, kept)
                self._held[entry.path] = entry
        files = [entry for entry in entries if entry.kind is Kind.FILE]
        size = sum(entry.size for entry in files)
        self.files += len(files)
        self.bytes += size
        if (op["files"], op["bytes"]) != (len(files), size):
            raise FormatError(self._journal.log, f"a commit says it adds {op['files']} files, and adds {len(files)}")

    def _forbid(self, entry: Entry, kept: set[str]) -> None:
        """Note a path that has other content already; the same again comes of a writer that could not read it."""
        held = self._held.get(entry.path)
        if held and held.same_as(entry):
            return
        if kept and not kept.isdisjoint({"", entry.path, *ancestors(entry.path)}):
            self._note(f"{self._journal.log}: {entry.path!r} is committed below what a pin keeps as it is")
        if held:
            self._note(f"{self._journal.log}: {entry.path!r} is committed where something stands already")

    def _check_nesting(self) -> None:
        """Note each path below a file or a link of another commit."""
        above: Entry | None = None
        for path in sorted(self._held, key=sort_key):
            if above and path.startswith(above.path + "/"):
                self._note(
                    f"{self._journal.log}: {path!r} is committed below {above.path!r}, where something stands already"
                )
            elif self._held[path].kind is not Kind.DIRECTORY:
                above = self._held[path]

    def _hold_against(self, entry: LogEntry, told: View) -> None:
        """Check that a state lists the paths of the commits before it; where these are lost, take the state's."""
        tree = told.state.tree
        said = entry.state and entry.state.get("tree")
        if not self._needed and tree != (said and ref_from_json(said, entry.log).carried_by(entry.n)):
            return  # its facts could not be read
        if told.state.environment:
            self._used(told.state.environment, self._uri)
        try:
            listed = {found.path: found for found in self._walk(Tree(self._blobs, tree))} if tree else {}
            earlier = self._listed_versions(told)
        except IntegrityError:
            if self._needed:
                raise
            return
        if self._changing:
            self._hold_versions_against(entry, self._changing, listed, earlier)
            return
        if self._blind and all(p in listed and listed[p].same_as(held) for p, held in self._held.items()):
            self._held, self._blind = listed, False
        if listed.keys() != self._held.keys() or any(not listed[p].same_as(e) for p, e in self._held.items()):
            raise FormatError(f"{entry.log} entry {entry.n}", "its state lists other paths than were committed")

    def _listed_versions(self, told: View) -> dict[tuple[str, int], Entry]:
        """Return the earlier versions that a state lists."""
        if not isinstance(told.paths, VersionedPaths) or told.paths.versions is None:
            return {}
        for _ in self._walk(told.paths.versions):
            pass  # so that its nodes are seen
        return {(each.entry.path, each.until): each.entry for each in versions_of_state(told.paths)}

    def _hold_versions_against(
        self,
        entry: LogEntry,
        changing: ChangingPaths,
        listed: dict[str, Entry],
        earlier: dict[tuple[str, int], Entry],
    ) -> None:
        if not self._blind and not (_same(listed, changing.held) and _same(earlier, changing.earlier)):
            raise FormatError(f"{entry.log} entry {entry.n}", "its state lists other paths than were committed")
        self._blind = False
        changing.restate(listed, earlier)

    def _check_kept(self) -> None:
        """Look at what a versioned run holds, and at its earlier versions: what it gave up may be gone."""
        if self._changing is None:
            return
        self._needed = True
        self.files = sum(entry.kind is Kind.FILE for entry in self._changing.held.values())
        self.bytes = sum(entry.size for entry in self._changing.held.values())
        for entry in [*self._changing.held.values(), *self._changing.earlier.values()]:
            with self._noting():
                self._look_at(entry)

    def _walk(self, tree: Tree) -> Iterator[Entry]:
        """Yield the entries of a tree, and note a reference to each blob on the way to them."""
        self._used(tree.root, self._uri)  # first, so that a pack that is gone is named with who needs it
        for node in tree.nodes():
            self._used(node, self._uri)
        for entry in tree.walk():
            if self._changing is None:
                self._look_at(entry)
            yield entry

    def _look_at(self, entry: Entry) -> None:
        """Note a reference to each blob of an entry."""
        user = f"{self._uri}/{entry.path}"
        if entry.content is None:
            self._empty(entry, user)
            return
        self._used(entry.content, user)
        claim = entry.content, entry.size, entry.sha256
        if claim not in self.contents:
            if self._needed:
                self.contents[claim] = Content(self._blobs, entry, user)
            if not entry.whole:
                with self._noting():
                    self._recipe(entry, user)

    def _recipe(self, entry: Entry, user: str) -> None:
        assert entry.content
        recipe = parse_recipe(self._blobs.read([entry.content])[0])
        if (recipe.size, recipe.sha256) != (entry.size, entry.sha256):
            raise FormatError(user, "its recipe is that of another file")
        for ref in recipe.chunks:
            self._used(ref, user)

    def _empty(self, entry: Entry, user: str) -> None:
        if entry.kind is Kind.FILE and entry.sha256 != digest.sha256(b""):
            raise FormatError(user, "it is empty, and its SHA-256 is not that of no bytes")

    def _used(self, ref: Ref, user: str) -> None:
        if isinstance(ref.location, PackName):
            self._refer(ref, user, self._needed)
        elif isinstance(ref.location, InEntry):
            self._blobs.read([ref])


def _amounts_to(state: State) -> tuple[State, bytes | None]:
    """Return a state without places: content, what ran where included, may have moved since it was logged."""
    environment = state.environment.id if state.environment else None
    bare = replace(state, tree=None, versions=None, deltas=[], changes=[], inline=0, environment=None, series=[])
    return bare, environment


def _same(some: Mapping[K, Entry], others: Mapping[K, Entry]) -> bool:
    """Return whether both have the same entries, wherever their bytes are."""
    return some.keys() == others.keys() and all(entry.same_as(others[at]) for at, entry in some.items())
