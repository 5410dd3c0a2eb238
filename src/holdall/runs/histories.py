"""The measurements of several runs and metrics, as values: all of them, or as many as a chart can show.

`History` is one metric of one run, `Histories` are those of several, and know how far each run was read, so that
what is new since can be added to them. `thinning` says which points are kept. Nothing here reads or writes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Final

from holdall.display import Facts, Shown
from holdall.errors import HoldallError, InvalidArgumentError
from holdall.format.ops import integer, measured
from holdall.format.series import Columns
from holdall.runs.arguments import listed
from holdall.runs.record import Metric
from holdall.runs.thinning import AXES, SCALES, Axis, Point, Scale, Smoother, Thinner
from holdall.trees.many_measured import Reached

_NAMES: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # as MLflow's API writes them


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of series. Attributes: as the arguments of `Runs.histories`."""

    keys: tuple[str, ...] | None
    points: int | None
    axis: Axis
    scale: Scale
    smoothing: float
    between: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse what is no axis, no scale, no number of points, no weight or no part of an axis."""
        if self.between is not None and not self.between[0] <= self.between[1]:
            raise InvalidArgumentError(
                f"between={self.between!r} is no part of an axis: its end is before its beginning"
            )
        for name, value, known in (("axis", self.axis, AXES), ("scale", self.scale, SCALES)):
            if value not in known:
                raise InvalidArgumentError(f"{name} {value!r} is not known: there are {', '.join(known)}")
        Thinner(self.points)
        Smoother(self.smoothing)


def question_of(
    keys: Iterable[str] | None,
    points: int | None,
    axis: Axis,
    scale: Scale,
    smoothing: float,
    between: tuple[int, int] | None,
) -> Question:
    """Return what is asked. Raises: InvalidArgumentError."""
    wanted = None if keys is None else tuple(dict.fromkeys(listed("keys of metrics", keys, "['loss']")))
    return Question(wanted, points, axis, scale, smoothing, between)


@dataclass(frozen=True, slots=True, repr=False)
class History(Shown):
    """The measurements of one metric of one run, in the order of x; of one x, in the order in which they were logged.

    Attributes:
        run_id, key: Whose they are.
        axis: What x is: "step", "time" (ms since 1970 UTC) or "relative" (ms since the run began).
        count: How many were measured, in the part of the axis that was asked for; `len()` of it is how many are here.
        hidden: How many of all a log scale cannot show, since they are 0 or less.
        x, values, steps, times: Of each point that is here. Values may be NaN or infinite.
        smoothed: The moving average at each point, of all points up to it; None where nobody asked for one.
    """

    run_id: str
    key: str
    axis: Axis
    count: int
    hidden: int
    x: tuple[int, ...]
    values: tuple[float, ...]
    steps: tuple[int, ...]
    times: tuple[int, ...]
    smoothed: tuple[float, ...] | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def is_whole(self) -> bool:
        """Return whether all that was measured is here."""
        return len(self) == self.count

    @property
    def extent(self) -> str:
        """Return how much of it is here, for people: "1,000 of 250,000 points", or "12 points"."""
        shown = "" if self.is_whole else f"{len(self):,} of "
        return f"{shown}{self.count:,} point{'s' * (self.count != 1)}"

    @property
    def points(self) -> list[Metric]:
        """Return the points that are here as measurements."""
        rows = zip(self.values, self.times, self.steps, strict=True)
        return [Metric(self.key, value, time, step) for value, time, step in rows]

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same for JSON, which has no NaN: such values are None, and `marks` says their x, step and name."""
        bad = [(at, str(value)) for at, value in enumerate(self.values) if not math.isfinite(value)]
        said: dict[str, Any] = {"run_id": self.run_id, "key": self.key, "axis": self.axis}
        said |= {"count": self.count, "shown": len(self), "hidden": self.hidden}
        said |= {"x": list(self.x), "steps": list(self.steps), "times": list(self.times)}
        said |= {"values": _finite(self.values), "smoothed": self.smoothed and _finite(self.smoothed)}
        marks = [{"x": self.x[at], "step": self.steps[at], "value": _NAMES[name]} for at, name in bad]
        return said | {"marks": marks}

    def _shown(self) -> Facts:
        last = self.values[-1] if self.values else None
        return {"key": self.key, "run_id": self.run_id, "points": self.extent, "last": last}


@dataclass(frozen=True, slots=True, repr=False)
class Histories(Shown):
    """The measurements of several runs and metrics: `found[run_id, "loss"]`, or one after the other in a loop.

    Attributes:
        question: What was asked.
        unreadable: Of a run that cannot be read, why: it was purged, is none, or is damaged.
    """

    question: Question
    unreadable: Mapping[str, HoldallError]
    _runs: Mapping[str, RunSeries] = field(compare=False)
    _found: dict[tuple[str, str], History] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for run, each in self._runs.items():
            self._found.update(
                {(run, key): each.history(run, key, self.question) for key in each.ordered(self.question)}
            )

    def __getitem__(self, at: tuple[str, str]) -> History:
        return self._found[at]

    def __iter__(self) -> Iterator[History]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, at: object) -> bool:
        return at in self._found

    @property
    def cursor(self) -> str:
        """Return how far the runs were read, as one text that changes when there is more."""
        return ",".join(f"{run}:{each.reached.next}" for run, each in self._runs.items())

    def of(self, run_id: str) -> list[History]:
        """Return those of one run."""
        return [one for one in self if one.run_id == run_id]

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same for JSON. Each history: as `History.to_dictionary`."""
        failed = {run: str(error) for run, error in self.unreadable.items()}
        return {"histories": [one.to_dictionary() for one in self], "unreadable": failed, "cursor": self.cursor}

    def _shown(self) -> Facts:
        return {f"{one.key} of {one.run_id}": one.extent for one in self}


@dataclass(slots=True)
class RunSeries:
    """What is known of the series of one run, while it is read. Attributes: started (in ms), reached, by key."""

    started: int
    reached: Reached
    by_key: dict[str, _Growing] = field(default_factory=dict)

    def copy(self, reached: Reached) -> RunSeries:
        """Return another that goes on from here, to what was reached."""
        return RunSeries(self.started, reached, {key: one.copy() for key, one in self.by_key.items()})

    def add(self, columns: Mapping[str, Columns], question: Question) -> None:
        """Add measurements, in the order in which they were logged."""
        for key, column in columns.items():
            if key not in self.by_key:
                self.by_key[key] = _Growing.begun(question)
            self.by_key[key].add(column, self.started if question.axis == "relative" else 0, question)

    def ordered(self, question: Question) -> Iterable[str]:
        """Return the keys that there are, in the order asked for."""
        return sorted(self.by_key) if question.keys is None else [key for key in question.keys if key in self.by_key]

    def history(self, run: str, key: str, question: Question) -> History:
        """Return what is known of a key."""
        thinner = self.by_key[key].thinner
        x, _, values, steps, times, smoothed = tuple(zip(*thinner.kept(), strict=True)) or ((),) * 6
        hidden = thinner.hidden if question.scale == "log" else 0
        curve = smoothed if question.smoothing else None
        return History(run, key, question.axis, thinner.count, hidden, x, values, steps, times, curve)


@dataclass(slots=True)
class _Growing:
    """One series while it is read."""

    thinner: Thinner
    smoother: Smoother | None

    @classmethod
    def begun(cls, question: Question) -> _Growing:
        smoother = Smoother(question.smoothing) if question.smoothing else None
        return cls(Thinner(question.points, question.scale), smoother)

    def copy(self) -> _Growing:
        return _Growing(self.thinner.copy(), copy(self.smoother))

    def add(self, columns: Columns, start: int, question: Question) -> None:
        smooth, points = self.smoother.add if self.smoother else None, list[Point]()
        least, most = question.between or (-math.inf, math.inf)
        for value, step, time in zip(*columns, strict=True):
            number, at, when = measured(value), integer(step) or 0, integer(time) or 0
            x, average = at if question.axis == "step" else when - start, smooth(number) if smooth else None
            if least <= x <= most:
                points.append(Point(x, self.thinner.count + len(points), number, at, when, average))
        self.thinner.add(points)


def _finite(values: Iterable[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
