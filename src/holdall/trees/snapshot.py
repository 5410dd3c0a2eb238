"""The state that an entry carries: the log before it, folded.

All paths become one tree. What earlier entries carry inline moves into a pack
once it is more than a little, since only a pack can be read in one request.
SPEC.md, "State and checkpoints".
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from holdall.chunks.writer import ChunkWriter
from holdall.errors import DamageError
from holdall.format.digest import blob_id
from holdall.format.document import Json
from holdall.format.entry import MAX_INLINE, InlineBlob
from holdall.format.layout import PackName
from holdall.format.paths import sort_key
from holdall.format.reference import CHUNK, JSON_BLOB, MAX_JSON_BLOB, NODE, RECIPE, InEntry, Ref, encode_as
from holdall.format.state import State, split_facts
from holdall.format.tree import Entry
from holdall.trees import tree_builder
from holdall.trees.paths import Paths
from holdall.trees.tree import Tree
from holdall.trees.tree_builder import PlaceNode
from holdall.trees.view import View

INLINE: Final = 64 << 10  # bytes that an entry carries rather than a pack
_MOST_RAW: Final = MAX_INLINE // 4  # a commit's and a state's may be in one entry
FOLD: Final = 128 << 10  # inline bytes in a log before they move into a pack
_ONE_PLACE: Final = 4 << 20  # bytes of nodes that a run's end brings together
_log = logging.getLogger("holdall")


class InlineBlobs:
    """Blobs on their way into a log entry."""

    def __init__(self, blobs: list[InlineBlob]) -> None:
        self.blobs = blobs
        self.size = self.raw = 0  # bytes added here, stored and decoded
        self._index = {blob.id: index for index, blob in enumerate(blobs)}

    @property
    def fits(self) -> bool:
        """Return whether an entry, rather than a pack, may carry what was added."""
        return self.size <= INLINE and self.raw <= _MOST_RAW

    def place(self, data: bytes, kind: int) -> Ref:
        """Add a blob, unless the entry carries it already, and return its reference."""
        name = blob_id(data)
        if name not in self._index:
            codec, stored = encode_as(kind, data)
            self._index[name] = len(self.blobs)
            self.blobs.append(InlineBlob(name, codec, len(data), kind, stored))
            self.size += len(stored)
            self.raw += len(data)
        index = self._index[name]
        return self.blobs[index].ref(index)


def build(view: View, writer: ChunkWriter, blobs: list[InlineBlob], *, final: bool) -> Json | None:
    """Return the `state` for the entry after the view's head, or None.

    None where the run says more than a state may hold, and while something that it would say cannot be read: a state
    is advice, and one without the paths of a commit whose pack is lost would lose them for good.

    Args:
        view: The log so far.
        writer: Where blobs go that are too many for the entry.
        blobs: What the entry carries inline; tree nodes may be added.
        final: Whether the entry ends the run: then its tree is brought together.
    """
    if len(_facts(replace(view.state, deltas=[]).to_json())) > MAX_JSON_BLOB:
        return None
    added = len(blobs)
    try:
        return _summary(view, writer, blobs, final=final)
    except DamageError as error:
        del blobs[added:]
        _log.warning("%s goes on without a summary: %s", view.paths.blobs.journal.log, error)
        return None


def _summary(view: View, writer: ChunkWriter, blobs: list[InlineBlob], *, final: bool) -> Json:
    view.paths.check_whole()
    fresh, inline = _settled(view, writer)
    state = replace(view.state, deltas=[], inline=inline)
    carried = InlineBlobs(blobs)
    added = len(blobs)
    if not writer.unsent:
        state.tree = _tree(view, fresh, partial(carried.place, kind=NODE), final=final)
    if writer.unsent or not carried.fits:
        del blobs[added:]
        state.tree = _tree(view, fresh, partial(writer.put_blob, kind=NODE), final=final)
    body = _body(state, writer)
    writer.flush()
    return body


def restate(
    view: View, entries: Sequence[Entry], environment: Ref | None, writer: ChunkWriter, blobs: list[InlineBlob]
) -> Json:
    """Return the `state` for the entry after the view's head, if content is elsewhere than its log says.

    Args:
        view: The log so far.
        entries: All that it holds, ascending, each with its content where it is to be found from now on.
        environment: Where that is.
        writer: Where blobs go that are too many for the entry.
        blobs: What the entry carries inline; tree nodes may be added.
    """
    state = replace(view.state, deltas=[], inline=sum(map(_inline_bytes, entries)), environment=environment)
    carried, added = InlineBlobs(blobs), len(blobs)
    if entries and not writer.unsent:
        state.tree = tree_builder.build(entries, partial(carried.place, kind=NODE))
    if entries and (writer.unsent or not carried.fits):
        del blobs[added:]
        state.tree = tree_builder.build(entries, partial(writer.put_blob, kind=NODE))
    body = _body(state, writer)
    writer.flush()
    return body


def _settled(view: View, writer: ChunkWriter) -> tuple[list[Entry], int]:
    """Return the entries that the last state's tree lacks, or that moved; and the inline bytes left."""
    if _single_commit_root(view):
        return [], view.state.inline
    base, blobs = _base(view), view.paths.blobs
    fresh = {entry.path: entry for entry in Paths(blobs, view.state.deltas).walk()}
    inline = view.state.inline + sum(map(_inline_bytes, fresh.values()))
    if inline > FOLD:
        old = [entry for entry in base.walk() if _inline_bytes(entry)] if base and view.state.inline else []
        moving = [*old, *(entry for entry in fresh.values() if _inline_bytes(entry))]
        contents = blobs.read([entry.content for entry in moving if entry.content])
        for entry, data in zip(moving, contents, strict=True):
            fresh[entry.path] = replace(entry, content=writer.put_blob(data, CHUNK if entry.whole else RECIPE))
        inline = 0
    return sorted(fresh.values(), key=lambda entry: sort_key(entry.path)), inline


def _inline_bytes(entry: Entry) -> int:
    return entry.content.stored if entry.content and isinstance(entry.content.location, InEntry) else 0


def _base(view: View) -> Tree | None:
    return Tree(view.paths.blobs, view.state.tree) if view.state.tree else None


def _tree(view: View, fresh: list[Entry], place: PlaceNode, *, final: bool) -> Ref | None:
    """Return the root of all paths. At a run's end a tree that is not large is written anew, in one place."""
    if root := _single_commit_root(view):
        return root
    base = _base(view)
    if base is None:
        return tree_builder.build(fresh, place) if fresh else None
    if final:
        leaves = base.leaves()
        scattered = fresh or len({leaf.ref.location for leaf in leaves}) > 1
        if scattered and sum(leaf.ref.raw for leaf in leaves) < _ONE_PLACE:
            paths = {entry.path: entry for entry in [*base.walk(), *fresh]}
            return tree_builder.build(sorted(paths.values(), key=lambda entry: sort_key(entry.path)), place)
    return tree_builder.merge(base, fresh, place) if fresh else base.root


def _single_commit_root(view: View) -> Ref | None:
    """Return the tree of the only commit so far, if all of it is in packs: it is the state's unchanged."""
    deltas = view.state.deltas
    return deltas[0] if not view.state.tree and len(deltas) == 1 and isinstance(deltas[0].location, PackName) else None


def _body(state: State, writer: ChunkWriter) -> Json:
    body = state.to_json()
    if len(json.dumps(body)) > INLINE:
        body["facts"] = writer.put_blob(_facts(body), JSON_BLOB).to_json()
    return body


def _facts(body: Json) -> bytes:
    """Take the facts out of a state, and return them encoded."""
    return json.dumps(split_facts(body), separators=(",", ":")).encode()
