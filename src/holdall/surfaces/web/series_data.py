"""Points of charts as JSON: `series`.

A page asks for some metrics of some runs at once, and is answered in one plan. What it was answered is remembered
here for a while, so that a page of a run that goes on asks for what is new: the store is asked for that alone, and of
each series the page is told how many of its points still stand, and those that follow.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from threading import Lock
from typing import Any, Final, Literal, TypeAlias

from holdall.errors import InvalidArgumentError
from holdall.store import Histories, History
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.page import Body, Pages
from holdall.surfaces.web.site import Site

AXES: Final = ("step", "time", "relative")
POINTS: Final = 400  # of a series, if a page does not say how many
_RUNS, _KEYS, _POINTS: Final = 100, 24, 4000
_TOGETHER: Final = 240_000  # points of all series of an answer
_REMEMBERED: Final = 1_000_000  # points of answers that are kept for what follows
Series: TypeAlias = tuple[str, str]  # a run and a key


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page asks for. Attributes: as the arguments of `Runs.histories`."""

    runs: Sequence[str]
    keys: Sequence[str]
    points: int
    axis: Literal["step", "time", "relative"]
    log: bool
    smoothing: float
    between: tuple[int, int] | None

    @classmethod
    def of(cls, query: Query) -> Wanted:
        """Read it from a query. Raises: InvalidArgumentError."""
        runs, keys = query.many("run", most=_RUNS), query.many("key", most=_KEYS)
        points = query.count("points", POINTS, most=_POINTS)
        if not runs or not keys:
            raise InvalidArgumentError("points are of a run and a key: /series?run=ID&key=loss")
        if len(runs) * len(keys) * points > _TOGETHER:
            said = f"{len(runs)} runs, {len(keys)} keys and {points} points of each"
            raise InvalidArgumentError(f"{said} are more than {_TOGETHER:,} points together")
        axis: Any = query.choice("axis", AXES)
        smoothing = query.number("smooth", 0, least=0, most=0.999)
        return cls(runs, keys, points, axis, query.flag("log"), smoothing, query.span("zoom"))

    def asked(self, site: Site, since: Histories | None) -> Histories:
        """Ask the store."""
        return site.store.runs.histories(
            self.runs, self.keys, points=self.points, axis=self.axis, scale="log" if self.log else "linear",
            smoothing=self.smoothing, between=self.between, since=since,
        )  # fmt: skip


@dataclass(slots=True)
class Answers:
    """What was answered lately, by a name that tells what was asked and how far it was read. Threads may share it."""

    most: int = _REMEMBERED
    _kept: OrderedDict[str, Histories] = field(default_factory=OrderedDict)
    _turn: Lock = field(default_factory=Lock)

    def find(self, name: str) -> Histories | None:
        """Return an answer, or None if it is forgotten."""
        with self._turn:
            return self._kept.get(name)

    def keep(self, found: Histories, before: str) -> str:
        """Keep an answer, instead of the one before it, and return its name."""
        name = blake2b(f"{found.question}{found.cursor}".encode(), digest_size=12).hexdigest()
        with self._turn:
            self._kept.pop(before, None)
            self._kept[name] = found
            while len(self._kept) > 1 and sum(map(_size, self._kept.values())) > self.most:
                self._kept.popitem(last=False)
        return name


def series(site: Site, query: Query) -> Body:
    """Answer with points: those that follow what `since` names, if that is remembered."""
    wanted, name = Wanted.of(query), query.text("since")[:40]
    before = site.answers.find(name)
    found = wanted.asked(site, before)
    known = before if before and before.question == found.question else None
    said = {
        "histories": [said_of(one, _stands(known, one)) for one in found],
        "unreadable": {run: str(error) for run, error in found.unreadable.items()},
        "cursor": "" if site.static else site.answers.keep(found, name),
    }
    return Body(json.dumps(said, separators=(",", ":"), allow_nan=False).encode())


def said_of(one: History, keep: int) -> dict[str, Any]:
    """Return a history as charts read it: `keep` of the points that were told before stand, the others follow."""
    whole = one.to_dictionary()
    said = {name: whole[name] for name in ("run_id", "key", "count", "shown", "hidden")} | {"keep": keep}
    columns = ("x", "values", "smoothed", *(("steps", "times") if one.axis == "step" else ("steps",)))
    said |= {name: whole[name] and whole[name][keep:] for name in columns if name != "steps" or one.axis != "step"}
    return said | {"marks": whole["marks"]}


def _stands(known: Histories | None, one: History) -> int:
    """Return with how many points that were told before a history begins."""
    at = (one.run_id, one.key)
    if known is None or at not in known:
        return 0
    pairs = zip(_rows(known[at]), _rows(one), strict=False)
    return next((n for n, (before, now) in enumerate(pairs) if before != now), min(len(known[at]), len(one)))


def _rows(one: History) -> list[tuple[int, int, str]]:
    return [(x, step, repr(value)) for x, step, value in zip(one.x, one.steps, one.values, strict=True)]


def _size(found: Histories) -> int:
    return sum(map(len, found))


PAGES: Final[Pages] = {"series": series}
