"""How much room runs take, and how much of it they share.

What is written together lies together: in a pack, a run's content is a few
stretches, however many chunks those are. So a run is remembered as stretches
of 12 bytes each, and what runs share is where theirs overlap:

    pack     0 |-------------------------------------| 32 MiB
    run A         [===========)        [=====)
    run B               [===========)  [=====)
    shared              ^^^^^^         ^^^^^^

Trees and recipes tell all this; no content is read, and nothing is verified
that is not read: that is `check`'s business.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, TypeAlias

from holdall.chunks.reader import ChunkReader
from holdall.errors import DamageError
from holdall.format.layout import RUNS, PackName
from holdall.format.recipe import parse_recipe
from holdall.format.reference import BlobLocation, Ref
from holdall.format.state import State
from holdall.format.tree import Entry, Kind
from holdall.measuring.overlaps import overlaps
from holdall.trees.blobs import RunBlobReader
from holdall.trees.heads import Heads
from holdall.trees.location import Location
from holdall.trees.lru import LruCache
from holdall.trees.salvage import left_out
from holdall.trees.view import View, read_views, run_name

Stretch: TypeAlias = tuple[PackName, int, int]

_AT_ONCE: Final = 128  # runs looked at together
_RECIPES: Final = 16 << 20  # bytes of recipes fetched together
_KEPT: Final = 1024  # recipes remembered, since runs share files


@dataclass(frozen=True, slots=True)
class Space:
    """What something takes. Attributes in bytes, but for `files`.

    Attributes:
        files, logical: What its paths add up to.
        stored: What its chunks and recipes take in packs and log entries, as encoded; each once.
        unique: Of that, what nothing else of its kind refers to.
    """

    files: int = 0
    logical: int = 0
    stored: int = 0
    unique: int = 0

    @property
    def shared(self) -> int:
        """Return how many of the stored bytes others refer to as well."""
        return self.stored - self.unique


@dataclass(frozen=True, slots=True)
class RunUsage:
    """What one run takes; unique is what no other run refers to."""

    run_id: str
    run_name: str
    experiment_id: str
    deleted: bool
    space: Space


@dataclass(frozen=True, slots=True)
class Usage:
    """What a store's runs take.

    Attributes:
        total: All of them together.
        experiments: By id; unique is what no run of another experiment refers to.
        runs: In the order of their ids.
        held: Bytes of all objects of the store: with logs and trees, content that was moved from a log into a pack
            and is in both, and what no run refers to.
    """

    total: Space
    experiments: Mapping[str, Space]
    runs: tuple[RunUsage, ...]
    held: int = 0


def usage(location: Location, name_of: Callable[[State], str]) -> Usage:
    """Measure all runs of a store, deleted ones too.

    Args:
        location: The store.
        name_of: What people call a run.

    A run of which a log entry, node or recipe is not what was written is named and left out.

    Cost: a listing of everything; a GET for each run that has ended, its
    tree and its recipes, side by side. Holds 12 bytes for each stretch.
    """
    location.descriptor  # noqa: B018  # a store that is not there is named as such
    survey = _Survey(location, name_of)
    heads, held = Heads(), 0
    for info in location.bucket.list():
        held += info.size
        if info.key.startswith(RUNS):
            heads.add(info)
    views = read_views(location, heads.found, run_name)
    while some := list(islice(views, _AT_ONCE)):
        survey.look(some)
    return replace(survey.result(), held=held)


@dataclass(slots=True)
class _Seen:
    """A run that was looked at.

    Attributes:
        sound: Whether all of it could be read.
        blobs: Stored bytes of what log entries carry, by entry and index.
    """

    id: str
    name: str
    experiment: str
    deleted: bool
    sound: bool = True
    files: int = 0
    logical: int = 0
    blobs: dict[tuple[BlobLocation, int], int] = field(default_factory=dict)

    @property
    def inline(self) -> int:
        """Return how many bytes of its content are in its own log."""
        return sum(self.blobs.values())


class _Sums:
    """Bytes by owner, over many packs."""

    def __init__(self) -> None:
        self.union, self._has, self._alone = 0, Counter[int](), Counter[int]()

    def add(self, stretches: Iterable[tuple[int, int, int]]) -> None:
        """Add a pack."""
        union, has, alone = overlaps(stretches)
        self.union += union
        self._has.update(has)
        self._alone.update(alone)

    def add_own(self, owner: int, count: int) -> None:
        """Add bytes that only one owner has."""
        self.union += count
        self._has[owner] += count
        self._alone[owner] += count

    def space(self, owner: int, runs: Sequence[_Seen]) -> Space:
        """Return the space that an owner of some runs takes."""
        files, logical = sum(run.files for run in runs), sum(run.logical for run in runs)
        return Space(files, logical, self._has[owner], self._alone[owner])


class _Survey:
    """Runs, and where their content lies."""

    def __init__(self, location: Location, name_of: Callable[[State], str]) -> None:
        self._location, self._name_of = location, name_of
        self._reader = ChunkReader(location.bucket, location.pool)
        self._runs: list[_Seen] = []
        self._packs: defaultdict[PackName, array[int]] = defaultdict(lambda: array("I"))  # run, start, stop, run, ...
        self._known: LruCache[Ref, tuple[Stretch, ...]] = LruCache(_KEPT)

    def look(self, views: Sequence[View]) -> None:
        """Measure some runs."""
        self._fetch_roots(views)
        wanted: list[tuple[int, RunBlobReader, Ref]] = []
        room = _RECIPES
        for view in views:
            if view.state.purged:
                continue
            number, blobs = self._begin(view), view.paths.blobs
            with self._checking(number):
                for entry in view.paths.walk():
                    self._entry(number, entry)
                    if entry.content is None or entry.whole:
                        continue
                    wanted.append((number, blobs, entry.content))
                    room -= entry.content.raw
                    if room < 0:
                        self._recipes(wanted)
                        wanted, room = [], _RECIPES
        self._recipes(wanted)

    def _begin(self, view: View) -> int:
        state, log = view.state, view.paths.blobs.journal.log
        run = _Seen(log.removeprefix(RUNS), self._name_of(state), state.experiment, deleted=state.deleted)
        self._runs.append(run)
        return len(self._runs) - 1

    @contextmanager
    def _checking(self, number: int) -> Iterator[None]:
        """Leave a run out of the result if this block meets damage; what was seen of it stays counted."""
        run = self._runs[number]
        whole, run.sound = run.sound, False
        with left_out(f"run {run.id}"):
            yield
            run.sound = whole

    def result(self) -> Usage:
        """Return the result."""
        numbers = {id: i for i, id in enumerate(sorted({run.experiment for run in self._runs}))}
        owners = [numbers[run.experiment] for run in self._runs]
        by_run, by_experiment = _Sums(), _Sums()
        for flat in self._packs.values():
            by_run.add(_triples(flat))
            by_experiment.add((owners[run], start, stop) for run, start, stop in _triples(flat))
        for i, run in enumerate(self._runs):  # what is inline is its run's own
            by_run.add_own(i, run.inline)
            by_experiment.add_own(owners[i], run.inline)
        runs = tuple(
            RunUsage(run.id, run.name, run.experiment, run.deleted, by_run.space(i, [run]))
            for i, run in enumerate(self._runs)
            if run.sound
        )
        members: defaultdict[int, list[_Seen]] = defaultdict(list)
        for owner, run in zip(owners, self._runs, strict=True):
            if run.sound:
                members[owner].append(run)
        experiments = {id: by_experiment.space(i, members[i]) for id, i in numbers.items() if i in members}
        sound = [run for run in self._runs if run.sound]
        files, logical = sum(run.files for run in sound), sum(run.logical for run in sound)
        return Usage(Space(files, logical, by_run.union, by_run.union), experiments, runs)

    def _fetch_roots(self, views: Sequence[View]) -> None:
        """Fetch the roots of many runs' trees, side by side; a damaged one is reported when its run is walked."""
        roots = [(view.paths.blobs, tree.root) for view in views for tree in view.paths.trees]
        packed = [(blobs, root) for blobs, root in roots if isinstance(root.location, PackName)]
        with suppress(DamageError):
            for (blobs, root), data in zip(packed, self._reader.read([root for _, root in packed]), strict=True):
                blobs.remember_node(root, data)

    def _entry(self, number: int, entry: Entry) -> None:
        run = self._runs[number]
        run.files += entry.kind is Kind.FILE
        run.logical += entry.size
        if entry.content is None:
            return
        if isinstance(entry.content.location, PackName):
            self._refer(number, _stretches([entry.content]))
        else:
            run.blobs[entry.content.location, entry.content.offset] = entry.content.stored

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
                self._refer(number, self._known[ref])
        self._known.evict()

    def _refer(self, number: int, stretches: Iterable[Stretch]) -> None:
        """Note that a run needs these bytes; a stretch that goes on where its last one ended extends it."""
        for pack, start, stop in stretches:
            flat = self._packs[pack]
            if flat and (flat[-3], flat[-1]) == (number, start):
                flat[-1] = stop
            else:
                flat.extend((number, start, stop))


def _stretches(refs: Iterable[Ref]) -> tuple[Stretch, ...]:
    """Return where blobs are in packs, neighbours as one stretch."""
    found: list[Stretch] = []
    for ref in refs:
        assert isinstance(ref.location, PackName)
        stop = ref.offset + ref.stored
        if found and found[-1][0] == ref.location and found[-1][2] == ref.offset:
            found[-1] = (ref.location, found[-1][1], stop)
        else:
            found.append((ref.location, ref.offset, stop))
    return tuple(found)


def _triples(flat: array[int]) -> Iterator[tuple[int, int, int]]:
    return zip(flat[::3], flat[1::3], flat[2::3], strict=True)
