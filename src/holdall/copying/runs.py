"""One run, copied into another store as of its newest entry.

The copy is a writer like others (W1 to W5): a log of its own, packs of its own.
It begins with an entry that only says what it is of, then sends what the packs
lack, and says the rest in as few entries as will hold it; the last one commits
the files and moves the mark. So a reader sees a run without files or one with
all of them, and who is killed leaves what the next copy goes on with.

    compare   reads both runs, and says what is to be done
    perform   does it, for a comparison that still holds; else it is made anew
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final

from holdall.chunks.observer import SILENT, Transfer
from holdall.copying.facts import missing_points
from holdall.copying.files import missing_entries
from holdall.copying.filling import ChangedError, Comparison, Filling
from holdall.copying.lineage import current_mark, load_view, stranger
from holdall.copying.marks import Mark, facts_of, mark_of
from holdall.copying.renaming import SAME_IDS, Renaming
from holdall.copying.report import (
    CHANGES,
    CONFLICT,
    DAMAGED,
    DELETED,
    MORE,
    NEW,
    RESTORED,
    SAME,
    SKIPPED,
    RunCopy,
)
from holdall.copying.timelines import Step, steps
from holdall.errors import DamageError, RegisteredPathError, RunDeletedError, RunNotFoundError, UnsupportedFeatureError
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.layout import run_log
from holdall.format.ops import VERSIONED
from holdall.trees.history import versions_in_order
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.log import append_entry, next_entry
from holdall.trees.session import Draft, Session
from holdall.trees.view import View

_LOOKS: Final = 2  # at what cannot be read
_TRIES: Final = 8  # comparisons that others may overtake


class RunCopier:
    """Copies runs of one store into another.

    Args:
        source, target: The stores.
        deletions: Whether a run that was deleted or purged at the source since it was copied is deleted as well.
        verify: Whether each file is read whole and hashed, also where the destination has pieces of it.
        transfer: Is told how far the files have come.
        sending: Is held by who sends to packs: of two runs that share chunks, both would send them.
        ids: What runs are called in the destination.
    """

    def __init__(
        self,
        source: Location,
        target: Location,
        *,
        deletions: bool = False,
        verify: bool = True,
        transfer: Transfer = SILENT,
        sending: threading.Lock | None = None,
        ids: Renaming = SAME_IDS,
    ) -> None:
        self._source, self._target, self._deletions, self._transfer = source, target, deletions, transfer
        self._sending, self._verify, self._ids = sending or threading.Lock(), verify, ids

    def copy(self, run_id: str, newest: int | None = None) -> RunCopy:
        """Copy a run, or bring its copy up to date.

        Args:
            run_id: Which.
            newest: The number of its newest entry, where that is known.

        Raises:
            RunNotFoundError: There is no such run.

        Cost: for what is the same, reading the end of both logs; else two PUTs, what is sent, and for what others
            overtake as much again.
        """
        return self._guarded(run_id, newest, self._copy)

    def plan(self, run_id: str, newest: int | None = None) -> RunCopy:
        """Return what `copy` would do. Raises and cost: as the first half of it."""
        return self._guarded(run_id, newest, lambda id, n: self.compare(id, n).result())

    def _guarded(self, run_id: str, newest: int | None, work: Callable[[str, int | None], RunCopy]) -> RunCopy:
        """Do something to a run; what cannot be read is looked at again, since it may have moved or gone meanwhile."""
        for _ in range(_LOOKS):
            try:
                return work(run_id, newest)
            except (DamageError, UnsupportedFeatureError) as error:
                found = RunCopy(run_id, DAMAGED, str(error))
            newest = None
        return found

    def _copy(self, run_id: str, newest: int | None = None) -> RunCopy:
        for _ in range(_TRIES):
            found = self.compare(run_id, newest)
            try:
                return self._perform(found)
            except RegisteredPathError as error:
                return RunCopy(run_id, CONFLICT, f"the destination keeps what is registered: {error}")
            except (ChangedError, RunDeletedError):
                newest = None
        return RunCopy(run_id, CONFLICT, "others write to the run in the destination all the time")

    # --- what is to be done ---

    def compare(self, run_id: str, newest: int | None = None) -> Comparison:
        """Return what is to be done with a run. Raises and cost: as `copy`, without what is sent."""
        target = load_view(self._target, self._ids.run(run_id))
        before = mark_of(target.state.tags) if target else None
        if target and before and self._is_up_to(run_id, newest, before) and not target.state.deleted:
            return Comparison(run_id, SAME)
        source = load_view(self._source, run_id)
        if source is None:
            raise RunNotFoundError(run_id, self._source.bucket.url)
        source.state.tags = self._ids.tags(source.state.tags)
        if source.state.purged or source.state.deleted:
            return self._gone(run_id, source, target, before)
        mark = current_mark(self._source, source)
        if not mark.entries:
            return Comparison(run_id, SKIPPED, "it is itself being copied there, and not whole yet")
        if target is None:
            return Comparison(run_id, NEW, "", source, None, mark, None, _steps(source))
        return self._both(run_id, source, target, mark, before)

    def _is_up_to(self, run_id: str, newest: int | None, mark: Mark) -> bool:
        """Return whether a copy holds all of a run, as a listing tells."""
        if mark.store != self._source.descriptor.store:
            return False
        if newest is None:
            newest = Journal(self._source.bucket, self._source.pool, run_log(run_id)).newest()
        return newest is not None and newest + 1 == mark.entries

    def _gone(self, run_id: str, source: View, target: View | None, before: Mark | None) -> Comparison:
        """Return what is to be done with a run that was deleted or purged at the source."""
        word = "purged" if source.state.purged else "deleted"
        if target is None or before is None or target.state.deleted or target.state.purged:
            return Comparison(run_id, SKIPPED, f"it was {word}")
        if stranger(self._target, target, before):
            return Comparison(run_id, CONFLICT, f"it was {word}, and its copy has gone on by itself")
        if not self._deletions:
            return Comparison(run_id, SKIPPED, f"it was {word} since it was copied; its copy stays")
        return Comparison(run_id, DELETED, f"it was {word} since it was copied", source, target, before, before)

    def _both(self, run_id: str, source: View, target: View, mark: Mark, before: Mark | None) -> Comparison:
        """Return what is to be done with a run that is in both stores."""
        if target.state.purged:
            return Comparison(run_id, SKIPPED, "it was purged in the destination")
        if before is None:
            if mark.store == self._target.descriptor.store:
                return Comparison(run_id, SAME, "it comes from there")
            return Comparison(run_id, CONFLICT, "the destination has a run of this id that no copy made")
        if before.store != mark.store:
            return Comparison(run_id, CONFLICT, f"the destination has a copy of it from another store, {before.store}")
        own = stranger(self._target, target, before)
        if target.state.deleted and own:
            return Comparison(run_id, SKIPPED, "it was deleted in the destination")
        if mark.entries < before.entries:
            return Comparison(run_id, SAME, "the destination has a later state of it")
        if not self._continues(source, mark, before):
            return Comparison(run_id, CONFLICT, "its log is not the one that was copied before")
        if target.state.deleted:
            return Comparison(run_id, RESTORED, "it was restored", source, target, before, before)
        if mark.same_log_as(before):
            return Comparison(run_id, SAME)
        if own:
            return Comparison(run_id, CONFLICT, f"both have gone on since it was copied: the copy has {own}")
        return self._more(run_id, source, target, mark, before)

    def _more(self, run_id: str, source: View, target: View, mark: Mark, before: Mark) -> Comparison:
        if source.state.versioned:
            lacking, other = _steps(source, target), ""
        else:
            fresh, other = missing_entries(source.paths.walk(), target.paths.walk())
            lacking = [Step(entries={entry.path: entry for entry in fresh})]
        if other:
            return Comparison(run_id, CONFLICT, f"the copy holds something else at {other!r}")
        if key := missing_points(source.state, target.state):
            return Comparison(run_id, CONFLICT, f"the copy has more measurements of {key!r}")
        outcome = MORE if before.entries else NEW
        return Comparison(run_id, outcome, "", source, target, mark, before, lacking)

    def _continues(self, source: View, mark: Mark, before: Mark) -> bool:
        """Return whether a log goes on from where it was copied; that of a copy, which names the first, is believed."""
        assert source.head, "it was loaded"
        if mark.entries == before.entries:
            return mark.same_log_as(before)
        if not before.entries or mark.store != self._source.descriptor.store:
            return True
        found = source.paths.blobs.journal.read_if_whole(before.entries - 1)
        return isinstance(found, LogEntry) and found.sha256 == before.sha256

    # --- doing it ---

    def _perform(self, found: Comparison) -> RunCopy:
        if found.outcome not in CHANGES:
            return found.result()
        if found.outcome in (DELETED, RESTORED):
            self._append_alone(found, "tombstone" if found.outcome == DELETED else "restore")
            return found.result() if found.outcome == DELETED else self._copy(found.run_id)
        session = self._open(found)
        try:
            filling = Filling(self._source, session, found, self._transfer, verify=self._verify)
            with nullcontext() if filling.small else self._sending:
                sent = filling.finish()
            return found.result(sent, filling.difference())
        finally:
            session.close()

    def _open(self, found: Comparison) -> Session:
        """Return a session in the copy's log, which is created if there is none."""
        log = run_log(self._ids.run(found.run_id))
        if found.target:
            session = Session.resume(self._target, log)
            if session is None:
                raise ChangedError
            return session
        assert found.source, "it is there to be copied,"
        assert found.mark, "as of some entry"
        state, session = found.source.state, Session(self._target, log)
        first: list[Json] = [
            {"op": "create", "experiment": self._ids.experiment(state.experiment)}
            | ({"paths": VERSIONED} if state.versioned else {}),
            {"op": "open", "session": session.id.hex()},
            Mark(found.mark.store).op(state.started),
        ]
        draft = Draft(first, time=state.started)
        if session.append(lambda: None if session.view.head else draft) is None:
            raise ChangedError
        return session

    def _append_alone(self, found: Comparison, op: str) -> None:
        """Append one operation to a copy without a session, as it refers to no pack."""
        assert found.target
        assert found.before
        view, before, facts = found.target, found.before, facts_of(found.target.state)
        journal = view.paths.blobs.journal  # it knows when the log was looked at

        def build() -> LogEntry | None:
            if facts_of(view.state) != facts:
                raise ChangedError
            mark = before.placed(view.next, before.points)
            return next_entry(self._target, journal.log, view, [{"op": op}, mark.op(self._target.clock())])

        self._target.ready_to_write()
        append_entry(self._target, journal.create, build, view.absorb, view.follow)


def _steps(source: View, target: View | None = None) -> list[Step]:
    """Return all that a copy lacks; of a versioned run, what its paths held before as well."""
    if not source.state.versioned:
        return [Step(entries={entry.path: entry for entry in source.paths.walk()})]
    versions = versions_in_order(source.paths)
    if target is None:
        return steps(source.paths.walk(), versions, (), ())
    return steps(source.paths.walk(), versions, target.paths.walk(), versions_in_order(target.paths))
