"""Streams, chunks and blocks on their way through a writer.

WrittenStream    what a caller holds: its bytes, and its chunks once they have locations
PendingChunk     one chunk of a commit, which any number of streams may share
NamedBlock       a block whose chunks have names, waiting for a window
EncodingBlock    a block that is being encoded, whose buffer is still needed
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

from holdall.chunks.cutter import Block, Chunk
from holdall.format.encoder import Encoded
from holdall.format.reference import Ref


class PendingChunk:
    """A chunk on its way: `resolved` says where it is once its window was settled."""

    __slots__ = ("id", "raw", "resolved")

    def __init__(self, id: bytes, raw: int) -> None:
        self.id, self.raw = id, raw
        self.resolved: Ref | None = None

    @property
    def ref(self) -> Ref:
        """Return where the chunk is."""
        assert self.resolved is not None, "resolve_pending() comes first"
        return self.resolved


@dataclass(slots=True)
class WrittenStream:
    """A stream that was read, the writer's `number`th: its bytes, and its chunks in order once they were settled."""

    number: int
    size: int = 0
    chunks: list[PendingChunk] = field(default_factory=list)
    hashing: bytes | Future[bytes] = b""

    @property
    def sha256(self) -> bytes:
        """Return the SHA-256 of all the stream; waits for its thread."""
        return self.hashing if isinstance(self.hashing, bytes) else self.hashing.result()


class NewChunk(NamedTuple):
    """A chunk that the bucket is not known to have."""

    pending: PendingChunk
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class NamedBlock:
    """A block whose chunks have names.

    Attributes:
        size: Bytes of all its chunks.
        new: Those that came for the first time.
        last: The number of the last of these.
    """

    block: Block
    size: int
    new: list[NewChunk]
    last: int


@dataclass(frozen=True, slots=True)
class EncodingBlock:
    """A block whose new chunks are being encoded, and whose borrowed ones are being tried: it keeps their bytes."""

    block: Block
    new: list[NewChunk]
    borrowed: list[NewChunk]
    encoded: Future[tuple[list[Encoded], memoryview | None]] | None
