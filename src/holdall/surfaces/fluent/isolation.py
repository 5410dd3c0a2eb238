"""A current store that only a block knows: for tests of code that logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from holdall.store import Store
from holdall.surfaces.fluent import active


@contextmanager
def apart(url: str) -> Iterator[Store]:
    """Give the block a current store, experiment and active runs of its own; afterwards all is as it was before.

    The store is made, and must not be there yet. In the end, runs that the block left active are ended, and what the
    process has open in the store is closed.
    """
    before, active._state = active._state, active._State()
    active._state.watching = before.watching  # there is one hook for what ends the process
    try:
        store = active.set_store(url)
        store.maintenance.create()
        yield store
        active._end_all()
        store._close()
    finally:
        before.watching |= active._state.watching
        active._state = before
