"""What retention has to do now: a plan, which can be printed, and changes nothing.

    a policy does not keep a run    it is deleted: a `tombstone` behind the entry that was judged
    deleted for seven days          it is purged: a `purge` behind the entry that was judged, and all before it goes
    purged, with entries before     they are removed: a purge was interrupted, or a writer slept through it

Times are the server's. Where the bucket does not tell them nothing is old enough.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from holdall.format.entry import LogEntry
from holdall.format.layout import log_key, run_log
from holdall.retention.rules import Subject, held_by, judge, subject_of
from holdall.runs.experiment import Experiments
from holdall.runs.index import Survey, survey
from holdall.runs.policy import RESTORABLE, RetentionPolicy, parse_policy
from holdall.runs.search import RunSummary
from holdall.trees.heads import Head
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.salvage import UNREADABLE

_SOUGHT: Final = 64  # entries behind a tombstone, of which it is believed that it is among them
_FENCES: Final = 256  # entries of collectors behind the last of a writer, likewise
_OF_COLLECTORS: Final = {"fence", "close"}
_UNREADABLE: Final = "not all of its log can be read"
_OTHERS: Final = "some run of the store cannot be read, and nothing is purged before that is mended"
_log = logging.getLogger("holdall")


@dataclass(frozen=True, slots=True)
class Due:
    """Something that is to be done with a run.

    Attributes:
        run_id, name, experiment: Which run; the last two empty where it was purged.
        n: The number of its newest entry, as it was judged: if there is another by then, it is left as it is.
        why: In words.
    """

    run_id: str
    n: int
    why: str
    name: str = ""
    experiment: str = ""


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What retention has to do.

    Attributes:
        expire: Runs that are to be deleted, as their experiment's policy does not keep them.
        purge: Deleted runs whose time is over.
        sweep: Purged runs that have other entries than that which did so.
        waiting: Deleted runs that are not purged yet, with the reason.
        kept: Why each other run stays, by its id.
    """

    expire: tuple[Due, ...] = ()
    purge: tuple[Due, ...] = ()
    sweep: tuple[Due, ...] = ()
    waiting: tuple[Due, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Return whether there is nothing to do."""
        return not (self.expire or self.purge or self.sweep)


def due(
    location: Location,
    now: int | None,
    *,
    override: RetentionPolicy | None = None,
    experiments: Collection[str] | None = None,
    found: Survey | None = None,
) -> RetentionPlan:
    """Return what is to be done now.

    Args:
        location: The store.
        now: By the server's clock; None where that is not known: then nothing is old enough.
        override: A policy for all of `experiments`, in place of their own.
        experiments: Ids of the experiments whose runs may be deleted; all when None. Deleted runs are purged anyway.
        found: What is known of all runs, where they were looked at just now.

    Cost: a listing of the runs' logs and of the experiments', a GET for each entry of these, one for each run that has
        changed since it was last looked at from here, and one or more for each run that was deleted less than seven
        days ago or has an open session.
    """
    found = found or survey(location, None)
    if now is None:
        _log.warning("%s does not tell the time: nothing is deleted for its age", location.bucket.url)
    policies = _policies(location, override, experiments)
    touched = _touched(location, found, now)
    why = judge(_subjects(found, touched, now), policies, now or 0)
    alive = {run.run_id: (run, head) for run, head in found.runs if run.lifecycle_stage != "deleted"}
    gone = [(run, head) for run, head in found.runs if run.lifecycle_stage == "deleted"]
    times = dict(zip((run.run_id for run, _ in gone), _deleted_at(location, gone, now), strict=True))
    judged = [(run, head, _why_waiting(found, run, touched, times[run.run_id], now)) for run, head in gone]
    return RetentionPlan(
        expire=tuple(
            _due(run, head, f"the policy of its experiment does not keep it: {policies[run.experiment_id]}")
            for id, (run, head) in alive.items()
            if id in why and not why[id]
        ),
        purge=tuple(_due(run, head, "its time is over") for run, head, reason in judged if not reason),
        sweep=tuple(
            Due(run, head.n, "entries before its purge are there")
            for run, head in found.purged.items()
            if head.first < head.n
        ),
        waiting=tuple(_due(run, head, reason) for run, head, reason in judged if reason),
        kept={id: reason for id, reason in why.items() if reason and id in alive},
    )


def _due(run: RunSummary, head: Head, why: str) -> Due:
    return Due(run.run_id, head.n, why, run.run_name, run.experiment_id)


def _policies(
    location: Location, override: RetentionPolicy | None, chosen: Collection[str] | None
) -> dict[str, RetentionPolicy]:
    """Return the policies that apply, by experiment."""
    there = {found.experiment_id: found for found in Experiments(location, lambda *_: []).all()}
    some = [found for id, found in there.items() if chosen is None or id in chosen]
    policies = {found.experiment_id: override or parse_policy(found.tags, found.name) for found in some}
    return {id: policy for id, policy in policies.items() if policy}


def _touched(location: Location, found: Survey, now: int | None) -> dict[str, int | None]:
    """Return when each run was last written to by other than a collector; None where that is not known."""
    times = {run.run_id: head.modified if now is not None else None for run, head in found.runs}
    alive = [(run, head) for run, head in found.runs if run.open and now is not None]
    seen = location.pool.map(lambda pair: _written(location, *pair), alive)
    return times | {run.run_id: time for (run, _), time in zip(alive, seen, strict=True)}


def _written(location: Location, run: RunSummary, head: Head) -> int | None:
    """Return when a run with an open session was last written to: collectors fence it, whoever is dead."""
    log = run_log(run.run_id)
    journal = Journal(location.bucket, location.pool, log)
    for n in range(head.n, max(head.n - _FENCES, -1), -1):
        entry = journal.read_or_damage(n)
        if not isinstance(entry, LogEntry) or entry.state or not {op["op"] for op in entry.ops} <= _OF_COLLECTORS:
            return head.modified if n == head.n else _modified(location, log_key(log, n))
    return head.modified


def _subjects(found: Survey, touched: Mapping[str, int | None], now: int | None) -> list[Subject]:
    """Return all runs as they are judged; one that cannot be read, or only partly, holds itself and what is near."""
    subjects = []
    for run, _ in found.runs:
        subject = subject_of(run, touched[run.run_id], now or 0)
        if run.run_id in found.partly:
            subject = Subject(run.run_id, run.experiment_id, subject.parent, "", 0, None, {}, _UNREADABLE)
        subjects.append(subject)
    lost = (Subject(run, "", None, "", 0, None, {}, _UNREADABLE, deleted=True) for run in found.unreadable)
    return [*subjects, *lost]


def _why_waiting(
    found: Survey, run: RunSummary, touched: Mapping[str, int | None], deleted: int | None, now: int | None
) -> str:
    """Return why a deleted run is not purged yet; empty if it is time."""
    if found.partly or found.unreadable:
        return _UNREADABLE if run.run_id in found.partly else _OTHERS
    if held := held_by(run, touched[run.run_id], now or 0):
        return held
    if now is None or deleted is None:
        return "the bucket does not tell when it was deleted"
    return "" if now - deleted >= RESTORABLE else "it can still be restored"


def _deleted_at(location: Location, runs: list[tuple[RunSummary, Head]], now: int | None) -> Iterator[int | None]:
    """Yield when runs were deleted, by the server's clock; None where that is not known."""
    if now is None:
        return iter([None] * len(runs))
    return iter(location.pool.map(lambda pair: _tombstone_time(location, *pair, now), runs))


def _tombstone_time(location: Location, run: RunSummary, head: Head, now: int) -> int | None:
    """Return when a run was deleted, or some time after it: a pin that was taken back may be newer."""
    if head.modified is None or now - head.modified >= RESTORABLE:
        return head.modified
    journal, log = Journal(location.bucket, location.pool, run_log(run.run_id)), run_log(run.run_id)
    for n in range(head.n, max(head.n - _SOUGHT, -1), -1):
        try:
            entry = journal.read(n)
        except UNREADABLE:
            break
        if any(op["op"] == "tombstone" for op in entry.ops):
            if n == head.n:
                break
            return _modified(location, log_key(log, n))
    return head.modified


def _modified(location: Location, key: str) -> int | None:
    return next((info.modified for info in location.bucket.list(key, limit=1) if info.key == key), None)
