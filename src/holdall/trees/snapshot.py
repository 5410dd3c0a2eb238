"""The state that an entry carries: the log before it, folded.

All paths become one tree, and the earlier versions of a versioned run another. What is folded is in `folding`.
SPEC.md, "State and checkpoints".
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from holdall.errors import DamageError
from holdall.format.document import Json
from holdall.format.entry import MAX_INLINE, InlineBlob
from holdall.format.paths import sort_key
from holdall.format.reference import JSON_BLOB, MAX_JSON_BLOB, NODE, Ref, encode_as
from holdall.format.sealing import Sealing
from holdall.format.state import State, split_facts
from holdall.format.tree import Entry
from holdall.trees import tree_builder
from holdall.trees.folding import ONE_PLACE, Folded, Rows, base_of, fold, inline_bytes, single_commit_root
from holdall.trees.measured import add_block
from holdall.trees.tree import Tree
from holdall.trees.tree_builder import PlaceNode
from holdall.trees.versioned_paths import VersionedPaths
from holdall.trees.view import View

INLINE: Final = 64 << 10  # bytes that an entry carries rather than a pack
_MOST_RAW: Final = MAX_INLINE // 4  # a commit's and a state's may be in one entry
_log = logging.getLogger("holdall")


class Packing(Protocol):
    """Where a state puts what is too much for its entry: a writer of packs."""

    @property
    def unsent(self) -> bool:
        """Return whether a pack is in the making."""
        ...

    def put_blob(self, data: bytes, kind: int) -> Ref:
        """Place a blob, and return where."""
        ...

    def flush(self) -> None:
        """Wait until all packs are safe."""


class PackNeededError(Exception):
    """Something is too much for an entry, and its session is not open. It leaves no session."""


class NoPacks:
    """Stands for the packs of a session that is not open, and may have none."""

    unsent = False

    def put_blob(self, data: bytes, kind: int) -> Ref:  # noqa: ARG002  # as `Packing` has it
        """Raise PackNeededError."""
        raise PackNeededError

    def flush(self) -> None:
        """Do nothing, as nothing was placed."""


class InlineBlobs:
    """Blobs on their way into a log entry."""

    def __init__(self, blobs: list[InlineBlob], sealing: Sealing, *, reuse: bool = True) -> None:
        """Add to these; a blob that is among them is not added again, unless `reuse` is False."""
        self.blobs, self._sealing = blobs, sealing
        self.size = self.raw = 0  # bytes added here, stored and decoded
        self._index = {blob.id: index for index, blob in enumerate(blobs) if reuse}

    @property
    def fits(self) -> bool:
        """Return whether an entry, rather than a pack, may carry what was added."""
        return self.size <= INLINE and self.raw <= _MOST_RAW

    def place(self, data: bytes, kind: int) -> Ref:
        """Add a blob, unless the entry carries it already, and return its reference."""
        name = self._sealing.blob_id(data)
        if name not in self._index:
            codec, stored = encode_as(kind, data)
            self._index[name] = len(self.blobs)
            self.blobs.append(InlineBlob(name, codec, len(data), kind, stored))
            self.size += len(stored)
            self.raw += len(data)
        index = self._index[name]
        return self.blobs[index].ref(index)


def build(view: View, writer: Packing, blobs: list[InlineBlob], *, final: bool) -> Json | None:
    """Return the `state` for the entry after the view's head, or None.

    None where the run says more than a state may hold, and while something that it would say cannot be read: a state
    is advice, and one without the paths of a commit whose pack is lost would lose them for good.

    Args:
        view: The log so far.
        writer: Where blobs go that are too many for the entry.
        blobs: What the entry carries inline; tree nodes may be added.
        final: Whether the entry ends the run: then its tree is brought together.
    """
    if len(_facts(replace(view.state, deltas=[], changes=[]).to_json())) > MAX_JSON_BLOB:
        return None
    added = len(blobs)
    try:
        return _summary(view, writer, blobs, final=final)
    except DamageError as error:
        del blobs[added:]
        _log.warning("%s goes on without a summary: %s", view.paths.blobs.journal.log, error)
        return None


def _summary(view: View, writer: Packing, blobs: list[InlineBlob], *, final: bool) -> Json:
    view.paths.check_whole()
    folded = fold(view, final=final)
    state, sealing = replace(view.state, deltas=[], changes=[]), view.paths.blobs.sealing
    if not _in_entry(state, view, folded, writer, blobs, final=final):
        folded = folded.moved(view.paths.blobs, writer.put_blob) if any(folded.moving) else folded
        state.inline, added, carried = folded.inline, len(blobs), InlineBlobs(blobs, sealing)
        if not writer.unsent:
            _plant(state, view, folded, partial(carried.place, kind=NODE), final=final)
        if writer.unsent or not carried.fits:
            del blobs[added:]
            _plant(state, view, folded, partial(writer.put_blob, kind=NODE), final=final)
    state.series = add_block(view, InlineBlobs(blobs, sealing, reuse=False).place)
    body = _body(state, writer)
    writer.flush()
    return body


def _in_entry(
    state: State, view: View, folded: Folded, writer: Packing, blobs: list[InlineBlob], *, final: bool
) -> bool:
    """Put content that moves as its run ends into the entry, with all nodes; return whether that fits."""
    if not final or not any(folded.moving) or folded.inline > INLINE or writer.unsent:
        return False
    sealing = view.paths.blobs.sealing
    added, carried = len(blobs), InlineBlobs(blobs, sealing, reuse=False)  # a state refers to no blob of its own ops
    gathered = folded.moved(view.paths.blobs, carried.place)
    _plant(state, view, gathered, partial(carried.place, kind=NODE), final=True)
    if not carried.fits:
        del blobs[added:]
        return False
    state.inline = gathered.inline
    return True


def restate(
    view: View,
    entries: Sequence[Entry],
    environment: Ref | None,
    writer: Packing,
    blobs: list[InlineBlob],
    versions: Sequence[Entry] = (),
) -> Json:
    """Return the `state` for the entry after the view's head, if content is elsewhere than its log says.

    Args:
        view: The log so far.
        entries: All that it holds, ascending, each with its content where it is to be found from now on.
        environment: Where that is.
        writer: Where blobs go that are too many for the entry.
        blobs: What the entry carries inline; tree nodes may be added.
        versions: All earlier versions of a versioned run, as `entries`.
    """
    inline = sum(map(inline_bytes, [*entries, *versions]))
    state = replace(view.state, deltas=[], changes=[], inline=inline, environment=environment)
    carried, added = InlineBlobs(blobs, view.paths.blobs.sealing), len(blobs)
    if not writer.unsent:
        _replant(state, entries, versions, partial(carried.place, kind=NODE))
    if writer.unsent or not carried.fits:
        del blobs[added:]
        _replant(state, entries, versions, partial(writer.put_blob, kind=NODE))
    body = _body(state, writer)
    writer.flush()
    return body


def _replant(state: State, entries: Sequence[Entry], versions: Sequence[Entry], place: PlaceNode) -> None:
    state.tree = _built(entries, place)
    state.versions = _built(versions, place)


def _plant(state: State, view: View, folded: Folded, place: PlaceNode, *, final: bool) -> None:
    """Give a state its trees."""
    state.tree = _tree(view, folded.paths, place, final=final)
    if isinstance(view.paths, VersionedPaths):
        state.versions = _merged(view.paths.versions, folded.versions, place)


def _tree(view: View, rows: Rows, place: PlaceNode, *, final: bool) -> Ref | None:
    """Return the root of all paths. At a run's end a tree that is not large is written anew, in one place."""
    if root := single_commit_root(view):
        return root
    base = base_of(view)
    if base is None:
        return _merged(base, rows, place)
    if final:
        leaves = base.leaves()
        scattered = rows or len({leaf.ref.location for leaf in leaves}) > 1
        if scattered and sum(leaf.ref.raw for leaf in leaves) < ONE_PLACE:
            paths = {entry.path: entry for entry in [*base.walk(), *rows.added] if entry.path not in rows.removed}
            return _built(sorted(paths.values(), key=lambda entry: sort_key(entry.path)), place)
    return _merged(base, rows, place)


def _merged(base: Tree | None, rows: Rows, place: PlaceNode) -> Ref | None:
    """Return the root of a tree with some rows more, and some fewer."""
    if base is None:
        return _built(rows.added, place)
    return tree_builder.merge(base, rows.added, place, rows.removed) if rows else base.root


def _built(entries: Sequence[Entry], place: PlaceNode) -> Ref | None:
    return tree_builder.build(entries, place) if entries else None


def _body(state: State, writer: Packing) -> Json:
    body = state.to_json()
    if len(json.dumps(body)) > INLINE:
        body["facts"] = writer.put_blob(_facts(body), JSON_BLOB).to_json()
    return body


def _facts(body: Json) -> bytes:
    """Take the facts out of a state, and return them encoded."""
    return json.dumps(split_facts(body), separators=(",", ":")).encode()
