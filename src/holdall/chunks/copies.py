"""Blobs wherever they are whole: what repairs a run reads with.

A blob is named by what it holds, so a copy of it in any pack is as good as the
one that a reference means, and proves itself when it is decoded. Where a pack
is damaged or gone, the footers of all others are read once, side by side, and
tell of copies; then the damaged pack is asked, since most of it is often whole;
and at last a caller that knows of other places than packs: log entries, or
another store that is a copy of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from holdall.chunks.delivery import PathOf
from holdall.chunks.pool import Pool
from holdall.chunks.reader import ChunkReader
from holdall.errors import DamageError, IntegrityError, ObjectNotFoundError
from holdall.format.layout import PACKS, PackName, parse_key
from holdall.format.pack import Footer
from holdall.format.reference import Ref
from holdall.storage.bucket import Bucket

# Finds blobs that are whole in no pack: by the id of each that it has, its bytes and what people call the place.
Elsewhere: TypeAlias = Callable[[Sequence[Ref]], Mapping[bytes, tuple[bytes, str]]]
_AT_ONCE: Final = 256  # footers fetched side by side


class WholeCopies(ChunkReader):
    """Reads blobs of packs, from elsewhere where they must be. Not for several threads at once.

    Args:
        bucket: Where the packs are.
        pool: Whose threads ask.
        damaged: Packs that are not to be believed.
        elsewhere: Are asked, one after the other, for blobs that are whole in no pack.

    Attributes:
        found: Where each blob was whole that was read from a pack that is damaged or gone, if that was in a pack.
    """

    def __init__(
        self,
        bucket: Bucket,
        pool: Pool,
        damaged: Iterable[PackName],
        elsewhere: Sequence[Elsewhere] = (),
    ) -> None:
        super().__init__(bucket, pool)
        self._listed = {key.pack for info in bucket.list(PACKS) if (key := parse_key(info.key)) and key.pack}
        self._damaged = set(damaged)
        self._gone: set[PackName] = set()
        self._copies: dict[bytes, list[Ref]] | None = None
        self._elsewhere = elsewhere
        self._told: dict[bytes, str] = {}  # what people call the places elsewhere
        self.found: dict[bytes, Ref] = {}

    def needs(self, ref: Ref) -> bool:
        """Return whether a blob lies in a pack that is damaged or gone."""
        return isinstance(ref.location, PackName) and not self._good(ref.location)

    def distrust(self, packs: Iterable[PackName]) -> None:
        """Take no blob's word for it that it stays in these packs: who needs it there needs a copy."""
        self._damaged.update(packs)

    def borrowable(self, ref: Ref) -> PackName | None:
        """Return the whole pack that has a blob, or that it was found in; None where it must be copied."""
        place = self.found.get(ref.id, ref).location
        return place if isinstance(place, PackName) and self._good(place) else None

    def where(self, ref: Ref) -> str:
        """Return what people call the place that a blob was read from."""
        return self._told.get(ref.id) or str(self.found.get(ref.id, ref).location)

    def read(self, refs: Sequence[Ref], *, path: PathOf = None) -> list[bytes]:
        """Read some blobs, decoded, wherever they are whole; one in a log entry is sought by its id alone.

        Raises:
            IntegrityError: One of them is nowhere.

        Cost: as in any reader; the first that is not where it should be costs a request for each pack of the store,
            and about 300 bytes for each of its blobs.
        """
        if all(isinstance(ref.location, PackName) and self._good(ref.location) for ref in refs):
            try:
                return super().read(refs, path=path)
            except IntegrityError:  # of a pack of which nobody knew
                pass
        found = {ref: self._read_here(ref, path) for ref in refs}
        lost = {ref: error for ref, error in found.items() if isinstance(error, IntegrityError)}
        told = self._find_elsewhere(list(lost))
        for ref, error in lost.items():
            if ref.id not in told:
                raise error
        return [told[ref.id] if isinstance(data := found[ref], IntegrityError) else data for ref in refs]

    def _read_here(self, ref: Ref, path: PathOf) -> bytes | IntegrityError:
        """Return a blob from a pack of this bucket, or why none has it."""
        failure: IntegrityError | None = None
        for place in self._places(ref):
            try:
                (data,) = super().read([place], path=path)
            except IntegrityError as error:
                failure = error
                if isinstance(place.location, PackName):
                    self._damaged.add(place.location)
                continue
            if place != ref or self.needs(ref):
                self.found[ref.id] = place
            return data
        return failure or IntegrityError(f"pack {ref.location}", "the pack is gone, and nothing else has this blob")

    def _find_elsewhere(self, refs: Sequence[Ref]) -> dict[bytes, bytes]:
        """Return what other places have of some blobs, by their ids."""
        found: dict[bytes, bytes] = {}
        for ask in self._elsewhere:
            if left := [ref for ref in refs if ref.id not in found]:
                for id, (data, place) in ask(left).items():
                    found[id], self._told[id] = data, place
        return found

    def _places(self, ref: Ref) -> Iterator[Ref]:
        """Yield the places of a blob: where it should be, in other packs, and at last in damaged ones."""
        if isinstance(ref.location, PackName) and self._good(ref.location):
            yield ref
        yield from [copy for copy in self._index().get(ref.id, ()) if copy != ref and not self.needs(copy)]
        if self.needs(ref) and isinstance(ref.location, PackName) and self._is_there(ref.location):
            yield ref

    def _good(self, pack: PackName) -> bool:
        return pack not in self._damaged and self._is_there(pack)

    def _is_there(self, pack: PackName) -> bool:
        """Return whether there is such a pack; one that was not listed may be new."""
        if pack not in self._listed and pack not in self._gone:
            there = next(iter(self._bucket.list(pack.key, limit=1)), None)
            (self._listed if there else self._gone).add(pack)
        return pack in self._listed

    def _index(self) -> dict[bytes, list[Ref]]:
        """Return what the footers of all good packs say, read once."""
        if self._copies is None:
            self._copies = {}
            packs = sorted(filter(self._good, self._listed))
            for start in range(0, len(packs), _AT_ONCE):
                some = packs[start : start + _AT_ONCE]
                for pack, footer in zip(some, self._pool.map(self._footer, some), strict=True):
                    for row in footer.rows if footer else ():
                        self._copies.setdefault(row.id, []).append(row.ref(pack))
        return self._copies

    def _footer(self, pack: PackName) -> Footer | None:
        try:
            return self.footer(pack)
        except (ObjectNotFoundError, DamageError):
            return None
