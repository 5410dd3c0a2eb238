"""Which runs stay, and by which rule. Pure: values in, values out.

    held        by a version, a tag, a deployment or a writing process: these, their parents and their children stay
    going on    what has not ended stays; without an entry for seven days it counts as killed
    expire      its last entry is younger than that
    last        it is among the newest of the finished runs of its group, or newer than the last of these
    best        it is among the best of them by a metric; one that no run of the experiment has is taken
                for misspelt, and keeps all that finished

A group is the runs of an experiment that are part of no other run, or the
children of one run: so a series of checkpoints, a child run each, has its own
last and best. Children of a run that goes have none, and go with it, unless something else keeps
them; and a run stays for as long as one of its children does.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from holdall.runs.policy import DAY, EXPIRED, KEEP, RetentionPolicy
from holdall.runs.record import PARENT
from holdall.runs.reserved_tags import parsed
from holdall.runs.search import RunSummary

_ALIVE: Final = 7 * DAY  # without an entry for so long a writer is taken for dead
_DEPLOYMENT: Final = "holdall.deployment."
_ENDED: Final = ("FINISHED", "FAILED", "KILLED")
_Group: TypeAlias = tuple[str, str | None]  # an experiment's runs that are part of none, or of this run


@dataclass(frozen=True, slots=True)
class Subject:
    """A run that is judged.

    Attributes:
        run_id, experiment, parent: Which it is, where it belongs; `parent` is None where it is part of no run.
        status: As it says.
        started: When, in ms since 1970 UTC, by its writer's clock: it only orders.
        touched: When its newest entry was written, by the server's clock; None where the server does not tell.
        metrics: The last value of each.
        held: What holds it, in words; empty if nothing does.
        deleted: Whether it is deleted already: then it is not judged, but may hold others.
    """

    run_id: str
    experiment: str
    parent: str | None
    status: str
    started: int
    touched: int | None
    metrics: Mapping[str, float]
    held: str = ""
    deleted: bool = False


def subject_of(run: RunSummary, touched: int | None, now: int) -> Subject:
    """Return a run as it is judged, with `touched` and `now` by the server's clock."""
    return Subject(
        run.run_id,
        run.experiment_id,
        run.tags.get(PARENT),
        run.status,
        run.start_time,
        touched,
        run.metrics,
        held_by(run, touched, now),
        deleted=run.lifecycle_stage == "deleted",
    )


def held_by(run: RunSummary, touched: int | None, now: int) -> str:
    """Return what keeps a run from being deleted or purged by a policy, in words; empty if nothing does."""
    if run.pins:
        return f"{', '.join(sorted(set(run.pins.values())))} has a version of it"
    if KEEP in run.tags:
        return f"it has the tag {KEEP}"
    for where in deployed_at(run.tags):
        return f"it is deployed at {where}"
    if run.lifecycle_stage != "deleted" and EXPIRED in run.tags:
        return "a policy deleted it once, and it was restored"
    if run.open and (touched is None or now - touched < _ALIVE):
        return "a process is writing to it"
    return ""


def deployed_at(tags: Mapping[str, str]) -> list[str]:
    """Return where what a run holds is deployed now; a record that cannot be understood counts, as it may say so."""
    bodies = {key: parsed(text) for key, text in sorted(tags.items()) if key.startswith(_DEPLOYMENT)}
    standing = [(key, body) for key, body in bodies.items() if body is None or body.get("ended") is not True]
    return [str(body["where"]) if body and "where" in body else key for key, body in standing]


def judge(runs: Sequence[Subject], policies: Mapping[str, RetentionPolicy], now: int) -> dict[str, str]:
    """Return why each run stays, by its id, in words; empty for those that go.

    Args:
        runs: All runs of the store, since parents and children may be anywhere.
        policies: By experiment.
        now: By the server's clock, as the runs' `touched`.
    """
    judging = _Judging(runs, policies, now)
    judging.keep_held()
    judging.keep_by_themselves()
    judging.keep_unmeasured()
    judging.keep_in_groups()
    judging.keep_parents()
    return {run.run_id: judging.why.get(run.run_id, "") for run in runs if not run.deleted}


class _Judging:
    """One judgement in the making. Attributes: why (the reason why a run stays, by its id)."""

    def __init__(self, runs: Sequence[Subject], policies: Mapping[str, RetentionPolicy], now: int) -> None:
        self._runs = {run.run_id: run for run in runs}
        self._policies, self._now = policies, now
        self._children: defaultdict[str, list[Subject]] = defaultdict(list)
        for run in runs:
            if run.parent:
                self._children[run.parent].append(run)
        self.why: dict[str, str] = {}

    def keep_held(self) -> None:
        """Keep what is held, and the parents and children of that."""
        for run in self._runs.values():
            if run.held:
                self.why[run.run_id] = run.held
        for run in self._runs.values():
            if run.held:
                for parent in self._above(run):
                    self.why.setdefault(parent.run_id, f"it is the parent of {run.run_id}: {run.held}")
                for child in self._below(run):
                    self.why.setdefault(child.run_id, f"it is part of {run.run_id}: {run.held}")

    def keep_by_themselves(self) -> None:
        """Keep what no policy is for, what goes on, and what is young."""
        for run in self._runs.values():
            policy = self._policies.get(run.experiment)
            if reason := "its experiment has no policy" if policy is None else self._own_reason(run, policy):
                self.why.setdefault(run.run_id, reason)

    def keep_unmeasured(self) -> None:
        """Keep what finished where no run of the experiment has the metric of `best`: a misspelt name deletes none."""
        by = {experiment: policy.order.field.key for experiment, policy in self._policies.items() if policy.order}
        measured = {run.experiment for run in self._runs.values() if by.get(run.experiment) in run.metrics}
        for run in self._runs.values():
            if run.experiment in by and run.experiment not in measured and run.status == "FINISHED":
                self.why.setdefault(run.run_id, f"no run of its experiment has metrics.{by[run.experiment]}")

    def keep_in_groups(self) -> None:
        """Keep the last and the best, in groups from the top down: only what stays has a group of children."""
        groups: defaultdict[_Group, list[Subject]] = defaultdict(list)
        for run in self._runs.values():
            if not run.deleted and run.experiment in self._policies:
                groups[run.experiment, run.parent].append(run)
        below: defaultdict[str | None, list[_Group]] = defaultdict(list)
        for key in groups:
            below[key[1]].append(key)
        waiting = [key for key in groups if not self._comes_after_its_parent(key[1])]
        while waiting:
            key = waiting.pop()
            for run in self._keep_in_group(groups.pop(key, []), self._policies[key[0]]):
                waiting += below[run.run_id]

    def keep_parents(self) -> None:
        """Keep the parents of what stays."""
        for run in [run for run in self._runs.values() if not run.deleted and run.run_id in self.why]:
            for parent in self._above(run):
                self.why.setdefault(parent.run_id, f"it is the parent of {run.run_id}, which stays")

    # --- inside ---

    def _own_reason(self, run: Subject, policy: RetentionPolicy) -> str:
        idle = None if run.touched is None else self._now - run.touched
        if run.status not in _ENDED and (idle is None or idle < _ALIVE):
            return f"it has not ended: it is {run.status}"
        if policy.lifetime is None:
            return "" if policy.has_rules else "its policy has no rule"
        if idle is None:
            return "the bucket does not tell how old it is"
        return f"its last entry is not {policy.expire} old" if idle < policy.lifetime else ""

    def _comes_after_its_parent(self, id: str | None) -> bool:
        """Return whether a group waits for its parent to be judged: that is there, not deleted, and in no circle."""
        parent = self._runs.get(id or "")
        if parent is None or parent.deleted or parent.experiment not in self._policies:
            return False
        return all(above.parent != id for above in [parent, *self._above(parent)])

    def _keep_in_group(self, group: Sequence[Subject], policy: RetentionPolicy) -> list[Subject]:
        """Keep the last and the best of a group, and return all of it that stays."""
        ordered = sorted(group, key=lambda run: (-run.started, run.run_id))
        finished = [run for run in ordered if run.status == "FINISHED"]
        if policy.last is not None:
            end = ordered.index(finished[policy.last - 1]) + 1 if len(finished) >= policy.last else len(ordered)
            for run in ordered[:end]:
                self.why.setdefault(run.run_id, f"it is one of the last {policy.last}")
        if policy.best is not None:
            for run in _best(finished, policy):
                self.why.setdefault(run.run_id, f"it is one of the best {policy.best[1]} by {policy.best[0]}")
        return [run for run in ordered if run.run_id in self.why]

    def _above(self, run: Subject) -> Iterator[Subject]:
        """Yield the parents of a run, nearest first; each once, also where tags make a circle."""
        seen = {run.run_id}
        while run.parent in self._runs and run.parent not in seen:
            run = self._runs[run.parent]
            seen.add(run.run_id)
            yield run

    def _below(self, run: Subject) -> Iterator[Subject]:
        seen, left = {run.run_id}, [run]
        while left:
            for child in self._children.get(left.pop().run_id, ()):
                if child.run_id not in seen:
                    seen.add(child.run_id)
                    left.append(child)
                    yield child


def _best(finished: Iterable[Subject], policy: RetentionPolicy) -> list[Subject]:
    """Return the best of some runs, the latest of equal ones first; what is not a number is never good."""
    order = policy.order
    assert order
    assert policy.best
    key = order.field.key
    measured = [run for run in finished if not math.isnan(run.metrics.get(key, math.nan))]
    measured.sort(key=lambda run: run.metrics[key], reverse=order.descending)
    return measured[: policy.best[1]]
