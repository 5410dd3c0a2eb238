"""Files on their way into a commit: what was read of them, and where it is."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Final

from holdall.chunks.cutter import Readable
from holdall.chunks.observer import Transfer
from holdall.chunks.pending import PendingChunk, WrittenStream
from holdall.errors import IntegrityError
from holdall.format import digest
from holdall.format.recipe import Recipe, encode_recipe, parse_recipe, recipe_length, recipe_packs
from holdall.format.reference import CHUNK, RECIPE, Ref
from holdall.format.tree import Entry, Kind
from holdall.trees.source import Item
from holdall.trees.streams import blocks

_TOLD: Final = 4 << 20  # bytes after which an observer hears of them


@dataclass(slots=True)
class Staged:
    """An item whose bytes were read or recalled: they are held here, or written as chunks."""

    entry: Entry  # without content
    data: bytes | None = None
    written: WrittenStream | None = None
    item: Item | None = None  # to read it again from; None where that is never needed
    recalled: bool = False  # whether its chunks were: then its bytes were not read
    recipe: bytes | None = None  # where workers wrote it: its chunks are taken out of it when somebody asks
    slots: dict[Ref, PendingChunk] = field(default_factory=dict)  # of chunks that it may share with other files

    @classmethod
    def packed(cls, entry: Entry, recipe: bytes | None, slots: dict[Ref, PendingChunk], item: Item) -> Staged:
        """Return a file that workers have stored; None is the recipe of an empty one."""
        if recipe is None:
            return cls(entry, written=WrittenStream(-1, hashing=entry.sha256), item=item)
        return cls(entry, item=item, recipe=recipe, slots=slots)

    @property
    def chunks(self) -> list[PendingChunk]:
        """Return the chunks that it was written as."""
        return written.chunks if (written := self.stream) else []

    @property
    def stream(self) -> WrittenStream | None:
        """Return what was written of it, chunk by chunk."""
        if self.recipe is not None:
            self.written, self.recipe = _unpack(parse_recipe(self.recipe), self.slots), None
        return self.written

    def is_in(self, packs: Container[object]) -> bool:
        """Return whether it has chunks in some of these packs."""
        if self.recipe is not None:
            return any(pack in packs for pack in recipe_packs(self.recipe))
        return any(slot.ref.location in packs for slot in self.chunks)

    def name(self) -> None:
        """Wait for the file's SHA-256, which is made while the next files are read."""
        if self.written and not self.entry.sha256:
            entry, written = self.entry, self.written
            self.entry = Entry(entry.path, entry.kind, written.size, written.sha256, entry.executable)

    def place(self, put: Callable[[bytes, int], Ref]) -> Entry:
        """Return the entry with its content where it now is; `put` places a blob of some kind.

        Raises:
            IntegrityError: The chunks are not all of the file.
        """
        entry = self.entry
        if self.data:
            return entry.at(put(self.data, CHUNK), whole=True)
        if self.recipe is not None and recipe_length(self.recipe) > 1:
            return entry.at(put(self.recipe, RECIPE), whole=False)
        if (written := self.stream) is None:
            return entry
        if sum(slot.raw for slot in written.chunks) != written.size:
            raise IntegrityError(entry.path, "its chunks are not all of it, as an interrupt may leave it: log it again")
        if not written.chunks:
            return entry
        refs = tuple(slot.ref for slot in written.chunks)
        if len(refs) == 1:
            return entry.at(refs[0], whole=True)
        recipe = encode_recipe(Recipe(written.size, written.sha256, refs))
        return entry.at(put(recipe, RECIPE), whole=False)


def _unpack(recipe: Recipe, slots: dict[Ref, PendingChunk]) -> WrittenStream:
    """Return a file of which workers have written the recipe, as if it had been written here."""
    written = WrittenStream(-1, recipe.size, hashing=recipe.sha256)
    for ref in recipe.chunks:
        slot = slots.setdefault(ref, PendingChunk(ref.id, ref.raw))
        slot.resolved = slot.resolved or ref
        written.chunks.append(slot)
    return written


def file_entry(item: Item, size: int, sha256: bytes) -> Entry:
    """Return the entry of a file, without content."""
    return Entry(item.path, Kind.FILE, size, sha256, item.executable)


def hash_file(item: Item, stream: Readable, transfer: Transfer) -> Entry:
    """Read a file to its end, and return its entry without content."""
    hasher, size, told = digest.file_hash(), 0, 0
    for block in blocks(stream):
        hasher.update(block)
        size += len(block)
        if size - told >= _TOLD:
            transfer.add(size - told, size - told)
            told = size
    transfer.add(size - told, size - told)
    return file_entry(item, size, hasher.digest())
