"""The table of runs."""

from __future__ import annotations

from typing import Final

from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.page import Page, Pages
from holdall.surfaces.web.site import Site

_ROWS: Final = 100


def runs(site: Site, query: Query) -> Page:
    """Draw the newest runs that match a filter."""
    wanted = query.text("filter")
    found = site.store.runs.search(wanted or None, limit=_ROWS)
    return Page("runs.html", "Runs", {"filter": wanted, "runs": found})


def run(site: Site, query: Query) -> Page:
    """Draw a run."""
    record = site.store.runs.get(query.text("id")).record
    return Page("run.html", record.info.run_name, {"run": record})


PAGES: Final[Pages] = {"runs": runs, "run": run}
