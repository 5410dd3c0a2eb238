"""What verbs without a handle work on, which they tell here: the current store, and the run that is active.

So other ways in can go by it, and none has to know the one that keeps it.
"""

from __future__ import annotations

from collections.abc import Callable

from holdall.runs.run import Run
from holdall.store.opened import Store


def _none() -> None:
    return None


_store: Callable[[], Store | None] = _none
_run: Callable[[], Run | None] = _none


def tell_active(store: Callable[[], Store | None], run: Callable[[], Run | None]) -> None:
    """Say who knows the current store and the active run. Cost: none."""
    global _store, _run
    _store, _run = store, run


def active_store() -> Store | None:
    """Return the store that verbs without a handle use; None if none of them was called."""
    return _store()


def active_run() -> Run | None:
    """Return the run that is active here; None if none is."""
    return _run()
