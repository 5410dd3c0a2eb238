"""Healing runs whose content lies in damaged or missing packs, if it is whole elsewhere.

Packs never change, so what is mended is what refers to them: a run gets one
more entry, with a state of the same paths and new places (SPEC.md, "State and checkpoints"), which
every reader understands. A repair is a writer like others (W1 to W5)
and deletes nothing.

What another pack has whole is referred to there: it costs no byte, and each of
its chunks was just decoded. Only what is whole nowhere but in the damaged pack
or in a log entry is copied. A file that is whole nowhere as it was put together
may be whole as another run has it (`twins.py`). A file of which some chunk is whole nowhere keeps its old places, so
that a later repair may heal it, once its content was logged again.

Plan, then perform: a plan writes nothing, and reads all that it promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from holdall.checking.twins import InlineCopies, Twins
from holdall.chunks.copies import WholeCopies
from holdall.chunks.writer import ChunkWriter
from holdall.errors import DamageError, IntegrityError, RunNotFoundError
from holdall.format.document import Json
from holdall.format.entry import InlineBlob
from holdall.format.layout import GARBAGE, RUNS, is_run_id, parse_key
from holdall.format.recipe import Recipe, encode_recipe, parse_recipe
from holdall.format.reference import CHUNK, JSON_BLOB, RECIPE, Ref, ref_from_json
from holdall.format.tree import Entry
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.session import Draft, Session
from holdall.trees.snapshot import restate
from holdall.trees.view import View

_AT_ONCE: Final = 64  # chunks held at once
_UNLISTED: Final = (
    "that lists its paths, which nothing else tells: only that object, put back from a copy, brings them back; "
    "what was logged again is whole in its new run, and parameters, metrics and tags are read as ever"
)


@dataclass(frozen=True, slots=True)
class FileRepair:
    """A file whose content lies in damaged or missing packs.

    Attributes:
        path: Where it is in its run.
        copies: Packs that have whole copies of what it lacks; a damaged one where the copy is there, a log entry where
            that has it.
        lost: Why it cannot be healed; empty if it can.
    """

    path: str
    copies: tuple[str, ...] = ()
    lost: str = ""


@dataclass(frozen=True, slots=True)
class RunRepair:
    """A run that needs damaged or missing packs.

    Attributes:
        run_id: Which.
        files: Those of its files that lie there.
        listing: Whether the listing of its paths, or facts of it, do.
        lost: Why none of it can be healed; empty if that is not so.
    """

    run_id: str
    files: tuple[FileRepair, ...] = ()
    listing: bool = False
    lost: str = ""

    @property
    def healable(self) -> bool:
        """Return whether something can be healed."""
        return not self.lost and (self.listing or any(not file.lost for file in self.files))

    @property
    def whole(self) -> bool:
        """Return whether nothing is lost."""
        return not self.lost and not any(file.lost for file in self.files)


class Repair:
    """Heals runs of one store."""

    def __init__(self, location: Location) -> None:
        self._location = location
        keys = (parse_key(info.key) for info in location.bucket.list(GARBAGE))
        damaged = [key.pack for key in keys if key and key.kind == "damaged" and key.pack]
        self._copies = WholeCopies(location.bucket, location.pool, damaged, InlineCopies(location).find)
        self._twins = Twins(location, self._copies)

    def plan(self, run_ids: Iterable[str]) -> Iterator[RunRepair]:
        """Yield what could be healed of these runs, one by one; runs that need nothing are left out.

        Cost: each run's listing and the recipes of its large files; where something is damaged, the footer of each
            pack of the store, and all content that is to be healed; where something is in no pack, all logs and trees.
        """
        for id in run_ids:
            found = self._plan(id)
            if found.listing or found.files or found.lost:
                yield found

    def perform(self, plan: RunRepair) -> None:
        """Heal what can be healed of a run. Cost: three PUTs, and the packs for what is copied."""
        log = RUNS + plan.run_id
        session = Session.resume(self._location, log, deleted=True, packs=self._copies, load=load_view)
        if session is None:
            return
        try:
            healing = frozenset(file.path for file in plan.files if not file.lost)
            mending = _Mending(session, self._copies, self._twins, healing)
            session.append(lambda: Draft([], state=mending.state), closing=True)
        finally:
            session.close()

    def _plan(self, id: str) -> RunRepair:
        journal = Journal(self._location.bucket, self._location.pool, RUNS + id)
        blobs = RunBlobReader(self._location.bucket, self._location.pool, journal, packs=self._copies)
        try:
            view = load_view(blobs) if is_run_id(id) else None
            if view is None:
                raise RunNotFoundError(id, self._location.bucket.url)
            if view.state.purged:
                return RunRepair(id)
            files = [found for entry in view.paths.walk() if (found := self._file(blobs, entry))]
            return RunRepair(id, tuple(files), listing=self._listing_needs(view, blobs))
        except IntegrityError as error:
            return RunRepair(id, lost=f"{error}; {_UNLISTED}")
        except DamageError as error:
            return RunRepair(id, lost=str(error))

    def _listing_needs(self, view: View, blobs: RunBlobReader) -> bool:
        """Return whether a reader of the run would meet a damaged pack before any file's content."""
        refs = [view.state.environment] if view.state.environment else []
        head = view.head
        if head and head.state_at is not None:
            entry = blobs.journal.read(head.state_at)
            said = [entry.state[name] for name in ("tree", "facts") if entry.state and entry.state.get(name)]
            refs += [ref_from_json(one, entry.log).carried_by(entry.n) for one in said]
        return any(map(self._copies.needs, [*refs, *(node for tree in view.paths.trees for node in tree.nodes())]))

    def _file(self, blobs: RunBlobReader, entry: Entry) -> FileRepair | None:
        """Return what a file needs, or None."""
        if entry.content is None:
            return None
        try:
            refs = [entry.content, *(_chunks(blobs, entry))]
            lacking = [ref for ref in refs if self._copies.needs(ref)]
            for some in _parts(lacking):
                self._copies.read(some)
        except DamageError as error:
            twin = self._twins.find(entry)
            return self._by_twin(entry, twin) if twin else FileRepair(entry.path, lost=str(error))
        return self._by(entry, lacking) if lacking else None

    def _by_twin(self, entry: Entry, twin: Entry) -> FileRepair:
        assert twin.content
        return self._by(entry, [twin.content, *self._twins.chunks(twin)])

    def _by(self, entry: Entry, copies: Sequence[Ref]) -> FileRepair:
        return FileRepair(entry.path, tuple(sorted({self._copies.where(ref) for ref in copies})))


class _Mending:
    """One run's new state in the making; asked again after each lost race."""

    def __init__(self, session: Session, copies: WholeCopies, twins: Twins, healing: frozenset[str]) -> None:
        self._session, self._copies, self._twins, self._healing = session, copies, twins, healing
        self._writer: ChunkWriter = session.writer()
        self._borrow(copies.found.values())

    def state(self, view: View, blobs: list[InlineBlob]) -> Json:
        """Return the state for the entry after the view's head."""
        environment = view.state.environment
        if environment and self._copies.needs(environment):
            with suppress(DamageError):  # what ran where keeps its old place, if it is lost
                environment = self._place(view.paths.blobs, environment, JSON_BLOB)
        entries = [self._healed(view.paths.blobs, entry) for entry in view.paths.walk()]
        return restate(view, entries, environment, self._writer, blobs)

    def _healed(self, blobs: RunBlobReader, entry: Entry) -> Entry:
        """Return an entry with its content where it is whole; unchanged if that is lost or needs nothing."""
        if entry.content is None or entry.path not in self._healing:
            return entry
        if twin := self._twins.chosen(entry):
            assert twin.content
            chunks = self._twins.chunks(twin)
            self._borrow([twin.content, *chunks])
            placed = self._placed(self._copies, chunks or [twin.content], chunks or [twin.content])
        else:
            chunks = _chunks(blobs, entry)
            everything = chunks or [entry.content]
            placed = self._placed(blobs, everything, [ref for ref in everything if self._copies.needs(ref)])
        if not chunks:
            return entry.at(placed[0], whole=True)
        data = encode_recipe(Recipe(entry.size, entry.sha256, tuple(placed)))
        return entry.at(self._writer.put_blob(data, RECIPE), whole=False)

    def _borrow(self, refs: Iterable[Ref]) -> None:
        """Try the packs that hold these, so that whole ones may be referred to (W2, W3)."""
        self._session.chunk_index.load_footers({pack for ref in refs if (pack := self._copies.borrowable(ref))})

    def _placed(self, blobs: RunBlobReader | WholeCopies, refs: Sequence[Ref], moving: Sequence[Ref]) -> list[Ref]:
        """Return where chunks are to be referred to: those that move, in whole packs or in new copies."""
        moved = {}
        for some in _parts(moving):
            for ref, data in zip(some, blobs.read(some), strict=True):
                moved[ref] = self._writer.put_blob(data, CHUNK)
        return [moved.get(ref, ref) for ref in refs]

    def _place(self, blobs: RunBlobReader, ref: Ref, kind: int) -> Ref:
        """Return where a blob is to be referred to: in the whole pack that has it, or in a new copy."""
        (data,) = blobs.read([ref])
        return self._writer.put_blob(data, kind)


def load_view(blobs: RunBlobReader) -> View | None:
    """Return a run as it is now; if its last state needs what is lost, by all that its entries say.

    Raises:
        DamageError: Its paths cannot be told.
    """
    head = blobs.journal.head()
    if head is None:
        return None
    try:
        view = View.up_to(head, blobs)
        for tree in view.paths.trees:
            tree.nodes()
        return view
    except IntegrityError:
        if head.state_at is None:
            raise
    view = View(blobs)
    for entry in blobs.journal.walk(head.n + 1):
        view.absorb(replace(entry, state=None))
    for tree in view.paths.trees:
        tree.nodes()
    return view


def _chunks(blobs: RunBlobReader, entry: Entry) -> Sequence[Ref]:
    assert entry.content
    return () if entry.whole else parse_recipe(blobs.read([entry.content])[0]).chunks


def _parts(refs: Sequence[Ref]) -> Iterator[Sequence[Ref]]:
    return (refs[at : at + _AT_ONCE] for at in range(0, len(refs), _AT_ONCE))
