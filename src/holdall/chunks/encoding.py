"""What a block has new, as it is to be stored.

Chunks that lie together and are of one file and kind share a plan, which is
made from a few kilobytes of them, and are encoded in runs: as much at a time
as stays in a processor's cache, and as little as makes threads wait for one
another seldom. Those of an encrypted store are sealed by the same thread: the one
that packs has all blocks to pass on.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

from holdall.chunks.buffers import BufferPool
from holdall.chunks.cutter import Chunk
from holdall.format.encoder import SAMPLE, SMALL, Encoded, Encoder
from holdall.format.reference import CHUNK
from holdall.format.sealing import Sealing

_SAMPLES: Final = 4
_EACH: Final = 10 << 20  # bytes of an encoder: numbers and planes of a run, there and back, and the tables of zstd
_RUN: Final = 768 << 10  # bytes after which no further chunk joins a run


class Encoders:
    """Encoders and the buffers that they fill, used again by one thread after the other.

    Args:
        scratch: Buffers as long as a block. There is always one, since what is encoded would lie elsewhere otherwise.
        sealing: How chunks are closed; what is, lies in bytes of its own.
    """

    def __init__(self, scratch: BufferPool, sealing: Sealing) -> None:
        self._scratch, self._sealing = scratch, sealing
        self._free: list[Encoder] = []

    def encode(self, block: memoryview, chunks: Sequence[Chunk]) -> tuple[list[Encoded], memoryview | None]:
        """Encode and seal some chunks of a block; return them, and the buffer that they are in, if they are in one."""
        buffer = self._scratch.acquire(force=True)
        try:  # taking from a list is atomic
            encoder = self._free.pop()
        except IndexError:
            encoder = Encoder()
            self._scratch.count(_EACH)
        encoder.scratch = buffer or memoryview(b"")
        found = encode_block(encoder, block, chunks)
        encoder.scratch = memoryview(b"")
        self._free.append(encoder)
        if not self._sealing.sealed:
            return found, buffer
        found = [self._sealing.seal(CHUNK, at.id, one, len(at.data)) for at, one in zip(chunks, found, strict=True)]
        if buffer is not None:
            self._scratch.release(buffer)
        return found, None


def encode_block(encoder: Encoder, block: memoryview, chunks: Sequence[Chunk]) -> list[Encoded]:
    """Encode a block's new chunks; neighbours of one file and kind share a plan."""
    found: list[Encoded] = []
    for (_, item), group in itertools.groupby(chunks, key=lambda chunk: (id(chunk.owner), chunk.item_size)):
        alike = list(group)
        if len(alike) == 1 and item in (None, 1) and len(alike[0].data) <= SMALL:
            found.append(encoder.encode_alone(alike[0].data))
            continue
        plan = encoder.plan(_sample(alike), item)
        for run in _split_into_runs(alike):
            begin = run[0].start
            ends = [chunk.start - begin + len(chunk.data) for chunk in run]
            found += encoder.encode_run(block[begin : begin + ends[-1]], ends, plan, run[0].phase % plan.item_size)
    return found


def _split_into_runs(chunks: Sequence[Chunk]) -> list[list[Chunk]]:
    """Split chunks into runs that lie back to back in memory, their numbers in step, and fit a processor's cache."""
    runs: list[list[Chunk]] = []
    size, end, phase = 0, -1, -1
    for chunk in chunks:
        if chunk.start != end or (chunk.start + chunk.phase) % 8 != phase or size >= _RUN:
            runs.append([])
            size, phase = 0, (chunk.start + chunk.phase) % 8
        runs[-1].append(chunk)
        size += len(chunk.data)
        end = chunk.start + len(chunk.data)
    return runs


def _sample(chunks: Sequence[Chunk]) -> bytes:
    """Return a few kilobytes from here and there, each beginning with a whole number."""
    length = SAMPLE // _SAMPLES
    some = chunks[:: -(-len(chunks) // _SAMPLES)]
    return b"".join(_whole_numbers(chunk.data[chunk.phase : chunk.phase + length]) for chunk in some)


def _whole_numbers(data: memoryview) -> memoryview:
    return data[: len(data) // 8 * 8]
