"""The charts of some runs: which metrics are shown, and how. `series_data` has their points, scripts draw them.

A part of a page, not a page: the pages of a run and of a comparison show it. What is chosen stands in the address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from holdall.store import RunRecord
from holdall.surfaces.web.addresses import PATHS, Query, each
from holdall.surfaces.web.series_data import AXES, POINTS
from holdall.surfaces.web.site import Site

DRAWN: Final = 10  # runs that are drawn if nobody chose
_PAGE: Final = 60  # charts of a page
_ALL: Final = 600  # of one that no server answers later
_OPEN: Final = 12  # charts that are open at first
_PINNED: Final = 24
_GROUPS: Final = 40  # names of groups that are offered
_LAST: Final = ("system",)  # groups that come after all others


@dataclass(frozen=True, slots=True)
class Group:
    """Metrics whose names begin alike. Attributes: name, keys (of this page), open (at first)."""

    name: str
    keys: Sequence[str]
    open: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """The charts of a page.

    Attributes:
        page, arguments: The name and the arguments of the page that shows them, to link to it.
        runs: Those whose curves there are.
        drawn, chosen: The ids of those that are drawn, and of those that somebody chose for that.
        pinned: The metrics that were chosen; they come first.
        groups: The others of this part.
        prefixes: Names of groups, with how many metrics each has.
        total, found: How many metrics there are, and how many of them match `find`.
        offset, size: Where this part begins among those that match, and how many a part has.
    """

    page: str
    arguments: Mapping[str, Any]
    runs: Sequence[RunRecord]
    drawn: frozenset[str]
    pinned: Sequence[str]
    groups: Sequence[Group]
    prefixes: Sequence[tuple[str, int]]
    total: int
    found: int
    offset: int
    size: int
    find: str = ""
    chosen: Sequence[str] = ()
    axis: str = AXES[0]
    log: bool = False
    smooth: float = 0.0
    zoom: str = ""
    wide: str = ""
    axes: Sequence[str] = field(default=AXES)

    @property
    def shown(self) -> int:
        """Return how many metrics this part has."""
        return sum(len(group.keys) for group in self.groups)

    @property
    def points(self) -> int:
        """Return how many points of a series are read if nobody says how wide its chart is."""
        return POINTS

    def to(self, **changes: Any) -> dict[str, Any]:
        """Return the arguments of the page with some changed."""
        kept = {"find": self.find, "from": self.offset or None, "key": self.pinned}
        look = {"axis": self.axis if self.axis != AXES[0] else None, "log": self.log and "1", "zoom": self.zoom}
        smooth = {"draw": self.chosen, "smooth": f"{self.smooth:g}" if self.smooth else None, "wide": self.wide}
        return {**self.arguments, **kept, **look, **smooth, **changes}

    def pin(self, key: str) -> dict[str, Any]:
        """Return the arguments of the page with a metric chosen, or no longer so."""
        rest = [one for one in self.pinned if one != key]
        return self.to(key=rest if key in self.pinned else [*rest, key][-_PINNED:])

    @property
    def place(self) -> dict[str, Any]:
        """Return the arguments that stand in the path of the page."""
        return {name: value for name, value in self.arguments.items() if "{" + name + "}" in PATHS[self.page]}

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """Return what a form that searches among the metrics sends along."""
        sent = self.to(find=None, **{"from": None})
        return [(name, one) for name, value in sent.items() if name not in self.place for one in each(value)]

    @property
    def facts(self) -> str:
        """Return what scripts need to know of the runs, as JSON."""
        said = []
        for n, info in enumerate(run.info for run in self.runs):
            told = {"id": info.run_id, "name": info.run_name or info.run_id, "at": n, "start": info.start_time}
            said.append(told | {"running": info.end_time is None, "drawn": info.run_id in self.drawn})
        return embedded({"runs": said})


def panel(site: Site, query: Query, runs: Sequence[RunRecord], page: str, arguments: Mapping[str, Any]) -> Panel:
    """Return the charts of some runs, as an address asks for them. Raises: InvalidArgumentError."""
    keys = sorted({key for run in runs for key in run.data.metrics}, key=_place)
    find, size = query.text("find")[:250], _ALL if site.static else _PAGE
    pinned = [key for key in query.many("key", most=_PINNED) if key in set(keys)]
    matching = [key for key in keys if find.lower() in key.lower() and key not in pinned]
    offset = min(query.count("from", 0, most=10**7), max(0, len(matching) - 1)) // size * size
    zoom, chosen = query.span("zoom"), query.many("draw")
    return Panel(
        page, arguments, runs, _drawn(chosen, runs), pinned, _groups(matching[offset : offset + size], len(pinned)),
        _prefixes(keys), len(keys), len(matching), offset, size, find, chosen,
        axis=query.choice("axis", AXES), log=query.flag("log"), smooth=query.number("smooth", 0, least=0, most=0.999),
        zoom=f"{zoom[0]}:{zoom[1]}" if zoom else "", wide=query.text("wide")[:250],
    )  # fmt: skip


def embedded(value: Any) -> str:
    """Return JSON that can stand in a script element: nothing in it ends the element or begins another.

    Example:
        >>> embedded("</script>")
        '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _drawn(chosen: Sequence[str], runs: Sequence[RunRecord]) -> frozenset[str]:
    return frozenset(run.info.run_id for run in runs if run.info.run_id in chosen) or frozenset(
        r.info.run_id for r in runs[:DRAWN]
    )


def _groups(keys: Sequence[str], before: int) -> list[Group]:
    found, count = [], before
    for name, some in groupby(keys, _prefix):
        group = list(some)
        found.append(Group(name, group, count < _OPEN))
        count += len(group)
    return found


def _prefixes(keys: Sequence[str]) -> list[tuple[str, int]]:
    return [(name, len(list(some))) for name, some in groupby(keys, _prefix) if name][:_GROUPS]


def _prefix(key: str) -> str:
    before, slash, _ = key.partition("/")
    return before if slash else ""


def _place(key: str) -> tuple[bool, str, str]:
    return _prefix(key) in _LAST, _prefix(key), key
