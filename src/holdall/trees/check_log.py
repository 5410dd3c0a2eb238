"""One run's log, folded from its first entry and held against what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from holdall.errors import FormatError, IntegrityError
from holdall.format import digest
from holdall.format.entry import LogEntry
from holdall.format.layout import PackName
from holdall.format.paths import ancestors
from holdall.format.recipe import parse_recipe
from holdall.format.reference import InEntry, Ref, ref_from_json
from holdall.format.tree import Entry, Kind
from holdall.trees.journal import Journal, check_chain
from holdall.trees.location import Location
from holdall.trees.tree import Blobs, Tree
from holdall.trees.view import View

Refer: TypeAlias = Callable[[Ref, str], None]


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file, once however many paths share them. Attributes: user (a path that has it)."""

    blobs: Blobs
    entry: Entry
    user: str

    def verify(self) -> None:
        """Read all of it.

        Raises:
            IntegrityError: It is not what was logged.
        """
        hasher = digest.file_hash()
        for data in self._pieces():
            hasher.update(data)
        if hasher.digest() != self.entry.sha256:
            raise IntegrityError(self.user, "its content has another SHA-256 than was logged", self.entry.path)

    def _pieces(self) -> Iterator[bytes]:
        assert self.entry.content
        data = self.blobs.read([self.entry.content])[0]
        if self.entry.whole:
            yield data
            return
        chunks = parse_recipe(data).chunks
        for at in range(0, len(chunks), 256):
            yield from self.blobs.read(chunks[at : at + 256])


class LogCheck:
    """Follows one run's log.

    Attributes:
        contents: What its files hold, by reference.
        files, bytes: What its paths add up to.
    """

    def __init__(self, location: Location, log: str, refer: Refer) -> None:
        self._journal = Journal(location.bucket, location.pool, log)
        self._blobs = Blobs(location.bucket, location.pool, self._journal)
        self._uri = f"runs:/{log.rpartition('/')[2]}"
        self._refer = refer
        self._held: dict[str, Entry] = {}
        self._parents: set[str] = set()
        self.contents: dict[Ref, Content] = {}
        self.files = self.bytes = 0

    @property
    def entries(self) -> list[Entry]:
        """What the run holds, as far as it was followed."""
        return list(self._held.values())

    def fold(self, last: int) -> None:
        """Take in entries 0 to `last`.

        Raises:
            DamageError: Something is wrong with one of them; those after it were not looked at.
        """
        told = View(self._blobs)  # believes the states
        folded = View(self._blobs)  # believes only operations
        for entry in self._journal.walk(last + 1):
            check_chain(folded.head, entry)
            kept = set(folded.state.pinned.values())
            told.absorb(entry)
            folded.absorb(replace(entry, state=None))
            if entry.state is not None:
                self._hold_against(entry, told)
            for op in entry.ops:
                if op["op"] == "commit" and op["tree"] is not None:
                    root = ref_from_json(op["tree"], self._journal.log).carried_by(entry.n)
                    self._commit(Tree(self._blobs, root), op, kept)
        if folded.state.environment:
            self._used(folded.state.environment, self._uri)
        if replace(told.state, tree=None, deltas=[], inline=0) != replace(folded.state, deltas=[], inline=0):
            raise FormatError(self._journal.log, "a state it carries is not what its entries amount to")

    def _commit(self, tree: Tree, op: dict[str, object], kept: set[str]) -> None:
        entries = list(self._walk(tree))
        for entry in entries:
            self._forbid(entry, kept)
            self._held[entry.path] = entry
            self._parents.update(ancestors(entry.path))
        files = [entry for entry in entries if entry.kind is Kind.FILE]
        size = sum(entry.size for entry in files)
        if (op["files"], op["bytes"]) != (len(files), size):
            raise FormatError(self._journal.log, f"a commit says it adds {op['files']} files, and adds {len(files)}")
        self.files += len(files)
        self.bytes += size

    def _forbid(self, entry: Entry, kept: set[str]) -> None:
        """The law of immutability; the same twice is what a writer does who could not read the first.

        `kept`: the paths that pins keep as they are.
        """
        if (held := self._held.get(entry.path)) and held.same_as(entry):
            return
        if not kept.isdisjoint({"", entry.path, *ancestors(entry.path)}):
            raise FormatError(self._journal.log, f"{entry.path!r} is committed below what a pin keeps as it is")
        blocked = [p for p in ancestors(entry.path) if p in self._held and self._held[p].kind is not Kind.DIRECTORY]
        if entry.path in self._held or blocked or (entry.kind is not Kind.DIRECTORY and entry.path in self._parents):
            raise FormatError(self._journal.log, f"{entry.path!r} is committed where something stands already")

    def _hold_against(self, entry: LogEntry, told: View) -> None:
        """The paths that a state lists are those that the commits before it made."""
        tree = told.state.tree
        listed = {found.path: found for found in self._walk(Tree(self._blobs, tree))} if tree else {}
        if listed.keys() != self._held.keys() or any(not listed[p].same_as(e) for p, e in self._held.items()):
            raise FormatError(f"{entry.log} entry {entry.n}", "its state lists other paths than were committed")

    def _walk(self, tree: Tree) -> Iterator[Entry]:
        """The entries of a tree, each blob on the way to them referred to."""
        for node in tree.nodes():
            self._used(node, self._uri)
        for entry in tree.walk():
            user = f"{self._uri}/{entry.path}"
            if entry.content is None:
                self._empty(entry, user)
                yield entry
                continue
            self._used(entry.content, user)
            if entry.content not in self.contents:
                self.contents[entry.content] = Content(self._blobs, entry, user)
                if not entry.whole:
                    self._recipe(entry, user)
            yield entry

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
        if isinstance(ref.place, PackName):
            self._refer(ref, user)
        elif isinstance(ref.place, InEntry):
            self._blobs.read([ref])
