"""Small pictures as SVG: curves over time, with their axes. A rule without I/O; a template draws what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log2
from typing import Final

_WIDTH: Final = 520
_HEIGHT: Final = 200
_LEFT: Final = 72  # room for the texts of the axis
_BELOW: Final = 26
_TOP: Final = 10
_RIGHT: Final = 12
_MOST: Final = 400  # points of a curve that are drawn


@dataclass(frozen=True, slots=True)
class Curve:
    """A name, and points in ascending order of x."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a template draws: places in units of the picture.

    Attributes:
        curves: Name, the points of the line as SVG has them, and the text of its last value.
        across, up: The texts of the axes, each with its place.
    """

    width: int
    height: int
    left: int
    bottom: int
    curves: Sequence[tuple[str, str, str]]
    across: Sequence[tuple[float, str]]
    up: Sequence[tuple[float, str]]


def drawing(curves: Sequence[Curve], *, of_x: Callable[[float], str], of_y: Callable[[float], str]) -> Drawing:
    """Place curves of a point or more in one picture; each stays where it ended. `of_x`, `of_y`: name a value."""
    xs = [x for curve in curves for x, _ in curve.points]
    first, last = min(xs), max(xs)
    steps = _steps(max(y for curve in curves for _, y in curve.points))
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BELOW

    def x_of(x: float) -> float:
        return round(_LEFT + wide * (x - first) / ((last - first) or 1), 1)

    def y_of(y: float) -> float:
        return round(_TOP + high * (1 - y / (steps[-1] or 1)), 1)

    drawn = []
    for curve in curves:
        some = [*_thinned(curve.points), (last, curve.points[-1][1])]
        line = " ".join(f"{x_of(x)},{y_of(y)}" for x, y in some)
        drawn.append((curve.name, line, of_y(some[-1][1])))
    marks = [first + (last - first) * i / 2 for i in range(3)] if last > first else [first]
    across = [(x_of(x), text) for x, text in dict.fromkeys((x, of_x(x)) for x in marks)]
    return Drawing(_WIDTH, _HEIGHT, _LEFT, _HEIGHT - _BELOW, drawn, across, [(y_of(y), of_y(y)) for y in steps])


def _steps(most: float) -> list[float]:
    """Return even values from 0 to one that is no less than the most: round ones for sizes in bytes."""
    if most <= 0:
        return [0.0]
    unit = float(2 ** floor(log2(most) - 1))
    return [i * unit for i in range(int(most // unit) + 2)]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return so many points that no eye sees a difference: sums only grow, so each n-th will do, and the last."""
    step = max(1, -(-len(points) // _MOST))
    return [*points[:-1:step], *points[-1:]]
