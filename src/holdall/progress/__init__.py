"""Shows how far a transfer has come: a bar for people, lines for logs, nothing for pipes.

    log:  38%|###8      | 1.31G/3.44G [00:29<00:47, 45.2MiB/s, saved 802.0 MiB]      a terminal or notebook
    INFO holdall: log: 1.3 GiB of 3.4 GiB (38 %), 45.2 MiB/s, saved 802.0 MiB, ... otherwise, each 10 s

`watch` looks at transfers, `renderers` draw them. The bar belongs to the
process that opened the store: others, forked or spawned, write lines, since two
processes cannot share the last line of a terminal.
"""

from __future__ import annotations

from typing import TextIO

from holdall.chunks.observer import SILENT, Observer
from holdall.progress.renderers import Bar, lines, nothing
from holdall.progress.watch import Progress


def observer_for(mode: str, stream: TextIO | None) -> Observer:
    """Return the observer that shows the progress of transfers.

    Args:
        mode: `bar`: a bar, where one can be drawn; `log`: lines in the log; `auto`: the one or else the other; `off`.
        stream: Where a bar would be drawn: the process's standard error.
    """
    if mode in ("auto", "bar") and _can_draw(stream):
        return Progress(lambda: Bar(stream), elsewhere=lines if mode == "auto" else nothing)
    return Progress(lines, elsewhere=lines) if mode in ("auto", "log") else SILENT


def _can_draw(stream: TextIO | None) -> bool:
    """Return whether a line can be redrawn: on a terminal, or in the output of a notebook's cell."""
    try:
        return stream is not None and (stream.isatty() or type(stream).__module__.startswith("ipykernel."))
    except Exception:  # whatever stands in for a stream
        return False
