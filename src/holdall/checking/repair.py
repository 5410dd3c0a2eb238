"""Healing runs whose content lies in damaged or missing packs, if it is whole elsewhere.

Packs never change, so what is mended is what refers to them: a run gets one
more entry, with a state of the same paths and new places (SPEC.md, "State and checkpoints"), which
every reader understands. A repair is a writer like others (W1 to W5)
and deletes nothing.

What another pack has whole is referred to there: it costs no byte, and each of
its chunks was just decoded. Only what is whole nowhere but in the damaged pack,
in a log entry, or in a copy of the store (`donor.py`) is copied. A file that is whole nowhere as it was put together
may be whole as another run has it (`twins.py`). A file of which some chunk is whole nowhere keeps its old places, so
that a later repair may heal it, once its content was logged again.

Plan, then perform: a plan writes nothing, and reads all that it promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from holdall.checking.donor import Donor, damaged_packs
from holdall.checking.lost_entries import LostEntries, MendedJournal, lost_entries
from holdall.checking.mending import (
    Mending,
    as_told,
    chunks_of,
    load_view,
    needs,
    parts,
    readable,
)
from holdall.checking.plans import FileRepair, LogRepair, RunRepair
from holdall.checking.twins import HeldFiles, InlineCopies, Twins
from holdall.chunks.copies import WholeCopies
from holdall.chunks.garbage import look_at_garbage
from holdall.errors import DamageError, IntegrityError, RunNotFoundError
from holdall.format.layout import EXPERIMENTS, MODELS, NAMES, RUNS, is_run_id
from holdall.format.reference import Ref, ref_from_json
from holdall.format.state import State
from holdall.format.tree import Entry, Kind
from holdall.trees.blobs import RunBlobReader
from holdall.trees.heads import list_heads
from holdall.trees.history import versions_in_order
from holdall.trees.location import Location
from holdall.trees.references import listing_trees
from holdall.trees.session import Draft, Session
from holdall.trees.view import View

_UNLISTED: Final = (
    "that lists its paths, which nothing else tells: only that object, put back from a copy, or repairing from a "
    "copy of the store brings them back; "
    "what was logged again is whole in its new run, and parameters, metrics and tags are read as ever"
)


@dataclass(slots=True)
class _Known:
    """What a plan found of a run, and its performance needs: lost entries, and what a copy tells."""

    entries: LostEntries
    listed: list[Entry] | None = None
    told: State | None = None
    word: list[str] = field(default_factory=list)


class Repair:
    """Heals runs of one store.

    Args:
        location: The store.
        donor: A copy of it, if there is one.
    """

    def __init__(self, location: Location, donor: Donor | None = None) -> None:
        self._location, self._donor = location, donor
        inline = InlineCopies(location).find
        elsewhere = [donor.find_in_same_packs, inline, donor.find] if donor else [inline]
        self._copies = WholeCopies(location.bucket, location.pool, damaged_packs(location), elsewhere)
        self._twins = Twins(self._copies, HeldFiles(location, self._copies), donor.files if donor else None)
        self._known = _Known(LostEntries(""))  # of the run that was planned last

    def run_ids(self) -> list[str]:
        """Return the runs that only a mirror still has: a log never vanishes by anything that holdall does."""
        return [log.removeprefix(RUNS) for log in self._gone(RUNS)]

    def plan(self, run_ids: Iterable[str]) -> Iterator[RunRepair]:
        """Yield what could be healed of these runs, one by one; runs that need nothing are left out.

        Cost: each run's listing and the recipes of its large files; where something is damaged, the footer of each
            pack of the store, and all content that is to be healed; where something is in no pack, all logs and trees;
            with a mirror, a GET for each entry of each run.
        """
        for id in run_ids:
            found = self._plan(id)
            if found.listing or found.files or found.lost or found.entries:
                yield found

    def plan_logs(self) -> Iterator[tuple[LogRepair, LostEntries]]:
        """Yield what could be healed of the logs of experiments, models and names. Cost: a GET for each entry."""
        for prefix in (EXPERIMENTS, MODELS, NAMES) if self._donor else ():
            for log in sorted([*list_heads(self._location.bucket, prefix), *self._gone(prefix)]):
                assert self._donor
                found = lost_entries(self._location, self._donor, log)
                if found.plan:
                    yield LogRepair(log, tuple(found.plan)), found

    def perform(self, plan: RunRepair) -> None:
        """Heal what can be healed of the run that was planned last.

        Cost: three PUTs, and the packs for what is copied; one for each log entry that is put back.
        """
        log = RUNS + plan.run_id
        self._known.entries.put_back(self._location)
        if self._known.entries.missing and (condemned := look_at_garbage(self._location.bucket).condemned):
            self._copies.distrust(condemned)  # an entry that came back may refer to what a collector took for unused
            plan = self._plan(plan.run_id)
        known = self._known
        if plan.lost or not (plan.listing or any(not file.lost for file in plan.files)):
            return
        session = Session.resume(
            self._location,
            log,
            deleted=True,
            packs=self._copies,
            load=View.load if known.listed is not None else load_view,
            journal=MendedJournal(self._location, log, known.entries.damaged),
        )
        if session is None:
            return
        try:
            healing = frozenset((file.path, file.version) for file in plan.files if not file.lost)
            mending = Mending(
                session,
                self._copies,
                self._twins,
                healing,
                damaged=frozenset(known.entries.damaged),
                listed=known.listed,
                told=known.told,
            )
            session.append(lambda: Draft([], state=mending.state), closing=True)
        finally:
            session.close()

    def _gone(self, prefix: str) -> Iterator[str]:
        if self._donor and self._donor.mirror:
            there = list_heads(self._donor.location.bucket, prefix)
            yield from sorted(there.keys() - list_heads(self._location.bucket, prefix).keys())

    def _plan(self, id: str) -> RunRepair:
        log = RUNS + id
        known = _Known(LostEntries(log))
        if self._donor and is_run_id(id):
            known.entries = lost_entries(self._location, self._donor, log)
        self._known = known
        journal = MendedJournal(self._location, log, known.entries.journal_entries)
        blobs = RunBlobReader(self._location.bucket, self._location.pool, journal, packs=self._copies)
        found = self._planned(id, blobs, known)
        said = [f"its log entry {each.n}" for each in known.entries.plan if not (each.proof or each.lost)]
        return replace(found, entries=tuple(known.entries.plan), word=(*said, *known.word))

    def _planned(self, id: str, blobs: RunBlobReader, known: _Known) -> RunRepair:
        try:
            view = load_view(blobs) if is_run_id(id) else None
            if view is None:
                raise RunNotFoundError(id, self._location.bucket.url)
            if view.state.purged:
                return RunRepair(id)
            files = [found for entry in view.paths.walk() if (found := self._file(blobs, entry, id))]
            earlier = [(version, self._file(blobs, version.entry, id)) for version in versions_in_order(view.paths)]
            files += [replace(found, version=version.until) for version, found in earlier if found]
            return RunRepair(id, tuple(files), listing=self._listing_needs(view, blobs))
        except DamageError as error:
            if any(entry.lost for entry in known.entries.plan):
                return RunRepair(id, lost=f"{error}; its log comes first")
            if self._donor:
                return self._by_copy(id, blobs, self._donor, error, known)
            return RunRepair(id, lost=f"{error}; {_UNLISTED}" if isinstance(error, IntegrityError) else str(error))

    def _by_copy(self, id: str, blobs: RunBlobReader, donor: Donor, error: DamageError, known: _Known) -> RunRepair:
        """Return what can be healed of a run whose paths cannot be told without the copy's word."""
        if why := donor.why_no_run(id):
            return RunRepair(id, lost=f"{error}; {why}")
        try:
            theirs, view = donor.files.view(RUNS + id), View.load(blobs)
            assert theirs
            assert view
            listed = list(theirs.paths.walk())
        except (DamageError, AssertionError) as failure:
            return RunRepair(id, lost=f"{error}; with {donor.url}: {failure}")
        if theirs.state.versioned:
            return RunRepair(id, lost=f"{error}; it is versioned, and which versions it keeps is no copy's to say")
        if why := self._differs(view, theirs, listed):
            return RunRepair(id, lost=f"{error}; {donor.url} {why}")
        known.listed = listed
        known.word.append(f"the paths that it holds: {len(listed)}, with their digests")
        if not _log_is_whole(view):
            known.told = theirs.state
            known.word.append("parameters, tags and measurements of the lost entries, so far as they are the last")
        files = [self._by_itself(entry) for entry in listed if entry.content]
        return RunRepair(id, tuple(files), listing=True)

    def _differs(self, view: View, theirs: View, listed: Sequence[Entry]) -> str:
        """Return in what a copy's run differs from what is known of this one; "" if it may be the same."""
        there = {entry.path: entry for entry in listed}
        for own in readable(view):
            if own.path in there and not there[own.path].same_as(own):
                return f"holds other content at {own.path!r}"
            there[own.path] = own
        files = [entry for entry in there.values() if entry.kind is Kind.FILE]
        size = sum(entry.size for entry in files)
        known = view.state if _log_is_whole(view) else as_told(view.state, theirs.state)
        if (len(files), size) != (known.files, known.bytes):
            return f"lists {len(files)} files of {size} bytes, and the log here tells of {known.files} of {known.bytes}"
        return ""

    def _by_itself(self, entry: Entry) -> FileRepair:
        """Return what becomes of a file that a copy lists: all of it is read, wherever its chunks are whole."""
        if not self._twins.take(entry):
            return FileRepair(entry.path, lost="it is not whole in the copy either")
        return self._by_twin(entry, entry)

    def _listing_needs(self, view: View, blobs: RunBlobReader) -> bool:
        """Return whether a reader of the run would meet what is damaged before any file's content."""
        refs = [view.state.environment] if view.state.environment else []
        head = view.head
        start = head.state_at or 0 if head else 0
        if any(n >= start for n in self._known.entries.damaged):
            return True
        if head and head.state_at is not None:
            entry = blobs.journal.read(head.state_at)
            said = [
                entry.state[name] for name in ("tree", "versions", "facts") if entry.state and entry.state.get(name)
            ]
            refs += [ref_from_json(one, entry.log).carried_by(entry.n) for one in said]
        return any(map(self._needs, [*refs, *(node for tree in listing_trees(view) for node in tree.nodes())]))

    def _needs(self, ref: Ref) -> bool:
        return needs(self._copies, ref, self._known.entries.damaged)

    def _file(self, blobs: RunBlobReader, entry: Entry, run_id: str) -> FileRepair | None:
        """Return what a file needs, or None."""
        if entry.content is None:
            return None
        try:
            refs = [entry.content, *(chunks_of(blobs, entry))]
            lacking = [ref for ref in refs if self._needs(ref)]
            for some in parts(lacking):
                blobs.read(some)
        except DamageError as error:
            twin = self._twins.find(entry, run_id)
            return self._by_twin(entry, twin) if twin else FileRepair(entry.path, lost=self._why_lost(error))
        return self._by(entry, lacking) if lacking else None

    def _why_lost(self, error: DamageError) -> str:
        return f"{error}; {self._donor.url} does not have it whole either" if self._donor else str(error)

    def _by_twin(self, entry: Entry, twin: Entry) -> FileRepair:
        assert twin.content
        return self._by(entry, [twin.content, *self._twins.chunks(twin)])

    def _by(self, entry: Entry, copies: Sequence[Ref]) -> FileRepair:
        return FileRepair(entry.path, tuple(sorted({self._copies.where(ref) for ref in copies})))


@dataclass(frozen=True, slots=True)
class RunIds:
    """Runs that one worker heals."""

    ids: tuple[str, ...]

    def __str__(self) -> str:
        return f"runs {self.ids[0]} to {self.ids[-1]}"


def heal_runs(here: Location, there: Location | None, dry_run: bool, shard: RunIds) -> list[RunRepair]:
    """Plan and perform the repair of some runs, by a worker of its own; done again, it finds what is left to do.

    Cost: as `Repair`; where something is damaged, each shard reads the footers of all packs.
    """
    repairing, found = Repair(here, Donor(here, there) if there else None), []
    for plan in repairing.plan(shard.ids):
        found.append(plan)
        if plan.healable and not dry_run:
            repairing.perform(plan)
    return found


def _log_is_whole(view: View) -> bool:
    """Return whether all entries of a run that matter could be read; a state that could not is told by those before."""
    try:
        view.paths.check_whole()
    except DamageError:
        return False
    return True
