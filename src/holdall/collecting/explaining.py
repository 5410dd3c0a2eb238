"""Who holds a pack or some content: runs that refer to it, a session that may, a generation that condemns it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Final

from holdall.chunks.reader import ChunkReader
from holdall.collecting.following import ExactView, list_runs, views_of
from holdall.collecting.generations import list_garbage, read_condemned
from holdall.collecting.marks import Shard, shards
from holdall.engines.mapping import Engine
from holdall.errors import GarbageNotFoundError, HoldallError, LiveContentError
from holdall.format import digest
from holdall.format.layout import PACKS, RUNS, PackName
from holdall.format.recipe import parse_recipe
from holdall.format.reference import Ref
from holdall.format.tree import Entry
from holdall.trees.history import earlier_entries
from holdall.trees.location import Location
from holdall.trees.references import references
from holdall.trees.salvage import UNREADABLE

_PATHS: Final = 20  # of one run that are named


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that refers to something.

    Attributes:
        run_id: Which.
        deleted: Whether it is deleted: then it holds what it refers to until it is purged.
        paths: At most twenty of its paths with that content; of a pack none is told.
        bytes: Of a pack, the bytes that it needs of it.
        sessions: How many of its sessions are open.
    """

    run_id: str
    deleted: bool
    paths: tuple[str, ...] = ()
    bytes: int = 0
    sessions: int = 0


@dataclass(slots=True)
class Explanation:
    """Who holds something, and by which rule.

    Attributes:
        what: The run, pack or digest.
        size: Of a pack, its bytes.
        live: Of a pack, the bytes that runs need of it, each counted once.
        why: What keeps it, or what will become of it: a sentence each.
        holders: The runs that refer to it.
    """

    what: str
    size: int = 0
    live: int = 0
    why: list[str] = field(default_factory=list)
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class _Held:
    holder: Holder
    extents: frozenset[tuple[int, int]] = frozenset()
    own: bool = False  # whether the session that wrote the pack is open there


def explain_pack(location: Location, engine: Engine, pack: PackName, now: int, delay: int) -> Explanation:
    """Return which runs need a pack, and what keeps it or will become of it.

    Raises:
        GarbageNotFoundError: There is no such pack.
        LiveContentError: What some run needs cannot be told.

    Cost: as a collector's mark.
    """
    info = next((info for info in location.bucket.list(pack.key, limit=1) if info.key == pack.key), None)
    if info is None:
        raise GarbageNotFoundError(f"pack {pack}", location.bucket.url)
    held = _ask(location, engine, partial(_of_pack, pack))
    holders = tuple(one.holder for one in held if one.extents)
    extents = frozenset(chain.from_iterable(one.extents for one in held))
    why = [_told(holders)] if holders else []
    why += [f"the session that wrote it is open in run {one.holder.run_id}" for one in held if one.own]
    why += _generations(location, pack)
    young = info.modified is not None and delay and now - info.modified < delay
    why += ["it is younger than the delay"] if young and not holders else []
    why = why or ["nothing refers to it: the next collection deletes it"]
    return Explanation(str(pack), info.size, sum(stored for _, stored in extents), why, holders)


def explain_content(location: Location, engine: Engine, algorithm: str, sought: bytes) -> Explanation:
    """Return which runs hold content of a digest, and at which paths: files by SHA-256, blobs by BLAKE3.

    Raises:
        GarbageNotFoundError: No run refers to such content.
        LiveContentError: What some run needs cannot be told.

    Cost: as a collector's mark.
    """
    name = digest.show(algorithm, sought)
    ask = partial(_of_file if algorithm == digest.SHA256 else _of_blob, sought)
    holders = tuple(one.holder for one in _ask(location, engine, ask))
    if not holders:
        raise GarbageNotFoundError(f"run that refers to {name}", location.bucket.url)
    return Explanation(name, why=[_told(holders)], holders=holders)


def _ask(location: Location, engine: Engine, ask: partial[_Held | None]) -> list[_Held]:
    found: list[_Held] = []
    problems: dict[str, str] = {}
    for held, wrong in engine.map(partial(_ask_shard, location, ask), shards(list_runs(location.bucket))):
        found += held
        problems |= wrong
    if problems:
        raise LiveContentError(problems)
    return found


def _ask_shard(location: Location, ask: partial[_Held | None], shard: Shard) -> tuple[list[_Held], dict[str, str]]:
    reader = ChunkReader(location.bucket, location.pool)
    held: list[_Held] = []
    problems: dict[str, str] = {}
    for run, view in zip(shard.runs, views_of(location, reader, shard.runs), strict=True):
        id = run.log.removeprefix(RUNS)
        try:
            if isinstance(view, HoldallError):
                raise view
            if not view.state.purged and (one := ask(id, view)):
                held.append(one)
        except UNREADABLE as error:
            problems[id] = str(error)
    return held, problems


def _of_pack(pack: PackName, id: str, view: ExactView) -> _Held | None:
    extents = frozenset((ref.offset, ref.stored) for ref in references(view) if ref.location == pack)
    own = pack.session.hex() in view.state.sessions
    if not extents and not own:
        return None
    return _Held(_holder(id, view, size=sum(stored for _, stored in extents)), extents, own)


def _of_file(sought: bytes, id: str, view: ExactView) -> _Held | None:
    paths = _paths(view, lambda entry: entry.sha256 == sought)
    return _Held(_holder(id, view, paths)) if paths else None


def _of_blob(sought: bytes, id: str, view: ExactView) -> _Held | None:
    paths = _paths(view, lambda entry: any(ref.id == sought for ref in _blobs(view, entry)))
    if not paths and all(ref.id != sought for ref in references(view)):
        return None
    return _Held(_holder(id, view, paths))


def _paths(view: ExactView, fits: Callable[[Entry], bool]) -> list[str]:
    """Return the paths that hold something, or do in an earlier version."""
    every = chain(view.paths.walk(), earlier_entries(view.paths))
    return list(dict.fromkeys(entry.path for entry in every if fits(entry)))


def _blobs(view: ExactView, entry: Entry) -> Iterator[Ref]:
    if entry.content:
        yield entry.content
        if not entry.whole:
            yield from parse_recipe(view.paths.blobs.read([entry.content])[0]).chunks


def _holder(id: str, view: ExactView, paths: Sequence[str] = (), size: int = 0) -> Holder:
    return Holder(id, view.state.deleted, tuple(paths[:_PATHS]), size, len(view.state.sessions))


def _told(holders: Sequence[Holder]) -> str:
    return f"{len(holders)} runs refer to it" if len(holders) > 1 else "one run refers to it"


def _generations(location: Location, pack: PackName) -> list[str]:
    """Return what the generations that are not finished say of a pack, and whether it is recorded as damaged."""
    state = list_garbage(location.bucket)
    told = [
        f"garbage generation {one.number} condemns it"
        for one in state.generations
        if one.incomplete and pack in read_condemned(location.bucket, one.number)[0]
    ]
    return told + (["it is recorded as damaged: nothing new refers to it"] if pack in state.damaged else [])


def pack_of(text: str) -> PackName | None:
    """Return the pack that a name or key means; None if it is neither."""
    name = text.rpartition("/")[2] if text.startswith(PACKS) else text
    try:
        return PackName.parse(name, "")
    except HoldallError:
        return None
