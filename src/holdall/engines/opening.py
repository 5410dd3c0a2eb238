"""Opens an engine by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from holdall.engines.mapping import Engine
from holdall.engines.on_dask import DaskEngine
from holdall.engines.on_ray import RayEngine
from holdall.engines.threads import ThreadEngine
from holdall.errors import InvalidArgumentError

_ENGINES: Final[Mapping[str, Callable[[int | None], Engine]]] = {
    "threads": ThreadEngine,
    "ray": RayEngine,
    "dask": DaskEngine,
}
ENGINES: Final = tuple(_ENGINES)


def open_engine(name: str = "threads", workers: int | None = None) -> Engine:
    """Return an engine, which is a context manager.

    Args:
        name: `threads`, `ray` or `dask`. The last two use the cluster that this process is connected to, else the one
            that `RAY_ADDRESS` or Dask's settings name, else processes on this machine.
        workers: How many shards are worked on at once; as many as there are workers when None.

    Raises:
        InvalidArgumentError: There is no such engine, or no worker.
        MissingLibraryError: Its library is not installed.
    """
    if name not in _ENGINES:
        raise InvalidArgumentError(f"engine {name!r} is none of {', '.join(ENGINES)}")
    if workers is not None and workers < 1:
        raise InvalidArgumentError(f"{workers} workers do no work; it takes one at least")
    return _ENGINES[name](workers)
