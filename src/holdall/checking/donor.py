"""Another store that may be a copy of this one, to heal from.

It is trusted in nothing: blobs prove themselves by their ids, files by their
SHA-256, log entries by the next one's `prev`. Two kinds of copy help:

    a mirror, object by object    the same keys: a blob is in the same pack at the same place, and logs are the same
    a copy made by `store copy`   the same runs and files in other packs: chunks are found by id, files by SHA-256
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from holdall.checking.twins import HeldFiles, InlineCopies
from holdall.chunks.copies import WholeCopies
from holdall.chunks.reader import ChunkReader
from holdall.errors import InvalidArgumentError
from holdall.format.layout import GARBAGE, PackName, parse_key
from holdall.format.reference import Ref
from holdall.trees.location import Location
from holdall.trees.salvage import UNREADABLE

_KIND: Final = "damaged"


class Donor:
    """A store that content is taken from. Nothing is written there.

    Attributes:
        url: Where it is.
        location: The same, opened.
        mirror: Whether it is a copy object by object, which has this store's id.
        files: What its runs hold.

    Raises:
        StoreNotFoundError: There is no store.
        InvalidArgumentError: It is this very store.
    """

    def __init__(self, here: Location, there: Location) -> None:
        if there.bucket.url == here.bucket.url:
            error = InvalidArgumentError(f"{there.bucket.url} is the store that is to be healed, and no copy of it")
            error.hint = "name another store, which was copied from this one"
            raise error
        self.location, self.url = there, there.bucket.url
        self.mirror = there.descriptor.store == here.descriptor.store
        self._same = ChunkReader(there.bucket, there.pool)
        self._copies = WholeCopies(there.bucket, there.pool, damaged_packs(there), [InlineCopies(there).find])
        self.files = HeldFiles(there, self._copies)

    def find_in_same_packs(self, refs: Sequence[Ref]) -> dict[bytes, tuple[bytes, str]]:
        """Return what the packs of the same names have. Cost: a request for each stretch of neighbours."""
        return self._find(self._same, [ref for ref in refs if isinstance(ref.location, PackName)])

    def find(self, refs: Sequence[Ref]) -> dict[bytes, tuple[bytes, str]]:
        """Return what any pack or log entry has. Cost: the first time, a request for each pack, perhaps each entry."""
        return self._find(self._copies, refs)

    def _find(self, reader: ChunkReader, refs: Sequence[Ref]) -> dict[bytes, tuple[bytes, str]]:
        """Return what a reader gives of some blobs: all at once, or one by one where some cannot be read."""
        try:
            return {ref.id: (data, self._place(ref)) for ref, data in zip(refs, reader.read(refs), strict=True)}
        except UNREADABLE:
            if len(refs) == 1:
                return {}
        return {id: found for ref in refs for id, found in self._find(reader, [ref]).items()}

    def _place(self, ref: Ref) -> str:
        return f"{self.url} ({self._copies.where(ref)})"

    def why_no_run(self, run_id: str) -> str:
        """Return why a run's listing cannot be had here."""
        with suppress(*UNREADABLE):
            return f"{self.url} holds no such run" if self.files.view(f"runs/{run_id}") is None else ""
        return f"{self.url} has it damaged as well"


def damaged_packs(location: Location) -> list[PackName]:
    """Return the packs that are recorded as damaged. Cost: one listing."""
    keys = (parse_key(info.key) for info in location.bucket.list(GARBAGE))
    return [key.pack for key in keys if key and key.kind == _KIND and key.pack]
