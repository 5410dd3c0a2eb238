"""A collector's entries in runs' logs: fences, the end of sessions that nobody continues, and of groups (SPEC.md, G5).

A fence makes every writer of a log read the generation before it commits. It
is due in each log with an open session, whoever created the generation: who
finishes it cannot know how far another came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from holdall.collecting.following import ExactView, entry_time, follow, follow_log, kept_groups
from holdall.collecting.marks import LiveRun
from holdall.engines.mapping import Engine
from holdall.errors import HoldallError, LogGapError
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.layout import log_key
from holdall.trees.heads import entry_keys
from holdall.trees.location import Location
from holdall.trees.log import append_entry, next_entry
from holdall.trees.public_journal import journal_of
from holdall.trees.public_run import PublicRun

IDLE: Final = 7 * 24 * 3600 * 1000  # ms without an entry, after which a session may be closed
_AWARE: Final = (0, 2)  # the version of holdall from which on writers know W6
_TRIES: Final = 3  # of a log that is purged while it is read
_WRITER: Final = re.compile(r"holdall (\d{1,4})\.(\d{1,4})(?![0-9])")


def fence_all(location: Location, engine: Engine, logs: Iterable[str], generations: Sequence[int]) -> int:
    """Append fences to logs that have an open session, where there are none yet; return to how many.

    Cost: two GETs and a PUT for each of them that has one, side by side.
    """
    return sum(engine.map(partial(_fence, location, tuple(generations)), logs))


def _fence(location: Location, generations: tuple[int, ...], log: str) -> int:
    """Fence a log, and return whether that took an entry. One that is purged meanwhile has gaps, and needs none."""
    for _ in range(_TRIES):
        with suppress(LogGapError):
            return int(_fence_as_read(location, generations, follow_log(location, log)))
    return int(_fence_as_read(location, generations, follow_log(location, log)))


def _fence_as_read(location: Location, generations: tuple[int, ...], view: ExactView | PublicRun) -> bool:
    # Anybody can have put plain ones there, which a writer met while there was nothing to read: that fences nobody.
    doubtful = frozenset(view.state.fences) if location.descriptor.sealed else frozenset[int]()

    def ops() -> list[Json]:
        state = view.state
        owed = [g for g in generations if g not in state.fences or g in doubtful]
        return [{"op": "fence", "generation": g} for g in owed] if state.sessions and not state.purged else []

    return _append(location, view, ops)


def close_idle(location: Location, run: LiveRun, now: int) -> tuple[str, ...]:
    """Close the sessions of a run that has had no entry for seven days, if their writers begin anew then (W6).

    Args:
        location: The store.
        run: The run, as it was looked at.
        now: By the server's clock.

    Returns:
        The sessions that were closed.

    Cost: one listing; for a run that is idle another, the entries of its log, and a PUT.
    """
    log, active = run.log, run.active
    last = entry_time(location.bucket, log_key(log, active))
    if last is None or now - last < IDLE:
        return ()
    aware = _aware_sessions(location, run)
    try:
        view = follow_log(location, log)
    except LogGapError:  # it was purged just now
        return ()
    closed: list[str] = []

    def ops() -> list[Json]:
        idle = view.active == active and not view.state.purged
        closed[:] = sorted(aware & view.state.sessions) if idle else []
        return [{"op": "close", "session": session} for session in closed]

    return tuple(closed) if _append(location, view, ops) else ()


def end_abandoned(
    location: Location, log: str, groups: Sequence[tuple[str, tuple[int, ...]]], now: int
) -> tuple[str, ...]:
    """End the groups of a run of which all parts are seven days old: nobody is likely to finish them.

    Args:
        location: The store.
        log: The run's.
        groups: As `kept_groups` tells them.
        now: By the server's clock.

    Returns:
        The names of those that were ended; what they kept is garbage at the next collection.

    Cost: one listing for each part; where one is ended another, the end of the log, and a PUT.
    """
    old = [group for group in groups if all(_is_idle(location, log, n, now) for n in group[1])]
    if not old:
        return ()
    try:
        view = follow(location, log)
    except LogGapError:  # it was purged just now
        return ()
    ended: list[str] = []

    def ops() -> list[Json]:
        there = set() if view.state.purged or view.state.deleted else set(kept_groups(view))
        ended[:] = [group[0] for group in old if group in there]
        return [{"op": "unpart", "group": name} for name in ended]

    return tuple(ended) if _append(location, view, ops) else ()


def _is_idle(location: Location, log: str, n: int, now: int) -> bool:
    created = entry_time(location.bucket, log_key(log, n))
    return created is not None and now - created >= IDLE


def _aware_sessions(location: Location, run: LiveRun) -> set[str]:
    """Return those open sessions of a run whose writer, as the entry that opened it says, knows W6.

    An old entry that cannot be read says nothing of a session; nobody needs it for anything else.
    """
    journal = journal_of(location, run.log)
    sought, found = set(run.sessions), set()
    listed = location.bucket.list(f"{run.log}/log/")  # numbers are claims: what is not listed is not asked for
    for entry in map(journal.read_or_damage, sorted(key.number for key in entry_keys(listed))):
        if isinstance(entry, HoldallError):
            continue
        opened = {op["session"] for op in entry.ops if op["op"] == "open"} & sought
        found |= opened if _knows_w6(entry.writer) else set()
        sought -= opened
        if not sought:
            break
    return found


def _knows_w6(writer: str) -> bool:
    told = _WRITER.match(writer)
    return told is not None and (int(told[1]), int(told[2])) >= _AWARE


def _append(location: Location, view: ExactView | PublicRun, ops: Callable[[], list[Json]]) -> bool:
    """Append an entry with these operations, asked for anew after each lost race; return whether there was any.

    One that lands below a purge harms nobody: it is no one's data, and no session can commit there any more.
    """
    journal = view.journal

    def build() -> LogEntry | None:
        wanted = ops()
        return next_entry(location, journal.log, view, wanted) if wanted else None

    return append_entry(location, journal.try_create, build, view.absorb, view.follow) is not None
