"""Which bytes of which packs each run refers to.

What is written together lies together: in a pack, a run's content is a few
stretches, however many chunks those are. So a run is remembered as stretches
of 16 bytes each, and what runs share is where theirs overlap:

    pack     0 |-------------------------------------| 32 MiB
    run A         [===========)        [=====)
    run B               [===========)  [=====)
    shared              ^^^^^^         ^^^^^^

Trees and recipes tell all this; no content is read, and nothing is verified
that is not read: that is `check`'s business. What a run refers to is what
`trees/references.py` says; here that is followed for many runs at once, so that recipes
that runs share are fetched once, and past what is damaged.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Final, TypeAlias

from holdall.chunks.reader import ChunkReader
from holdall.errors import DamageError
from holdall.format.layout import RUNS, PackName
from holdall.format.recipe import parse_recipe
from holdall.format.reference import BlobLocation, InEntry, Ref
from holdall.format.state import State
from holdall.format.tree import Entry, Kind
from holdall.measuring.census import Census
from holdall.trees.blobs import RunBlobReader
from holdall.trees.history import earlier_entries
from holdall.trees.location import Location
from holdall.trees.lru import LruCache
from holdall.trees.references import fetch_roots, listing_trees
from holdall.trees.salvage import left_out
from holdall.trees.view import View
from holdall.trees.views import read_views, run_name

Stretch: TypeAlias = tuple[PackName, int, int, int]  # first byte, byte after the last, blobs
Row: TypeAlias = tuple[int, bool, int, int, int]  # run, whether it lists paths, then as a stretch

_AT_ONCE: Final = 128  # runs looked at together
_RECIPES: Final = 16 << 20  # bytes of recipes fetched together
_KEPT: Final = 1024  # recipes remembered, since runs share files
_NUMBERS: Final = 4  # of a stretch: twice the run, plus one if it lists paths; start, stop, blobs


@dataclass(slots=True)
class Seen:
    """A run that was looked at.

    Attributes:
        sound: Whether all of it could be read.
        pins: Who pinned it.
        sessions: Those that are open, in hex.
        again: Bytes of content that its commits stored again though the bucket had them.
        folded: Bytes of the entries of its log that are not needed any more: a checkpoint tells what they did.
        entries: Numbers of those that carry what it needs.
        blobs: Stored bytes of what log entries carry, by entry and index.
        started: When it began, in ms since 1970 UTC.
    """

    id: str
    name: str
    experiment: str
    deleted: bool
    pins: tuple[str, ...]
    sessions: frozenset[str]
    again: int
    folded: int = 0
    sound: bool = True
    files: int = 0
    logical: int = 0
    started: int = 0
    entries: set[int | None] = field(default_factory=set)
    blobs: dict[tuple[BlobLocation, int], int] = field(default_factory=dict)

    @property
    def inline(self) -> int:
        """Return how many bytes of its content are in its own log."""
        return sum(self.blobs.values())


class Survey:
    """Runs, and where what they refer to lies.

    Attributes:
        runs: Those that were looked at, in the order of their ids; purged ones are not among them.
        purged: The ids of those.
        unsound: The ids of those of which not all could be read, so that it is not known what they refer to.
    """

    def __init__(self, location: Location, census: Census, name_of: Callable[[State], str]) -> None:
        """Look at all runs of a census, deleted ones too.

        Cost: a GET for each run that has ended, its tree and its recipes, side by side.
        """
        self.runs: list[Seen] = []
        self.purged: set[str] = set()
        self._reader, self._name_of = ChunkReader(location.bucket, location.pool), name_of
        self._packs: defaultdict[PackName, array[int]] = defaultdict(lambda: array("I"))
        self._known: LruCache[Ref, tuple[Stretch, ...]] = LruCache(_KEPT)
        self._census, heads = census, census.heads.found
        views = read_views(location, heads, run_name)
        while some := list(islice(views, _AT_ONCE)):
            self._look(some)
        known = self.purged | {run.id for run in self.runs if run.sound}
        self.unsound = tuple(sorted({log.removeprefix(RUNS) for log in heads} - known))

    @property
    def sound(self) -> bool:
        """Return whether all that runs refer to is known."""
        return not self.unsound

    @property
    def packs(self) -> Iterable[PackName]:
        """Return the packs that runs refer to."""
        return self._packs

    def rows(self, pack: PackName) -> Iterator[Row]:
        """Yield the stretches of a pack that runs refer to."""
        flat = self._packs.get(pack, ())
        for owner, start, stop, blobs in zip(*(flat[at::_NUMBERS] for at in range(_NUMBERS)), strict=True):
            yield owner >> 1, bool(owner & 1), start, stop, blobs

    def _look(self, views: Sequence[View]) -> None:
        fetch_roots(views, self._reader)
        wanted: list[tuple[int, RunBlobReader, Ref]] = []
        room = _RECIPES
        for view in views:
            if view.state.purged:
                self.purged.add(view.paths.blobs.journal.log.removeprefix(RUNS))
                continue
            number, blobs = self._begin(view), view.paths.blobs
            with self._checking(number):
                self._listing(number, view)
            with self._checking(number):
                for entry in chain(self._held(number, view), earlier_entries(view.paths), _kept_parts(view)):
                    self._entry(number, entry)
                    if entry.content is None or entry.whole:
                        continue
                    wanted.append((number, blobs, entry.content))
                    room -= entry.content.raw
                    if room < 0:
                        self._recipes(wanted)
                        wanted, room = [], _RECIPES
            self.runs[number].folded = self._folded(number, view)
        self._recipes(wanted)

    def _begin(self, view: View) -> int:
        state, log = view.state, view.paths.blobs.journal.log
        pins, sessions = tuple(sorted(set(state.pins.values()))), frozenset(state.sessions)
        id, name = log.removeprefix(RUNS), self._name_of(state)
        run = Seen(id, name, state.experiment, state.deleted, pins, sessions, state.again_bytes, started=state.started)
        self.runs.append(run)
        return len(self.runs) - 1

    @contextmanager
    def _checking(self, number: int) -> Iterator[None]:
        """Leave a run out of the result if this block meets damage; what was seen of it stays counted."""
        run = self.runs[number]
        whole, run.sound = run.sound, False
        with left_out(f"run {run.id}"):
            yield
            run.sound = whole

    def _listing(self, number: int, view: View) -> None:
        """Note the nodes that list a run's paths, and the blobs that tell of it."""
        nodes = [ref for tree in [*listing_trees(view), *view.part_trees] for ref in tree.nodes()]
        told = [ref for ref in (view.state.environment, view.facts) if ref]
        self._refer(2 * number + 1, _stretches(ref for ref in (*nodes, *told) if isinstance(ref.location, PackName)))
        self.runs[number].entries |= {ref.location.n for ref in (*nodes, *told) if isinstance(ref.location, InEntry)}

    def _folded(self, number: int, view: View) -> int:
        """Return the bytes of entries that a checkpoint made needless: without measurements and what it refers to."""
        if view.head is None or view.lost >= 0:
            return 0
        first, needed = view.head.state_at or 0, self.runs[number].entries.union(view.state.batches)
        return sum(size for n, size in self._census.entries(view.head.log) if n < first and n not in needed)

    def _held(self, number: int, view: View) -> Iterator[Entry]:
        """Yield what a run holds, counted; its earlier versions take room, and are no files of it."""
        run = self.runs[number]
        for entry in view.paths.walk():
            run.files += entry.kind is Kind.FILE
            run.logical += entry.size
            yield entry

    def _entry(self, number: int, entry: Entry) -> None:
        run = self.runs[number]
        if entry.content is None:
            return
        if isinstance(entry.content.location, PackName):
            self._refer(2 * number, _stretches([entry.content]))
        else:
            run.blobs[entry.content.location, entry.content.offset] = entry.content.stored
            run.entries.add(entry.content.location.n)

    def _recipes(self, wanted: Sequence[tuple[int, RunBlobReader, Ref]]) -> None:
        """Note the chunks of files that are cut into some. A recipe is fetched once for all runs."""
        fresh = dict.fromkeys(ref for _, _, ref in wanted if ref not in self._known)
        packed = [ref for ref in fresh if isinstance(ref.location, PackName)]
        data: dict[Ref, bytes] = {}
        with suppress(DamageError):  # then each is read alone
            data = dict(zip(packed, self._reader.read(packed), strict=True))
        for number, blobs, ref in wanted:
            with self._checking(number):
                if ref not in self._known:
                    recipe = data[ref] if ref in data else blobs.read([ref])[0]
                    self._known.add(ref, _stretches(parse_recipe(recipe).chunks))
                self._refer(2 * number, self._known[ref])
        self._known.evict()

    def _refer(self, owner: int, stretches: Iterable[Stretch]) -> None:
        """Note that a run needs these bytes; a stretch that goes on where its last one ended extends it."""
        for pack, start, stop, blobs in stretches:
            flat = self._packs[pack]
            if flat and (flat[-4], flat[-2]) == (owner, start):
                flat[-2] = stop
                flat[-1] += blobs
            else:
                flat.extend((owner, start, stop, blobs))


def _kept_parts(view: View) -> Iterator[Entry]:
    """Yield what the parts of groups hold that are not committed: they take room, and are no files of the run."""
    for tree in view.part_trees:
        yield from tree.walk()


def _stretches(refs: Iterable[Ref]) -> tuple[Stretch, ...]:
    """Return where blobs are in packs, neighbours as one stretch."""
    found: list[Stretch] = []
    for ref in refs:
        assert isinstance(ref.location, PackName)
        stop = ref.offset + ref.stored
        if found and found[-1][0] == ref.location and found[-1][2] == ref.offset:
            found[-1] = (ref.location, found[-1][1], stop, found[-1][3] + 1)
        else:
            found.append((ref.location, ref.offset, stop, 1))
    return tuple(found)
