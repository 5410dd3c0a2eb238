"""The stores of a process, and the runs of them that were looked at.

fsspec makes an object of a file system for each thread, and another one where an
object arrives in another process. All of a process that are of one store share that
store and what was seen of it.

A root is looked at when it is first used. From then on it stays as it was seen,
whatever is logged or wherever an alias moves, until one of these:

    `invalidate_cache()`, or a verb with `refresh=True`
    so many seconds have passed since it was looked at
    something was written there by this process
    something is looked for that is not there, while its run is not ended, and a second has passed
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdall.settings import read_settings
from holdall.store import RunSnapshot, Store, active_store
from holdall.surfaces.filesystem.addresses import Place

_KEPT: Final = 16  # roots of a store, each with some hundred nodes of its tree at most
_MADE: Final = 1024  # empty directories that are known to have been made
_PATIENCE: Final = 1.0  # seconds between two looks for something that is not there
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Seen:
    """A root as it was seen. Attributes: run; base, the path in it that the root names; at, the clock's time."""

    run: RunSnapshot
    base: str
    at: float

    def inside(self, path: str) -> str:
        """Return the path in the run of a path below the root."""
        return f"{self.base}/{path}" if self.base and path else self.base or path


class Views:
    """One store, and its roots as they were seen. Threads may share it."""

    def __init__(self, store: Store, clock: Clock = time.monotonic) -> None:
        self.store, self._clock = store, clock
        self._seen: dict[str, Seen] = {}  # the latest looks last
        self._made: dict[str, None] = {}  # directories that somebody has made, and nobody filled; the latest last
        self._lock = threading.Lock()

    def of(self, place: Place, expiry: float | None) -> Seen:
        """Return a root as it was seen, or is now if that is longer ago than `expiry` (None: however long).

        Raises:
            NotFoundError: There is no such run or model.

        Cost: none if it was seen; else as `Artifacts.snapshot`.
        """
        with self._lock:
            seen = self._seen.get(place.root)
        if seen is None or (expiry is not None and self._clock() - seen.at > expiry):
            return self.look(place)
        return seen

    def look(self, place: Place) -> Seen:
        """Return a root as it is now. Raises, cost: as `of`."""
        now = self._clock()
        run, base = self.store.artifacts.snapshot(place.uri)
        seen = Seen(run, base, now)
        with self._lock:
            self._seen.pop(place.root, None)
            self._seen[place.root] = seen
            while len(self._seen) > _KEPT:
                del self._seen[next(iter(self._seen))]
        return seen

    def look_again(self, place: Place, seen: Seen) -> Seen | None:
        """Return a root as it is now, if something that is missing may have come since; else None."""
        if seen.run.info.status not in ("RUNNING", "SCHEDULED") or self._clock() - seen.at < _PATIENCE:
            return None
        return self.look(place)

    def note_made(self, path: str) -> None:
        """Note that somebody has made a directory. A run holds none before a file is in it."""
        with self._lock:
            self._made[path] = None
            while len(self._made) > _MADE:
                del self._made[next(iter(self._made))]

    def was_made(self, path: str) -> bool:
        """Return whether a directory was made in this process, itself or for one below it."""
        with self._lock:
            return path in self._made or any(made.startswith(f"{path}/") for made in self._made)

    def forget_made(self, path: str) -> bool:
        """Forget a directory that was made, and all below it; return whether there was one."""
        with self._lock:
            gone = [made for made in self._made if made == path or made.startswith(f"{path}/")]
            for made in gone:
                del self._made[made]
            return bool(gone)

    def forget(self, root: str | None = None) -> None:
        """Forget what was seen of a root, or of all."""
        with self._lock:
            if root is None:
                self._seen.clear()
            else:
                self._seen.pop(root, None)


# By process, since no lock survives a fork; by address; by options; and by what opens it, which no text shows.
_views: dict[tuple[int, str, str, object], Views] = {}


def views_of(url: str, options: Mapping[str, Any]) -> Views:
    """Return what this process has seen of the store at an address: the active store, if that is it."""
    active = active_store()
    if active is not None and active.url == url and not options:
        key = (os.getpid(), url, f"active {id(active)}", None)
        return _views.setdefault(key, Views(active))
    key = (os.getpid(), url, repr(sorted(options.items(), key=lambda item: item[0])), options.get("unlock"))
    found = _views.get(key)
    return found or _views.setdefault(key, Views(read_settings().open_store(url, dict(options))))


def default_store() -> str:
    """Return the address of the store that verbs without a handle use, or else of the one that the settings name."""
    active = active_store()
    return active.url if active else read_settings().store


def whole_address(store: str | os.PathLike[str]) -> str:
    """Return a store's address as it means the same in other folders and processes."""
    url = os.fspath(store)
    return url if "://" in url else os.path.abspath(url)  # noqa: PTH100  # a text, whatever a folder's name is
