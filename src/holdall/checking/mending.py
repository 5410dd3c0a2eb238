"""One run's new state in the making: the same paths, with content where it is whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from holdall.checking.twins import Twins
from holdall.chunks.copies import WholeCopies
from holdall.chunks.writer import ChunkWriter
from holdall.errors import DamageError, IncompleteError, IntegrityError
from holdall.format.document import Json
from holdall.format.entry import InlineBlob
from holdall.format.paths import sort_key
from holdall.format.recipe import Recipe, encode_recipe, parse_recipe
from holdall.format.reference import CHUNK, JSON_BLOB, RECIPE, InEntry, Ref
from holdall.format.state import State
from holdall.format.tree import Entry
from holdall.trees.blobs import RunBlobReader
from holdall.trees.history import versions_in_order
from holdall.trees.references import listing_trees
from holdall.trees.session import Session
from holdall.trees.snapshot import restate
from holdall.trees.view import View

_AT_ONCE: Final = 64  # chunks held at once


class Mending:
    """One run's new state in the making; asked again after each lost race.

    Args:
        session: Of the run.
        copies, twins: Where content is whole.
        healing: The paths whose content moves, each with the version that does; None is what it holds.
        damaged: The entries of its log whose objects are damaged: what is inline there moves.
        listed: What a copy says that the run holds, where its own listing is lost.
        told: What a copy says of it besides, where entries of its log are lost.
    """

    def __init__(
        self,
        session: Session,
        copies: WholeCopies,
        twins: Twins,
        healing: frozenset[tuple[str, int | None]],
        *,
        damaged: frozenset[int] = frozenset(),
        listed: Sequence[Entry] | None = None,
        told: State | None = None,
    ) -> None:
        self._session, self._copies, self._twins, self._healing = session, copies, twins, healing
        self._damaged, self._listed, self._told = damaged, listed, told
        self._writer: ChunkWriter = session.writer()
        self._borrow(copies.found.values())

    def state(self, view: View, blobs: list[InlineBlob]) -> Json:
        """Return the state for the entry after the view's head."""
        if self._told:
            view.state = as_told(view.state, self._told)
        environment = view.state.environment
        if environment and needs(self._copies, environment, self._damaged):
            with suppress(DamageError):  # what ran where keeps its old place, if it is lost
                environment = self._place(view.paths.blobs, environment, JSON_BLOB)
        entries = [self._healed(view.paths.blobs, entry) for entry in self._entries(view)]
        versions = [
            replace(version, entry=self._healed(view.paths.blobs, version.entry, version.until)).row
            for version in versions_in_order(view.paths)
        ]
        return restate(view, entries, environment, self._writer, blobs, versions)

    def _entries(self, view: View) -> Iterable[Entry]:
        """Return all that the run holds; what it says itself comes before what the copy says."""
        if self._listed is None:
            return view.paths.walk()
        held = {entry.path: entry for entry in self._listed} | {entry.path: entry for entry in readable(view)}
        return sorted(held.values(), key=lambda entry: sort_key(entry.path))

    def _healed(self, blobs: RunBlobReader, entry: Entry, version: int | None = None) -> Entry:
        """Return an entry with its content where it is whole; unchanged if that is lost or needs nothing."""
        if entry.content is None or (entry.path, version) not in self._healing:
            return entry
        if twin := self._twins.chosen(entry):
            assert twin.content
            chunks = self._twins.chunks(twin)
            self._borrow([twin.content, *chunks])
            placed = self._placed(self._copies, chunks or [twin.content], chunks or [twin.content])
        else:
            chunks = chunks_of(blobs, entry)
            everything = chunks or [entry.content]
            moving = [ref for ref in everything if needs(self._copies, ref, self._damaged)]
            placed = self._placed(blobs, everything, moving)
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
        for some in parts(moving):
            for ref, data in zip(some, blobs.read(some), strict=True):
                moved[ref] = self._writer.put_blob(data, CHUNK)
        return [moved.get(ref, ref) for ref in refs]

    def _place(self, blobs: RunBlobReader, ref: Ref, kind: int) -> Ref:
        """Return where a blob is to be referred to: in the whole pack that has it, or in a new copy."""
        (data,) = blobs.read([ref])
        return self._writer.put_blob(data, kind)


def needs(copies: WholeCopies, ref: Ref, damaged: Collection[int]) -> bool:
    """Return whether a blob lies in a pack that is damaged or gone, or in a damaged entry."""
    return copies.needs(ref) or (isinstance(ref.location, InEntry) and ref.location.n in {*damaged})


def as_told(own: State, told: State) -> State:
    """Return what a run's own readable entries and a copy amount to: each of what it alone knows, else its own."""
    counts = {key: max(told.metrics.get(key, [0]), own.metrics.get(key, [0]), key=_count) for key in told.metrics}
    return replace(
        own,
        files=max(own.files, told.files),
        bytes=max(own.bytes, told.bytes),
        new_bytes=max(own.new_bytes, told.new_bytes),
        stored_bytes=max(own.stored_bytes, told.stored_bytes),
        experiment=own.experiment or told.experiment,
        started=own.started or told.started,
        status=own.status if own.ended else told.status,
        ended=own.ended or told.ended,
        params=told.params | own.params,
        tags=told.tags | own.tags,
        metrics=own.metrics | counts,
        extremes=own.extremes | {key: each for key, each in told.extremes.items() if counts[key] is told.metrics[key]},
    )


def _count(metric: Sequence[Any]) -> int:
    return int(metric[-1])


def readable(view: View) -> Iterator[Entry]:
    """Yield what a run says that it holds, as far as that can be read."""
    with suppress(IncompleteError):
        yield from view.paths.walk()


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
        for tree in listing_trees(view):
            tree.nodes()
        return view
    except IntegrityError:
        if head.state_at is None:
            raise
    view = View(blobs)
    for entry in blobs.journal.walk(head.n + 1):
        view.absorb(replace(entry, state=None))
    for tree in listing_trees(view):
        tree.nodes()
    return view


def chunks_of(blobs: RunBlobReader, entry: Entry) -> Sequence[Ref]:
    """Return the chunks of a file; none if it is one blob."""
    assert entry.content
    return () if entry.whole else parse_recipe(blobs.read([entry.content])[0]).chunks


def parts(refs: Sequence[Ref]) -> Iterator[Sequence[Ref]]:
    """Yield some references at a time, as many as may be held."""
    return (refs[at : at + _AT_ONCE] for at in range(0, len(refs), _AT_ONCE))
