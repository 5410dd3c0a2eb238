"""Series as small drawings, for pages without scripts: in SVG, in the colour of the text around them.

    drawing of 240 x 48       a line for each stretch of finite values, a dot for one alone,
    |  /\\    /\\__            a tick at the bottom for what is not finite
    | /  \\__/     .   '

Texts may be anybody's: they are escaped. No drawing is larger than what `MOST` points make.
Nothing here asks a bucket.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from holdall.terminal import printable

MOST: Final = 240  # points of a drawing; thin out longer series before
WIDTH, HEIGHT = 240, 48
_TITLE: Final = 200  # characters
_MARGIN: Final = 3
_TICK: Final = 5
_STROKE: Final = 'fill="none" stroke="currentColor" stroke-width="1.25" stroke-linejoin="round"'


class Drawing(str):
    """HTML that was made here: the one kind of text that a table shows without escaping it."""

    __slots__ = ()


def chart(title: str, xs: Sequence[int], values: Sequence[float]) -> Drawing:
    """Return a line chart of a series as SVG; "" where there is nothing to draw a line between.

    Args:
        title: What it is called, for who hears it instead.
        xs: Where each value stands, ascending.
        values: What was measured; what is not finite leaves a gap, and a tick below it.
    """
    points = list(zip(xs, values, strict=True))[:MOST]
    finite = [value for _, value in points if math.isfinite(value)]
    if len(points) < 2:
        return Drawing()
    across = [_share(x, points[0][0], points[-1][0]) * (WIDTH - 2 * _MARGIN) + _MARGIN for x, _ in points]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    up = [HEIGHT - _TICK - _MARGIN - _height(value, low, high) * (HEIGHT - _TICK - 2 * _MARGIN) for _, value in points]
    lines = "".join(map(_line, _stretches(across, up)))
    ticks = "".join(f"M{x:.1f} {HEIGHT}v-{_TICK}" for x, y in zip(across, up, strict=True) if math.isnan(y))
    marks = f'<path {_STROKE} d="{ticks}"/>' if ticks else ""
    said = escape(printable(title[:_TITLE]))
    head = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
    return Drawing(f"<svg {head}><title>{said}</title>{lines}{marks}</svg>")


def _share(x: int, first: int, last: int) -> float:
    """Return how far from the first to the last something is, from 0 to 1, also where integers are huge."""
    return (x - first) / (last - first) if last > first else 0.5


def _height(value: float, low: float, high: float) -> float:
    """Return how far on the way from the least to the greatest value one is; NaN for what is not finite."""
    if not math.isfinite(value):
        return math.nan
    span = high / 2 - low / 2  # halves, since the difference of two floats may be none
    return (value / 2 - low / 2) / span if span > 0 else 0.5


def _stretches(across: Sequence[float], up: Sequence[float]) -> Iterator[list[str]]:
    """Yield the points of each stretch without a gap, as SVG writes them."""
    found: list[str] = []
    for x, y in zip(across, up, strict=True):
        if not math.isnan(y):
            found.append(f"{x:.1f},{y:.1f}")
        elif found:
            yield found
            found = []
    if found:
        yield found


def _line(points: Sequence[str]) -> str:
    if len(points) > 1:
        return f'<polyline {_STROKE} points="{" ".join(points)}"/>'
    x, y = points[0].split(",")
    return f'<circle fill="currentColor" cx="{x}" cy="{y}" r="1.5"/>'
