"""Which codec a chunk gets, found on a sample and then held to for its neighbours.

Trying every way on every chunk would cost more than it saves. So a few
kilobytes are tried in every way, once for some megabytes that lie together:
whole, or in planes of as many bytes as the file's format says that its numbers
have (or of 2, 4 and 8, where it says nothing); and each plane raw, with zstd's
level 1, or by its entropy alone.

    ENTROPY    zstd that hardly looks for repetitions. The exponents of floats
               hold none but by chance: level 1 spends its time on those, and
               ends up at 0.40 and 0.16 GB/s of a plane where this makes
               0.34 at 0.7.

A plan is advice: whatever does not save what it promised is stored raw, and
every blob is decoded and compared with its source before it leaves here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import zstandard

from holdall.format.codec import LEVEL, SPLIT, UNCOMPRESSED, WORTH, ZSTD, Decoder, planes_header, verify
from holdall.format.digest import Bytes
from holdall.format.frames import compress_each

if TYPE_CHECKING:
    from holdall.format.planes import Array, ScratchBuffers

SAMPLE: Final = 16 << 10  # bytes that a plan is made from
SMALL: Final = 16 << 10  # a lone blob up to this length is not worth a sample
_PROBE: Final = 1 << 10
_CLEARLY: Final = 0.98  # a costlier way must be better by this
_LEVEL, _ENTROPY = 0, 1


@dataclass(frozen=True, slots=True)
class Plan:
    """How to encode blobs that resemble a sample.

    Attributes:
        item_size: Bytes of a number; 1 where there is nothing to take apart.
        ways: For each plane how it is compressed; None: it is not.
    """

    item_size: int
    ways: tuple[int | None, ...]


class Encoded(NamedTuple):
    """An encoded blob: its codec, its bytes in parts, and their total length."""

    codec: int
    parts: tuple[Bytes, ...]
    stored: int


class Encoder:
    """Encodes blobs one after another, with zstd tables that are made once. For one thread at a time.

    Attributes:
        scratch: Writable memory for what is encoded; used up from its beginning, and the caller's to use again when
            nothing that was encoded in it is needed any more. Where it ends, fresh memory is taken.
    """

    def __init__(self) -> None:
        entropy = zstandard.ZstdCompressionParameters(
            strategy=zstandard.STRATEGY_FAST,
            window_log=17,
            hash_log=6,
            min_match=7,
            target_length=0,
            write_content_size=True,
        )
        level = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
        self._compressors = (level, zstandard.ZstdCompressor(compression_params=entropy))
        self._decoder = Decoder()
        self._buffers: ScratchBuffers | None = None
        self.scratch = memoryview(b"")

    def plan(self, sample: Bytes, item_size: int | None) -> Plan:
        """Return the plan that makes a sample smallest; of plans that are nearly equal the cheapest.

        Args:
            sample: Some thousand bytes, beginning where a number begins.
            item_size: Bytes of a number, as the file's format says; 1 for bytes, None if it says nothing.
        """
        best, least = self._sized([sample])
        chosen = Plan(1, best)
        for width in (2, 4, 8) if item_size is None else (item_size,) if item_size > 1 else ():
            ways, size = self._sized(_split(sample, width))
            if size < _CLEARLY * least:
                chosen, least = Plan(width, ways), size
        return chosen

    def _sized(self, planes: Sequence[Bytes]) -> tuple[tuple[int | None, ...], float]:
        """Return the best way to compress each plane, and the total size then."""
        ways: list[int | None] = []
        total = 0.0
        for plane in planes:
            sizes = [len(compressor.compress(plane)) for compressor in self._compressors]
            way = _ENTROPY if sizes[_ENTROPY] <= sizes[_LEVEL] else _LEVEL
            pays = sizes[way] < WORTH * len(plane)
            ways.append(way if pays else None)
            total += sizes[way] if pays else len(plane)
        return tuple(ways), total

    def encode(self, data: Bytes, plan: Plan, phase: int = 0) -> Encoded:
        """Encode a blob by a plan; leave it uncompressed where that does not save enough.

        Args:
            data: The blob.
            plan: One that was made for the like of it.
            phase: Where in it the first whole number begins.
        """
        return self.encode_run(memoryview(data), [len(data)], plan, phase)[0]

    def encode_run(self, data: memoryview, ends: Sequence[int], plan: Plan, phase: int) -> list[Encoded]:
        """Encode blobs that lie back to back in `data`, in fewer calls; `ends` are their ends in it."""
        if plan.item_size > 1 and len(data) - phase >= plan.item_size:
            return self._in_planes(data, ends, plan, phase)
        blobs = [data[start:end] for start, end in pairwise([0, *ends])]
        way = plan.ways[0] if plan.item_size == 1 else _LEVEL
        ways = [way] * len(blobs) if way is not None else self._probe_each(blobs)
        return [self._whole(blob, way) for blob, way in zip(blobs, ways, strict=True)]

    def encode_alone(self, data: Bytes) -> Encoded:
        """Encode a short blob on its own, without a plan."""
        return self._whole(memoryview(data), _LEVEL)

    def _probe_each(self, blobs: Sequence[memoryview]) -> list[int | None]:
        """Return for each blob whether to compress it, judged by 1 KiB of it: the sample was incompressible."""
        middles = [max((len(blob) - _PROBE) // 2, 0) for blob in blobs]
        probes = [blob[at : at + _PROBE] for blob, at in zip(blobs, middles, strict=True)]
        sizes = map(len, compress_each(self._compressors[_ENTROPY], probes))
        return [
            _LEVEL if size < WORTH * WORTH * len(probe) else None for size, probe in zip(sizes, probes, strict=True)
        ]

    def _whole(self, data: memoryview, way: int | None) -> Encoded:
        if way is not None:
            packed = self._compressors[way].compress(data)
            if len(packed) < WORTH * len(data):
                verify(self._decoder.decode(ZSTD, packed, len(data)) == bytes(data))
                return Encoded(ZSTD, (packed,), len(packed))
        return Encoded(UNCOMPRESSED, (data,), len(data))

    def _in_planes(self, data: memoryview, ends: Sequence[int], plan: Plan, phase: int) -> list[Encoded]:
        """Split all numbers into planes at once, compress each blob's share of them, and join all again to compare."""
        from holdall.format.planes import ScratchBuffers, equal, join_pieces, numbers, split, view

        scratch = self._buffers = self._buffers or ScratchBuffers()
        whole = numbers(data, plan.item_size, phase, scratch)
        memory = self._take_scratch(plan.item_size * len(whole))
        planes = [memory[len(whole) * p : len(whole) * (p + 1)] for p in range(plan.item_size)]
        split(whole, apart := view(memory).reshape(plan.item_size, len(whole)), scratch)
        decoded: list[list[Array]] = [[plane] for plane in apart]
        blobs = [_Blob.at(start, end, plan.item_size, phase, planes) for start, end in pairwise([0, *ends])]
        some = [blob for blob in blobs if blob.first < blob.stop]
        for p, way in enumerate(plan.ways):
            if way is not None and some:
                decoded[p] = self._compress_plane(p, self._compressors[way], planes[p], some)
        verify(equal(join_pieces(decoded, scratch), whole))
        in_planes = [(blob, blob.encoded(data, plan.item_size)) for blob in blobs]
        return [found or self._whole(data[blob.start : blob.end], _LEVEL) for blob, found in in_planes]

    def _compress_plane(
        self, p: int, compressor: zstandard.ZstdCompressor, plane: memoryview, blobs: Sequence[_Blob]
    ) -> list[Array]:
        """Compress each blob's share of a plane where that saves enough; return all of the plane, decoded, in pieces.

        Numbers of no blob, through which a cut goes, are in it as well.
        """
        from holdall.format.planes import view

        shares = [blob.parts[p] for blob in blobs]
        frames = compress_each(compressor, shares)
        contents = self._decoder.decompress_each(frames, list(map(len, shares)))
        pieces, at = [], 0
        for blob, share, frame, content in zip(blobs, shares, frames, contents, strict=True):
            if at < blob.first:
                pieces.append(view(plane[at : blob.first]))
            if len(frame) < WORTH * len(share):
                blob.parts[p] = frame
                blob.bitmap |= 1 << p
                share = content
            pieces.append(view(share))
            at = blob.stop
        if at < len(plane):
            pieces.append(view(plane[at:]))
        return pieces

    def _take_scratch(self, size: int) -> memoryview:
        """Return memory for planes: from the scratch buffer while it lasts, else new."""
        if len(self.scratch) < size:
            return memoryview(bytearray(size))
        found, self.scratch = self.scratch[:size], self.scratch[size:]
        return found


@dataclass(slots=True)
class _Blob:
    """One blob among several that lie back to back: where it is, and its whole numbers.

    Attributes:
        start: Its first byte in the run, and `end` that behind its last.
        phase: Where in it the first whole number begins.
        first: Which of the run's numbers that is, and `stop` the one behind its last.
        parts: Its bytes of each plane, as they are to be stored.
        bitmap: Which of these are compressed.
    """

    start: int
    end: int
    phase: int
    first: int
    stop: int
    parts: list[Bytes]
    bitmap: int = 0

    @staticmethod
    def at(start: int, end: int, item_size: int, phase: int, planes: Sequence[memoryview]) -> _Blob:
        """Return a blob among several, the first number of which begins at `phase`."""
        inside = (phase - start) % item_size
        first = (start + inside - phase) // item_size
        stop = first + max(end - start - inside, 0) // item_size
        return _Blob(start, end, inside, first, stop, [plane[first:stop] for plane in planes])

    def encoded(self, data: memoryview, item_size: int) -> Encoded | None:
        """Return it split into planes, or nothing where it has no numbers or that saves too little."""
        if self.first == self.stop:
            return None
        size = self.end - self.start
        lengths = list(map(len, self.parts))
        header = planes_header(data[self.start : self.end], item_size, self.phase, self.bitmap, lengths)
        stored = len(header) + sum(lengths)
        return Encoded(SPLIT, (header, *self.parts), stored) if stored < WORTH * size else None


def _split(data: Bytes, item_size: int) -> list[bytes]:
    from holdall.format.planes import ScratchBuffers, numbers, split, view

    scratch = ScratchBuffers()
    whole = numbers(data, item_size, 0, scratch)
    planes = view(bytearray(item_size * len(whole))).reshape(item_size, len(whole))
    split(whole, planes, scratch)
    return [bytes(plane) for plane in planes]
