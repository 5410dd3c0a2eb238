"""How a transfer is rendered: as a bar, or as lines of the log.

tqdm draws the bar; it is loaded when the first one is drawn.
"""

from __future__ import annotations

import logging
import os
import threading
from importlib.util import find_spec
from typing import Any, Final, TextIO

from holdall.progress.watch import Renderer, Snapshot
from holdall.sizes import format_size

EVERY: Final = 10.0  # seconds between lines of a log
_log = logging.getLogger("holdall")
_drawing = threading.RLock()


class Bar:
    """A line of a terminal or a widget of a notebook, gone when the transfer is over."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._bar: Any = None

    def show(self, seen: Snapshot) -> None:
        if self._bar is None:
            self._bar = _new_bar(self._stream, seen)
        bar = self._bar
        bar.set_postfix_str(f"saved {format_size(seen.saved)}", refresh=False)
        if more := seen.done - bar.n:
            bar.update(more)
        else:
            bar.refresh()

    def end(self, seen: Snapshot, _outcome: str, /) -> None:
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

    def show(self, seen: Snapshot) -> None:
        then, before = self._last
        if seen.elapsed - then >= EVERY:
            self._last = seen.elapsed, seen.done
            _log.info("%s: %s", seen.verb, describe(seen, (seen.done - before) / (seen.elapsed - then)))

    def end(self, seen: Snapshot, outcome: str, /) -> None:
        whole = f"{format_size(seen.done)} in {_time(seen.elapsed)}, {format_size(seen.done / seen.elapsed)}/s"
        _log.info("%s %s: %s, saved %s", seen.verb, outcome, whole, format_size(seen.saved))

    def forget(self) -> None:
        return None


def describe(seen: Snapshot, rate: float) -> str:
    """Return a line about a running transfer: bytes, current rate, bytes saved, time left."""
    parts = [format_size(seen.done), f"{format_size(rate)}/s", f"saved {format_size(seen.saved)}"]
    if seen.total:
        parts[0] += f" of {format_size(seen.total)} ({100 * seen.done // seen.total} %)"
        if rate:
            parts.append(f"{_time(max(seen.total - seen.done, 0) / rate)} left")
    return ", ".join(parts)


def _new_bar(stream: TextIO | None, seen: Snapshot) -> Any:
    """Return a bar for a transfer that began a while ago.

    It shares the lock of bars that the user draws. Where there are none it gets
    one of ours: tqdm's own would fix the start method of `multiprocessing`.
    """
    tqdm = _tqdm()

    class Drawn(tqdm):  # type: ignore[misc, valid-type]  # tqdm ships no types
        monitor_interval = 0  # no thread of tqdm's: ours looks

        def refresh(self, *_: Any, **__: Any) -> Any:
            with self.get_lock():  # tqdm's own refresh keeps the lock for ever if the terminal fails
                return super().refresh(nolock=True)

    if not hasattr(tqdm, "_lock"):
        Drawn.set_lock(_drawing)
    bar = Drawn(
        desc=seen.verb,
        total=seen.total,
        unit="iB",
        unit_scale=True,
        unit_divisor=1024,
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


def _tqdm() -> Any:
    """Return tqdm's class for this place: a notebook's widget, where there are widgets to draw it with."""
    if find_spec("ipywidgets"):
        from tqdm.auto import tqdm
    else:  # tqdm.auto would choose this one as well, and warn of it in a notebook
        from tqdm import tqdm
    return tqdm


def lines() -> Renderer | None:
    """Return a renderer of lines, or None if the log is not at INFO."""
    return Lines() if _log.isEnabledFor(logging.INFO) else None


def nothing() -> Renderer | None:
    """Return None: this transfer is not shown."""
    return None


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _draw_anew() -> None:
    """Replace the lock in a forked child: the parent's thread that held it is not there."""
    global _drawing
    _drawing = threading.RLock()


os.register_at_fork(after_in_child=_draw_anew)
