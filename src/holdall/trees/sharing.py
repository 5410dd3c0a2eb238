"""Which files of a commit worker processes read and store, and what comes of that.

Small work stays in this process: what is staged is shared from some hundred
megabytes on. So are local files alone, which a worker can open, and buckets
that it can open too. The rest of a commit, and whatever happens after staging,
is as in one process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

from holdall.chunks.claims import ClaimTable
from holdall.chunks.observer import Transfer
from holdall.chunks.packer import WriteStats
from holdall.chunks.pending import PendingChunk
from holdall.chunks.shared_writing import PackedFile, SharedWriter, UnclaimedError
from holdall.chunks.worker_writing import Task
from holdall.format.reference import Ref
from holdall.format.tree import Entry, Kind
from holdall.storage.travelling import pack_bucket
from holdall.trees.previous import Beginning, PreviousVersions
from holdall.trees.session import Session
from holdall.trees.shared_files import LocalFile
from holdall.trees.source import Item
from holdall.trees.staged import Staged
from holdall.trees.unchanged_files import UnchangedFiles
from holdall.workers.worker import Worker

_FEWEST: Final = 2  # workers: one alone is no quicker than this process
_MOST: Final = 4  # times the least that a part of a file has, where a file is long


class SharedStaging:
    """What workers did for one commit. Not for several threads at once.

    Attributes:
        used: Whether they did anything.
        stats: What they stored.
    """

    def __init__(self, session: Session, unchanged: UnchangedFiles) -> None:
        self._session, self._unchanged = session, unchanged
        self._homes: dict[bytes, Ref] = {}  # of recipes, by id
        self._slots: dict[Ref, PendingChunk] = {}
        self.used, self.stats = False, WriteStats()

    def stage(self, items: Mapping[int, Item], transfer: Transfer) -> dict[int, Staged]:
        """Have workers store files; return what was staged by the numbers of these items, nothing where it stays here.

        Raises: as `Transaction.stage`, and WorkerDiedError where one is lost: then nothing was staged.

        Cost: as in one process, and at most one more pack for each worker.
        """
        local = {number: item for number, item in items.items() if _is_local(item)}
        location, size = self._session.location, _size(local.values())
        bucket = pack_bucket(self._session.bucket) if self.is_worth(local.values()) else None
        if bucket is None:
            return {}
        most = min(location.crew.count, max(_FEWEST, size // location.sharing.part))
        with location.workers(most) as workers, ExitStack() as ends:
            if len(workers) < _FEWEST:
                return {}
            files = [LocalFile.at(str(item.local)) for item in local.values()]
            for item in local.values():
                ends.enter_context(self._unchanged.watched(item))
            try:
                found = self._write(workers, files, [item.path for item in local.values()], bucket, transfer)
            except UnclaimedError:
                return {}
        return {number: self._staged(item, file) for (number, item), file in zip(local.items(), found, strict=True)}

    def is_worth(self, items: Iterable[Item]) -> bool:
        """Return whether so much is read that workers are asked."""
        location = self._session.location
        return location.crew.count >= _FEWEST and _size(filter(_is_local, items)) >= location.sharing.least

    def home(self, blob: bytes) -> Ref | None:
        """Return where a worker has put the recipe of an id, if it may be referred to."""
        there = self._homes.get(blob)
        return there if there and self._session.chunk_index.is_allowed(there) else None

    def forget_homes(self) -> None:
        """Forget where recipes are, since the session began again (W6, W7)."""
        self._homes.clear()

    def _write(
        self,
        workers: Sequence[Worker],
        files: Sequence[LocalFile],
        paths: Sequence[str],
        bucket: bytes,
        transfer: Transfer,
    ) -> list[PackedFile]:
        """Have workers write files, and take in what they have learned."""
        location, chunker = self._session.location, self._session.location.descriptor.chunker
        with ClaimTable(sum(file.size for file in files) // chunker.average) as claims:
            tasks, part = self._tasks(bucket, len(workers), claims.path), location.sharing.part
            writer = SharedWriter(
                workers,
                tasks,
                transfer,
                location.damage,
                least=part,
                most=_MOST * part,
                paths=paths,
                name=self._session.blobs.sealing.blob_id,
                begun=claims.unlink,  # so that nothing is left of the table, however this process ends
            )
            found = writer.write(files)
        self.used = True
        self.stats += writer.stats
        for flushed in writer.flushed:
            self._session.pack_names.take_back(flushed.left)
            location.verifier.take_over(flushed.tried)
        self._homes.update((file.home.id, file.home) for file in found if file.home)
        return found

    def _tasks(self, bucket: bytes, many: int, claims: str | None) -> list[Task]:
        session, descriptor = self._session, self._session.location.descriptor
        garbage, verifier = session.chunk_index.for_workers(), session.location.verifier
        tried = () if verifier.verify_all else tuple(verifier.tried_packs())
        previous = partial(PreviousVersions, beginning=Beginning.of(session.location, session.view))
        return [
            Task(
                bucket,
                descriptor.chunker,
                descriptor.pack_size,
                session.pack_names.lend(),
                garbage,
                tried,
                verifier.verify_all,
                claims,
                number + 1,
                previous,
            )
            for number in range(many)
        ]

    def _staged(self, item: Item, file: PackedFile) -> Staged:
        entry = Entry(item.path, Kind.FILE, file.size, file.sha256, item.executable)
        return Staged.packed(entry, file.recipe, self._slots, item)


def _is_local(item: Item) -> bool:
    return item.kind is Kind.FILE and item.local is not None


def _size(items: Iterable[Item]) -> int:
    return sum(item.size for item in items)
