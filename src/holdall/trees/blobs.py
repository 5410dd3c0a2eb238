"""The blobs of one run, wherever they are: in packs, or inline in entries of its log.

What was read is kept, since neither an entry nor a tree's node ever changes.

A commit's root is written behind what it names: recipes, and often all the
content. So who will read content fetches the root with what lies before it,
which takes no longer than the root alone and may spare the next requests.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from holdall.chunks.damage import Damage
from holdall.chunks.delivery import PathOf, decode_verified, path_of
from holdall.chunks.pool import Pool
from holdall.chunks.reader import ChunkReader, Stretch
from holdall.chunks.streamed import LARGE
from holdall.errors import FormatError, IntegrityError, LogGapError
from holdall.format.digest import Bytes
from holdall.format.entry import LogEntry
from holdall.format.layout import PackName
from holdall.format.reference import InEntry, Ref
from holdall.format.sealing import PLAIN, Sealing
from holdall.format.tree import Node, parse_node
from holdall.keys.sealed_bucket import sealing_of, writing_to
from holdall.storage.bucket import Bucket
from holdall.trees.journal import Journal
from holdall.trees.lru import LruCache
from holdall.workers.per_process import PerProcess

_KEPT: Final = 256  # nodes that a run's handle remembers, of 64 KiB as writers make them,
_KEPT_BYTES: Final = 32 << 20  # and bytes of entries,
_LEAST: Final = _KEPT_BYTES // _KEPT  # each of which counts as so many at least
LEAD: Final = 1 << 20  # bytes fetched along with a root: a request costs as much


class RunBlobReader:
    """Blobs of one run, wherever they are: in packs, or inline in its log.

    Attributes:
        lead: Bytes that are fetched along with a tree's root, where content is going to be read.
    """

    def __init__(
        self,
        bucket: Bucket,
        pool: Pool,
        journal: Journal,
        damage: Damage | None = None,
        *,
        packs: ChunkReader | None = None,
    ) -> None:
        self.journal, self._bucket = journal, bucket
        self.packs = packs or ChunkReader(bucket, pool, damage)
        self.lead = 0
        self._stretch: Stretch | None = None
        self._entries: LruCache[int, LogEntry] = LruCache(_KEPT_BYTES, _weight)
        self._locks: PerProcess[threading.Lock] = PerProcess()  # of a child its own: a fork may copy one that is held
        self._nodes: LruCache[Ref, Node | bytes] = LruCache(_KEPT)

    @property
    def sealing(self) -> Sealing:
        """Return how new blobs of the run are named and closed, and its own opened."""
        return sealing_of(writing_to(self._bucket, self.journal.log))

    def read(self, refs: Sequence[Ref], *, path: PathOf = None) -> list[bytes]:
        """Return the decoded bytes of some blobs, in the order asked for; `path` names their file, for errors.

        Raises:
            IntegrityError: One of them is not what was written.
        """
        found = {ref: data for ref in refs if (data := self.at_hand(ref)) is not None}
        packed = [ref for ref in refs if isinstance(ref.location, PackName) and ref not in found]
        found |= zip(packed, self.packs.read(packed, path=path), strict=True) if packed else ()
        entries = self._fetch_entries({ref.location.n for ref in refs if isinstance(ref.location, InEntry)})
        sealing = self.sealing if entries else PLAIN
        return [found[ref] if ref in found else _inline(ref, entries, sealing, path) for ref in refs]

    def read_recipes(self, refs: Sequence[Ref], *, path: PathOf = None) -> list[Bytes]:
        """Return the decoded bytes of recipes: large ones one after the other, each in little more than it takes."""
        large = [ref for ref in refs if isinstance(ref.location, PackName) and ref.stored > LARGE]
        small = [ref for ref in refs if ref not in large]
        found: dict[Ref, Bytes] = dict(zip(small, self.read(small, path=path), strict=True))
        return [found[ref] if ref in found else self.packs.read_large(ref, path=path) for ref in refs]

    def at_hand(self, ref: Ref) -> bytes | None:
        """Return a blob that was fetched along with a root, verified; None if it was not. Cost: no request."""
        return self._stretch.decoded(ref) if self._stretch else None

    def nodes(self, refs: Sequence[Ref]) -> list[Node]:
        """Return the tree nodes at some references."""
        kept = self._nodes.get_all(refs)
        missing = [ref for ref in refs if ref not in kept]
        if self.lead and len(missing) == 1 and self.at_hand(missing[0]) is None:
            self._fetch_with_lead(missing[0])
        kept.update(zip(missing, self.read(missing), strict=True))
        found: dict[Ref, Node] = {}
        for ref, node in kept.items():
            if isinstance(node, bytes):
                node = parse_node(node, ref.location.n if isinstance(ref.location, InEntry) else None)
                self._nodes.put(ref, node)
            found[ref] = node
        return [found[ref] for ref in refs]

    def remember(self, entry: LogEntry) -> None:
        """Keep in memory an entry that was read or written anyway."""
        if entry.blobs:
            with self._locks.get(threading.Lock):
                self._entries.put(entry.n, entry)

    def entry_at_hand(self, n: int) -> LogEntry | None:
        """Return an entry that is kept in memory, as the newest ones with blobs are. Cost: no request."""
        with self._locks.get(threading.Lock):
            return self._entries.get_all([n]).get(n)

    def remember_node(self, ref: Ref, data: bytes) -> None:
        """Keep in memory a node that was just put into a pack; it is parsed when it is first read."""
        if isinstance(ref.location, PackName):
            self._nodes.put(ref, data)

    def _fetch_with_lead(self, ref: Ref) -> None:
        if isinstance(ref.location, PackName) and self.packs.far:
            self._stretch = self.packs.stretch(ref, self.lead)

    def _fetch_entries(self, numbers: Iterable[int | None]) -> dict[int, LogEntry]:
        """Return some entries, by number: all of them, even if fewer are kept."""
        wanted = {n for n in numbers if n is not None}
        with self._locks.get(threading.Lock):
            found = self._entries.get_all(wanted)
        if missing := sorted(wanted - found.keys()):
            try:
                entries = self.journal.read_many(missing)
            except (LogGapError, FormatError) as error:
                raise IntegrityError(f"an inline blob in {self.journal.log}", str(error)) from error
            found |= {entry.n: entry for entry in entries}
            with self._locks.get(threading.Lock):
                for entry in entries:
                    self._entries.put(entry.n, entry)
        return found


def _weight(entry: LogEntry) -> int:
    return max(_LEAST, sum(len(blob.data) for blob in entry.blobs))


def _inline(ref: Ref, entries: Mapping[int, LogEntry], sealing: Sealing, path: PathOf) -> bytes:
    assert isinstance(ref.location, InEntry)
    assert ref.location.n is not None, "absolute once it was read"
    entry = entries[ref.location.n]
    where = f"{entry.log} entry {entry.n}, blob {ref.offset}"
    if ref.offset >= len(entry.blobs):
        raise IntegrityError(where, "there is no such blob", path_of(path, ref))
    return decode_verified(ref, entry.blobs[ref.offset].data, sealing, where, path_of(path, ref))
