"""Shows how far a transfer has come: a bar for people, lines for logs, nothing for pipes.

Transfers only count. One thread, which lives while there are any, looks at the
counts four times a second and draws; so drawing slows no transfer, and one that
stands still is seen to. What lasts less than a second is not shown at all.

    log:  38%|###8      | 1.31G/3.44G [00:29<00:47, 45.2MB/s, saved 802MB]     a terminal or notebook
    INFO holdfast: log: 1.3 GB of 3.4 GB (38 %), 45.2 MB/s, ...                otherwise, each 10 s

The bar is tqdm's, loaded when the first one is drawn. It belongs to the process
that opened the store: others, forked or spawned, write lines, since no two
processes can share a terminal's last line. Nothing here raises into a transfer.
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
from typing import Any, Final, Literal, Protocol, TextIO, TypeAlias

from holdfast.chunks.observer import SILENT, Observer, Transfer, Verb

PATIENCE: Final = 1.0  # seconds that a transfer may take unseen
EVERY: Final = 10.0  # seconds between lines of a log
_LOOK: Final = 0.25  # seconds between looks at the counts
_LINGER: Final = 20  # looks at nothing before the thread ends: a row of small transfers shares it
_log = logging.getLogger("holdfast")
_lock = threading.RLock()  # bars are drawn one at a time

Elsewhere: TypeAlias = Literal["log", "off"]


def observer_for(mode: str, stream: TextIO | None) -> Observer:
    """What shows the progress of transfers.

    Args:
        mode: `bar`: a bar, where one can be drawn; `log`: lines in the log; `auto`: the one or else the other; `off`.
        stream: Where a bar would be drawn: the process's standard error.
    """
    if mode in ("auto", "bar") and _can_draw(stream):
        return Progress(lambda: Bar(stream), elsewhere="log" if mode == "auto" else "off")
    return Progress(_lines, elsewhere="log") if mode in ("auto", "log") else SILENT


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a transfer at one moment: bytes, and seconds since it began."""

    verb: Verb
    total: int | None
    done: int
    saved: int
    elapsed: float


class Picture(Protocol):
    """One transfer, as someone sees it."""

    def show(self, seen: Seen) -> None: ...

    def end(self, seen: Seen, outcome: str, /) -> None: ...

    def forget(self) -> None:
        """Leave everything as it is, for good."""
        ...


class Progress:
    """An observer that draws what it is told.

    Args:
        picture: Makes the picture of one more transfer; None where nobody would see it.
        elsewhere: What other processes do that this observer is forked or pickled into.
        clock: Seconds, from any moment on.
        start: Runs a function in a thread.
    """

    _watching: bool

    def __init__(
        self,
        picture: Callable[[], Picture | None],
        *,
        elsewhere: Elsewhere,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._picture, self._elsewhere, self._clock, self._start = picture, elsewhere, clock, start or _in_thread
        self._reset()
        _observers.add(self)

    def __reduce__(self) -> tuple[Callable[[str, None], Observer], tuple[str, None]]:
        return observer_for, (self._elsewhere, None)

    def begin(self, verb: Verb, total: int | None) -> Transfer:
        picture = self._picture()
        if picture is None:
            return SILENT
        moving = _Moving(self, verb, total, picture, self._clock())
        with self._changed:
            if not self._watching:
                self._start(self._watch)
                self._watching = True
            self._moving.append(moving)
        return moving

    def look(self) -> None:
        """Draw every transfer that has lasted long enough, as it is now."""
        with self._changed:
            for moving in self._moving:
                self._draw(moving, None)

    def end(self, moving: _Moving, outcome: str) -> None:
        """Draw a transfer for the last time; in a forked child it is the parent's, and not drawn."""
        with self._changed:
            if moving in self._moving:
                self._moving.remove(moving)
                self._draw(moving, outcome)

    def close(self) -> None:
        """Clear the terminal: the process ends."""
        for moving in list(self._moving):
            self.end(moving, "stopped")

    def forget(self) -> None:
        """In a forked child: what the parent draws is the parent's, and so are its thread and its locks."""
        for moving in self._moving:
            moving.picture.forget()
        self._picture = _lines if self._elsewhere == "log" else _nothing
        self._reset()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._watching = False
        self._moving: list[_Moving] = []

    def _watch(self) -> None:
        with self._changed:
            idle = 0
            while idle < _LINGER:
                self._changed.wait(_LOOK)
                self.look()
                idle = 0 if self._moving else idle + 1
            self._watching = False

    def _draw(self, moving: _Moving, outcome: str | None) -> None:
        seen = moving.seen(self._clock())
        if seen.elapsed < PATIENCE or moving.broken:
            return
        try:
            if outcome is None:
                moving.picture.show(seen)
            else:
                moving.picture.end(seen, outcome)
        except Exception as error:  # a terminal that went away is no reason to stop
            moving.broken = True
            moving.picture.forget()
            _log.debug("progress is no longer shown: %r", error)


class _Moving:
    """A transfer and its counts."""

    def __init__(self, observer: Progress, verb: Verb, total: int | None, picture: Picture, begun: float) -> None:
        self.picture, self.broken = picture, False
        self._observer, self._verb, self._total, self._begun = observer, verb, total, begun
        self._counting = threading.Lock()
        self._done, self._saved = 0, 0

    def add(self, done: int, saved: int = 0) -> None:
        with self._counting:
            self._done += done
            self._saved += saved

    def seen(self, now: float) -> Seen:
        return Seen(self._verb, self._total, self._done, self._saved, now - self._begun)

    def __enter__(self) -> Transfer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._observer.end(self, f"failed ({kind.__name__})" if kind else "done")


class Bar:
    """A line of a terminal or a widget of a notebook, gone when the transfer is over."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._bar: Any = None

    def show(self, seen: Seen) -> None:
        if self._bar is None:
            self._bar = _new_bar(self._stream, seen)
        bar = self._bar
        bar.set_postfix_str(f"saved {_size(seen.saved)}", refresh=False)
        if more := seen.done - bar.n:
            bar.update(more)
        else:
            bar.refresh()

    def end(self, seen: Seen, _outcome: str, /) -> None:
        if self._bar is not None:
            self.show(seen)
            self._bar.close()

    def forget(self) -> None:
        if self._bar is not None:
            self._bar.disable = True  # or it would clear its line when it is collected


class Lines:
    """A line in the log now and then, and one at the end."""

    def __init__(self) -> None:
        self._last = 0.0, 0

    def show(self, seen: Seen) -> None:
        then, before = self._last
        if seen.elapsed - then >= EVERY:
            self._last = seen.elapsed, seen.done
            _log.info("%s: %s", seen.verb, describe(seen, (seen.done - before) / (seen.elapsed - then)))

    def end(self, seen: Seen, outcome: str, /) -> None:
        whole = f"{_size(seen.done)} in {_time(seen.elapsed)}, {_size(seen.done / seen.elapsed)}/s"
        _log.info("%s %s: %s, saved %s", seen.verb, outcome, whole, _size(seen.saved))

    def forget(self) -> None:
        return None


def describe(seen: Seen, rate: float) -> str:
    """A transfer under way, in a line: bytes, the rate of late, what was saved, time left."""
    parts = [_size(seen.done), f"{_size(rate)}/s", f"saved {_size(seen.saved)}"]
    if seen.total:
        parts[0] += f" of {_size(seen.total)} ({100 * seen.done // seen.total} %)"
        if rate:
            parts.append(f"{_time(max(seen.total - seen.done, 0) / rate)} left")
    return ", ".join(parts)


def _new_bar(stream: TextIO | None, seen: Seen) -> Any:
    """A bar of a transfer that began a while ago.

    It shares the lock of bars that the user draws. Where there are none it gets
    one of ours: tqdm's own would fix the start method of `multiprocessing`.
    """
    from tqdm.auto import tqdm

    class Drawn(tqdm):  # type: ignore[misc]  # tqdm ships no types
        monitor_interval = 0  # no thread of tqdm's: ours looks

        def refresh(self, *_: Any, **__: Any) -> Any:
            with self.get_lock():  # tqdm's own refresh keeps the lock for ever if the terminal fails
                return super().refresh(nolock=True)

    if not hasattr(tqdm, "_lock"):
        Drawn.set_lock(_lock)
    bar = Drawn(
        desc=seen.verb,
        total=seen.total,
        unit="B",
        unit_scale=True,
        file=stream,
        leave=False,
        dynamic_ncols=True,
        mininterval=0,
        miniters=0,
        smoothing=0.1,
    )
    bar.start_t -= seen.elapsed
    bar.last_print_t = bar.start_t
    return bar


def _can_draw(stream: TextIO | None) -> bool:
    """Whether lines can be drawn over: on a terminal, or in the output of a notebook's cell."""
    try:
        return stream is not None and (stream.isatty() or type(stream).__module__.startswith("ipykernel."))
    except Exception:  # whatever stands in for a stream
        return False


def _lines() -> Picture | None:
    return Lines() if _log.isEnabledFor(logging.INFO) else None


def _nothing() -> Picture | None:
    return None


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="holdfast-progress", daemon=True).start()


_observers: weakref.WeakSet[Progress] = weakref.WeakSet()


def _forget_all() -> None:
    global _lock
    _lock = threading.RLock()
    for observer in list(_observers):
        observer.forget()


def _close_all() -> None:
    for observer in list(_observers):
        observer.close()


os.register_at_fork(after_in_child=_forget_all)
atexit.register(_close_all)
