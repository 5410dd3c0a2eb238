"""Points of charts as JSON: `series`.

A page asks for some metrics of some runs at once, and is answered in one plan. What it was answered is remembered
here for a while, so that a page of a run that goes on asks for what is new: the store is asked for that alone, and of
each series the page is told how many of its points still stand, and those that follow.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from holdall.errors import InvalidArgumentError
from holdall.store import Histories, History
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.page import Body, Pages
from holdall.surfaces.web.series_csv import EACH, MOST, table_of
from holdall.surfaces.web.site import Site

AXES: Final = ("step", "time", "relative")
POINTS: Final = 400  # of a series, if a page does not say how many
_RUNS: Final = 100
_KEYS: Final = 24
_POINTS: Final = 4000
_TOGETHER: Final = 240_000  # points of all series of an answer


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
        if not runs or not keys:
            raise InvalidArgumentError("points are of a run and a key: /series?run=ID&key=loss")
        points = query.count("points", POINTS, most=_POINTS)
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


def series(site: Site, query: Query) -> Body:
    """Answer with points: those that follow what `since` names, if that is remembered."""
    wanted, name = Wanted.of(query), query.text("since")[:40]
    if query.choice("format", ("json", "csv")) == "csv":
        room = min(EACH, MOST // (len(wanted.runs) * len(wanted.keys)))
        return table_of(replace(wanted, points=room, smoothing=0, log=False).asked(site, None))
    before = site.answers.find(name)
    found = wanted.asked(site, before)
    known = before if before and before.question == found.question else None
    said = {
        "histories": [said_of(one, _stands(known, one), site.static) for one in found],
        "unreadable": {run: str(error) for run, error in found.unreadable.items()},
        "cursor": "" if site.static else site.answers.keep(found, name),
    }
    return Body(json.dumps(said, separators=(",", ":"), allow_nan=False).encode())


def said_of(one: History, keep: int, static: bool = False) -> dict[str, Any]:
    """Return a history as charts read it: `keep` of the points that were told before stand, the others follow.

    `static`: whether it is in a file, so that a script makes other axes of it.
    """
    whole = one.to_dictionary()
    said = {name: whole[name] for name in ("run_id", "key", "count", "shown", "hidden", "marks")} | {"keep": keep}
    columns = ["x", "values", "smoothed", "steps" if one.axis != "step" else "times" if static else "x"]
    return said | {name: whole[name] and whole[name][keep:] for name in columns}


def _stands(known: Histories | None, one: History) -> int:
    """Return with how many points that were told before a history begins."""
    at = (one.run_id, one.key)
    if known is None or at not in known:
        return 0
    pairs = zip(_rows(known[at]), _rows(one), strict=False)
    return next((n for n, (before, now) in enumerate(pairs) if before != now), min(len(known[at]), len(one)))


def _rows(one: History) -> list[tuple[int, int, str]]:
    return [(x, step, repr(value)) for x, step, value in zip(one.x, one.steps, one.values, strict=True)]


PAGES: Final[Pages] = {"series": series}
