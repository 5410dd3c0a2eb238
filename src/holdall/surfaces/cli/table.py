"""How values look on a terminal, and to a program.

On a terminal a table is as wide as that: its widest columns give way, and what
does not fit is cut in the middle, where paths and names differ least. Written
to a file or a pipe nothing is cut, but for names of runs beyond 200 columns.
What a store holds may be anyone's text, so characters that would steer the
terminal are shown, not sent, into a pipe too: a table is for people, `--json` for programs.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from holdall.display import when as when
from holdall.surfaces.cli.writer import say
from holdall.terminal import printable

_GAP: Final = "  "
_LEAST: Final = 6  # columns that a cell keeps
_SHOWN: Final = 18  # digits of a run's id: its experiment's 8, and 10 of its own, which tell a quarter of a second


def terminal_width() -> int | None:
    """Return the columns of the terminal that is written to; None for a file or pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def show_json(document: Any) -> None:
    """Print one JSON document; numbers that JSON lacks become "NaN", "Infinity" and "-Infinity"."""
    say(json.dumps(_plain(document), indent=2))


def show_table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), fixed: Sequence[int] = ()) -> None:
    """Print rows as columns.

    Args:
        rows: Cells; the first row may be a header.
        right: Columns that are aligned to the right.
        fixed: Columns that are never cut.
    """
    for line in table_lines(rows, terminal_width(), right=right, fixed=fixed):
        say(line)


def table_lines(
    rows: Sequence[Sequence[str]], width: int | None, *, right: Sequence[int] = (), fixed: Sequence[int] = ()
) -> list[str]:
    """Return the lines of a table, cut to a width as far as that is possible."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    if width is not None:
        widths = _fitted(widths, width - len(_GAP) * (len(widths) - 1), fixed)
    lines = []
    for row in cells:
        padded = (_pad(cut(cell, widths[i]), widths[i], right=i in right) for i, cell in enumerate(row))
        lines.append(_GAP.join(padded).rstrip())
    return lines


def show_facts(facts: Iterable[tuple[str, str]], *, indent: str = "") -> None:
    """Print names and values; on a terminal long values are wrapped."""
    shown = [(printable(name), printable(value)) for name, value in facts]
    name_width = max((columns(name) for name, _ in shown), default=0)
    width = terminal_width()
    for name, value in shown:
        head = f"{indent}{_pad(name, name_width)}{_GAP}"
        room = None if width is None else max(width - columns(head), 20)
        lines = textwrap.wrap(value, room) if room and columns(value) > room else [value]
        say(f"\n{' ' * columns(head)}".join([(head + (lines or [""])[0]).rstrip(), *lines[1:]]))


def short_ids(ids: Sequence[str]) -> dict[str, str]:
    """Return run ids as they are shown: on a terminal, cut to as many digits as tell them apart."""
    length = _SHOWN if terminal_width() is not None else 32
    while length < 32 and len({id[:length] for id in ids}) < len(set(ids)):
        length += 1
    return {id: id[:length] for id in ids}


# --- values ---


def lasted(start: int, end: int | None) -> str:
    """Return how long something took, or has taken so far."""
    if end is None:
        return f"{lasted(start, int(datetime.now().timestamp() * 1000))} so far"
    seconds = max(end - start, 0) / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def number(value: float) -> str:
    """Return a measurement in six digits."""
    return f"{value:.6g}"


def files(count: int) -> str:
    """Return a number of files in words: `1 file`."""
    return counted(count, "file")


def counted(count: int, noun: str) -> str:
    """Return a number of things in words: `2 runs`."""
    return f"{count} {noun}{'s' * (count != 1)}"


# --- text ---


def columns(text: str) -> int:
    """Return the width of a text on a terminal, in columns."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, width: int) -> str:
    """Return text without its middle, if it is wider than a width."""
    if columns(text) <= width:
        return text
    room = max(width - 3, 0)
    head, tail = _until(text, room - room // 2), _until(text[::-1], room // 2)[::-1]
    return f"{head}...{tail}"


def _until(text: str, width: int) -> str:
    used = 0
    for at, c in enumerate(text):
        used += _columns(c)
        if used > width:
            return text[:at]
    return text


def _columns(c: str) -> int:
    return 0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")


def _pad(text: str, width: int, *, right: bool = False) -> str:
    space = " " * (width - columns(text))
    return space + text if right else text + space


def _fitted(widths: list[int], room: int, fixed: Sequence[int]) -> list[int]:
    """Return widths that fit a total: the widest are cut first."""
    fitted = list(widths)
    while sum(fitted) > room:
        widest = max((i for i in range(len(fitted)) if i not in fixed), key=fitted.__getitem__, default=None)
        if widest is None or fitted[widest] <= _LEAST:
            break
        fitted[widest] -= 1
    return fitted


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
