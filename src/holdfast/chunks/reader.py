"""References in, verified bytes out.

Plan, fetch in parallel, check every length, decode, hash every blob, hand it
on. No byte leaves this module that does not hash to the id in its reference. A
range that comes back wrong is fetched once more, since networks err more often
than disks; what is wrong twice is damage, and named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from holdfast.chunks.observer import SILENT, Transfer
from holdfast.chunks.plan import Range, plan_ranges
from holdfast.chunks.pool import Batch, Pool
from holdfast.errors import FormatError, IntegrityError, ObjectNotFoundError, ObjectTooShortError
from holdfast.format.codec import decode
from holdfast.format.digest import Bytes, blob_id
from holdfast.format.layout import PackName
from holdfast.format.pack import TAIL, TRAILER, Footer, footer_length, parse_footer
from holdfast.format.reference import Ref
from holdfast.storage.bucket import Bucket

Deliver: TypeAlias = Callable[[bytes], object]
Whose: TypeAlias = str | Mapping[Ref, str] | None


class ChunkReader:
    """Fetches blobs from the packs of a bucket, through a pool."""

    def __init__(self, bucket: Bucket, pool: Pool) -> None:
        self._bucket, self._pool = bucket, pool

    def read(self, refs: Sequence[Ref], *, path: Whose = None) -> list[bytes]:
        """The decoded bytes of some blobs, in the order asked for; they belong to `path`, for errors.

        Raises:
            IntegrityError: A blob is not what was written, or its pack is gone.
        """
        found: dict[Ref, bytes] = {}
        self.deliver(((ref, partial(found.__setitem__, ref)) for ref in refs), path=path)
        return [found[ref] for ref in refs]

    def deliver(
        self, wanted: Iterable[tuple[Ref, Deliver]], *, path: Whose = None, transfer: Transfer = SILENT
    ) -> None:
        """Hand each blob's decoded bytes to its function, from some thread, in no order.

        Args:
            wanted: Blobs in packs, each with what is to be done with its bytes.
            path: The artifact that they belong to, or that each belongs to, for errors.
            transfer: Is told of every byte that was delivered.

        Raises:
            IntegrityError: A blob is not what was written, or its pack is gone.

        Cost: one request per stretch of neighbours, of at most 16 MiB.
        """
        delivers: defaultdict[Ref, list[Deliver]] = defaultdict(list)
        for ref, function in wanted:
            delivers[ref].append(function)
        spans = plan_ranges(delivers)
        if len(spans) == 1:
            size = spans[0].stop - spans[0].start
            self._pool.run_holding(size, partial(self._fetch, spans[0], delivers, path, transfer))
            return
        with Batch(self._pool) as batch:
            for span in spans:
                batch.submit_holding(span.stop - span.start, partial(self._fetch, span, delivers, path, transfer))

    def footer(self, pack: PackName) -> Footer:
        """What a pack says that it holds.

        Raises:
            ObjectNotFoundError: There is no such pack.
            FormatError: Its footer is damaged.

        Cost: one request; two where the pack holds more than 660 blobs.
        """
        what = f"pack {pack}"
        tail = self._bucket.get_range(pack.key, -TAIL)
        needed = footer_length(tail, what) + TRAILER
        if needed > len(tail):
            tail = self._bucket.get_range(pack.key, -needed)
        return parse_footer(tail, what)

    def _fetch(self, span: Range, delivers: dict[Ref, list[Deliver]], path: Whose, transfer: Transfer) -> None:
        done = saved = 0
        for ref, data in self._verified(span, path):
            for deliver in delivers[ref]:
                deliver(data)
            done += len(data) * len(delivers[ref])
            saved += len(data) * (len(delivers[ref]) - 1)
        transfer.add(done, saved)

    def _verified(self, span: Range, path: Whose) -> Iterable[tuple[Ref, bytes]]:
        body = self._get(span, _of(path, span.refs[0]))
        for ref in span.refs:
            whose = _of(path, ref)
            try:
                yield ref, self._decode(body, span.start, ref, whose)
            except IntegrityError:
                again = Range(span.pack, (ref,))
                yield ref, self._decode(self._get(again, whose), again.start, ref, whose)

    def _get(self, span: Range, path: str | None) -> memoryview:
        try:
            return memoryview(self._bucket.get_range(span.pack.key, span.start, span.stop))
        except (ObjectNotFoundError, ObjectTooShortError) as error:
            reason = "the pack is gone" if isinstance(error, ObjectNotFoundError) else "the pack is cut off"
            raise IntegrityError(f"pack {span.pack}", reason, path) from error

    def _decode(self, body: Bytes, start: int, ref: Ref, path: str | None) -> bytes:
        stored = memoryview(body)[ref.offset - start : ref.offset - start + ref.stored]
        where = f"pack {ref.place}, offset {ref.offset}"
        return checked(ref, stored, where, path)


def _of(path: Whose, ref: Ref) -> str | None:
    """The artifact that a blob belongs to."""
    return path if path is None or isinstance(path, str) else path.get(ref)


def checked(ref: Ref, stored: Bytes, where: str, path: str | None = None) -> bytes:
    """The decoded bytes of a blob, if they are those that its reference names.

    Raises:
        IntegrityError: They are not.
    """
    try:
        data = decode(ref.codec, stored, ref.raw)
    except FormatError as error:
        raise IntegrityError(where, error.detail, path) from error
    if blob_id(data) != ref.id:
        raise IntegrityError(where, f"its bytes are not those of blob {ref.id.hex()}", path)
    return data
