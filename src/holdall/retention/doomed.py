"""What a run's content is made of, and where else in the store that is: for a purge that leaves no byte of it.

    doomed      all blobs that the run refers to, or that its sessions uploaded, committed or not
    needed      those of them that other runs refer to on purpose: they stay, and are named
    targets     packs that hold any of the rest, whoever wrote them

Found by reading footers and trees; no content is read but recipes. Ids tell equal content: what another run holds in
other pieces is another content, and is not found.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeVar

from holdall.chunks.reader import ChunkReader
from holdall.errors import (
    DamageError,
    HoldallError,
    IntegrityError,
    LogGapError,
    ObjectNotFoundError,
    RunNotFoundError,
)
from holdall.format.entry import LogEntry
from holdall.format.layout import PACKS, RUNS, PackName, parse_key, run_log
from holdall.format.pack import Footer
from holdall.format.recipe import parse_recipe
from holdall.format.reference import InEntry, ref_from_json
from holdall.format.tree import Entry
from holdall.trees.blobs import RunBlobReader
from holdall.trees.heads import entry_keys, list_heads
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.references import fetch_roots, references
from holdall.trees.tree import Tree
from holdall.trees.versioned_paths import VersionedPaths
from holdall.trees.view import View

T = TypeVar("T")
_log = logging.getLogger("holdall")
_AT_ONCE: Final = 128  # runs or footers looked at side by side


@dataclass(slots=True)
class Doomed:
    """What a run's content is made of.

    Attributes:
        view: The run as it is, or was before it was purged; None if nothing is left of it.
        purged: Whether it was purged already, so that this goes on with what was interrupted.
        sessions: Those that wrote to it.
        blobs: The ids of its blobs.
        files: The SHA-256 of each of its files, with a path of it.
    """

    view: View | None
    purged: bool
    sessions: set[bytes]
    blobs: set[bytes] = field(default_factory=set)
    files: dict[bytes, str] = field(default_factory=dict)


def doomed_of(location: Location, run_id: str) -> Doomed:
    """Return what a run is made of, also if it was purged and its older entries are still there.

    Raises:
        RunNotFoundError: There is no such run.
        DamageError: What it refers to cannot be told.

    Cost: a GET for each entry of its log, its trees and recipes, and the footers of its sessions' packs.
    """
    journal = Journal(location.bucket, location.pool, run_log(run_id))
    numbers = sorted(key.number for key in entry_keys(location.bucket.list(f"{journal.log}/log/")))
    if not numbers:
        raise RunNotFoundError(run_id, location.bucket.url)
    entries = [entry for entry in journal.try_many(numbers) if isinstance(entry, LogEntry)]
    purged = bool(entries) and entries[-1].n == numbers[-1] and entries[-1].purges
    found = Doomed(_view(location, journal, entries, purged=purged), purged, _sessions(entries))
    with suppress(IntegrityError) if purged else nullcontext():  # an interrupted purge has deleted some of it
        for ref in references(found.view) if found.view else ():
            found.blobs.add(ref.id)
        for file in _files(found.view, entries) if found.view else ():
            if file.content and found.view:
                found.files.setdefault(file.sha256, file.path)
                found.blobs.update(_ids_of(found.view, file))
    for entry in entries:
        found.blobs.update(blob.id for blob in entry.blobs)
    return found


def _files(view: View, entries: list[LogEntry]) -> Iterator[Entry]:
    """Yield what a run holds; of a versioned one, what it ever held: what was trimmed may lie in others' packs."""
    yield from view.paths.walk()
    for entry in entries if isinstance(view.paths, VersionedPaths) else ():
        for op in entry.ops:
            if op["op"] == "commit" and op["tree"] is not None:
                root = ref_from_json(op["tree"], entry.log).carried_by(entry.n)
                with suppress(IntegrityError):  # what was replaced may be gone
                    yield from Tree(view.paths.blobs, root).walk()


def _ids_of(view: View, file: Entry) -> set[bytes]:
    """Return the ids of a file's blobs, as far as they are told."""
    assert file.content
    found = {file.content.id}
    if not file.whole and isinstance(view.paths, VersionedPaths):  # of others, all that is needed was followed
        with suppress(IntegrityError):
            found.update(ref.id for ref in parse_recipe(view.paths.blobs.read([file.content])[0]).chunks)
    return found


def _view(location: Location, journal: Journal, entries: list[LogEntry], *, purged: bool) -> View | None:
    blobs = RunBlobReader(location.bucket, location.pool, journal, location.damage)
    if not purged:
        return View.load(blobs)
    before = [entry for entry in entries if not entry.purges]
    try:
        return View.up_to(before[-1], blobs) if before else None
    except DamageError:  # some of it went already, which is the last that goes
        return None


def _sessions(entries: list[LogEntry]) -> set[bytes]:
    """Return the sessions that wrote to a log; an entry that carries a state knows the open ones of those before it."""
    opened = {op["session"] for entry in entries for op in entry.ops if op["op"] == "open"}
    carried = {session for entry in entries for session in (entry.state or {}).get("sessions", ())}
    return {bytes.fromhex(session) for session in opened | carried}


def find_packs(location: Location, doomed: Doomed) -> dict[PackName, frozenset[bytes]]:
    """Return the packs that hold any doomed blob, with those; what the run's own sessions uploaded is doomed, too.

    Of a pack whose footer is damaged nobody knows what is in it: it counts if it is of these sessions, else a warning
    names it.

    Cost: a listing of the packs, and a request or two for each footer.
    """
    reader = ChunkReader(location.bucket, location.pool)
    listed = (key.pack for info in location.bucket.list(PACKS) if (key := parse_key(info.key)) and key.pack)
    packs = sorted(listed, key=lambda pack: pack.session not in doomed.sessions)  # its own come first
    found: dict[PackName, frozenset[bytes]] = {}
    for some in _parts(iter(packs)):
        for pack, footer in zip(some, location.pool.map(lambda pack: _footer(reader, pack), some), strict=True):
            ids = _ids(pack, footer, own=pack.session in doomed.sessions)
            if pack.session in doomed.sessions:
                doomed.blobs |= ids
            if there := ids & doomed.blobs:
                found[pack] = frozenset(there)
    return found


def _footer(reader: ChunkReader, pack: PackName) -> Footer | DamageError | None:
    try:
        return reader.footer(pack)
    except ObjectNotFoundError:
        return None
    except DamageError as error:
        return error


def _ids(pack: PackName, footer: Footer | DamageError | None, *, own: bool) -> set[bytes]:
    """Return the ids of a pack's blobs; of one that cannot be read, if it is a session's `own`, one that none has."""
    if isinstance(footer, Footer):
        return {row.id for row in footer.rows}
    if isinstance(footer, DamageError) and not own:
        _log.warning("nobody knows what pack %s holds, and it stays: %s", pack, footer)
    return {str(pack).encode()} if footer and own else set()


@dataclass(slots=True)
class Needed:
    """What other runs refer to of some doomed blobs.

    Attributes:
        blobs: Of the doomed ones, those that any of them needs.
        packs: Which of the packs looked for each run refers to.
        views: The runs that need any of `blobs`, by id.
    """

    blobs: set[bytes] = field(default_factory=set)
    packs: defaultdict[str, set[PackName]] = field(default_factory=lambda: defaultdict(set))
    views: dict[str, View] = field(default_factory=dict)


def find_needed(location: Location, run_id: str, blobs: Collection[bytes], packs: Collection[PackName]) -> Needed:
    """Return what all other runs need of a purged one's content, and of the packs that hold it.

    Raises:
        DamageError, UnsupportedFeatureError: Some run's references cannot be told: then nobody knows what may go.

    Cost: as a collector's mark: each run's trees and recipes.
    """
    found = Needed()
    for id, view in views_of_others(location, run_id):
        for ref in references(view):
            if ref.id in blobs:
                found.blobs.add(ref.id)
                found.views[id] = view
            if not isinstance(ref.location, InEntry) and ref.location in packs:
                found.packs[id].add(ref.location)
    return found


def views_of_others(location: Location, run_id: str) -> Iterator[tuple[str, View]]:
    """Yield each run but one that is not purged, with its id, deleted ones too. Raises: as `find_needed`."""
    heads = list_heads(location.bucket, RUNS)
    heads.pop(run_log(run_id), None)
    reader = ChunkReader(location.bucket, location.pool)
    for some in _parts(iter(heads.items())):
        journals = [Journal(location.bucket, location.pool, log) for log, _ in some]
        newest = location.pool.map(
            lambda pair: pair[0].read_or_damage(pair[1][1].n), list(zip(journals, some, strict=True))
        )
        views = [_followed(location, journal, entry) for journal, entry in zip(journals, newest, strict=True)]
        there = [(journal.log.removeprefix(RUNS), view) for journal, view in zip(journals, views, strict=True) if view]
        fetch_roots([view for _, view in there], reader)
        yield from there


def _followed(location: Location, journal: Journal, newest: LogEntry | HoldallError) -> View | None:
    blobs = RunBlobReader(location.bucket, location.pool, journal, location.damage)
    view: View | None = None
    try:
        if isinstance(newest, HoldallError):
            raise newest
        view = View.up_to(newest, blobs)
    except LogGapError:  # it may have been purged since it was listed
        if journal.purge() is None:
            raise
    return None if view is None or view.state.purged else view


def _parts(things: Iterator[T]) -> Iterator[list[T]]:
    while some := list(islice(things, _AT_ONCE)):
        yield some
