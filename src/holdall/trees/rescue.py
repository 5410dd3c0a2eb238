"""What was staged, and is being collected before it is committed (W4, W6, W7 of SPEC.md, "Garbage").

A commit stages for as long as it takes, and a collector may condemn packs
meanwhile: those that it borrows from, and its own if it slept for a day. A
fence in the log says so. Then their chunks are copied while they are there, or
read again from their sources.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence

from holdall.chunks.pending import PendingChunk
from holdall.chunks.writer import ChunkWriter
from holdall.errors import FencedOffError, IntegrityError, SourceChangedError, SourceUnreadableError
from holdall.format.layout import PackName
from holdall.format.reference import Ref
from holdall.trees.session import Session
from holdall.trees.staged import Staged
from holdall.trees.unchanged_files import UnchangedFiles


class Rescuer:
    """Looks after what one commit has staged. Not for several threads at once."""

    def __init__(self, session: Session, unchanged: UnchangedFiles) -> None:
        self._session, self._unchanged = session, unchanged
        self._era = session.chunk_index.era  # in which it was found out where the chunks are

    @property
    def began_again(self) -> bool:
        """Return whether the session began again since it was found out where chunks are (W6, W7)."""
        return self._era != self._session.chunk_index.era

    @property
    def is_due(self) -> bool:
        """Return whether anything may be condemned, as far as the session has looked."""
        return self.began_again or self._session.chunk_index.has_garbage_state

    def rescue(self, writer: ChunkWriter, fresh: Sequence[Staged]) -> None:
        """Copy staged chunks out of packs that are being collected, or read them again from their sources (W4).

        Where the session began again meanwhile (W6, W7), what was staged before counts as another's: the footers of
        its packs are read again, and a pack whose footer cannot be had is as good as gone.
        """
        index = self._session.chunk_index
        writer.resolve_pending()
        lost = index.condemned()
        if self._era != index.era:
            writer.keep_up()
            era = index.begin_reading()
            lost |= index.select_unusable(_packs_of(slot for staged in fresh for slot in staged.chunks))
            self._era = era
        for staged in (one for one in fresh if one.is_in(lost)):
            endangered = _packs_of(slot for slot in staged.chunks if slot.ref.location in lost)
            try:
                for pack, refs in endangered.items():
                    self._move(writer, staged, pack, refs)
            except FencedOffError as error:
                self._read_again(writer, staged, lost, error)

    def _move(self, writer: ChunkWriter, staged: Staged, pack: PackName, refs: Iterable[Ref]) -> None:
        """Copy the chunks of one pack. Raises: FencedOffError: it is gone, or damaged."""
        slots = list({slot.id: slot for slot in staged.chunks if slot.ref in refs}.values())
        try:
            contents = self._session.blobs.packs.read([slot.ref for slot in slots])
        except IntegrityError as error:
            raise FencedOffError(staged.entry.path, str(pack)) from error
        writer.repack(slots, contents)

    def _read_again(self, writer: ChunkWriter, staged: Staged, lost: Container[object], error: FencedOffError) -> None:
        """Read a file again, as chunks of it are gone from the bucket; raise the error if its source is gone, too."""
        item, old = staged.item, staged.chunks
        if item is None:
            raise error
        writer.forget(slot for slot in old if slot.ref.location in lost)
        try:
            with self._unchanged.open(item) as stream:
                staged.written = writer.write(stream)
        except SourceUnreadableError:
            if staged.recalled:  # it was not read yet: the disk's error says what to do
                raise
            raise error from None
        writer.resolve_pending()
        staged.recalled = False
        if staged.written.sha256 != staged.entry.sha256:
            raise SourceChangedError(str(item.local or item.path), "it changed while it was logged")
        new = {slot.id: slot.resolved for slot in staged.written.chunks}
        for slot in old:  # which other files may share
            slot.resolved = new.get(slot.id, slot.resolved)


def _packs_of(slots: Iterable[PendingChunk]) -> dict[PackName, set[Ref]]:
    """Return where chunks are, by pack."""
    found: defaultdict[PackName, set[Ref]] = defaultdict(set)
    for slot in slots:
        assert isinstance(slot.ref.location, PackName), "chunks of files are in packs, or in the entry that adds them"
        found[slot.ref.location].add(slot.ref)
    return found
