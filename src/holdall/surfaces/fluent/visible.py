"""Which of the active runs a caller sees: its own, and no other's.

    a task of asyncio      what it started, or what was active where it was begun
    a thread               what it started; what tasks of it started that are over; what was active in the
                           context that it was given, as `asyncio.to_thread` gives one
    any other thread       the main thread's, unless several tasks of that have runs of their own

The context of a task is a copy of its starter's, so a run that is noted there is seen by what
is begun below it and by nothing beside it. Whether it is still active, the context does not know.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar


class Begun(Protocol):
    """An active run. Attributes: task (of asyncio, that started it; None where there was none)."""

    task: Any


R = TypeVar("R", bound=Begun)
_noted: ContextVar[tuple[Any, ...]] = ContextVar("holdall_active_runs", default=())


def note(run: Begun, active: Sequence[Begun]) -> None:
    """Note a run in this context, and so in its copies; forget those noted before that have ended."""
    _noted.set((*(other for other in _noted.get() if other in active), run))


def running_task() -> Any:
    """Return the asyncio task that is running, or None."""
    asyncio = sys.modules.get("asyncio")  # where it was not imported no task runs
    try:
        return asyncio.current_task() if asyncio else None
    except RuntimeError:  # no loop is running
        return None


def own(here: Sequence[R]) -> list[R]:
    """Return those of this thread's active runs that the caller may end or start children of."""
    noted = _noted.get()
    return [run for run in here if run in noted] or [run for run in here if not _is_running(run)]


def inherited(active: Sequence[R]) -> list[R]:
    """Return those of all active runs that were noted in the context that the caller was started in."""
    noted = _noted.get()
    return [run for run in active if run in noted]


def shared(main: Sequence[R]) -> list[R]:
    """Return the main thread's active runs, for threads without one; none where several tasks have runs."""
    return list(main) if len({id(run.task) for run in main if _is_running(run)}) <= 1 else []


def _is_running(run: Begun) -> bool:
    return run.task is not None and not run.task.done()
