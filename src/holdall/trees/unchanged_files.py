"""What a commit need not read: files that are as they were, whose chunks the bucket still has.

The stat cache only says what a file held and where its chunks were. A commit
may refer to them if this session has read the footers of their packs, after it
looked at the garbage (SPEC.md, "Garbage": W2, W3). So these are loaded side by side,
each chunk must be there as it is remembered, and packs of others are tried
as before any borrowing. What does not fit in any way is read, as if nothing
had been remembered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from holdall.chunks.chunk_index import ChunkIndex
from holdall.chunks.cutter import Readable
from holdall.chunks.pending import PendingChunk, WrittenStream
from holdall.format.layout import PackName
from holdall.format.recipe import Recipe, encode_recipe
from holdall.format.reference import Ref
from holdall.format.tree import Entry
from holdall.trees.location import Location
from holdall.trees.source import Item
from holdall.trees.stamps import Stamp, stamp_of
from holdall.trees.stat_cache import Remembered

LEAST: Final = 1 << 20  # bytes of a file for which an fdatasync is worth its while; more than an entry carries


class UnchangedFiles:
    """What one commit recalls of its files, and what it will have remembered of them."""

    def __init__(self, location: Location, chunk_index: ChunkIndex) -> None:
        self._chunk_index = chunk_index
        self._cache = None if location.sealing.sealed else location.stat_cache  # which is in the open
        self._store = location.descriptor.store
        self._found: dict[Path, tuple[Stamp, Remembered]] = {}
        self._written: dict[Path, WrittenStream] = {}
        self._read: dict[str, tuple[Path, Stamp]] = {}  # by path in the run

    def lookup(self, items: Iterable[Item], there: Container[str]) -> None:
        """Look up these files in the stat cache; verify the chunks of those whose paths are not `there`.

        Cost: nothing without a cache; else a request for each pack that the
        session has not met, and a second where this process had not borrowed from it, side by side.
        """
        if self._cache is None:
            return
        places = [(item.path, place) for item in items if (place := _place(item))]
        self._found = self._cache.find(self._store, {place for _, place in places})
        new = {place for path, place in places if path not in there}
        self._verify({place: file for place, (_, file) in self._found.items() if place in new})

    def entry(self, item: Item) -> Entry | None:
        """Return the entry that an item will be, if that is known without reading it, or None."""
        if not self._found or (place := _place(item)) not in self._found:
            return None
        stamp, file = self._found[place]
        return Entry(item.path, item.kind, stamp.size, file.sha256, item.executable)

    def written(self, item: Item) -> WrittenStream | None:
        """Return a file's chunks, if the bucket has them all, or None."""
        place = _place(item) if self._written else None
        return self._written.get(place) if place else None

    def open(self, item: Item) -> AbstractContextManager[Readable]:
        """Open an item, as `item.open()`; if all goes well, `keep` will remember it."""
        return item.open() if self._cache is None or _place(item) is None else self._opened(item)

    @contextmanager
    def watched(self, item: Item) -> Iterator[None]:
        """Watch a file that is read in this block, as `open` does: if all goes well, `keep` will remember it."""
        place = _place(item) if self._cache is not None else None
        before = self._cache.settled(place) if self._cache is not None and place is not None else None
        yield
        if before and place is not None and stamp_of(place) == before:
            self._read[item.path] = place, before

    def keep(
        self, files: Iterable[tuple[Entry, WrittenStream | None]], known: Callable[[bytes], Ref | None] | None
    ) -> None:
        """Remember the files that were read.

        Args:
            files: The entry at each path, with its chunks if they were acknowledged.
            known: Tells where a recipe is.
        """
        if self._cache is not None and self._read:
            read = [(entry, written, self._read.get(entry.path)) for entry, written in files]
            self._cache.keep(self._store, [(*seen, _remembered(e, w, known)) for e, w, seen in read if seen])
            self._read = {}

    @contextmanager
    def _opened(self, item: Item) -> Iterator[Readable]:
        with self.watched(item), item.open() as stream:
            yield stream

    def _verify(self, files: dict[Path, Remembered]) -> None:
        """Verify which files have all their chunks in packs, as they are remembered."""
        recipes = {place: file.recipe for place, file in files.items() if file.recipe}
        wanted: defaultdict[PackName, set[Ref]] = defaultdict(set)
        for place, recipe in recipes.items():
            for ref in recipe.chunks:
                wanted[_pack(ref)].add(ref)
            if home := files[place].home:
                wanted[home].update()
        unusable = self._chunk_index.select_unusable(wanted)
        slots: dict[Ref, PendingChunk] = {}
        for place, recipe in recipes.items():
            if unusable.isdisjoint(map(_pack, recipe.chunks)):
                self._written[place] = _written(recipe, slots)


def _place(item: Item) -> Path | None:
    """Return the local file that an item is, if it is worth remembering, or None."""
    return Path(item.local) if item.local and item.size >= LEAST else None


def _pack(ref: Ref) -> PackName:
    assert isinstance(ref.location, PackName), "a recipe refers to packs alone"
    return ref.location


def _written(recipe: Recipe, slots: dict[Ref, PendingChunk]) -> WrittenStream:
    """Return a file as if it had just been written. Equal chunks share one reference, also between files."""
    places = {ref.id: ref for ref in recipe.chunks}
    written = WrittenStream(-1, recipe.size, hashing=recipe.sha256)
    for ref in map(places.__getitem__, [ref.id for ref in recipe.chunks]):
        slot = slots.setdefault(ref, PendingChunk(ref.id, ref.raw))
        slot.resolved = ref
        written.chunks.append(slot)
    return written


def _remembered(entry: Entry, written: WrittenStream | None, known: Callable[[bytes], Ref | None] | None) -> Remembered:
    if written is None or not written.chunks:
        return Remembered(entry.sha256)
    recipe = Recipe(written.size, written.sha256, tuple(slot.ref for slot in written.chunks))
    home = known(encode_recipe(recipe)) if known and len(recipe.chunks) > 1 else None
    return Remembered(entry.sha256, recipe, _pack(home) if home else None)
