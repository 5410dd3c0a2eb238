"""The table of runs: a page, its rows alone while they change, and the choice of its columns."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from time import time
from typing import Any, Final

from holdall.errors import InvalidFilterError
from holdall.store import PARENT_RUN, RunPage, RunSummary
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.page import Page, Pages
from holdall.surfaces.web.rendering import cell
from holdall.surfaces.web.site import Site
from holdall.surfaces.web.table import FACTS, MOST_METRICS, MOST_PARAMS, ROWS, STATS, View, columns_of, rows_of

_CHOICES: Final = 50  # experiments that can be chosen at the table,
_FOUND: Final = 40  # and keys of a kind that can be chosen as columns at once


def runs(site: Site, query: Query) -> Page:
    """Draw a part of the runs that match a filter; a mistake in it is shown where it is."""
    view = View.of(query)
    try:
        return Page("runs.html", "Runs", around(site, view, table_of(site, view)))
    except InvalidFilterError as error:
        if error.text != view.filter:
            raise
        return Page("runs.html", "Runs", around(site, view, None, error), 400)


def rows(site: Site, query: Query) -> Page:
    """Draw the rows alone, to be put in place of those that are shown; nothing of them if they are the same."""
    view = View.of(query)
    facts = table_of(site, view)
    changed = facts["seen"] != query.text("seen")
    return Page("rows.html", "Runs", {"table": facts, "view": view, "changed": changed})


def columns(site: Site, query: Query) -> Page:
    """Draw the choice of columns: those that are shown, and the keys that have a text in their name."""
    view = View.of(query)
    site.index.page(limit=0)  # so that there is something known
    keys = site.known.keys(view.experiments)
    view = replace(view.with_keys(keys.metrics, keys.params), own=True)
    wanted = query.text("find")[:250]
    facts = {
        "view": view,
        "find": wanted,
        "facts": FACTS,
        "stats": STATS,
        "most": {"metric": MOST_METRICS, "param": MOST_PARAMS},
        "metrics": _choice(keys.metrics, view.metrics, wanted),
        "params": _choice(keys.params, view.params, wanted),
        "part": query.flag("part"),
    }
    return Page("columns.html", "Columns of runs", facts)


def _choice(keys: dict[str, int], chosen: Any, wanted: str) -> dict[str, Any]:
    """Return the keys that can be chosen now: of many those that most runs have."""
    found = [key for key in keys if wanted.lower() in key.lower() and key not in chosen]
    return {"chosen": chosen, "more": {key: keys[key] for key in found[:_FOUND]}, "of": len(found)}


def around(
    site: Site, view: View, table: dict[str, Any] | None, error: InvalidFilterError | None = None
) -> dict[str, Any]:
    """Return the table with what stands around it; without one what is wrong with its filter."""
    every = site.known.experiments()
    active = [one for one in every.values() if one.lifecycle_stage == "active" or one.experiment_id in view.experiments]
    few = active[:_CHOICES] + [one for one in active[_CHOICES:] if one.experiment_id in view.experiments]
    choices = [(one.experiment_id, cell(one.name, 60)) for one in few]
    return {"view": view, "choices": choices, "left_out": len(active) - len(few), "table": table, "error": error}


def table_of(site: Site, view: View) -> dict[str, Any]:
    """Return the facts of the table itself."""
    page = _page(site, view)
    if not view.own:
        keys = site.known.keys(view.experiments)
        view = view.with_keys(keys.metrics, keys.params)
    columns = columns_of(view)
    names = {id: one.name for id, one in site.known.experiments().items()}
    shown = rows_of(page.records, columns, names, _parents(site, page.records), page.as_of or int(time() * 1000))
    seen = sha256(repr((shown, columns, page.total)).encode()).hexdigest()[:16]
    last = max(0, (page.total - 1) // ROWS * ROWS)
    return {"page": page, "columns": columns, "rows": shown, "seen": seen, "last": last, "view": view}


def _page(site: Site, view: View) -> RunPage:
    chosen = view.experiments or None
    return site.index.page(view.filter or None, chosen, view.order, view.stages, offset=view.offset, limit=ROWS)


def _parents(site: Site, runs: list[RunSummary]) -> dict[str, str]:
    """Return the names of the runs that some are parts of, by id."""
    above = {run.tags[PARENT_RUN] for run in runs if PARENT_RUN in run.tags}
    return {id: found.run_name for id in above if (found := site.index.get(id))}


PAGES: Final[Pages] = {"runs": runs, "rows": rows, "columns": columns}
