"""Which chunks that the bucket has are stored again, so that a file stays in few pieces.

If every known chunk were taken where it is, the last of many versions of a
file would be spread over the packs of them all, and reading it would cost a
request for each. So reading is counted as the reader plans it (`plan.py`): one
request per stretch of a pack, for each `reach` bytes of it. A fresh copy of so
many bytes costs at most `1 + size / reach`; a file may cost `MAX_READ_AMPLIFICATION` times
that, and up to `MORE` beside, one for each megabyte: requests go side by side, so
eight take about as long as one, and the eighth version of a small file need not
be a copy. What is beyond is given back: the poorest stretches, those with the
fewest bytes of the file per request, are refused and their chunks stored again
next to the new ones, where the next version finds them in one stretch.

After the idea of Xet's `defrag_prevention.rs`, which counts the chunks of the
last 128 ranges, wants 8 on average, and has two thresholds so that it does not
flutter. Here a range is a stretch of a pack instead of a run of the file: a
chunk that was replaced in a pack costs nothing while the reader reads across
the gap, however often that happens.

    one version   | base .......................... |          2 requests
    many          | base . . . . . . . . . . . . .  | a | b | c | d | e | new
    judged        | base . . . . . . . . . . . . .  | a | b | new: c, d and e again

The price, as a share of the bytes of thirty versions: 2 to 4 % where each changes
4 to 5 % of the chunks, anywhere, of 8 to 64 MiB; 6 % where it changes forty
neighbours; under 1 % where it changes less of more; nothing where the same part
changes each time. Over eight versions it is 1 % at most, but 6 % of files of a
megabyte or two (`tests/chunks/test_defrag.py`, `benchmarks/dedup.py`).

A rule without I/O.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, TypeAlias

from holdall.chunks.plan import GAP, LIMIT
from holdall.format.reference import BlobLocation, Ref

MAX_READ_AMPLIFICATION: Final = 1.6  # below 2, because the ends of packs and the recipe have requests of their own
MORE: Final = 7  # requests beside that, for which nobody waits in turn; but one for each megabyte at most
UNCHANGED_FACTOR: Final = 2.0  # where a window has nothing new, so much more is borne: the same file again is all there

Copies: TypeAlias = Sequence[Ref]


@dataclass(slots=True)
class Stretch:
    """Some chunks in one part of a pack: their places in the window, their bytes, and what reading them costs."""

    place: BlobLocation
    start: int
    stop: int
    found: list[tuple[int, Ref]]
    useful: int = 0
    requests: int = 0

    @property
    def bytes_per_request(self) -> float:
        """Return the file's bytes for each request; no further request is better than any."""
        return self.useful / self.requests if self.requests else math.inf


class FragmentationLimiter:
    """Watches over one file (a stream) while it is written, window by window. Not for several threads at once.

    Args:
        reach: Bytes of a pack that one request reads: the reader's limit, or the pack size where that is less.

    Attributes:
        again: Bytes of the file, decoded, that were refused so far.
    """

    def __init__(self, *, reach: int = LIMIT) -> None:
        self._reach = min(reach, LIMIT)
        self._size = self._new = 0.0  # bytes of the file so far, and of those that go to new packs
        self._open: dict[BlobLocation, list[tuple[int, int]]] = {}  # what is read of packs in any case
        self._requests = 0  # for that
        self.rewritten = 0

    def select(self, window: Sequence[tuple[int, Copies]]) -> list[Ref | None]:
        """Return where each chunk is to be referred to; None: it is to be stored.

        Args:
            window: The file's next chunks in order, about a pack of them: the
                length of each in bytes, and the places where the bucket has it.

        Cost: about 1 us for each chunk.
        """
        chosen = self._pick_copies([copies for _, copies in window])
        stretches = self._stretches((index, ref) for index, ref in enumerate(chosen) if ref)
        missing = sum(raw for (raw, _), ref in zip(window, chosen, strict=True) if ref is None)
        stored = sum(ref.stored for ref in chosen if ref)
        density = stored / (sum(ref.raw for ref in chosen if ref) or 1) if stored else 1.0
        self._size += stored + missing * density
        self._new += missing * density
        for refused in self._reject_poorest(
            stretches, MAX_READ_AMPLIFICATION if missing else MAX_READ_AMPLIFICATION * UNCHANGED_FACTOR
        ):
            for index, _ in refused.found:
                self.rewritten += window[index][0]
                chosen[index] = None
        return chosen

    def _reject_poorest(self, stretches: list[Stretch], excess: float) -> list[Stretch]:
        """Accept stretches, and return those whose requests would be too many."""
        refused: list[Stretch] = []
        allowed = min(max(1.0, self._size / GAP), MORE) + excess * (1 + self._size / self._reach)
        requests = self._requests + sum(stretch.requests for stretch in stretches)
        stretches.sort(key=lambda stretch: stretch.bytes_per_request)
        for stretch in stretches:
            enough = stretch.bytes_per_request >= self._reach / MAX_READ_AMPLIFICATION
            if enough or requests + math.ceil(self._new / self._reach) <= allowed:
                self._accept(stretch)
            else:
                refused.append(stretch)
                requests -= stretch.requests
                self._new += stretch.useful
        return refused

    def _accept(self, stretch: Stretch) -> None:
        self._requests += stretch.requests
        spans = [span for span in self._open.get(stretch.place, ()) if not stretch.start <= span[0] <= stretch.stop]
        self._open[stretch.place] = [*spans, (stretch.start, stretch.stop)]

    def _pick_copies(self, window: Sequence[Copies]) -> list[Ref | None]:
        """Pick one copy of each chunk; of several the one in the stretch that holds most of the window."""
        chosen = [copies[0] if copies else None for copies in window]
        if any(len(copies) > 1 for copies in window):
            places = [(index, ref) for index, copies in enumerate(window) for ref in copies]
            for stretch in sorted(self._stretches(places), key=lambda stretch: stretch.useful):
                for index, ref in stretch.found:
                    chosen[index] = ref
        return chosen

    def _stretches(self, places: Iterable[tuple[int, Ref]]) -> list[Stretch]:
        """Group chunks by stretches of their packs, each with what it costs beyond what is read anyway."""
        packs: defaultdict[BlobLocation, list[tuple[int, Ref]]] = defaultdict(list)
        for index, ref in places:
            packs[ref.location].append((index, ref))
        return [stretch for place, found in packs.items() for stretch in self._of_pack(place, found)]

    def _of_pack(self, place: BlobLocation, found: list[tuple[int, Ref]]) -> list[Stretch]:
        """Join chunks of one pack where the reader joins them, also across what is read already."""
        stretches: list[Stretch] = []
        spans = [(ref.offset, ref.offset + ref.stored, index, ref) for index, ref in found]
        already = [(start, stop, -1, None) for start, stop in self._open.get(place, ())]
        for start, stop, index, ref in sorted([*spans, *already], key=itemgetter(0)):
            if not stretches or start - stretches[-1].stop > GAP:
                stretches.append(Stretch(place, start, stop, []))
            last = stretches[-1]
            last.stop = max(last.stop, stop)
            if ref is None:
                last.requests -= self._requests_for(start, stop)
            else:
                last.found.append((index, ref))
                last.useful += stop - start
        for stretch in stretches:
            stretch.requests = max(0, stretch.requests + self._requests_for(stretch.start, stretch.stop))
        return [stretch for stretch in stretches if stretch.found]

    def _requests_for(self, start: int, stop: int) -> int:
        return -(-(stop - start) // self._reach)
