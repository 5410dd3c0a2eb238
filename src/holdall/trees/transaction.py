"""Many files, one commit: stage, then publish all or nothing.

Staging reads the files and uploads what the bucket lacks; nothing of it can be
seen. Publishing is one log entry. What is small travels inside that entry, so
that logging one small file is one request.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from holdall.chunks.cutter import Readable
from holdall.chunks.observer import SILENT, Transfer, begin_transfer
from holdall.chunks.packer import WriteStats
from holdall.chunks.writer import ChunkWriter
from holdall.errors import (
    ArtifactExistsError,
    ConflictError,
    RunNotVersionedError,
)
from holdall.format import digest
from holdall.format.document import Json
from holdall.format.entry import InlineBlob
from holdall.format.paths import REFERS, check_versioned_path, sort_key
from holdall.format.reference import CHUNK, NODE, Ref
from holdall.format.tree import Entry, Kind
from holdall.trees import tree_builder
from holdall.trees.conflicts import fresh_paths, refuse_targets, with_parents
from holdall.trees.replacing import Replacing, Trimming
from holdall.trees.rescue import Rescuer
from holdall.trees.session import Draft, Session
from holdall.trees.sharing import SharedStaging
from holdall.trees.snapshot import INLINE, InlineBlobs
from holdall.trees.source import Item
from holdall.trees.staged import Staged, file_entry, hash_file
from holdall.trees.streams import Rejoined, at_most
from holdall.trees.unchanged_files import UnchangedFiles
from holdall.trees.view import View

_log = logging.getLogger("holdall")
# What else the commit's entry says, given the run just before it; what it raises, the commit raises.
ExtraOps: TypeAlias = Callable[[View], Sequence[Json]]
_UNKNOWN: Final = (
    "run %s: whether it holds %r already, and what else is logged with it, is not known, as something cannot be read: "
    "%s. It is logged all the same; should that be mended and hold other content there, what was first stands"
)
_LEAST: Final = 95  # bytes of a file's row in a tree: with more of them than fit, an entry need not be tried


@dataclass(frozen=True, slots=True)
class Published:
    """What a commit did.

    Attributes:
        entries: The entry at each staged path, new or not, without the place of its content.
        new_bytes: Bytes of content that the bucket did not have.
        stored_bytes: Bytes that were uploaded for the commit, as encoded.
        again_bytes: Of the new ones, what the bucket had, stored again so that files stay in few pieces.
        committed: Whether there was anything to commit.
    """

    entries: tuple[Entry, ...]
    new_bytes: int = 0
    stored_bytes: int = 0
    again_bytes: int = 0
    committed: bool = False


class Transaction:
    """One commit in the making, of one session. Not for several threads at once.

    `inline_last`: small files wait until it is known whether the large ones have anything new, and travel in the
    entry if not. Elsewhere they are packed in their turn, beside their neighbours.
    `closing`: the entry that commits closes the session, if that was opened meanwhile.
    """

    def __init__(
        self,
        session: Session,
        extra_ops: ExtraOps | None = None,
        *,
        inline_last: bool = False,
        replacing: Replacing | None = None,
        closing: bool = False,
    ) -> None:
        self._session, self._extra_ops, self._inline_last, self._closing = session, extra_ops, inline_last, closing
        self._replacing, self._trimming = replacing, Trimming(session, replacing)
        self._unchanged = UnchangedFiles(session.location, session.chunk_index)
        self._shared = SharedStaging(session, self._unchanged)
        self._rescuer = Rescuer(session, self._unchanged)
        self._writer: ChunkWriter | None = None
        self._staged: dict[str, Staged] = {}
        self._held = 0
        self._counts = (0, 0, 0)
        self._transfer: Transfer = SILENT
        self._until_published = ExitStack()
        self._warned = False  # that it is not known whether its paths are taken

    def stage(self, items: Sequence[Item]) -> None:
        """Read these items, but for unchanged files, and upload what the bucket lacks.

        Raises:
            ArtifactExistsError: A path holds other content already.
            RegisteredPathError: A path is new, at or below one that is registered as a version.
            SourceError: A file cannot be read, or changed meanwhile.
            StorageError: The bucket does not answer.
        """
        with self._settled(), self._until_published.pop_all() as ends:  # at once, if this fails
            if self._transfer is SILENT:
                total = sum(item.size for item in items)  # 0 where a stream does not know its own
                self._transfer = begin_transfer(self._session.location.observer, "log", total or None)
                ends.enter_context(self._transfer)
            self._refuse(items)
            if sum(item.size for item in items) > INLINE:  # what is less travels in the entry, and looks at no pack
                self._session.open()
            there = self._session.view.paths.lookup([item.path for item in items]).there
            self._unchanged.lookup(items, () if self._versioned else there)
            shared = self._share(items, there)
            for number, item in enumerate(items):
                self._add(shared.get(number) or self._stage(item, there.get(item.path)))
            if any(staged.recalled for staged in self._staged.values()):
                self._writer = self._chunks  # that knows where recipes are, and moves what is condemned
            self._until_published = ends.pop_all()

    def publish(self) -> Published:
        """Make all that was staged visible at once. What the run has already is left out.

        Raises:
            ArtifactExistsError: A path holds other content already.
            PathConflictError: There is a file where a directory is needed, or the reverse.
            CommitStateUnknownError: The bucket stopped answering at the decisive moment.

        Cost: one PUT if all is small; else the packs and their hints before it.
        """
        with self._settled(), self._until_published:
            for staged in self._staged.values():
                staged.name()
            last = self._closing and self._session.opened
            entry = (self._session.close_with if last else self._session.append)(self._draft)
            if self._writer:
                self._writer.finish_hints()  # that went beside the entry: who is killed meanwhile lacks only advice
            self._keep(committed=entry is not None)
            self._trimming.write_rest()
            self._transfer.add(sum(len(staged.data) for staged in self._staged.values() if staged.data))
        entries = tuple(staged.entry for staged in self._staged.values())
        return Published(entries, *self._counts, committed=True) if entry else Published(entries)

    @contextmanager
    def _settled(self) -> Iterator[None]:
        """Let nothing that was sent go on behind a failure: who catches it may delete the bucket, or fork.

        An interrupt does not wait for packs; whoever is that impatient lets them arrive, or ends the process.
        """
        try:
            yield
        except Exception:
            if self._writer:
                self._writer.settle()
            raise

    # --- staging ---

    def _add(self, staged: Staged) -> None:
        path = staged.entry.path
        other = self._staged.setdefault(path, staged)
        if other is staged:
            return
        other.name()
        staged.name()
        if not other.entry.same_as(staged.entry):
            raise ArtifactExistsError(self._run_id, path, str(other.entry), str(staged.entry))

    def _refuse(self, items: Sequence[Item]) -> None:
        """Refuse what a pin forbids, what only a versioned run takes, and what only others do."""
        if self._replacing and not self._versioned:
            raise RunNotVersionedError(self._run_id)
        for item in items if self._versioned else ():
            check_versioned_path(item.path)
        self._session.refuse_registered([item.path for item in items])

    def _share(self, items: Sequence[Item], there: Container[str]) -> dict[int, Staged]:
        """Have workers read what is much; of small files what may travel in the entry stays here."""
        read = {
            number: item
            for number, item in enumerate(items)
            if (self._versioned or item.path not in there) and not (self._inline_last and item.size <= INLINE)
        }
        if not self._shared.is_worth(read.values()):
            return {}
        unknown = {number: item for number, item in read.items() if not self._unchanged.written(item)}
        return self._shared.stage(unknown, self._transfer)

    def _stage(self, item: Item, there: Entry | None) -> Staged:
        """Stage an item; in a versioned run what is there now may be gone when it is published, so it is read."""
        return self._read(item) if there is None or self._versioned else self._unread(item, there)

    @property
    def _versioned(self) -> bool:
        return self._session.view.state.versioned

    def _unread(self, item: Item, there: Entry) -> Staged:
        """Stage an item whose path is taken: only whether it is the same needs to be known."""
        offered = Entry(item.path, item.kind, executable=item.executable, target=item.target)
        if known := self._unchanged.entry(item):
            self._transfer.add(known.size, known.size)
            offered = known
        elif item.kind is Kind.FILE:
            with self._unchanged.open(item) as stream:
                offered = hash_file(item, stream, self._transfer)
        if not offered.same_as(there):
            raise ArtifactExistsError(self._run_id, item.path, str(there), str(offered))
        return Staged(there)

    def _read(self, item: Item) -> Staged:
        if item.kind is not Kind.FILE:
            return Staged(Entry(item.path, item.kind, target=item.target))
        if recalled := self._unchanged.written(item):
            self._transfer.add(recalled.size, recalled.size)
            return Staged(
                Entry(item.path, Kind.FILE, executable=item.executable), written=recalled, item=item, recalled=True
            )
        with self._unchanged.open(item) as opened:
            stream: Readable = opened
            if (self._writer is None or self._inline_last) and self._held + item.size <= INLINE:
                data = at_most(stream, INLINE - self._held)
                if self._held + len(data) <= INLINE:
                    return self._hold(item, data)
                stream = Rejoined(data, stream)  # it is longer than it said
            if self._held and not self._inline_last:
                self._pack_small_files()
            written = self._chunks.write(stream, path=item.path)
        return Staged(Entry(item.path, Kind.FILE, executable=item.executable), written=written, item=item)

    def _hold(self, item: Item, data: bytes) -> Staged:
        self._held += len(data)
        return Staged(file_entry(item, len(data), digest.sha256(data)), data=data, item=item)

    def _pack_small_files(self) -> None:
        """Write the small files that were held back into packs."""
        self._held = 0
        for staged in self._staged.values():
            if staged.data:
                staged.written = self._chunks.write(io.BytesIO(staged.data), path=staged.entry.path)
            staged.data = None

    @property
    def _chunks(self) -> ChunkWriter:
        self._writer = self._writer or self._session.writer(self._transfer, previous=True)
        return self._writer

    @property
    def _run_id(self) -> str:
        return self._session.journal.log.rpartition("/")[2]

    # --- publishing; the session calls `_draft` again after each lost race ---

    def _draft(self) -> Draft | None:
        fresh = self._without_conflicts() if not self._versioned else self._without_stale_conflicts()
        if not fresh:
            return None
        op, blobs = self._commit(fresh)
        trims = self._trimming.ops([staged.entry for staged in fresh])
        more = [*trims, *(self._extra_ops(self._session.view) if self._extra_ops else ())]
        return Draft([op, *more], blobs)

    def _commit(self, fresh: Sequence[Staged]) -> tuple[Json, list[InlineBlob]]:
        """Return the operation that commits these, after all of it was placed, and what the entry carries for it."""
        self._rescue(fresh)
        root, blobs = self._seal(fresh)
        files = [staged.entry for staged in fresh if staged.entry.kind is Kind.FILE]
        packed = self._shared.stats + (self._writer.stats if self._writer else WriteStats())
        inline = [blob for blob in blobs if blob.kind == CHUNK]
        new = sum(blob.raw for blob in inline) + packed.new
        stored = sum(len(blob.data) for blob in blobs) + packed.stored
        again = packed.rewritten
        self._counts = new, stored, again
        op = {
            "op": "commit",
            "tree": root.to_json(),
            "files": len(files),
            "bytes": sum(entry.size for entry in files),
            "new_bytes": new,
            "stored_bytes": stored,
        } | ({"again_bytes": again} if again else {})
        return op, blobs

    def _without_stale_conflicts(self) -> list[Staged]:
        """Return as `_without_conflicts`; in a versioned run what is there may be gone, so that is looked at again."""
        try:
            if fresh := self._without_conflicts():
                return fresh
        except ConflictError:
            pass
        self._session.follow()
        return self._without_conflicts()

    def _without_conflicts(self) -> list[Staged]:
        """Return what the run has not yet, ascending; or raise the error that says why it cannot be there."""
        self._session.refuse_registered(list(self._staged))
        wanted = {path: staged.entry for path, staged in self._staged.items()}
        lookup = self._session.view.paths.lookup(with_parents(wanted))
        fresh = fresh_paths(self._run_id, wanted, lookup, replace=self._replacing is not None)
        if fresh and REFERS in self._session.view.state.tags:
            refuse_targets(self._run_id, {path: wanted[path] for path in fresh}, self._session.view.paths.lookup)
        self._session.view.refuse_changes(path for path in fresh if path in lookup.there)
        if lookup.unread and fresh and not self._warned:
            self._warned = True
            _log.warning(_UNKNOWN, self._run_id, fresh[0], "; ".join(map(str, lookup.unread)))
        return [self._staged[path] for path in sorted(fresh, key=sort_key)]

    def _seal(self, fresh: Sequence[Staged]) -> tuple[Ref, list[InlineBlob]]:
        """Return the root of the commit's tree, after every blob below it was placed.

        If no pack is in the making and the rest is small, it goes into the entry.
        """
        writer = self._writer
        if writer:
            writer.resolve_pending()
        if not (writer and writer.unsent) and _LEAST * sum(staged.entry.size > 0 for staged in fresh) <= INLINE:
            inline = InlineBlobs([], self._session.blobs.sealing)
            root = tree_builder.build(
                [staged.place(partial(self._inline, inline)) for staged in fresh], partial(inline.place, kind=NODE)
            )
            if inline.fits:
                if writer:
                    writer.flush_packs()
                return root, inline.blobs
        self._pack_small_files()
        self._chunks.resolve_pending()
        entries = [staged.place(self._put) for staged in fresh]
        root, blobs = self._plant(entries)
        self._chunks.flush_packs()
        return root, blobs

    def _plant(self, entries: Sequence[Entry]) -> tuple[Ref, list[InlineBlob]]:
        """Return the root of the commit's tree; its nodes go into a pack, too.

        In a versioned run the entry carries them where it can: content may be given up while its entry is needed, and
        no pack of it should stay for the sake of a node.
        """
        inline = InlineBlobs([], self._session.blobs.sealing)
        if self._carries_nodes:
            root = tree_builder.build(entries, partial(inline.place, kind=NODE))
            if inline.fits:
                return root, inline.blobs
        return tree_builder.build(entries, self._place_node), []

    @property
    def _carries_nodes(self) -> bool:
        """Return whether the entry carries the nodes of its tree if it can, also where content is in packs."""
        return self._versioned

    def _place_node(self, data: bytes) -> Ref:
        ref = self._chunks.put_blob(data, NODE)
        self._session.blobs.remember_node(ref, data)
        return ref

    def _inline(self, inline: InlineBlobs, data: bytes, kind: int) -> Ref:
        """Place a blob in the entry, unless a pack has it already."""
        return self._find(data) or inline.place(data, kind)

    def _put(self, data: bytes, kind: int) -> Ref:
        """Place a blob in a pack, unless one has it already."""
        return self._shared.home(self._session.blobs.sealing.blob_id(data)) or self._chunks.put_blob(data, kind)

    def _find(self, data: bytes) -> Ref | None:
        """Return where the bucket has a blob already, if that is known."""
        home = self._shared.home(self._session.blobs.sealing.blob_id(data))
        return home or (self._writer.find_blob(data) if self._writer else None)

    def _rescue(self, fresh: Sequence[Staged]) -> None:
        """See that nothing that was staged is being collected."""
        if (self._writer is not None or self._shared.used) and self._rescuer.is_due:
            if self._rescuer.began_again:
                self._shared.forget_homes()
            self._rescuer.rescue(self._chunks, fresh)

    def _keep(self, *, committed: bool) -> None:
        """Remember the files that were read: their chunks, too, if they were acknowledged."""
        files = ((staged.entry, staged.stream if committed else None) for staged in self._staged.values())
        self._unchanged.keep(files, self._find)
