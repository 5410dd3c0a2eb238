"""What differs between runs, side by side: their facts, curves, and plots of all of them."""

from __future__ import annotations

from typing import Any, Final

from holdall.store import RunSummary
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.charts import panel
from holdall.surfaces.web.page import Page, Pages
from holdall.surfaces.web.site import Site

MOST: Final = 100
TABS: Final = ("differences", "charts", "scatter", "parallel", "files")


def compare(site: Site, query: Query) -> Page:
    """Draw some runs side by side."""
    ids, tab = query.many("run", most=MOST), query.choice("tab", TABS)
    runs = known(site, ids)
    arguments: dict[str, Any] = {"run": ids, "tab": tab}
    facts: dict[str, Any] = {"runs": runs, "tab": tab, "tabs": TABS, "ids": ids}
    if tab == "charts":
        facts["panel"] = panel(site, query, runs, "compare", arguments)
    return Page("compare.html", "Compare runs", facts)


def known(site: Site, ids: list[str]) -> list[RunSummary]:
    site.index.page(limit=0)
    return [found for id in ids if (found := site.index.get(id))]


PAGES: Final[Pages] = {"compare": compare}
