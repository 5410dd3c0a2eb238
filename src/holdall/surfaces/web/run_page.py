"""A run, by tabs, each an address of its own. What costs more than the run's log is read by the tab that shows it.

    overview      params, metrics, tags, what was new to the store, models, inputs
    charts        its curves, which a script asks `series` for
    artifacts     what it holds, level by level (see `artifact_page`)
    environment   what ran where
    lineage       what it was made of, and what was made of it

A run that goes on shows itself again every few seconds: what may have changed comes as a fragment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import time
from typing import Any, Final, TypeAlias

from holdall.errors import ExperimentNotFoundError
from holdall.store import DESCRIPTION, PARENT_RUN, RunSnapshot, beside
from holdall.surfaces.web import run_lineage
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.artifact_tree import level
from holdall.surfaces.web.charts import panel
from holdall.surfaces.web.markdown import as_html
from holdall.surfaces.web.page import Page, Pages
from holdall.surfaces.web.run_facts import environment_of, metrics_of, params_of, shares_of, tags_of
from holdall.surfaces.web.site import Site

Facts: TypeAlias = "dict[str, Any]"
TABS: Final = ("overview", "charts", "artifacts", "environment", "lineage")
_PARTS: Final = ("", "live", "level", "readers", "digest")  # what a page shows later, on its own
_GOING: Final = ("RUNNING", "SCHEDULED")
_KEEP: Final = "holdall.keep"


def run(site: Site, query: Query) -> Page:
    """Draw a tab of a run, or a part of one."""
    tab, part = query.choice("tab", TABS), query.choice("part", _PARTS)
    found = site.store.runs.get(query.text("id")).snapshot()
    if part:
        return Page(f"run/{part}.html", "", _PARTS_DRAWN[part](site, found, query))
    with beside(lambda: _head(site, found)) as head:
        facts = _TABS_DRAWN[tab](site, found, query)
        told = head()
    return Page(f"run/{tab}.html", str(told["info"].run_name) or found.id, {**told, "tab": tab, "tabs": TABS, **facts})


def _head(site: Site, found: RunSnapshot) -> Facts:
    """Return what stands above every tab."""
    record, state = found.record, found.state
    return {
        "run": found,
        "info": record.info,
        "took": (record.info.end_time or int(time() * 1000)) - record.info.start_time,
        "live": record.info.status in _GOING and not site.static,
        "experiment": _experiment(site, record.info.experiment_id),
        "parent": _known(site, record.data.tags.get(PARENT_RUN)),
        "tags": record.data.tags,
        "held": {"files": state.files, "bytes": state.bytes},
    }


def _experiment(site: Site, id: str) -> str:
    try:
        return site.store.experiments.get(id).name  # two requests, beside others; `site.known` reads all of them
    except ExperimentNotFoundError:
        return id


def _known(site: Site, id: str | None) -> Facts | None:
    """Return a run that another one names; its name only where the index has it already."""
    if not id:
        return None
    row = site.index.get(id)
    return {"id": id, "name": row.run_name if row else ""}


def _measured(_: Site, found: RunSnapshot, query: Query) -> Facts:
    record, wanted = found.record, query.text("find")
    return {
        "metrics": metrics_of(record, wanted, system=False),
        "system": metrics_of(record, wanted, system=True),
    }


def _overview(site: Site, found: RunSnapshot, query: Query) -> Facts:
    record, state, wanted = found.record, found.state, query.text("find")
    return {
        **_measured(site, found, query),
        "find": wanted,
        "params": params_of(record, wanted),
        "own": tags_of(record, wanted),
        "description": as_html(record.data.tags.get(DESCRIPTION, "")),
        "state": state,
        "shares": shares_of(state),
        "models": site.store.models._logged_by(found),
        "given": record.inputs.dataset_inputs,
        "used": record.inputs.model_inputs,
        "groups": sorted(state.groups.items()),
        "pins": [(state.pinned.get(pin, ""), by) for pin, by in sorted(state.pins.items())],
        "keep": record.data.tags.get(_KEEP),
    }


def _live(site: Site, found: RunSnapshot, query: Query) -> Facts:
    return {**_head(site, found), **_measured(site, found, query), "find": query.text("find")}


def _charts(site: Site, found: RunSnapshot, query: Query) -> Facts:
    return {"panel": panel(site, query, [found.record], "run", {"id": found.id, "tab": "charts"})}


def _environment(_: Site, found: RunSnapshot, query: Query) -> Facts:
    wanted = query.text("find")
    return {"find": wanted, "sections": environment_of(found._readable_environment, wanted)}


_TABS_DRAWN: Final[Mapping[str, Callable[[Site, RunSnapshot, Query], Facts]]] = {
    "overview": _overview,
    "charts": _charts,
    "artifacts": level,
    "environment": _environment,
    "lineage": run_lineage.upstream,
}
_PARTS_DRAWN: Final[Mapping[str, Callable[[Site, RunSnapshot, Query], Facts]]] = {
    "live": _live,
    "level": level,
    "readers": run_lineage.readers,
    "digest": lambda _, found, __: {"digest": found.manifest_digest},
}
PAGES: Final[Pages] = {"run": run}
