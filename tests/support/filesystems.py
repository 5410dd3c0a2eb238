"""A store of a test as the one that `holdall://` is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from holdall.store import Run, Store, active, tell_active
from holdall.surfaces.filesystem import HoldallFileSystem


@contextmanager
def filesystem_of(store: Store, run: Run | None = None, **options: Any) -> Iterator[HoldallFileSystem]:
    """Have a store be the current one, and a run the active one, and yield a file system over it of its own."""
    before = active._store, active._run
    tell_active(lambda: store, lambda: run)
    try:
        yield HoldallFileSystem(skip_instance_cache=True, **options)
    finally:
        tell_active(*before)
