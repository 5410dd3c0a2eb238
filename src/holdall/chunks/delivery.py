"""Blobs on their way from packs to their receivers.

Plan, fetch in parallel, check every length, decode, hash every blob, hand it
on. No byte leaves this module that does not hash to the id in its reference. A
range that comes back wrong is fetched once more, since networks err more often
than disks; what is wrong twice is damage, and named.

Blobs are decoded and written a handful at a time: each call that lets the GIL
go costs a thread its turn.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from holdall.chunks.damage import Damage
from holdall.chunks.observer import Transfer
from holdall.chunks.plan import Range, plan_ranges
from holdall.chunks.pool import Batch, Pool
from holdall.errors import FormatError, IntegrityError, ObjectNotFoundError, ObjectTooShortError
from holdall.format.codec import UNCOMPRESSED, Decoder
from holdall.format.digest import Bytes
from holdall.format.reference import Ref
from holdall.format.sealing import Sealing
from holdall.keys.sealed_bucket import sealing_of
from holdall.storage.bucket import Bucket

OnChunk: TypeAlias = Callable[[Bytes], object]
Receiver: TypeAlias = "OnChunk | FileOffset"
PathOf: TypeAlias = str | Callable[[Ref], str | None] | None

_BATCH_BYTES: Final = 512 << 10  # bytes of blobs that are decoded together, and how many at most
_BATCH_BLOBS: Final = 300
_MAX_PARTS: Final = 1000  # that are written together, or up to two more: a system takes 1,024 in one call


class Sink(Protocol):
    """Where bytes are put at offsets."""

    def write(self, at: int, *parts: Bytes) -> None:
        """Write parts one after the other, from an offset on; they are the caller's again afterwards."""
        ...


class FileOffset(NamedTuple):
    """A place in a file for a blob: neighbours are put there together."""

    file: Sink
    at: int


class Delivery:
    """Blobs on their way from a bucket to the functions that take them, as a context."""

    def __init__(
        self, bucket: Bucket, pool: Pool, transfer: Transfer, damage: Damage, *, limit: int, at_once: int
    ) -> None:
        self._bucket, self._pool, self._transfer, self._damage, self._limit = bucket, pool, transfer, damage, limit
        self._batch = Batch(pool)
        self._free_slots = threading.Semaphore(at_once)
        self._decoders: list[Decoder] = []  # that nobody is using

    def __enter__(self) -> Delivery:
        self._batch.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._batch.__exit__(*error)

    def add(self, wanted: Iterable[tuple[Ref, Receiver]], *, path: PathOf = None, alone: bool = False) -> None:
        """Begin to deliver more blobs, all requests for them planned together.

        Args:
            wanted: As for `ChunkReader.deliver`.
            path: Whose they are, for errors.
            alone: Nothing else is added: one range is then fetched by the caller's own thread.

        Raises:
            IntegrityError: Something that was added before failed.
        """
        delivers: defaultdict[Ref, list[Receiver]] = defaultdict(list)
        for ref, function in wanted:
            delivers[ref].append(function)
        spans = plan_ranges(delivers, limit=self._limit)
        for span in spans:
            task = partial(self._fetch, span, [delivers[ref] for ref in span.refs], path)
            if alone and len(spans) == 1:
                self._pool.run_with_budget(span.stop - span.start, task)
            else:
                self._free_slots.acquire()
                self._batch.submit_with_budget(_budget_for(span), partial(self._run_and_free_slot, task))

    def _run_and_free_slot(self, task: Callable[[], None]) -> None:
        try:
            task()
        finally:
            self._free_slots.release()

    def _fetch(self, span: Range, delivers: Sequence[Sequence[Receiver]], path: PathOf) -> None:
        body = self._get_range(span, path)
        try:  # what it made its tables in is used again, which is half the work; taking from a list is atomic
            decoder = self._decoders.pop()
        except IndexError:
            decoder = Decoder()
        done, saved, sealing = 0, 0, sealing_of(self._bucket)
        for some in _batches(zip(span.refs, delivers, strict=True)):
            found = self._decode_batch(body, span, [ref for ref, _ in some], decoder, sealing, path)
            _deliver(zip(found, some, strict=True))
            done += sum(ref.raw * len(functions) for ref, functions in some)
            saved += sum(ref.raw * (len(functions) - 1) for ref, functions in some)
        self._decoders.append(decoder)
        self._transfer.add(done, saved)

    def _decode_batch(
        self, body: memoryview, span: Range, refs: Sequence[Ref], decoder: Decoder, sealing: Sealing, path: PathOf
    ) -> list[Bytes]:
        """Decode blobs and verify them; where one is wrong, decode each alone."""
        begin = span.start
        stored = [body[ref.offset - begin : ref.offset - begin + ref.stored] for ref in refs]
        try:
            opened = [sealing.opened(ref, data) for ref, data in zip(refs, stored, strict=True)]
            found = decoder.decode_run((*one, ref.raw) for ref, one in zip(refs, opened, strict=True))
            if all(sealing.is_named(data, ref.id) for ref, data in zip(refs, found, strict=True)):
                return found
        except FormatError:
            pass
        return [
            self._decode_retrying(ref, data, decoder, sealing, path) for ref, data in zip(refs, stored, strict=True)
        ]

    def _decode_retrying(self, ref: Ref, stored: memoryview, decoder: Decoder, sealing: Sealing, path: PathOf) -> bytes:
        try:
            return bytes(_decode_one(ref, stored, decoder, sealing))
        except FormatError:
            again = Range.over([ref])
            body = self._get_range(again, path)
        try:
            where = f"pack {ref.location}, offset {ref.offset}"
            return decode_verified(ref, body, sealing, where, path_of(path, ref))
        except IntegrityError as error:
            self._damage.wrong(again.pack, error.detail, [ref.id])
            raise

    def _get_range(self, span: Range, path: PathOf) -> memoryview:
        try:
            return memoryview(self._bucket.get_range(span.pack.key, span.start, span.stop))
        except ObjectNotFoundError as error:
            self._damage.gone(span.pack)
            raise IntegrityError(f"pack {span.pack}", "the pack is gone", path_of(path, span.refs[0])) from error
        except ObjectTooShortError as error:
            self._damage.wrong(span.pack, "the pack is cut off")
            raise IntegrityError(f"pack {span.pack}", "the pack is cut off", path_of(path, span.refs[0])) from error


def _batches(wanted: Iterable[tuple[Ref, Sequence[Receiver]]]) -> Iterator[list[tuple[Ref, Sequence[Receiver]]]]:
    """Yield some neighbours at a time: what is decoded stays in a cache, and one call writes it."""
    some: list[tuple[Ref, Sequence[Receiver]]] = []
    size = 0
    for one in wanted:
        some.append(one)
        size += one[0].raw
        if size >= _BATCH_BYTES or len(some) == _BATCH_BLOBS:
            yield some
            some, size = [], 0
    if some:
        yield some


def _deliver(found: Iterable[tuple[Bytes, tuple[Ref, Sequence[Receiver]]]]) -> None:
    """Call the receivers; neighbours in a file are written together."""
    target: FileOffset | None = None
    waiting: list[Bytes] = []
    end = 0
    for data, (ref, functions) in found:
        for function in functions:
            if not isinstance(function, FileOffset):
                function(data)
                continue
            # One blob may follow itself any number of times, as zeros do.
            full = target is not None and (len(waiting) >= _MAX_PARTS or end - target.at >= _BATCH_BYTES)
            if target is None or function.file is not target.file or function.at != end or full:
                if target is not None:
                    target.file.write(target.at, *waiting)
                target, waiting, end = function, [], function.at
            waiting.append(data)
            end += ref.raw
    if target is not None:
        target.file.write(target.at, *waiting)


def _budget_for(span: Range) -> int:
    """Return the bytes that fetching a range holds: the range, and half of it for clients' buffers and decoding."""
    return (span.stop - span.start) * 3 // 2


def path_of(path: PathOf, ref: Ref) -> str | None:
    """Return the artifact that a blob belongs to."""
    return path(ref) if callable(path) else path


def _decode_one(ref: Ref, stored: Bytes, decoder: Decoder, sealing: Sealing) -> Bytes:
    """Decode a blob, which may give the stored bytes themselves. Raises: FormatError."""
    codec, stored = sealing.opened(ref, stored)
    data = stored if codec == UNCOMPRESSED and len(stored) == ref.raw else decoder.decode(codec, stored, ref.raw)
    if not sealing.is_named(data, ref.id):
        raise FormatError("blob", f"its bytes are not those of blob {ref.id.hex()}")
    return data


def decode_verified(ref: Ref, stored: Bytes, sealing: Sealing, where: str, path: str | None = None) -> bytes:
    """Open and decode a blob, and verify that it is the one that its reference names.

    Raises:
        IntegrityError: They are not.
    """
    try:
        return bytes(_decode_one(ref, stored, Decoder(), sealing))
    except FormatError as error:
        raise IntegrityError(where, error.detail, path) from error
