"""What a run of an encrypted store refers to, as far as that can be told without a key: never less than it needs.

    every entry of the log     trees of commits, parts and checkpoints; facts, environments; inline recipes and nodes
      '-> public parts         of nodes and recipes: where contents, children and chunks are

Nobody can tell without a key whether an entry is a writer's or was made up by somebody who may create objects. So no
entry takes away what another refers to: not a checkpoint, not a removal of parts, not a purge. What was made up can
only add. SPEC.md, "Without a key".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from holdall.chunks.plan import Range, plan_ranges
from holdall.errors import FormatError, IntegrityError, ObjectNotFoundError, ObjectTooShortError
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.layout import PackName
from holdall.format.reference import JSON_BLOB, NODE, RECIPE, InEntry, Ref, ref_from_json
from holdall.format.sealed_blob import PublicRef, is_split
from holdall.format.sealing import read_public
from holdall.trees.journal import Journal
from holdall.trees.location import Location

_AT_ONCE: Final = 256  # nodes and recipes that are opened side by side,
_BYTES: Final = 16 << 20  # of about so many bytes as they are stored
_ENTRIES: Final = 16  # entries whose inline blobs are kept at hand
_LIMIT: Final = 4 << 20  # bytes of one request
_TREES: Final = {"tree": NODE, "versions": NODE, "facts": JSON_BLOB, "environment": JSON_BLOB}


def roots_of(entry: LogEntry) -> list[PublicRef]:
    """Return what an entry itself refers to, its inline recipes and nodes included. Raises: FormatError."""
    what = f"{entry.log} entry {entry.n}"
    said = [op for op in entry.ops if op["op"] in ("commit", "part", "environment")]
    named = [ref for body in (*said, entry.state or {}) for ref in _named(body, what)]
    inline = [found for blob in entry.blobs if is_split(blob.kind) for found in read_public(blob.data, blob.raw)]
    return [PublicRef(kind, ref.carried_by(entry.n)) for kind, ref in (*named, *inline)]


def _named(body: Json, what: str) -> Iterator[PublicRef]:
    for name, kind in _TREES.items():
        if body.get(name) is not None:
            yield PublicRef(kind, ref_from_json(body[name], what, kind))


class PublicWalk:
    """Finds the packs that a run refers to. Attributes: packs."""

    def __init__(self, location: Location, journal: Journal) -> None:
        self._location, self.packs = location, set[PackName]()
        self._opened: set[Ref] = set()
        self._inline: Any = lru_cache(_ENTRIES)(journal.read)

    def add(self, roots: Iterable[PublicRef], *, whole: bool) -> None:
        """Follow some references to their ends.

        Args:
            roots: Where to begin.
            whole: Whether it is damage if a pack is gone; else what it held is of no interest: what only entries
                before the newest checkpoint refer to may have been collected by somebody with a key.

        Raises:
            IntegrityError, FormatError: What they refer to cannot be told.

        Cost: each node and recipe once, side by side.
        """
        left = list(roots)
        while some := self._some(left):
            packed = [found for found in some if isinstance(found.ref.location, PackName)]
            for kind, ref in (found for found in some if found not in packed):
                left += self._in_entry(kind, ref)
            left += self._in_packs(packed, whole=whole)

    def _some(self, left: list[PublicRef]) -> list[PublicRef]:
        """Take some of what is left to be opened; of the rest, only packs are noted."""
        some: list[PublicRef] = []
        room = _BYTES
        while left and room > 0 and len(some) < _AT_ONCE:
            found = left.pop()
            if isinstance(found.ref.location, PackName):
                self.packs.add(found.ref.location)
            if found.kind in (NODE, RECIPE) and found.ref not in self._opened:
                self._opened.add(found.ref)
                some.append(found)
                room -= found.ref.stored
        return some

    def _in_entry(self, kind: int, ref: Ref) -> list[PublicRef]:
        assert isinstance(ref.location, InEntry)
        if ref.location.n is None:
            raise FormatError("blob", "it is in a pack, and names an entry without its number")
        entry: LogEntry = self._inline(ref.location.n)
        where = f"{entry.log} entry {entry.n}, blob {ref.offset}"
        if ref.offset >= len(entry.blobs) or entry.blobs[ref.offset].kind != kind:
            raise IntegrityError(where, "there is no such blob")
        found = read_public(entry.blobs[ref.offset].data, ref.raw)
        return [PublicRef(found.kind, found.ref.carried_by(entry.n)) for found in found]

    def _in_packs(self, wanted: Sequence[PublicRef], *, whole: bool) -> Iterator[PublicRef]:
        kinds = {found.ref: found.kind for found in wanted}
        for blobs in self._location.pool.map(self._fetch, plan_ranges(kinds, limit=_LIMIT)):
            for ref, stored in blobs:
                where = f"pack {ref.location}, offset {ref.offset}"
                if stored is None and whole:
                    raise IntegrityError(f"pack {ref.location}", "the pack is gone")
                if stored is not None:
                    yield from _opened(kinds[ref], ref, stored, where)

    def _fetch(self, span: Range) -> list[tuple[Ref, bytes | None]]:
        try:
            body = memoryview(self._location.bucket.get_range(span.pack.key, span.start, span.stop))
        except ObjectNotFoundError:
            return [(ref, None) for ref in span.refs]
        except ObjectTooShortError as error:
            raise IntegrityError(f"pack {span.pack}", "the pack is cut off") from error
        at = span.start
        return [(ref, bytes(body[ref.offset - at : ref.offset - at + ref.stored])) for ref in span.refs]


def _opened(kind: int, ref: Ref, stored: bytes, where: str) -> list[PublicRef]:
    try:
        if stored[0] != kind:
            raise FormatError("blob", f"it is one of kind {stored[0]}, and is referred to as one of kind {kind}")
        return read_public(stored, ref.raw)
    except FormatError as error:
        raise IntegrityError(where, error.detail) from error
