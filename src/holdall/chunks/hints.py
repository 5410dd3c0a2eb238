"""Where hints lead, and which chunks get one.

A hint is created once, so one that leads to a damaged pack stays. Then the next
smallest chunk ids are asked for, and get the hints of the new copy. One that
leads to a pack that is gone is replaced by whoever stores its chunk again.
SPEC.md, "Hints".
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import Final

from holdall.chunks.damage import Damage
from holdall.chunks.pool import Pool
from holdall.errors import DamageError, StorageError
from holdall.format.document import MAX_DOCUMENT
from holdall.format.layout import PackName, hint_key
from holdall.format.records import encode_hint, parse_hint
from holdall.storage.bucket import Bucket

PER_PACK: Final = 4  # hints for each 32 MiB of payload; of a smaller pack from 1 MiB on as many,
_SMALL: Final = 2  # and below so many: a lone one may be of the one small file that the next run has not


def smallest_ids(ids: Iterable[bytes], payload: int) -> list[bytes]:
    """Return the smallest chunk ids of a pack with so many bytes of payload, one for each of its hints."""
    return heapq.nsmallest(max(-(-PER_PACK * payload // (32 << 20)), PER_PACK if payload >= 1 << 20 else _SMALL), ids)


class Hints:
    """What one session knows of hints. Safe between threads.

    Attributes:
        unusable: The packs that are damaged, or were not there.
        gone: Those of them that are not there for sure.
    """

    def __init__(self, bucket: Bucket, pool: Pool, damage: Damage) -> None:
        self._bucket, self._pool, self._damage = bucket, pool, damage
        self._led: dict[bytes, PackName] = {}
        self.unusable: set[PackName] = set()
        self.gone: set[PackName] = set()
        self._preferred: set[bytes] = set()  # chunks that should get a hint,
        self._rewritten: set[bytes] = set()  # and that need none

    def read(self, chunks: Sequence[bytes]) -> dict[bytes, PackName]:
        """Return the packs that hints to some chunks name. Cost: one request each, side by side."""
        packs = self._pool.map(self._read, chunks)
        found = {chunk: pack for chunk, pack in zip(chunks, packs, strict=True) if pack}
        self._led.update(found)
        return found

    def is_bad(self, chunk: bytes) -> bool:
        """Return whether the chunk's hint was seen to lead to a pack that is no use to anybody."""
        pack = self._led.get(chunk)
        return pack in self.unusable or pack in self._damage.packs

    def prefer(self, chunk: bytes, *, again: Iterable[bytes] = ()) -> None:
        """Give a chunk a hint, as the next writer of its stream asks for it first; note those that are stored again."""
        self._preferred.add(chunk)
        self._rewritten.update(again)

    def select(self, chunks: Sequence[bytes], payload: int) -> list[bytes]:
        """Return the chunk ids that get a hint, of a pack with so many bytes of payload.

        Those that were stored again come last: a hint is created once, so theirs leads to the older copy, unless that
        is gone. And one is the first that `prefer` named.
        """
        alone = [chunk for chunk in chunks if chunk not in self._rewritten and not self._stays_bad(chunk)]
        sought = next((chunk for chunk in alone if chunk in self._preferred), None)
        for done in (self._rewritten, self._preferred):
            done.difference_update(chunks)
        found = smallest_ids(alone or chunks, payload)
        return found if sought is None or sought in found else [*found[: PER_PACK - 1], sought]

    def put(self, chunk: bytes, pack: PackName) -> None:
        """Put a hint, which is advice: one that fails costs space later.

        One to a pack that is gone is deleted before. Another writer may do the same at this moment: the hint is looked
        at again, so that what the other put is seldom deleted; where it is, that costs space, as any lost hint does.
        """
        key = hint_key(chunk)
        try:
            lost = self._led.get(chunk)
            if lost in self.gone and self._read(chunk) == lost:
                self._bucket.delete(key)
            self._bucket.put(key, encode_hint(chunk, pack))
        except StorageError:
            return

    def forget(self) -> None:
        """Forget where hints led."""
        self._led = {}

    def _stays_bad(self, chunk: bytes) -> bool:
        return self.is_bad(chunk) and not self._leads_nowhere(chunk)

    def _leads_nowhere(self, chunk: bytes) -> bool:
        return self._led.get(chunk) in self.gone

    def _read(self, chunk: bytes) -> PackName | None:
        """Return which pack a hint names; one that is missing or damaged costs space, never correctness."""
        try:
            return parse_hint(self._bucket.get(hint_key(chunk), limit=MAX_DOCUMENT), chunk)
        except (StorageError, DamageError):
            return None
