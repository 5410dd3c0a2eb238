"""Where the last version of a path was: where most of the next one is, as a rule.

Hints are a sample: of a pack whose hinted chunks all changed, none leads there.
So a writer that misses megabytes after it has asked for hints looks what the
last version of the same path says: in its own run, if that is versioned; else
in a run before it. A recipe names the pack of each chunk, so only footers of
packs are read that hold something of the window.

    asked for                                                                         requests
    which run: the last that this process ended, or the newest of a page of keys      0 or 1
    what it holds: its newest entry, and nodes on the way to the paths                1 to 3
    which packs: a large file's recipe; a small one is where its recipe is            1 or 0
    what they hold: the footer of each pack that has something of the window          1 each

The first run of an experiment that this process made asks nothing, nor does
what is small, nor what hints have found. Where an experiment has other runs, a
path that none has costs the listing and two runs' entries, once a commit.

All of it is advice and proves nothing: a footer does that was read since W2,
and a blob that was tried (W3, W3a; SPEC.md, "Garbage"). What is gone, damaged,
condemned or forged here costs space, never correctness.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from holdall.chunks.abandoned import PAGE
from holdall.chunks.chunk_index import CAPACITY
from holdall.chunks.dedup import ChunkQuery
from holdall.chunks.pool import Pool
from holdall.errors import FormatError, HoldallError
from holdall.format.layout import RUNS, PackName
from holdall.format.recipe import parse_recipe
from holdall.format.tree import Entry
from holdall.storage.bucket import Bucket
from holdall.trees.blobs import RunBlobReader
from holdall.trees.heads import entry_keys
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.view import View

_RUNS_TRIED: Final = 2  # whose newest entries are read, one after the other, until one has such a path
_RECIPE: Final = 41 * CAPACITY  # bytes of recipes that are read: of as many chunks as an index remembers
_LARGE: Final = 8  # files of an eighth of a pack are: their recipes are worth a request each
_LEAST: Final = 1 << 7  # part of what is large for which a footer is read: 32 KiB of a window, as a rule
_MOST: Final = 64  # footers for one window
_ENTRIES: Final = 256  # of a run behind its last state, four times as many as is usual: with more it is no use


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is known before anything is asked; it travels to workers.

    Attributes:
        log: That of the run that is written to.
        own: Its newest entry, where it is versioned and so may have the paths itself; else None.
        last: The log of the run of its experiment that this process ended last, and the newest entry of that.
        alone: Whether the experiment has no other run, as this process made it and ended none.
        large: Bytes of a file whose recipe is worth a request.
    """

    log: str
    own: int | None
    last: tuple[str, int] | None
    alone: bool
    large: int

    @classmethod
    def of(cls, location: Location, view: View) -> Beginning:
        """Return what is known to a process that writes to a run."""
        experiment, large = view.state.experiment, location.descriptor.pack_size // _LARGE
        own = view.head.n if view.head and view.state.versioned else None
        last = location.last_runs.get(experiment)
        return cls(
            f"{RUNS}{view.run_id}", own, last, not experiment or (experiment in location.made and not last), large
        )


class PreviousVersions:
    """Where chunks were that the paths of one commit held before. Not for several threads at once.

    Args:
        bucket: The store's, and `pool` what asks it.
        beginning: What is known.
        own: The run that is written to, where this process has it, and what reads its blobs.
    """

    def __init__(
        self, bucket: Bucket, pool: Pool, beginning: Beginning, own: tuple[View, RunBlobReader] | None = None
    ) -> None:
        self._bucket, self._pool, self._beginning, self._own = bucket, pool, beginning, own
        self._paths: dict[int, str] = {}  # by the number of a stream
        self._asked: set[str] = set()
        self._places: dict[bytes, PackName] = {}  # of chunks
        self._homes: dict[str, PackName] = {}  # of whole files, by path
        self._left = _RECIPE  # bytes of recipes that may be read yet
        self._other: tuple[View, RunBlobReader] | None = None  # the run before, once it was looked for
        self._looked = beginning.alone

    def begin(self, stream: int, path: str) -> None:
        """Note which path a stream is to be."""
        self._paths[stream] = path

    def packs_of(self, chunks: Sequence[ChunkQuery], *, ask: bool) -> list[PackName]:
        """Return packs that are said to hold some of these chunks, those with the most bytes first.

        Args:
            chunks: Chunks of a window.
            ask: Whether earlier versions may be asked for; else only what is known already counts.

        Cost: see above; nothing for paths that were asked for.
        """
        new = {self._paths[chunk.stream] for chunk in chunks if chunk.stream in self._paths} - self._asked
        if ask and new:
            self._asked |= new
            with suppress(HoldallError):  # whatever is wrong there costs space here
                self._ask(sorted(new))
        weights: Counter[PackName] = Counter()
        for chunk in chunks:
            place = self._places.get(chunk.id) or self._homes.get(self._paths.get(chunk.stream, ""))
            if place:
                weights[place] += chunk.raw
        return [pack for pack, weight in weights.most_common(_MOST) if weight * _LEAST >= self._beginning.large]

    def _ask(self, paths: Sequence[str]) -> None:
        """Look up paths in the run itself, and those that it lacks in the one before it."""
        found: set[str] = set()
        if self._beginning.own is not None:
            self._own = self._own or self._read_run(self._beginning.log, self._beginning.own)
            found = self._look_up(*self._own, paths)
        left = [path for path in paths if path not in found]
        if left and not self._looked:
            self._looked = True
            self._find_run(left)
        elif left and self._other:
            self._look_up(*self._other, left)

    def _find_run(self, paths: Sequence[str]) -> None:
        """Take the first run that has one of the paths."""
        for log, newest in self._candidates():
            with suppress(HoldallError):
                run = self._read_run(log, newest)
                if self._look_up(*run, paths):
                    self._other = run
                    return

    def _read_run(self, log: str, newest: int) -> tuple[View, RunBlobReader]:
        """Read a run as of an entry, with what reads its blobs."""
        blobs = RunBlobReader(self._bucket, self._pool, Journal(self._bucket, self._pool, log))
        head = blobs.journal.read(newest)
        if head.n - (head.state_at or 0) > _ENTRIES:
            raise FormatError(log, "it has no state near its end, so what it holds is not worth reading for advice")
        return View.up_to(head, blobs), blobs

    def _look_up(self, view: View, blobs: RunBlobReader, paths: Sequence[str]) -> set[str]:
        """Learn where these paths are in a run, and return which of them it has."""
        there = view.paths.lookup(paths).there
        self._learn(there.values(), blobs)
        return set(there)

    def _candidates(self) -> Iterator[tuple[str, int]]:
        """Yield the logs of runs that may be the one before, each with the number of its newest entry."""
        log, last = self._beginning.log, self._beginning.last
        if last and last[0] != log:
            yield last
        keys: dict[str, tuple[int, int]] = {}
        for info in self._bucket.list(log[: len(RUNS) + 8], limit=PAGE):
            for key in entry_keys([info]):
                keys.setdefault(key.log, (info.modified or 0, key.number))  # of a log, the newest comes first
        left = {log, *(last[:1] if last else ())}
        others = [(when, log, n) for log, (when, n) in keys.items() if n and log not in left]
        yield from ((log, n) for _, log, n in sorted(others, reverse=True)[:_RUNS_TRIED])

    def _learn(self, entries: Iterable[Entry], blobs: RunBlobReader) -> None:
        """Keep where earlier versions are: chunk by chunk of large files, as far as there is room, else their home."""
        for entry in sorted(entries, key=lambda entry: entry.size, reverse=True):
            content = entry.content
            if content is None or not isinstance(content.location, PackName):
                continue
            if entry.whole or entry.size < self._beginning.large or content.raw > self._left:
                self._homes[entry.path] = content.location
                continue
            self._left -= content.raw
            with suppress(HoldallError):
                for chunk in parse_recipe(*blobs.read([content])).chunks:
                    if isinstance(chunk.location, PackName):
                        self._places[chunk.id] = chunk.location
