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

from holdall.chunks.fragments import Guard
from holdall.chunks.hints import PER_PACK, Known
from holdall.format.reference import Ref

_LITTLE: Final = 16 << 10  # bytes that are sooner stored again than guessed or, in a large window, asked for
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

        Cost: one request for each pack that is walked through, and one more for each that is borrowed from, which
        nobody waits for here (`Known.holds`); four where much is new.
        """
        if self._known.in_use:
            self._known.condemned()  # and what was found to be damaged meanwhile
        missing = self._match(window)
        if _bytes(missing) >= _LITTLE:
            missing = self._match(window, guess=True)
        for _ in range(_ROUNDS):
            smallest = sorted({chunk.id for chunk in missing if not self._known.misled(chunk.id)})[:PER_PACK]
            if not _much(missing, window) or not self._known.ask(smallest):
                break
            missing = self._match(window, guess=True)
        self._before = self._known.get(window[-1].id) if window else self._before
        by_stream = groupby(window, key=lambda chunk: chunk.stream)
        chosen = [ref for _, some in by_stream for ref in self._choose(list(some))]
        if _bytes(missing) >= _LITTLE and len(missing) < len(window):
            self._advise({chunk.id for chunk in missing}, window, chosen)
        self._known.try_out(ref for ref in chosen if ref)
        return chosen

    def find(self, blob: bytes) -> Ref | None:
        """Where a recipe or node is, which lies behind its stream's chunks: if these end a pack, in the next.

        Cost: one request more where that is the first that is borrowed from its pack.
        """
        there = self._known.get(blob)
        if there is None and self._before is not None and self._known.follow(self._before):
            there = self._known.get(blob)
        while there is not None and not self._known.holds(there):
            self._known.condemned()  # which forgets the pack
            there = self._known.get(blob)
        return there

    def _match(self, window: Iterable[Wanted], *, guess: bool = False) -> list[Wanted]:
        """Walk along known packs, from where the last window ended; what is in none of them."""
        missing, before = [], self._before
        for chunk in window:
            there = self._known.get(chunk.id)
            if there is None and before is not None and self._known.follow(before, guess=guess):
                there = self._known.get(chunk.id)
            if there is None:
                missing.append(chunk)
            before = there
        return missing

    def _advise(self, new: set[bytes], window: Sequence[Wanted], chosen: Sequence[Ref | None]) -> None:
        """Where a window is new in part, its pack has chunks of other windows too: one hint must be of this one."""
        stored = {chunk.id for chunk, ref in zip(window, chosen, strict=True) if ref is None}
        self._known.seek(min(new), again=stored - new)

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


def _much(missing: Iterable[Wanted], window: Iterable[Wanted]) -> bool:
    return _bytes(missing) >= _LITTLE or 4 * _bytes(missing) > _bytes(window)


def _bytes(chunks: Iterable[Wanted]) -> int:
    return sum(chunk.raw for chunk in chunks)
