"""Watches transfers, and has them rendered.

Transfers only count. One thread, which lives while there are any, looks at the
counts four times a second; so drawing slows no transfer, and one that stands
still is seen to. What lasts less than a second is not drawn at all. Nothing
here raises into a transfer.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, TypeAlias

from holdall.chunks.observer import SILENT, Transfer, Verb

PATIENCE: Final = 1.0  # seconds that a transfer may take unseen
_LOOK: Final = 0.25  # seconds between looks at the counts
_LINGER: Final = 20  # looks at nothing before the thread ends: a row of small transfers shares it
_log = logging.getLogger("holdall")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a transfer at one moment: bytes, and seconds since it began."""

    verb: Verb
    total: int | None
    done: int
    saved: int
    elapsed: float


class Renderer(Protocol):
    """Renders one transfer."""

    def show(self, seen: Snapshot) -> None: ...

    def end(self, seen: Snapshot, outcome: str, /) -> None: ...

    def forget(self) -> None:
        """Stop drawing, and leave the terminal as it is."""
        ...


MakeRenderer: TypeAlias = Callable[[], Renderer | None]


class Progress:
    """An observer of transfers that renders them.

    Args:
        renderer: Makes the renderer of one more transfer; None where it would not be seen.
        elsewhere: The same in other processes, which this observer is forked or pickled into; a function of a module.
        clock: Seconds, from any moment on.
        start: Runs a function in a thread.
    """

    _watching: bool

    def __init__(
        self,
        renderer: MakeRenderer,
        *,
        elsewhere: MakeRenderer,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._renderer, self._elsewhere, self._clock, self._start = renderer, elsewhere, clock, start or _in_thread
        self._reset()
        _observers.add(self)

    def __reduce__(self) -> tuple[Callable[[MakeRenderer], Progress], tuple[MakeRenderer]]:
        return _remade, (self._elsewhere,)

    def begin(self, verb: Verb, total: int | None) -> Transfer:
        renderer = self._renderer()
        if renderer is None:
            return SILENT
        tracked = TrackedTransfer(self, verb, total, renderer, self._clock())
        with self._changed:
            if not self._watching:
                self._start(self._watch)
                self._watching = True
            self._tracked.append(tracked)
        return tracked

    def look(self) -> None:
        """Draw every transfer that has lasted long enough, as it is now."""
        with self._changed:
            for tracked in self._tracked:
                self._draw(tracked, None)

    def end(self, tracked: TrackedTransfer, outcome: str) -> None:
        """Draw a transfer for the last time; in a forked child, one of its parent's is not drawn."""
        with self._changed:
            if tracked in self._tracked:
                self._tracked.remove(tracked)
                self._draw(tracked, outcome)

    def close(self) -> None:
        """End all renderers, at the end of the process."""
        for tracked in list(self._tracked):
            self.end(tracked, "stopped")

    def forget(self) -> None:
        """Forget the parent's transfers, thread and locks, in a forked child."""
        for tracked in self._tracked:
            tracked.renderer.forget()
        self._renderer = self._elsewhere
        self._reset()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._watching = False
        self._tracked: list[TrackedTransfer] = []

    def _watch(self) -> None:
        with self._changed:
            idle = 0
            while idle < _LINGER:
                self._changed.wait(_LOOK)
                self.look()
                idle = 0 if self._tracked else idle + 1
            self._watching = False

    def _draw(self, tracked: TrackedTransfer, outcome: str | None) -> None:
        seen = tracked.seen(self._clock())
        if seen.elapsed < PATIENCE or tracked.broken:
            return
        try:
            if outcome is None:
                tracked.renderer.show(seen)
            else:
                tracked.renderer.end(seen, outcome)
        except Exception as error:  # a terminal that went away is no reason to stop
            tracked.broken = True
            tracked.renderer.forget()
            _log.debug("progress is no longer shown: %r", error)


class TrackedTransfer:
    """A transfer and its counts."""

    def __init__(self, observer: Progress, verb: Verb, total: int | None, renderer: Renderer, begun: float) -> None:
        self.renderer, self.broken = renderer, False
        self._observer, self._verb, self._total, self._begun = observer, verb, total, begun
        self._counting = threading.Lock()
        self._done, self._saved = 0, 0

    def add(self, done: int, saved: int = 0) -> None:
        with self._counting:
            self._done += done
            self._saved += saved

    def seen(self, now: float) -> Snapshot:
        return Snapshot(self._verb, self._total, self._done, self._saved, now - self._begun)

    def __enter__(self) -> Transfer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._observer.end(self, f"failed ({kind.__name__})" if kind else "done")


def _remade(renderer: MakeRenderer) -> Progress:
    return Progress(renderer, elsewhere=renderer)


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="holdall-progress", daemon=True).start()


_observers: weakref.WeakSet[Progress] = weakref.WeakSet()


def _forget_all() -> None:
    for observer in list(_observers):
        observer.forget()


def _close_all() -> None:
    for observer in list(_observers):
        observer.close()


os.register_at_fork(after_in_child=_forget_all)
atexit.register(_close_all)
