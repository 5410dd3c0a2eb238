"""The files of a run on their way into the same run of another store.

Chunks go as they are (`chunks/relay.py`), but for their ids and seals where a
store is encrypted. What says where they are is made anew, as it names the other
store's packs: recipes and the nodes of the tree. A commit that is small travels in its log entry, as anybody's does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final

from holdall.chunks.observer import SILENT, Transfer
from holdall.chunks.relay import Relay, RelayedFile, StoredReader
from holdall.chunks.writer import ChunkWriter
from holdall.format.document import Json
from holdall.format.entry import InlineBlob
from holdall.format.layout import PackName
from holdall.format.recipe import Recipe, encode_recipe, parse_recipe
from holdall.format.reference import CHUNK, JSON_BLOB, NODE, RECIPE, Ref
from holdall.format.tree import Entry, Kind
from holdall.trees import tree_builder
from holdall.trees.blobs import RunBlobReader
from holdall.trees.location import Location
from holdall.trees.session import Session
from holdall.trees.snapshot import INLINE, InlineBlobs

_ROW: Final = 95  # bytes of a file's row in a tree, at least
_AT_ONCE: Final = 256  # recipes that are read side by side


@dataclass(frozen=True, slots=True)
class Sent:
    """What a commit of copied files did: bytes that the bucket did not have, decoded and encoded."""

    new_bytes: int = 0
    stored_bytes: int = 0


class FileCopy:
    """The files of one commit. Not for several threads at once.

    Args:
        source: The store that has them, and `blobs` of the run there.
        session: Of the run in the other store.
        entries: What is to be copied, ascending.
        transfer: Is told how far it has come.
        verify: Whether each file is hashed whole, also where the other store has pieces of it.
    """

    def __init__(
        self,
        source: Location,
        blobs: RunBlobReader,
        session: Session,
        entries: Sequence[Entry],
        transfer: Transfer = SILENT,
        verify: bool = True,
    ) -> None:
        self._verify = verify
        self._source, self._blobs, self._session, self._entries = source, blobs, session, entries
        self._transfer = transfer
        self._writer: ChunkWriter | None = None
        self._placed: dict[str, list[Ref]] = {}
        self._era = session.chunk_index.era  # in which it was found out where its chunks are
        self._moved: dict[bytes, Ref] = {}  # chunks that had to be sent again, as their packs are condemned
        self.sent = Sent()

    @property
    def small(self) -> bool:
        """Return whether all of it may travel in the log entry."""
        files = [entry for entry in self._entries if entry.content]
        return all(entry.whole for entry in files) and sum(entry.size + _ROW for entry in files) <= INLINE

    def stage(self) -> None:
        """Send what the other store lacks, unless all is small; nothing refers to it yet.

        Raises:
            IntegrityError: Something is not what it was at the source.
        """
        if self.small:
            return
        self._relay(self._new_writer()).send(self._outgoing())

    def draft(self) -> tuple[Json, list[InlineBlob]]:
        """Return the operation that commits the files and what its entry carries; asked again after a lost race."""
        blobs: list[InlineBlob] = []
        root = self._inline(blobs) if self._writer is None else self._packed(self._writer)
        stats = self._writer.stats if self._writer else None
        new = stats.new if stats else sum(blob.raw for blob in blobs if blob.kind == CHUNK)
        stored = stats.stored if stats else sum(len(blob.data) for blob in blobs)
        self.sent = Sent(new, stored)
        files = [entry for entry in self._entries if entry.kind is Kind.FILE]
        sums = {"files": len(files), "bytes": sum(entry.size for entry in files)}
        return {"op": "commit", "tree": root.to_json()} | sums | {"new_bytes": new, "stored_bytes": stored}, blobs

    # --- inside ---

    def _outgoing(self) -> Iterator[RelayedFile]:
        for entry, chunks in self._with_chunks():
            file = RelayedFile(entry.path, entry.size, entry.sha256, chunks)
            self._placed[entry.path] = file.placed
            yield file

    def _inline(self, blobs: list[InlineBlob]) -> Ref:
        inline = InlineBlobs(blobs, self._session.blobs.sealing)
        whole = [entry for entry in self._entries if entry.content]
        contents = self._blobs.read([entry.content for entry in whole if entry.content])
        placed = {
            entry.path: entry.at(inline.place(data, CHUNK), whole=True)
            for entry, data in zip(whole, contents, strict=True)
        }
        entries = [placed.get(entry.path, entry) for entry in self._entries]
        return tree_builder.build(entries, partial(inline.place, kind=NODE))

    def _packed(self, writer: ChunkWriter) -> Ref:
        self._rescue(writer)
        entries = [self._at_home(writer, entry) for entry in self._entries]
        root = tree_builder.build(entries, partial(self._place_node, writer))
        writer.flush()
        return root

    def _at_home(self, writer: ChunkWriter, entry: Entry) -> Entry:
        """Return an entry with its content where the other store has it."""
        if entry.content is None:
            return entry
        places = tuple(self._moved.get(ref.id, ref) for ref in self._placed[entry.path])
        if len(places) == 1:
            return entry.at(places[0], whole=True)
        recipe = encode_recipe(Recipe(entry.size, entry.sha256, places))
        return entry.at(writer.put_blob(recipe, RECIPE), whole=False)

    def _place_node(self, writer: ChunkWriter, data: bytes) -> Ref:
        ref = writer.put_blob(data, NODE)
        self._session.blobs.remember_node(ref, data)
        return ref

    def _rescue(self, writer: ChunkWriter) -> None:
        """Send chunks again whose packs a collector has condemned meanwhile (W4): the source has them.

        Where the session began again (W6, W7), what was sent before counts as another's: its footers are read again.
        """
        index = self._session.chunk_index
        if self._era == index.era and not index.has_garbage_state:
            return
        lost = set(index.condemned())
        if self._era != index.era:
            writer.keep_up()
            era = index.begin_reading()
            lost |= index.select_unusable(self._places())
            self._era = era
        again = [
            RelayedFile(entry.path, 0, b"", [chunk])
            for entry, chunks in self._with_chunks()
            for chunk, place in zip(chunks, self._placed[entry.path], strict=True)
            if self._moved.get(place.id, place).location in lost
        ]
        self._relay(writer, parts_of_files=True).send(again)
        self._moved |= {file.placed[0].id: file.placed[0] for file in again}

    def _places(self) -> dict[PackName, set[Ref]]:
        """Return where all chunks are by now, by pack."""
        found: defaultdict[PackName, set[Ref]] = defaultdict(set)
        for ref in chain.from_iterable(self._placed.values()):
            place = self._moved.get(ref.id, ref)
            if isinstance(place.location, PackName):
                found[place.location].add(place)
        return found

    def _with_chunks(self) -> Iterator[tuple[Entry, Sequence[Ref]]]:
        """Yield each file that has content, with its chunks at the source."""
        files = [entry for entry in self._entries if entry.content]
        for at in range(0, len(files), _AT_ONCE):
            some = files[at : at + _AT_ONCE]
            cut = [entry for entry in some if not entry.whole]
            recipes = self._blobs.read([entry.content for entry in cut if entry.content]) if cut else []
            chunks = {entry.path: parse_recipe(data).chunks for entry, data in zip(cut, recipes, strict=True)}
            yield from ((entry, chunks.get(entry.path) or _whole(entry)) for entry in some)

    def _new_writer(self) -> ChunkWriter:
        self._writer = self._session.writer(self._transfer)
        return self._writer

    def _relay(self, writer: ChunkWriter, *, parts_of_files: bool = False) -> Relay:
        source = self._source
        reader = StoredReader(source.bucket, source.pool, source.damage, self._blobs.read)
        target = self._session.location
        window = min(target.descriptor.pack_size, target.pool.memory // 8)
        whole = self._verify and not parts_of_files
        return Relay(
            reader,
            writer,
            window=window,
            whole=whole,
            hashes=not parts_of_files,
            renamed=source.sealing.sealed or writer.sealing.sealed,
            transfer=self._transfer,
        )


def place_environment(blobs: RunBlobReader, ref: Ref, writer: ChunkWriter, carried: list[InlineBlob]) -> Json:
    """Return the operation that tells what ran where, once its blob was placed in an entry or a pack."""
    (data,) = blobs.read([ref])
    if len(data) > INLINE:
        place = writer.put_blob(data, JSON_BLOB)
        writer.flush()
    else:
        place = InlineBlobs(carried, writer.sealing).place(data, JSON_BLOB)
    return {"op": "environment", "facts": place.to_json()}


def missing_entries(there: Iterable[Entry], here: Iterable[Entry]) -> tuple[list[Entry], str]:
    """Return what one run holds and its copy does not, and a path where the copy holds something else ("": nowhere)."""
    copied = {entry.path: entry for entry in here}
    missing = []
    for entry in there:
        known = copied.pop(entry.path, None)
        if known is None:
            missing.append(entry)
        elif not known.same_as(entry):
            return missing, entry.path
    return missing, next(iter(copied), "")


def _whole(entry: Entry) -> Sequence[Ref]:
    assert entry.content, "it was asked for those that have content"
    return (entry.content,)
