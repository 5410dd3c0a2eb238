"""All objects of a bucket, by kind: one listing, in which every byte is counted once.

The packs that are about to be deleted are known before the listing comes to
`packs/`, since `gc/` is listed before it: no other request is needed but a GET for each
generation that is not done.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from holdall.errors import ObjectNotFoundError
from holdall.format.document import MAX_DOCUMENT
from holdall.format.layout import RUNS, Key, PackName, generation_key, parse_key
from holdall.format.records import parse_generation
from holdall.storage.bucket import Bucket, ObjectInfo
from holdall.trees.heads import Heads
from holdall.trees.salvage import left_out

FOREIGN: Final = "foreign"


class Census:
    """The objects of a bucket.

    Attributes:
        counts, sizes: How many objects, and how many bytes, by a name in `format.layout.SHAPES` or `FOREIGN`.
        heads: Of the runs' logs.
        logs: The sizes of each run's entries, the newest first.
        packs: Size, and when it was created by the server's clock, of each pack, if they are kept.
        condemned: Packs that a garbage generation will delete and has not deleted yet.
        quarantine: What those take that are there.
        newest: The latest time of any object by the server's clock; None where that tells no times.
        collected: When the last collection ended, by the same clock; None if none did.
    """

    def __init__(self, bucket: Bucket, *, keep_packs: bool) -> None:
        self.counts, self.sizes = Counter[str](), Counter[str]()
        self.heads = Heads()
        self.logs: defaultdict[str, array[int]] = defaultdict(lambda: array("Q"))
        self.packs: dict[PackName, tuple[int, int | None]] = {}
        self.quarantine = 0
        self.newest: int | None = None
        self.collected: int | None = None
        self._bucket, self._keep = bucket, keep_packs
        self._words: defaultdict[int, set[str]] = defaultdict(set)
        self._condemned: frozenset[PackName] | None = None
        for info in bucket.list():
            self._add(info, parse_key(info.key))

    @property
    def condemned(self) -> frozenset[PackName]:
        """Return the packs that will be deleted. Cost: the first time, a GET for each generation that is not done."""
        if self._condemned is None:
            going = [g for g, words in sorted(self._words.items()) if "condemn" in words and "done" not in words]
            self._condemned = frozenset[PackName]().union(*map(self._packs_of, going))
        return self._condemned

    def entries(self, log: str) -> Iterator[tuple[int, int]]:
        """Yield the number and size of each entry of a run's log, the newest first, down to where one is missing."""
        head = self.heads.found[log]
        return zip(range(head.n, head.oldest - 1, -1), self.logs[log], strict=False)

    def _add(self, info: ObjectInfo, key: Key | None) -> None:
        kind = key.kind if key else FOREIGN
        self.counts[kind] += 1
        self.sizes[kind] += info.size
        if info.modified is not None:
            self.newest = max(self.newest or 0, info.modified)
        if not key:
            return
        if kind in ("condemn", "verdict", "done"):
            self._words[key.number].add(kind)
            if kind == "done" and info.modified is not None:
                self.collected = max(self.collected or 0, info.modified)
        elif key.pack and kind == "pack":
            self.quarantine += info.size if key.pack in self.condemned else 0
            if self._keep:
                self.packs[key.pack] = info.size, info.modified
        elif key.log.startswith(RUNS):
            self.logs[key.log].append(info.size)
            self.heads.add(info)

    def _packs_of(self, generation: int) -> frozenset[PackName]:
        """Return what a generation will delete: what its verdict says, or else all that it condemns."""
        word = "verdict" if "verdict" in self._words[generation] else "condemn"
        with suppress(ObjectNotFoundError), left_out(f"garbage generation {generation}"):  # it is gone, or damaged
            return parse_generation(
                self._bucket.get(generation_key(generation, word), limit=MAX_DOCUMENT), generation, word
            )
        return frozenset()
