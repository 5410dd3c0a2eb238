"""Workers for many shards of a store, on this machine or on others."""

from __future__ import annotations

from holdall.engines.mapping import Engine
from holdall.engines.opening import open_engine
from holdall.errors import InvalidArgumentError
from holdall.trees.location import Location


def open_workers(name: str, workers: int | None, *stores: Location) -> Engine:
    """Return an engine whose workers can reach some stores; it is a context manager.

    A store travels to other processes as a handle does: with its address and options, and without connections.
    Credentials that were given as options travel with it (a warning says so); others are found anew over there.

    Raises:
        InvalidArgumentError: There is no such engine; or a store is in this process's memory, where others are not.
        MissingLibraryError: The engine's library is not installed.
    """
    engine = open_engine(name, workers)
    for store in stores if engine.distant else ():
        if store.bucket.url.startswith("memory://"):
            engine.close()
            raise InvalidArgumentError(f"{store.bucket.url} is in this process alone, and {name} works in others")
    return engine
