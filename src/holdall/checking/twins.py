"""What repairs a run at last: copies that no pack's footer tells of.

A small file that is logged again alone lies inline in a log entry. A file that
is logged again may have another recipe, since its chunks lie elsewhere, or be
one blob where it was cut. The first is found by the blob's id in the logs of
all runs, the second by the file's SHA-256 in what all runs hold. Either walk
is made once, and only when something was found nowhere in packs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final

from holdall.checking.check_log import Content
from holdall.chunks.copies import WholeCopies
from holdall.chunks.delivery import decode_verified
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

    def find(self, ref: Ref) -> tuple[bytes, str] | None:
        """Return a blob's decoded bytes, and the name of the entry that has it; None if no entry does.

        Cost: the first time, a GET for each entry of each run, and about 300 bytes for each inline blob; then one GET.
        """
        for place in self._index().get(ref.id, ()):
            with suppress(IndexError, *UNREADABLE, StorageError):
                entry = self._entry(place)
                blob = entry.blobs[place.index]
                where = f"entry {entry.n} of {entry.log}"
                return decode_verified(blob.ref(place.index), blob.data, where), where
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


class Twins:
    """Files of all runs, by what they hold: one that is whole stands for another that is not."""

    def __init__(self, location: Location, copies: WholeCopies) -> None:
        self._location, self._copies = location, copies
        self._held: dict[tuple[bytes, int], dict[bytes, Entry]] | None = None
        self._chosen: dict[tuple[bytes, int], Entry] = {}

    def find(self, entry: Entry) -> Entry | None:
        """Return another file with the same bytes, all of which were just read, or None.

        Where its content is inline, that is in some run's log: `WholeCopies` reads it by its id.

        Cost: the first time, reading what each run holds, and about 500 bytes for each file; then reading the file.
        """
        key = entry.sha256, entry.size
        if key not in self._chosen:
            for other, twin in self._index().get(key, {}).items():
                if entry.content and other != entry.content.id and self._is_whole(twin):
                    self._chosen[key] = twin
                    break
        return self._chosen.get(key)

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

    def _is_whole(self, twin: Entry) -> bool:
        """Return whether all of a twin is there and has its SHA-256: ids prove blobs, not files."""
        with suppress(*UNREADABLE):
            self.chunks(twin)
            Content(self._copies, twin, twin.path).verify()
            return True
        return False

    def _index(self) -> dict[tuple[bytes, int], dict[bytes, Entry]]:
        if self._held is None:
            self._held = {}
            for log in sorted(list_heads(self._location.bucket, RUNS)):
                with suppress(*UNREADABLE):  # what of it can be read was taken in
                    for entry in self._entries(log):
                        if entry.content:
                            same = self._held.setdefault((entry.sha256, entry.size), {})
                            same.setdefault(entry.content.id, entry)
        return self._held

    def _entries(self, log: str) -> Iterator[Entry]:
        location = self._location
        journal = Journal(location.bucket, location.pool, log)
        view = View.load(RunBlobReader(location.bucket, location.pool, journal, packs=self._copies))
        if view and not view.state.purged:
            yield from view.paths.walk()
