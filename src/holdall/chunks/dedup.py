"""Which chunks of a stream the bucket has, and at which of their places they are to be referred to.

A writer brings its chunks in windows of about a pack. First the stream is
followed along packs that are known. Where much is still missing, hints are
asked for the smallest missing ids, again and again while that finds packs: a
file of many versions has chunks in many packs, and each has its own hints. So
a request is made either for a window that is new, once, or for a pack that is
found. Where hints leave megabytes unfound, earlier versions of the streams are
asked for, if anybody knows of them (`Previous`): what they say costs a footer
for each pack that has something of the window, and no more questions while most
of it is found. At last a limiter for each file refuses what would scatter it.

Memory and requests depend on the stream, never on the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple, Protocol

from holdall.chunks.chunk_index import ChunkIndex
from holdall.chunks.defrag import FragmentationLimiter
from holdall.chunks.hints import PER_PACK
from holdall.format.layout import PackName
from holdall.format.reference import Ref

_LITTLE: Final = 16 << 10  # bytes that are sooner stored again than guessed or, in a large window, asked for
_ROUNDS: Final = 16  # of questions for one window, were every hint to name another pack
_UNKNOWN: Final = 8  # earlier versions are asked for where this part of a pack is missing: one in so many of what is
_IN_PART: Final = 32  # new altogether, and one in so many where some of the window is known, which thus has any


class ChunkQuery(NamedTuple):
    """A chunk of a stream: its id, its length in bytes, and a number of its stream, from 0."""

    id: bytes
    raw: int
    stream: int


class Previous(Protocol):
    """Tells where earlier versions of streams are."""

    def begin(self, stream: int, path: str) -> None:
        """Note which path a stream is to be."""
        ...

    def packs_of(self, chunks: Sequence[ChunkQuery], *, ask: bool) -> Sequence[PackName]:
        """Return packs that are said to hold some of these chunks; with `ask`, requests may find out."""
        ...


class Deduplicator:
    """Follows one writer's streams through what the bucket has. Not for several threads at once.

    Attributes:
        again: Bytes, decoded, that the bucket has and that are to be stored again against fragmentation.
    """

    def __init__(self, index: ChunkIndex, *, pack_size: int, previous: Previous | None = None) -> None:
        self._index, self._reach, self._previous = index, pack_size, previous
        self._position: Ref | None = None  # where the stream stands in a known pack
        self._stream, self._limiter = -1, FragmentationLimiter()  # of the stream that may go on
        self.rewritten = 0

    def lookup(self, window: Sequence[ChunkQuery]) -> list[Ref | None]:
        """Return where each chunk is to be referred to; None: it is to be stored.

        Cost: one request for each pack that is walked through, and one more for each that is borrowed from, which
        nobody waits for here (`ChunkIndex.verify`); four where much is new, and what `Previous` takes.
        """
        if self._index.has_garbage_state:
            self._index.condemned()  # and what was found to be damaged meanwhile
        missing = self._match(window)
        if _bytes(missing) >= _LITTLE:
            missing = self._match(window, guess=True)
        missing, told = self._look_before(missing, window, ask=False)
        if not told or 2 * _bytes(missing) > _bytes(window):
            missing = self._follow_hints(missing, window)
            least = self._reach // (_UNKNOWN if len(missing) == len(window) else _IN_PART)
            if _bytes(missing) >= least:
                missing, _ = self._look_before(missing, window, ask=True)
        self._position = self._index.get(window[-1].id) if window else self._position
        by_stream = groupby(window, key=lambda chunk: chunk.stream)
        chosen = [ref for _, some in by_stream for ref in self._select(list(some))]
        if _bytes(missing) >= _LITTLE and len(missing) < len(window):
            self._mark_for_hint({chunk.id for chunk in missing}, window, chosen)
        self._index.start_verifying(ref for ref in chosen if ref)
        return chosen

    def find_blob(self, blob: bytes) -> Ref | None:
        """Return where a recipe or node is, which lies behind its stream's chunks: if these end a pack, in the next.

        Cost: one request more where that is the first that is borrowed from its pack.
        """
        there = self._index.get(blob)
        if there is None and self._position is not None and self._index.load_next(self._position):
            there = self._index.get(blob)
        while there is not None and not self._index.verify(there):
            self._index.condemned()  # which forgets the pack
            there = self._index.get(blob)
        return there

    def _follow_hints(self, missing: list[ChunkQuery], window: Sequence[ChunkQuery]) -> list[ChunkQuery]:
        """Ask for hints to what is missing for as long as they find packs; return what is missing then."""
        for _ in range(_ROUNDS):
            smallest = sorted({chunk.id for chunk in missing if not self._index.hints.is_bad(chunk.id)})[:PER_PACK]
            if not _is_much(missing, window) or not self._index.load_hinted(smallest):
                break
            missing = self._match(window, guess=True)
        return missing

    def _look_before(
        self, missing: list[ChunkQuery], window: Sequence[ChunkQuery], *, ask: bool
    ) -> tuple[list[ChunkQuery], bool]:
        """Look where earlier versions say that chunks are; return what is missing then, and whether they say so."""
        packs = self._previous.packs_of(missing, ask=ask) if self._previous and missing else ()
        if packs:
            self._index.load_footers(packs)
            missing = self._match(window, guess=True)
        return missing, bool(packs)

    def _match(self, window: Iterable[ChunkQuery], *, guess: bool = False) -> list[ChunkQuery]:
        """Walk along known packs, from where the last window ended; return the chunks in none of them."""
        missing, before = [], self._position
        for chunk in window:
            there = self._index.get(chunk.id)
            if there is None and before is not None and self._index.load_next(before, guess=guess):
                there = self._index.get(chunk.id)
            if there is None:
                missing.append(chunk)
            before = there
        return missing

    def _mark_for_hint(self, new: set[bytes], window: Sequence[ChunkQuery], chosen: Sequence[Ref | None]) -> None:
        """Give one new chunk a hint: where a window is new in part, its pack has chunks of other windows too."""
        stored = {chunk.id for chunk, ref in zip(window, chosen, strict=True) if ref is None}
        self._index.hints.prefer(min(new), again=stored - new)

    def _select(self, chunks: Sequence[ChunkQuery]) -> list[Ref | None]:
        """Return the places of one stream's chunks."""
        stream = chunks[0].stream
        if stream != self._stream:
            if len(chunks) == 1:  # a small file cannot be scattered
                return [self._index.get(chunks[0].id)]
            self._stream, self._limiter = stream, FragmentationLimiter(reach=self._reach)
        limiter = self._limiter
        before = limiter.rewritten
        chosen = limiter.select([(chunk.raw, self._index.copies(chunk.id)) for chunk in chunks])
        self.rewritten += limiter.rewritten - before
        return chosen


def _is_much(missing: Iterable[ChunkQuery], window: Iterable[ChunkQuery]) -> bool:
    return _bytes(missing) >= _LITTLE or 4 * _bytes(missing) > _bytes(window)


def _bytes(chunks: Iterable[ChunkQuery]) -> int:
    return sum(chunk.raw for chunk in chunks)
