"""References in, verified bytes out: what the rest of the package reads packs with.

How they come is `delivery.py`. A bucket far away is asked for a lot at once, by
as many threads as there are: they wait. Of a local disk nobody waits, and
ranges that stay in the processor's cache, by as many threads as there are
processors, are quicker.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from holdall.chunks.damage import Damage
from holdall.chunks.delivery import Delivery, PathOf, Receiver, decode_verified
from holdall.chunks.observer import SILENT, Transfer
from holdall.chunks.plan import LIMIT
from holdall.chunks.pool import Pool
from holdall.chunks.streamed import LARGE, read_streamed
from holdall.errors import IntegrityError, ObjectNotFoundError, ObjectTooShortError
from holdall.format.digest import Bytes
from holdall.format.layout import PackName
from holdall.format.pack import MAGIC, TAIL, TRAILER, Footer, footer_length, parse_footer
from holdall.format.reference import Ref
from holdall.format.sealing import Sealing
from holdall.keys.sealed_bucket import sealing_of
from holdall.storage.bucket import Bucket, adapter_of
from holdall.storage.local import LocalBucket

_NEAR: Final = 4 << 20  # bytes of a range of a local disk
_NEAR_AT_ONCE: Final = max(os.cpu_count() or 2, 2)
_FAR_AT_ONCE: Final = 1 << 30  # as many as the pool has threads


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes of a pack as they were fetched, not verified: those from `start` on."""

    pack: PackName
    start: int
    body: memoryview
    sealing: Sealing

    def decoded(self, ref: Ref) -> bytes | None:
        """Return a blob that lies in it, verified; None if it does not, or is not what was written."""
        at = ref.offset - self.start
        if ref.location != self.pack or at < 0 or at + ref.stored > len(self.body):
            return None
        try:
            return decode_verified(ref, self.body[at : at + ref.stored], self.sealing, str(self.pack))
        except IntegrityError:  # it is fetched anew, and then it is told
            return None


class ChunkReader:
    """Fetches blobs from the packs of a bucket, through a pool; `damage` is told of those that are not as written.

    Attributes: limit (bytes of one request at most).
    """

    def __init__(self, bucket: Bucket, pool: Pool, damage: Damage | None = None) -> None:
        self._bucket, self._pool, self._damage = bucket, pool, damage or Damage()
        self.limit, self._at_once = (_NEAR, _NEAR_AT_ONCE) if _is_near(bucket) else (LIMIT, _FAR_AT_ONCE)

    def read(self, refs: Sequence[Ref], *, path: PathOf = None) -> list[bytes]:
        """Read some blobs, decoded, in the order asked for; they belong to `path`, for errors.

        Raises:
            IntegrityError: A blob is not what was written, or its pack is gone.
        """
        found: dict[Ref, bytes] = {}

        def keep(ref: Ref, data: Bytes) -> None:
            found[ref] = bytes(data)

        self.deliver(((ref, partial(keep, ref)) for ref in refs), path=path)
        return [found[ref] for ref in refs]

    def read_large(self, ref: Ref, *, path: PathOf = None) -> Bytes:
        """Read one blob that may be very large, such as a recipe, decoded; its stored bytes are not held. As `read`."""
        data = read_streamed(self._bucket, self._pool, ref) if ref.stored > LARGE else None
        return self.read([ref], path=path)[0] if data is None else data

    def deliver(
        self, wanted: Iterable[tuple[Ref, Receiver]], *, path: PathOf = None, transfer: Transfer = SILENT
    ) -> None:
        """Hand each blob's decoded bytes to its receiver, from some thread, in no order.

        Args:
            wanted: Blobs in packs, each with what is to be done with its bytes, or a spot for them.
                These are the function's own only while it runs: what it keeps, it copies.
            path: The artifact that they belong to, or what tells to which each belongs, for errors.
            transfer: Is told of every byte that was delivered.

        Raises:
            IntegrityError: A blob is not what was written, or its pack is gone.

        Cost: one request per stretch of neighbours, of at most 16 MiB (4 MiB of a local disk).
        """
        with self.delivery(transfer) as delivery:
            delivery.add(wanted, path=path, alone=True)

    def delivery(self, transfer: Transfer = SILENT) -> Delivery:
        """Open a context for several deliveries in one stream; they have ended when it is left."""
        return Delivery(self._bucket, self._pool, transfer, self._damage, limit=self.limit, at_once=self._at_once)

    @property
    def far(self) -> bool:
        """Return whether a request is waited for, as it is not where a local disk answers."""
        return self._at_once == _FAR_AT_ONCE

    def stretch(self, ref: Ref, lead: int) -> Stretch | None:
        """Return a blob's bytes as they are stored, with up to so many of what lies before it; None if that fails."""
        pack = ref.location
        assert isinstance(pack, PackName), "inline blobs are not fetched from packs"
        start, stop = max(ref.offset - lead, len(MAGIC)), ref.offset + ref.stored
        try:
            body = self._pool.run_with_budget(stop - start, lambda: self._bucket.get_range(pack.key, start, stop))
        except (ObjectNotFoundError, ObjectTooShortError):  # whoever reads the blob itself says what is wrong
            return None
        return Stretch(pack, start, memoryview(body), sealing_of(self._bucket))

    def footer(self, pack: PackName) -> Footer:
        """Read a pack's footer.

        Raises:
            ObjectNotFoundError: There is no such pack.
            FormatError: Its footer is damaged.

        Cost: one request; two where the pack holds more than 1,300 blobs.
        """
        what = f"pack {pack}"
        tail = self._bucket.get_range(pack.key, -TAIL)
        needed = footer_length(tail, what) + TRAILER
        if needed > len(tail):
            tail = self._bucket.get_range(pack.key, -needed)
        return parse_footer(tail, what)


def _is_near(bucket: object) -> bool:
    """Return whether this is a local disk, whatever is wrapped around it."""
    return isinstance(adapter_of(bucket), LocalBucket)
