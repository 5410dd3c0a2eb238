"""Files on their way into a commit: what was read of them, and where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from holdall.chunks.cutter import Readable
from holdall.chunks.observer import Transfer
from holdall.chunks.pending import PendingChunk, WrittenStream
from holdall.errors import IntegrityError
from holdall.format import digest
from holdall.format.recipe import Recipe, encode_recipe
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

    @property
    def chunks(self) -> list[PendingChunk]:
        """Return the chunks that it was written as."""
        return self.written.chunks if self.written else []

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
        entry, written = self.entry, self.written
        if self.data:
            return entry.at(put(self.data, CHUNK), whole=True)
        if written is None:
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
