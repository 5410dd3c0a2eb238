"""Copying what a run needs out of packs that are to go, and saying so in its log.

The run gets one more entry, with a state of the same paths and new places, which every reader understands. Who does
it is a writer like others (W1 to W5), and deletes nothing: a collection of these packs comes after it. SPEC.md, "State
and checkpoints".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from holdall.format.document import Json
from holdall.format.entry import InlineBlob
from holdall.format.layout import PackName, run_log
from holdall.format.recipe import Recipe, encode_recipe, parse_recipe
from holdall.format.reference import CHUNK, JSON_BLOB, RECIPE, Ref
from holdall.format.tree import Entry
from holdall.trees.blobs import RunBlobReader
from holdall.trees.location import Location
from holdall.trees.session import Draft, Session
from holdall.trees.snapshot import restate
from holdall.trees.view import View

_AT_ONCE: Final = 64  # chunks held at once


def vacate(location: Location, run_id: str, packs: Collection[PackName]) -> None:
    """Let a run refer to none of these packs: what it has there is copied to new ones.

    Raises:
        IntegrityError: Something of it is not what was written. Then nothing was changed.

    Cost: three PUTs, reading what is copied, and the packs for that.
    """
    session = Session.resume(location, run_log(run_id), deleted=True)
    if session is None:  # it was purged meanwhile, and needs nothing
        return
    try:
        moving = _Moving(session, packs)
        session.append(lambda: Draft([], state=moving.state), closing=True)
    finally:
        session.close()


class _Moving:
    """One run's new state in the making; asked again after each lost race."""

    def __init__(self, session: Session, packs: Collection[PackName]) -> None:
        self._packs, self._writer = packs, session.writer()

    def state(self, view: View, blobs: list[InlineBlob]) -> Json:
        """Return the state for the entry after the view's head."""
        reader, environment = view.paths.blobs, view.state.environment
        if environment and environment.location in self._packs:
            environment = self._writer.put_blob(reader.read([environment])[0], JSON_BLOB)
        entries = [self._moved(reader, entry) for entry in view.paths.walk()]
        return restate(view, entries, environment, self._writer, blobs)

    def _moved(self, reader: RunBlobReader, entry: Entry) -> Entry:
        """Return an entry with its content in other packs; unchanged if none of it lies in these."""
        if entry.content is None:
            return entry
        if entry.whole:
            (ref,) = self._placed(reader, [entry.content])
            return entry if ref == entry.content else entry.at(ref, whole=True)
        recipe = reader.read([entry.content])[0]
        chunks = parse_recipe(recipe).chunks
        placed = self._placed(reader, chunks)
        if placed == list(chunks) and entry.content.location not in self._packs:
            return entry
        data = encode_recipe(Recipe(entry.size, entry.sha256, tuple(placed)))
        return entry.at(self._writer.put_blob(data, RECIPE), whole=False)

    def _placed(self, reader: RunBlobReader, refs: Sequence[Ref]) -> list[Ref]:
        """Return where chunks are to be referred to: those in the packs that go are copied."""
        moved = {}
        for some in _parts([ref for ref in refs if ref.location in self._packs]):
            for ref, data in zip(some, reader.read(some), strict=True):
                moved[ref] = self._writer.put_blob(data, CHUNK)
        return [moved.get(ref, ref) for ref in refs]


def _parts(refs: Sequence[Ref]) -> Iterator[Sequence[Ref]]:
    return (refs[at : at + _AT_ONCE] for at in range(0, len(refs), _AT_ONCE))
