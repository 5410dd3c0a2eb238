"""Moving what lives out of packs that are to go: those that are mostly dead, or that hold what is purged.

A compactor is a writer like others (W1 to W6), and deletes nothing: it copies what
a run needs of such packs into new ones, as it is stored, and appends a checkpoint with the same
paths and new places, which every reader understands (SPEC.md, "State and
checkpoints"). When no run refers to a pack any more, the next collection
takes it. Killed between two runs, it has moved some, and the packs stay for the others.

What runs share is copied once: the second run refers to the first one's copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from holdall.chunks.delivery import decode_verified
from holdall.chunks.plan import Range, plan_ranges
from holdall.chunks.writer import ChunkWriter
from holdall.collecting.hints_of import hints_of
from holdall.errors import DamageError
from holdall.format.document import Json
from holdall.format.encoder import Encoded
from holdall.format.entry import InlineBlob
from holdall.format.layout import PackName, run_log
from holdall.format.recipe import Recipe, encode_recipe, parse_recipe
from holdall.format.reference import JSON_BLOB, RECIPE, Ref
from holdall.format.tree import Entry
from holdall.trees.blobs import RunBlobReader
from holdall.trees.history import versions_in_order
from holdall.trees.location import Location
from holdall.trees.session import Draft, Session
from holdall.trees.snapshot import restate
from holdall.trees.view import View

_PACKS: Final = 256  # whose hints are sought together
_AT_ONCE: Final = 4  # ranges of at most 16 MiB that are held at once


@dataclass(slots=True)
class Moved:
    """What a compaction did.

    Attributes:
        runs: Those that need nothing of the packs any more.
        failed: Those that were left as they are, and why, by id.
        copied: Bytes that were copied into new packs.
    """

    runs: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    copied: int = 0


class Compactor:
    """Empties some packs.

    Args:
        location: The store.
        packs: Which packs nothing should refer to any more.
        anew: Whether what is copied is sealed anew, by the newest keys of its run's domain, which name it anew, too.
            It is in any case where there are older ones: packs that are partly theirs would be taken for the newest's.
    """

    def __init__(self, location: Location, packs: frozenset[PackName], *, anew: bool = False) -> None:
        self._location, self._packs = location, packs
        self._copies: dict[bytes, PackName] = {}  # where blobs are now that were copied
        self._renamed: dict[bytes, bytes] | None = {} if anew or _is_rekeyed(location) else None  # new ids by older

    def move(self, run_ids: Iterable[str]) -> Moved:
        """Move what these runs need of the packs, so that whoever logs it anew finds the copies.

        Cost: as `vacate` for each run; reading and writing what lives in the packs is once for all of them. Besides,
            six requests for the hints of each pack.
        """
        moved = Moved()
        self._drop_hints()
        for id in run_ids:
            try:
                moved.copied += self.vacate(id)
                moved.runs.append(id)
            except DamageError as error:
                moved.failed[id] = str(error)
        return moved

    def vacate(self, run_id: str) -> int:
        """Let a run refer to none of the packs: what it has there is copied to new ones. A purged run needs nothing.

        Returns:
            How many bytes were copied, as they are stored.

        Raises:
            DamageError: Something of it is not what was written. Then the run stays as it is.

        Cost: the run's listing and recipes, three PUTs, and reading and writing what is copied.
        """
        session = Session.resume(self._location, run_log(run_id), deleted=True)
        if session is None:
            return 0
        try:
            session.chunk_index.avoided = self._packs
            moving = _Moving(session, self._packs, self._copies, self._renamed)
            session.append(lambda: Draft([], state=moving.state), closing=True)
        finally:
            session.close()
        self._copies |= moving.copies
        return moving.copied

    def _drop_hints(self) -> None:
        """Delete the hints that lead to the packs: one is created once, and the copies' would find them there."""
        packs, pool = sorted(self._packs), self._location.pool
        for at in range(0, len(packs), _PACKS):
            found = pool.map(lambda pack: hints_of(self._location, pack), packs[at : at + _PACKS])
            if keys := [key for keys in found for key in keys]:
                self._location.bucket.delete_many(keys)


def _is_rekeyed(location: Location) -> bool:
    ring = location.ring() if location.unlock is not None else None
    return ring is not None and len(ring.own.roots) > 1


class _Moving:
    """One run's new state in the making; asked again after each lost race.

    Attributes:
        copies: Where blobs are that were copied.
        copied: Their stored bytes.
    """

    def __init__(
        self,
        session: Session,
        packs: frozenset[PackName],
        before: dict[bytes, PackName],
        renamed: dict[bytes, bytes] | None,
    ) -> None:
        self._session, self._packs, self._before, self._renamed = session, packs, before, renamed
        self._writer: ChunkWriter = session.writer()
        self.copies: dict[bytes, PackName] = {}
        self.copied = 0

    def state(self, view: View, blobs: list[InlineBlob]) -> Json:
        """Return the state for the entry after the view's head. Raises: DamageError, if not all of the run is whole."""
        view.paths.check_whole()
        reader, environment = view.paths.blobs, view.state.environment
        if environment and environment.location in self._packs:
            environment = self._writer.put_blob(reader.read([environment])[0], JSON_BLOB)
        entries = [self._entry(reader, entry) for entry in view.paths.walk()]
        earlier = [
            replace(version, entry=self._entry(reader, version.entry)).row for version in versions_in_order(view.paths)
        ]
        return restate(view, entries, environment, self._writer, blobs, earlier)

    def _entry(self, reader: RunBlobReader, entry: Entry) -> Entry:
        """Return an entry with its content outside of the packs; the same if it is."""
        if entry.content is None:
            return entry
        if entry.whole:
            (place,) = self._placed([entry.content])
            return entry if place == entry.content else entry.at(place, whole=True)
        (data,) = reader.read([entry.content])
        chunks = parse_recipe(data).chunks
        places = self._placed(chunks)
        if places == list(chunks) and entry.content.location not in self._packs:
            return entry
        return entry.at(self._recipe(encode_recipe(Recipe(entry.size, entry.sha256, tuple(places)))), whole=False)

    def _recipe(self, data: bytes) -> Ref:
        """Return where a recipe is to be referred to: where another run has put it, or in a pack of this one."""
        self._load(self._writer.sealing.blob_id(data))
        place = self._writer.put_blob(data, RECIPE)
        self._note(place)
        return place

    def _load(self, *ids: bytes) -> None:
        """Read the footers of packs to which some blobs were copied for another run (W3)."""
        self._session.chunk_index.load_footers({self._before[id] for id in ids if id in self._before})

    def _placed(self, refs: Sequence[Ref]) -> list[Ref]:
        """Return where chunks are to be referred to: those of the packs, in copies."""
        moving = dict.fromkeys(ref for ref in refs if ref.location in self._packs)
        self._load(*(self._named(ref.id) for ref in moving))
        places = {ref: there for ref in moving if (there := self._writer.find(self._named(ref.id)))}
        for ref, stored in self._read(ref for ref in moving if ref not in places):
            there = self._writer.find(self._named(ref.id))
            places[ref] = there or self._put(ref, stored)
            self.copied += 0 if there else len(stored)
        for place in places.values():
            self._note(place)
        return [places.get(ref, ref) for ref in refs]

    def _named(self, id: bytes) -> bytes:
        """Return what a blob is called where it goes, as far as that is known."""
        return id if self._renamed is None else self._renamed.get(id, id)

    def _put(self, ref: Ref, stored: bytes) -> Ref:
        """Put a blob into a pack, as it lay in another or sealed anew."""
        if self._renamed is None:
            return self._writer.put_encoded(ref.id, Encoded(ref.codec, (stored,), ref.stored), ref.raw, sealed=True)
        codec, encoded = self._writer.sealing.opened(ref, stored)
        return self._writer.put_encoded(self._named(ref.id), Encoded(codec, (encoded,), len(encoded)), ref.raw)

    def _note(self, place: Ref) -> None:
        """Note where the next run finds a blob."""
        assert isinstance(place.location, PackName)
        self.copies.setdefault(place.id, place.location)

    def _read(self, refs: Iterable[Ref]) -> Iterator[tuple[Ref, bytes]]:
        """Yield blobs as they are stored, each verified."""
        ranges = plan_ranges(refs)
        for at in range(0, len(ranges), _AT_ONCE):
            some = ranges[at : at + _AT_ONCE]
            for read in self._session.location.pool.map(self._read_range, some):
                yield from read

    def _read_range(self, one: Range) -> list[tuple[Ref, bytes]]:
        data = memoryview(self._session.location.bucket.get_range(one.pack.key, one.start, one.stop))
        found = []
        for ref in one.refs:
            stored = bytes(data[ref.offset - one.start : ref.offset - one.start + ref.stored])
            plain = decode_verified(ref, stored, self._writer.sealing, f"pack {one.pack}")
            if self._renamed is not None:
                self._renamed[ref.id] = self._writer.sealing.blob_id(plain)
            found.append((ref, stored))
        return found
