"""The store itself: where its space went, by experiment, over time and by what it is for.

What the index of runs tells is shown at once. What takes reading every run's listing (the space that is stored and
shared, what a collection would free) is measured when somebody asks, and shown with its age.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from holdall.sizes import format_size
from holdall.store import HELD_FOR, Experiment, Holdings, RunSize, Usage
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.page import Body, Page, Pages
from holdall.surfaces.web.plotting import Curve, Drawing, drawing
from holdall.surfaces.web.site import Site

_LARGEST: Final = 20
_DAY: Final = 86_400_000
_RETENTION: Final = "holdall.retention"
_KINDS: Final = ("du", "gc")


@dataclass(frozen=True, slots=True)
class Part:
    """A row of the table by experiment. Of what is stored: None where that was not measured."""

    id: str
    name: str
    runs: int
    logged: int
    stored: int | None
    unique: int | None
    share: float
    retention: str


def store(site: Site, query: Query) -> Page | Body:
    """Draw the store; `measure=du` or `gc` has that measured first."""
    wanted = query.choice("measure", ("", *_KINDS))
    if wanted and not site.static:
        site.measured.ask(wanted, _measures(site)[wanted])
        return Body(b"", headers={"location": site.link("store", {})}, status=303)
    page, runs, experiments = site.index.page(limit=0), site.index.sizes(), site.known.experiments()
    measured, plan = site.measured.known("du"), site.measured.known("gc")
    usage: Usage | None = measured.value if measured else None
    facts = {
        "id": site.store.id,
        "url_text": site.store.url,
        "as_of": page.as_of,
        "complete": page.complete,
        "runs": len(runs),
        "deleted": sum(run.deleted for run in runs),
        "files": sum(run.files for run in runs),
        "logged": sum(run.bytes for run in runs),
        "parts": parts_of(runs, experiments, usage),
        "growth": growth_of(runs, usage),
        "largest": largest_of(runs, usage),
        "names": {id: one.name for id, one in experiments.items()},
        "measured": measured,
        "usage": usage,
        "held": held_of(usage.held) if usage else [],
        "plan": plan,
        "requests": _about(len(runs)),
        "going": any(one.going for one in (measured, plan) if one),
    }
    return Page("store.html", "Store", facts)


def _measures(site: Site) -> Mapping[str, Any]:
    maintenance = site.store.maintenance
    return {"du": maintenance.du, "gc": lambda: maintenance.gc(dry_run=True)}


def _about(runs: int) -> str:
    return f"a listing of everything, and about {max(2 * runs, 1):,} requests for {runs:,} runs; no file is read"


def parts_of(runs: Iterable[RunSize], experiments: Mapping[str, Experiment], usage: Usage | None) -> list[Part]:
    """Return what each experiment takes, the largest first."""
    count, logged = defaultdict[str, int](int), defaultdict[str, int](int)
    for run in runs:
        count[run.experiment_id] += 1
        logged[run.experiment_id] += run.bytes
    spaces = usage.experiments if usage else {}
    size = {id: spaces[id].stored if id in spaces else (0 if usage else logged[id]) for id in count}
    most = max(size.values(), default=0) or 1
    found = []
    for id in sorted(count, key=lambda id: (-size[id], id)):
        space, about = spaces.get(id), experiments.get(id)
        found.append(
            Part(
                id, about.name if about else id, count[id], logged[id],
                space.stored if space else None, space.unique if space else None,
                size[id] / most, about.tags.get(_RETENTION, "") if about else "",
            )
        )  # fmt: skip
    return found


def growth_of(runs: Sequence[RunSize], usage: Usage | None) -> Drawing | None:
    """Return the bytes that were logged up to each day, and those that were stored for it; None without runs."""
    logged = _by_day((run.start_time, run.bytes) for run in runs)
    if not logged or (usage and not usage.runs):
        return None
    curves = [Curve("logged", logged)]
    if usage:
        began = {run.run_id: run.start_time for run in runs}
        curves.append(Curve("stored", _by_day((began.get(run.run_id, run.started), run.new) for run in usage.runs)))
    return drawing(curves, of_x=_day_text, of_y=format_size)


def _by_day(amounts: Iterable[tuple[int, int]]) -> list[tuple[float, float]]:
    """Return days and the sums up to their ends."""
    days = defaultdict[int, int](int)
    for at, amount in amounts:
        days[at // _DAY] += amount
    total, points = 0, list[tuple[float, float]]()
    for day in sorted(days):
        if not points:
            points.append((day, 0))
        total += days[day]
        points.append((day + 1, total))
    return points


def _day_text(day: float) -> str:
    try:
        return datetime.fromtimestamp(day * _DAY / 1000, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return "?"


def largest_of(runs: Iterable[RunSize], usage: Usage | None) -> list[dict[str, Any]]:
    """Return the runs that take most: of what is stored, where that is known."""
    if usage:
        first = sorted(usage.runs, key=lambda run: -run.space.stored)[:_LARGEST]
        return [
            {"id": r.run_id, "name": r.run_name, "experiment": r.experiment_id, "deleted": r.deleted,
             "logged": r.space.logical, "stored": r.space.stored, "unique": r.space.unique, "new": r.new}
            for r in first
        ]  # fmt: skip
    top = sorted(runs, key=lambda run: -run.bytes)[:_LARGEST]
    return [
        {"id": r.run_id, "name": r.run_name, "experiment": r.experiment_id, "deleted": r.deleted,
         "logged": r.bytes, "stored": None, "unique": None, "new": None}
        for r in top
    ]  # fmt: skip


def held_of(held: Holdings) -> list[tuple[int, float, str]]:
    """Return what every byte of the bucket is for: how many, which share of all, and the words."""
    total = held.total or 1
    rows = [(getattr(held, name), getattr(held, name) / total, text) for name, text in HELD_FOR.items()]
    return [row for row in rows if row[0]]


PAGES: Final[Pages] = {"store": store}
