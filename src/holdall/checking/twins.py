"""What repairs a run at last: copies that no pack's footer tells of.

A small file that is logged again alone lies inline in a log entry. A file that
is logged again may have another recipe, since its chunks lie elsewhere, or be
one blob where it was cut. The first is found by the blob's id in the logs of
all runs, the second by the file's SHA-256 in what all runs hold. Either walk
is made once, and only when something was found nowhere in packs. Where there is
a copy of the store, its runs are asked for files as well, the same run first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

from holdall.checking.content import Content
from holdall.chunks.copies import WholeCopies
from holdall.chunks.delivery import decode_verified
from holdall.chunks.reader import ChunkReader
from holdall.errors import FormatError, StorageError
from holdall.format.entry import LogEntry
from holdall.format.layout import RUNS
from holdall.format.recipe import parse_recipe
from holdall.format.reference import Ref
from holdall.format.tree import Entry
from holdall.trees.blobs import RunBlobReader
from holdall.trees.heads import entry_keys, list_heads
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.salvage import UNREADABLE
from holdall.trees.view import View

_AT_ONCE: Final = 128  # entries fetched side by side
_COPIES: Final = 4  # places remembered of one blob
Held: TypeAlias = dict[tuple[bytes, int], dict[bytes, Entry]]


@dataclass(frozen=True, slots=True)
class _Inline:
    """A blob in a log entry: which log, which entry, which of its blobs."""

    log: str
    n: int
    index: int


class InlineCopies:
    """The inline blobs of all runs' logs, by what they hold."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._places: dict[bytes, list[_Inline]] | None = None
        self._last: LogEntry | None = None  # many blobs of one entry are often asked for in a row

    def find(self, refs: Sequence[Ref]) -> dict[bytes, tuple[bytes, str]]:
        """Return, by the id of each blob that an entry has, its decoded bytes and the name of the entry.

        Cost: the first time, a GET for each entry of each run, and about 300 bytes for each inline blob; then one GET
            for each blob.
        """
        return {ref.id: found for ref in refs if (found := self._find(ref))}

    def _find(self, ref: Ref) -> tuple[bytes, str] | None:
        for place in self._index().get(ref.id, ()):
            with suppress(IndexError, *UNREADABLE, StorageError):
                entry = self._entry(place)
                blob = entry.blobs[place.index]
                where = f"entry {entry.n} of {entry.log}"
                return decode_verified(blob.ref(place.index), blob.data, self._location.sealing, where), where
        return None

    def _entry(self, place: _Inline) -> LogEntry:
        if self._last is None or (self._last.log, self._last.n) != (place.log, place.n):
            self._last = self._journal(place.log).read(place.n)
        return self._last

    def _journal(self, log: str) -> Journal:
        return Journal(self._location.bucket, self._location.pool, log)

    def _index(self) -> dict[bytes, list[_Inline]]:
        if self._places is None:
            self._places = {}
            for entry in self._entries():
                for index, blob in enumerate(entry.blobs):
                    known = self._places.setdefault(blob.id, [])
                    if len(known) < _COPIES:
                        known.append(_Inline(entry.log, entry.n, index))
        return self._places

    def _entries(self) -> Iterator[LogEntry]:
        """Yield every entry of every run that can be read; of a purged run only the one that did so."""
        listed = ((key.log, key.number) for key in entry_keys(self._location.bucket.list(RUNS)))
        purged = ""
        while some := list(islice(listed, _AT_ONCE)):
            for entry in filter(None, self._location.pool.map(self._read, some)):
                if entry.log != purged:
                    yield entry
                purged = entry.log if entry.purges else purged  # the newest of each log comes first

    def _read(self, place: tuple[str, int]) -> LogEntry | None:
        log, n = place
        try:
            return self._journal(log).read(n)
        except UNREADABLE:
            return None


class HeldFiles:
    """Files that runs of a store hold, by SHA-256 and size, and then by the ids of their blobs.

    Args:
        location: The store.
        copies: Reads its packs.
    """

    def __init__(self, location: Location, copies: ChunkReader) -> None:
        self._location, self._copies = location, copies
        self._all: Held | None = None
        self._one: tuple[str, Held] = ("", {})  # the run that was asked for last

    def of_run(self, run_id: str) -> Held:
        """Return what a run holds; nothing if there is no such run. Cost: as reading its listing, the first time."""
        if self._one[0] != run_id:
            self._one = run_id, self._of([RUNS + run_id])
        return self._one[1]

    def of_all(self) -> Held:
        """Return what all runs hold. Cost: as reading each run's listing, once; about 500 bytes for each file."""
        if self._all is None:
            self._all = self._of(sorted(list_heads(self._location.bucket, RUNS)))
        return self._all

    def view(self, log: str) -> View | None:
        """Return a run as of its newest entry; None if there is none, or it was purged."""
        journal = Journal(self._location.bucket, self._location.pool, log)
        view = View.load(RunBlobReader(self._location.bucket, self._location.pool, journal, packs=self._copies))
        return None if view is None or view.state.purged else view

    def _of(self, logs: Iterable[str]) -> Held:
        held: Held = {}
        for log in logs:
            with suppress(*UNREADABLE):  # what of it can be read was taken in
                view = self.view(log)
                for entry in view.paths.walk() if view else ():
                    if entry.content:
                        held.setdefault((entry.sha256, entry.size), {}).setdefault(entry.content.id, entry)
        return held


class Twins:
    """Files of all runs, by what they hold: one that is whole stands for another that is not.

    Args:
        copies: Reads them, wherever their blobs are.
        here: What the store's runs hold.
        there: What those of its copy hold, if there is one.
    """

    def __init__(self, copies: WholeCopies, here: HeldFiles, there: HeldFiles | None = None) -> None:
        self._copies, self._here, self._there = copies, here, there
        self._chosen: dict[tuple[bytes, int], Entry] = {}

    def find(self, entry: Entry, run_id: str) -> Entry | None:
        """Return another file with the same bytes, all of which were just read, or None.

        Where its content is inline, that is in some run's log: `WholeCopies` reads it by its id.

        Cost: the first time, as `HeldFiles.of_all`; then reading the file.
        """
        key = entry.sha256, entry.size
        if key not in self._chosen:
            for held in self._places(run_id):
                for other, twin in held.get(key, {}).items():
                    if entry.content and other != entry.content.id and self.is_whole(twin):
                        self._chosen[key] = twin
                        return twin
        return self._chosen.get(key)

    def _places(self, run_id: str) -> Iterator[Held]:
        if self._there:
            yield self._there.of_run(run_id)  # first, as it costs one run
        yield self._here.of_all()
        if self._there:
            yield self._there.of_all()

    def take(self, entry: Entry) -> bool:
        """Let a file stand for itself, as a copy lists it; return whether it is whole. Cost: reading it."""
        if whole := self.is_whole(entry):
            self._chosen[entry.sha256, entry.size] = entry
        return whole

    def chosen(self, entry: Entry) -> Entry | None:
        """Return the twin that `find` found for such a file, or None."""
        return self._chosen.get((entry.sha256, entry.size))

    def chunks(self, twin: Entry) -> Sequence[Ref]:
        """Return the chunks of a twin; none if it is one blob.

        Raises:
            DamageError: Its recipe is not whole, or that of another file.
        """
        assert twin.content
        if twin.whole:
            return ()
        recipe = parse_recipe(self._copies.read([twin.content])[0])
        if (recipe.size, recipe.sha256) != (twin.size, twin.sha256):
            raise FormatError(twin.path, "its recipe is that of another file")
        return recipe.chunks

    def is_whole(self, twin: Entry) -> bool:
        """Return whether all of a twin is there and has its SHA-256: ids prove blobs, not files."""
        with suppress(*UNREADABLE):
            self.chunks(twin)
            Content(self._copies, twin, twin.path).verify()
            return True
        return False
