"""Summaries of very many runs in memory: about a kilobyte each, where a `RunSummary` has ten.

Runs of one experiment name the same keys, so these are held once for all of them, and what many say alike, such as a
commit or a user, once too. Numbers are arrays. A row answers what a filter and an order ask as a summary would, and
becomes one where it is shown.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from holdall.runs.record import stage
from holdall.runs.search import RunSummary
from holdall.trees.addresses import run_uri

MOST: Final = 512 << 20  # bytes that all rows may take, about; of more runs, what they say is left out
_ROW: Final = 700  # bytes of a row that says nothing,
_EACH: Final = 8  # of a value that others say too, or of a number,
_TEXT: Final = 60  # and of a text, beside its characters
_SHARED: Final = 80  # characters of a text that is looked for among those that are held
_TEXTS: Final = 200_000  # of which there are at most so many,
_SHAPES: Final = 20_000  # and so many sets of keys
_INTEGERS: Final = 2**63 - 1


class Shape:
    """Keys that runs have. Attributes: keys; at (where each is)."""

    __slots__ = ("at", "keys")

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys, self.at = keys, {key: at for at, key in enumerate(keys)}


class Texts:
    """Texts by key."""

    __slots__ = ("shape", "values")

    def __init__(self, shape: Shape, values: tuple[str, ...]) -> None:
        self.shape, self.values = shape, values

    def __iter__(self) -> Iterator[str]:
        return iter(self.shape.keys)

    def get(self, key: str) -> str | None:
        """Return the text of a key, or None."""
        at = self.shape.at.get(key)
        return None if at is None else self.values[at]


class Numbers:
    """Metrics by key: latest values, then least and greatest where these are known; steps, times and counts."""

    __slots__ = ("counts", "shape", "values")

    def __init__(self, shape: Shape, values: array[float], counts: array[int]) -> None:
        self.shape, self.values, self.counts = shape, values, counts

    def __iter__(self) -> Iterator[str]:
        return iter(self.shape.keys)

    def get(self, key: str) -> float | None:
        """Return the latest value of a key, or None."""
        at = self.shape.at.get(key)
        return None if at is None else self.values[at]

    def extreme(self, key: str, *, greatest: bool) -> float | None:
        """Return the least or the greatest value of a key; None where it is not known."""
        at = self.shape.at.get(key)
        if at is None or self.counts[3 * at + 2] <= 0:
            return None
        return self.values[len(self.shape.keys) + 2 * at + greatest]

    def points(self) -> dict[str, list[float]]:
        """Return what a summary tells of each beside its value. A count of 0 or less: extremes are not known."""
        many, found = len(self.shape.keys), {}
        for at, key in enumerate(self.shape.keys):
            step, time, count = self.counts[3 * at : 3 * at + 3]
            extremes = [] if count <= 0 else [self.values[many + 2 * at], self.values[many + 2 * at + 1]]
            found[key] = [step, time, abs(count), *extremes]
        return found


@dataclass(slots=True, eq=False)
class Row:
    """A run, as `RunSummary`. Attributes: stamp (of the entry that it is as of); whole (whether it says all)."""

    run_id: str
    stamp: bytes
    experiment_id: str
    run_name: str
    status: str
    start_time: int
    end_time: int | None
    user_id: str
    lifecycle_stage: str
    params: Texts
    metrics: Numbers
    tags: Texts
    pins: Mapping[str, str]
    open: bool
    versioned: bool
    files: int
    bytes: int
    whole: bool
    cost: int

    @property
    def artifact_uri(self) -> str:
        """Return the address of all that the run holds."""
        return run_uri(self.run_id)

    @property
    def duration(self) -> int | None:
        """Return the milliseconds from its start to its end; None while it goes on."""
        return None if self.end_time is None else self.end_time - self.start_time

    def extreme(self, key: str, *, greatest: bool) -> float | None:
        """Return the least or the greatest value of a metric; None where it is not known."""
        return self.metrics.extreme(key, greatest=greatest)

    def summary(self) -> RunSummary:
        """Return it as a summary."""
        told = {name: getattr(self, name) for name in _SAME}
        return RunSummary(
            **told,
            artifact_uri=self.artifact_uri,
            params=dict(zip(self.params.shape.keys, self.params.values, strict=True)),
            tags=dict(zip(self.tags.shape.keys, self.tags.values, strict=True)),
            metrics=dict(zip(self.metrics.shape.keys, self.metrics.values, strict=False)),
            points=self.metrics.points(),
        )


_SAME: Final = (
    *("run_id", "experiment_id", "run_name", "status", "start_time", "end_time", "user_id", "lifecycle_stage"),
    *("pins", "open", "versioned", "files", "bytes"),
)
_NOTHING: Final = Shape(())


@dataclass(slots=True)
class Rows:
    """Rows by run id, in no more memory than `most` bytes, about.

    Attributes:
        held: Bytes, about.
        cut: How many rows do not say all, since there was no room.
        version: Is another one after each change.
    """

    most: int = MOST
    held: int = 0
    cut: int = 0
    version: int = 0
    by_id: dict[str, Row] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)
    _shapes: dict[tuple[str, ...], Shape] = field(default_factory=dict)

    def put(self, stamp: bytes, told: RunSummary) -> None:
        """Hold a run, in place of what was held of it: who reads meanwhile finds one of the two."""
        before = self.by_id.get(told.run_id)
        if before:
            self.held -= before.cost
            self.cut -= not before.whole
        said = [*told.params.values(), *told.tags.values()]
        fresh = sum(len(text) + _TEXT for text in said if text not in self._texts)
        cost = _ROW + _EACH * (len(said) + 6 * len(told.metrics)) + fresh
        whole = self.held + cost <= self.most
        row = Row(
            **{name: getattr(told, name) for name in _SAME if name not in ("status", "lifecycle_stage")},
            stamp=stamp,
            status=self._shared(told.status),
            lifecycle_stage=stage(told.lifecycle_stage == "deleted"),
            params=self._said(told.params if whole else {}),
            tags=self._said(told.tags if whole else {}),
            metrics=self._measured(told if whole else None),
            whole=whole,
            cost=cost if whole else _ROW,
        )
        row.experiment_id, row.user_id = self._shared(row.experiment_id), self._shared(row.user_id)
        row.run_name, row.pins = self._texts.get(row.run_name, row.run_name), told.pins or _NO_PINS
        self.held += row.cost
        self.cut += not whole
        self.version += 1
        self.by_id[row.run_id] = row

    def drop(self, run: str) -> None:
        """Forget a run."""
        if before := self.by_id.pop(run, None):
            self.held -= before.cost
            self.cut -= not before.whole
            self.version += 1

    def keep_only(self, runs: set[str]) -> None:
        """Forget all runs but these."""
        for run in self.by_id.keys() - runs:
            self.drop(run)

    def _said(self, texts: Mapping[str, str]) -> Texts:
        return Texts(self._shape(texts), tuple(map(self._shared, texts.values())))

    def _measured(self, told: RunSummary | None) -> Numbers:
        if told is None or not told.metrics:
            return Numbers(_NOTHING, array("d"), array("q"))
        values, extremes, counts = array("d", told.metrics.values()), array("d"), array("q")
        for key in told.metrics:
            step, time, count, *known = told.points.get(key, (0, 0, 0))
            extremes.extend(known or (0.0, 0.0))
            counts.extend((_fitting(step), _fitting(time), _fitting(count) if known else -_fitting(count)))
        return Numbers(self._shape(told.metrics), values + extremes, counts)

    def _shape(self, keys: Iterable[str]) -> Shape:
        found = tuple(keys)
        shape = self._shapes.get(found)
        if shape is None:
            shape = Shape(tuple(map(self._shared, found)))
            if len(self._shapes) < _SHAPES:
                self._shapes[shape.keys] = shape
            else:
                self.held += _TEXT * len(found)
        return shape

    def _shared(self, text: str) -> str:
        if len(text) > _SHARED or len(self._texts) >= _TEXTS:
            return self._texts.get(text, text)
        return self._texts.setdefault(text, text)


_NO_PINS: Final[Mapping[str, str]] = {}


def _fitting(value: float) -> int:
    """Return an integer that eight bytes can hold: a step beyond that is shown as the largest."""
    return max(-_INTEGERS - 1, min(_INTEGERS, int(value)))
