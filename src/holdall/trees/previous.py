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
from typing import Final

from holdall.chunks.abandoned import PAGE
from holdall.chunks.chunk_index import CAPACITY
from holdall.chunks.dedup import ChunkQuery
from holdall.errors import HoldallError
from holdall.format.layout import RUNS, PackName
from holdall.format.recipe import parse_recipe
from holdall.format.tree import Entry
from holdall.trees.blobs import RunBlobReader
from holdall.trees.heads import entry_keys
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.view import View

_RUNS_TRIED: Final = 2  # whose newest entries are read, one after the other, until one has such a path
_RECIPE: Final = 41 * CAPACITY  # bytes of recipes that are read: of as many chunks as an index remembers
_LEAST: Final = 1 << 7  # part of what is large for which a footer is read: 32 KiB of a window, as a rule
_MOST: Final = 64  # footers for one window


class PreviousVersions:
    """Where chunks were that the paths of one commit held before. Not for several threads at once.

    Args:
        location: The store.
        own: The run that is written to.
        blobs: What reads its blobs.
        large: Bytes of a file whose recipe is worth a request.
    """

    def __init__(self, location: Location, own: View, blobs: RunBlobReader, *, large: int) -> None:
        self._location, self._own, self._blobs, self._large = location, own, blobs, large
        self._paths: dict[int, str] = {}  # by the number of a stream
        self._asked: set[str] = set()
        self._places: dict[bytes, PackName] = {}  # of chunks
        self._homes: dict[str, PackName] = {}  # of whole files, by path
        self._left = _RECIPE  # bytes of recipes that may be read yet
        self._other: tuple[View, RunBlobReader] | None = None  # the run before, once it was looked for
        self._looked = not _may_have_others(location, own.state.experiment)

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
        return [pack for pack, weight in weights.most_common(_MOST) if weight * _LEAST >= self._large]

    def _ask(self, paths: Sequence[str]) -> None:
        """Look up paths in the run itself, and those that it lacks in the one before it."""
        found = self._own.paths.lookup(paths).there if self._own.state.versioned else {}
        self._learn(found.values(), self._blobs)
        left = [path for path in paths if path not in found]
        if left and not self._looked:
            self._looked = True
            self._find_run(left)
        elif left and self._other:
            view, blobs = self._other
            self._learn(view.paths.lookup(left).there.values(), blobs)

    def _find_run(self, paths: Sequence[str]) -> None:
        """Take the first run that has one of the paths."""
        bucket, pool = self._location.bucket, self._location.pool
        for log, newest in self._candidates():
            with suppress(HoldallError):
                blobs = RunBlobReader(bucket, pool, Journal(bucket, pool, log))
                view = View.up_to(blobs.journal.read(newest), blobs)
                if there := view.paths.lookup(paths).there:
                    self._other = view, blobs
                    self._learn(there.values(), blobs)
                    return

    def _candidates(self) -> Iterator[tuple[str, int]]:
        """Yield the logs of runs that may be the one before, each with the number of its newest entry."""
        known = self._location.last_runs.get(self._own.state.experiment)
        if known:
            yield known
        keys: dict[str, tuple[int, int]] = {}
        for info in self._location.bucket.list(f"{RUNS}{self._own.run_id[:8]}", limit=PAGE):
            for key in entry_keys([info]):
                keys.setdefault(key.log, (info.modified or 0, key.number))  # of a log, the newest comes first
        left = {f"{RUNS}{self._own.run_id}", *(known[:1] if known else ())}
        others = [(when, log, n) for log, (when, n) in keys.items() if n and log not in left]
        yield from ((log, n) for _, log, n in sorted(others, reverse=True)[:_RUNS_TRIED])

    def _learn(self, entries: Iterable[Entry], blobs: RunBlobReader) -> None:
        """Keep where earlier versions are: chunk by chunk of large files, as far as there is room, else their home."""
        for entry in sorted(entries, key=lambda entry: entry.size, reverse=True):
            content = entry.content
            if content is None or not isinstance(content.location, PackName):
                continue
            if entry.whole or entry.size < self._large or content.raw > self._left:
                self._homes[entry.path] = content.location
                continue
            self._left -= content.raw
            with suppress(HoldallError):
                for chunk in parse_recipe(*blobs.read([content])).chunks:
                    if isinstance(chunk.location, PackName):
                        self._places[chunk.id] = chunk.location


def _may_have_others(location: Location, experiment: str) -> bool:
    """Return whether an experiment may have another run: not one that this process made and ended no run of."""
    return bool(experiment) and (experiment not in location.made or experiment in location.last_runs)
