"""What a block has new, as it is to be stored.

Chunks that lie together and are of one file and kind share a plan, which is
made from a few kilobytes of them, and are encoded in runs: as much at a time
as stays in a processor's cache, and as little as makes threads wait for one
another seldom.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

from holdall.chunks.buffers import Buffers
from holdall.chunks.cutter import Piece
from holdall.format.encoder import SAMPLE, SMALL, Encoded, Encoder

_SAMPLES: Final = 4
_RUN: Final = 1536 << 10  # bytes after which no further chunk joins a run


class Encoders:
    """Encoders and the buffers that they fill, used again by one thread after the other.

    Args:
        rooms: Buffers as long as a block; what has none is given fresh memory.
    """

    def __init__(self, rooms: Buffers) -> None:
        self._rooms = rooms
        self._free: list[Encoder] = []

    def encode(self, block: memoryview, pieces: Sequence[Piece]) -> tuple[list[Encoded], memoryview | None]:
        """What is to be stored of some chunks of a block, and the buffer that it is in, if there was one."""
        room = self._rooms.take()
        try:  # taking from a list is atomic
            encoder = self._free.pop()
        except IndexError:
            encoder = Encoder()
        encoder.room = room or memoryview(b"")
        found = encoded(encoder, block, pieces)
        encoder.room = memoryview(b"")
        self._free.append(encoder)
        return found, room


def encoded(encoder: Encoder, block: memoryview, pieces: Sequence[Piece]) -> list[Encoded]:
    """A block's new chunks as they are to be stored; neighbours of one file and kind share a plan."""
    found: list[Encoded] = []
    for (_, item), group in itertools.groupby(pieces, key=lambda piece: (id(piece.owner), piece.item)):
        alike = list(group)
        if len(alike) == 1 and item in (None, 1) and len(alike[0].data) <= SMALL:
            found.append(encoder.encode_alone(alike[0].data))
            continue
        plan = encoder.plan(_sample(alike), item)
        for run in _runs(alike):
            begin = run[0].start
            ends = [piece.start - begin + len(piece.data) for piece in run]
            found += encoder.encode_run(block[begin : begin + ends[-1]], ends, plan, run[0].head % plan.item_size)
    return found


def _runs(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Chunks that lie back to back in memory, their numbers in step, as many as a cache is glad to hold."""
    runs: list[list[Piece]] = []
    size, end, phase = 0, -1, -1
    for piece in pieces:
        if piece.start != end or (piece.start + piece.head) % 8 != phase or size >= _RUN:
            runs.append([])
            size, phase = 0, (piece.start + piece.head) % 8
        runs[-1].append(piece)
        size += len(piece.data)
        end = piece.start + len(piece.data)
    return runs


def _sample(pieces: Sequence[Piece]) -> bytes:
    """A few kilobytes from here and there, each beginning with a whole number."""
    length = SAMPLE // _SAMPLES
    some = pieces[:: -(-len(pieces) // _SAMPLES)]
    return b"".join(_whole_numbers(piece.data[piece.head : piece.head + length]) for piece in some)


def _whole_numbers(data: memoryview) -> memoryview:
    return data[: len(data) // 8 * 8]
