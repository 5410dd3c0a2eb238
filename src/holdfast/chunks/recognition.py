"""Which chunks of a stream the bucket has, and at which of their places they are to be referred to.

A writer brings its chunks in windows of about a pack. First the stream is
followed along packs that are known. Where much is still missing, hints are
asked for the smallest missing ids, again and again while that finds packs: a
file of many versions has chunks in many packs, and each has its own hints. So
a request is made either for a window that is new, once, or for a pack that is
found. At last a guard for each file refuses what would scatter it.

Memory and requests depend on the stream, never on the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from holdfast.chunks.fragments import Guard
from holdfast.chunks.hints import PER_PACK, Known
from holdfast.format.reference import Ref

_ROUNDS: Final = 16  # of questions for one window, were every hint to name another pack


class Wanted(NamedTuple):
    """A chunk of a stream: its id, its length in bytes, and a number of its stream, from 0."""

    id: bytes
    raw: int
    stream: int


class Recogniser:
    """Follows one writer's streams through what the bucket has. Not for several threads at once.

    Attributes:
        again: Bytes, decoded, that the bucket has and that are to be stored again against fragmentation.
    """

    def __init__(self, known: Known, *, pack_size: int) -> None:
        self._known, self._reach = known, pack_size
        self._before: Ref | None = None  # where the stream stands in a known pack
        self._stream, self._guard = -1, Guard()  # of the stream that may go on
        self.again = 0

    def look(self, window: Sequence[Wanted]) -> list[Ref | None]:
        """Where each chunk is to be referred to; None: it is to be stored.

        Cost: one request for each pack that is walked through; four where much is new.
        """
        missing = self._match(window)
        for _ in range(_ROUNDS):
            smallest = sorted({chunk.id for chunk in missing})[:PER_PACK]
            if not missing or not self._known.ask(smallest):
                break
            missing = self._match(missing)
        self._before = self._known.get(window[-1].id) if window else self._before
        return [ref for _, some in groupby(window, key=lambda chunk: chunk.stream) for ref in self._choose(list(some))]

    def find(self, blob: bytes) -> Ref | None:
        """Where a recipe or node is, which lies behind its stream's chunks: if these end a pack, in the next."""
        return self._known.get(blob) or self._follow(blob)

    def _match(self, chunks: Iterable[Wanted]) -> list[Wanted]:
        """Walk along known packs; what is in none of them."""
        missing = []
        for chunk in chunks:
            there = self._known.get(chunk.id) or self._follow(chunk.id)
            if there is None:
                missing.append(chunk)
            self._before = there
        return missing

    def _follow(self, blob: bytes) -> Ref | None:
        if self._before is not None and self._known.follow(self._before):
            return self._known.get(blob)
        return None

    def _choose(self, chunks: Sequence[Wanted]) -> list[Ref | None]:
        """The places of one stream's chunks."""
        stream = chunks[0].stream
        if stream != self._stream:
            if len(chunks) == 1:  # a small file cannot be scattered
                return [self._known.get(chunks[0].id)]
            self._stream, self._guard = stream, Guard(reach=self._reach)
        guard = self._guard
        before = guard.again
        chosen = guard.choose([(chunk.raw, self._known.copies(chunk.id)) for chunk in chunks])
        self.again += guard.again - before
        return chosen
