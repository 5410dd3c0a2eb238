"""Series with fewer points than were measured, in which nothing that matters is lost.

    x      |  .  . .  |  . .   |   .  .   |        buckets of equal width 2^k, aligned at 0
    value  |  ^     v | ^  v   |   ^  v   |        of each the least and the greatest value are kept,
                                                   of all the first and the last point, and what is not finite once

k is the smallest with which the points fit. A bucket of width 2^(k+1) keeps what the buckets in it would keep, so a
series that is thinned while it is read, in any portions, comes out as one that is thinned at its end: memory is
bounded by the points that are kept, and what is kept depends on what was measured alone.

Points are in the order of x, and of one x in the order in which they were logged. Smoothing is of all points, in the
order in which they were logged, as a training made them: it knows nothing of what is left out later.

Nothing here reads or writes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final, Literal, NamedTuple, TypeAlias

from holdall.errors import InvalidArgumentError

Axis: TypeAlias = Literal["step", "time", "relative"]
Scale: TypeAlias = Literal["linear", "log"]
AXES: Final[tuple[Axis, ...]] = ("step", "time", "relative")
SCALES: Final[tuple[Scale, ...]] = ("linear", "log")
LEAST: Final = 16  # points that are asked for: two buckets, of negative x and others, with all that each may keep
_ROOM: Final = 4096  # points that wait to be thinned together, at least
_by_x = attrgetter("x", "order")


class Point(NamedTuple):
    """One measurement in a series. `order`: when it was logged; `smoothed`: None where nothing is smoothed yet."""

    x: int
    order: int
    value: float
    step: int
    time: int
    smoothed: float | None = None


class Smoother:
    """An exponential moving average that is not biased towards 0 at its beginning, as TensorBoard's is.

        average = weight * average + (1 - weight) * value          from 0
        smoothed = average / (1 - weight ^ count)

    (`resmoothDataset` in its line chart.) What is not finite is returned as it is, and averaged into nothing.

    Args:
        weight: From 0, which smooths nothing, to below 1.
    """

    def __init__(self, weight: float) -> None:
        if not 0 <= weight < 1:
            raise InvalidArgumentError(f"smoothing {weight!r} is no weight: it is at least 0, and less than 1")
        self._weight = float(weight)
        self._average, self._left = 0.0, 1.0  # the latter: what of the average is still the 0 that it began with

    def add(self, value: float) -> float:
        """Return the average with the next value."""
        if not math.isfinite(value):
            return value
        self._average = self._weight * self._average + (1 - self._weight) * value
        self._left *= self._weight
        return self._average / (1 - self._left)


class Thinner:
    """Takes the measurements of one series as they come, and keeps as many as are wanted.

    Args:
        most: How many points to keep; all when None.
        scale: "log" where values of 0 and below cannot be shown: they are kept as what is not finite is.

    Attributes:
        count: How many were added.
        hidden: How many of them a log scale cannot show, though they are finite.
    """

    def __init__(self, most: int | None, scale: Scale = "linear") -> None:
        if most is not None and (type(most) is not int or most < LEAST):
            raise InvalidArgumentError(f"{most!r} points are too few to show a series: ask for {LEAST} or more")
        self._most, self._scale = most, scale
        self._points: list[Point] = []
        self._ends: tuple[Point, Point] | None = None
        self._width = 0  # of a bucket, as the exponent of 2
        self.count = self.hidden = 0

    def copy(self) -> Thinner:
        """Return another that goes on from here by itself."""
        other = Thinner(self._most, self._scale)
        other._points, other._ends, other._width = list(self._points), self._ends, self._width
        other.count, other.hidden = self.count, self.hidden
        return other

    def add(self, points: Iterable[Point]) -> None:
        """Add points, in the order in which they were logged."""
        before = len(self._points)
        self._points += points
        new = self._points[before:]
        self.count += len(new)
        self.hidden += sum(-math.inf < point.value <= 0 for point in new)
        if new and self._most is not None:
            ends = [*(self._ends or ()), *new]
            self._ends = min(ends, key=_by_x), max(ends, key=_by_x)
            if len(self._points) > max(4 * self._most, _ROOM):
                self._points = self._fitting(self._most)

    def kept(self) -> list[Point]:
        """Return the points that are kept, in order."""
        if self._most is None or self.count <= self._most:
            return sorted(self._points, key=_by_x)
        self._points = self._fitting(self._most)
        return sorted({*self._points, *(self._ends or ())}, key=_by_x)

    def _fitting(self, most: int) -> list[Point]:
        """Return what the narrowest buckets keep with which that fits, in order; they get no narrower later."""
        points = self._picked(sorted(self._points, key=_by_x))
        while len(points) > most - 2:
            self._width += 1
            points = self._picked(points)
        return points

    def _picked(self, points: Sequence[Point]) -> list[Point]:
        buckets = groupby(points, key=lambda point: point.x >> self._width)
        return [point for _, bucket in buckets for point in self._picked_of(list(bucket))]

    def _picked_of(self, points: list[Point]) -> list[Point]:
        """Return the least and the greatest of the points of a bucket, and the first of each kind that is not shown."""
        if len(points) == 1:
            return points
        shown = [point for point in points if self._is_shown(point.value)]
        picked = {min(shown, key=attrgetter("value")), max(shown, key=attrgetter("value"))} if shown else set[Point]()
        if len(shown) < len(points):
            first = {_kind(point.value): point for point in reversed(points) if not self._is_shown(point.value)}
            picked.update(first.values())
        return sorted(picked, key=_by_x)

    def _is_shown(self, value: float) -> bool:
        return math.isfinite(value) and (value > 0 or self._scale == "linear")


def _kind(value: float) -> str:
    return str(value) if not math.isfinite(value) else "hidden"
