"""Experiments: a list, and the page of one with its newest runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from holdall.errors import InvalidFilterError
from holdall.store import DESCRIPTION, Experiment, RunTally, parse_policy
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.page import Page, Pages
from holdall.surfaces.web.runs import around, table_of
from holdall.surfaces.web.site import Site
from holdall.surfaces.web.table import ROWS, View

_FURTHEST: Final = 10**9
_LONGEST_NOTE: Final = 20_000  # characters
_NONE: Final = RunTally()
_ORDERS: Final[dict[str, Callable[[Experiment, RunTally], Any]]] = {
    "newest": lambda one, tally: (-(tally.newest or 0), one.name),
    "name": lambda one, _: one.name,
    "runs": lambda one, tally: (-tally.runs, one.name),
    "size": lambda one, tally: (-tally.bytes, one.name),
    "created": lambda one, _: (-one.creation_time, one.name),
}


def experiments(site: Site, query: Query) -> Page:
    """Draw the experiments with how many runs they have. Cost: no request for each of them."""
    part, stage = query.text("name"), query.choice("stage", ("active", "deleted", "all"))
    order = query.choice("order", tuple(_ORDERS))
    offset = query.count("offset", 0, most=_FURTHEST)
    tallies = site.known.tallies()
    found = [
        one
        for one in site.known.experiments().values()
        if stage in ("all", one.lifecycle_stage) and part.lower() in one.name.lower()
    ]
    found.sort(key=lambda one: _ORDERS[order](one, tallies.get(one.experiment_id, _NONE)))
    rows = [(one, tallies.get(one.experiment_id, _NONE), kept(one)) for one in found[offset : offset + ROWS]]
    facts = {"name": part, "stage": stage, "order": order, "offset": offset, "total": len(found), "rows": rows}
    return Page("experiments.html", "Experiments", facts)


def experiment(site: Site, query: Query) -> Page:
    """Draw an experiment, with a part of its runs that match a filter."""
    id = query.text("id")
    found = site.known.experiments().get(id) or site.store.experiments.get(id)
    view = replace(View.of(query), experiments=[found.experiment_id])
    facts = {
        "experiment": found,
        "tally": site.known.tallies().get(found.experiment_id, _NONE),
        "policy": kept(found),
        "note": found.tags.get(DESCRIPTION, "")[:_LONGEST_NOTE],
        "tags": sorted((key, value) for key, value in found.tags.items() if key != DESCRIPTION),
    }
    try:
        return Page("experiment.html", found.name, facts | around(site, view, table_of(site, view)))
    except InvalidFilterError as error:
        if error.text != view.filter:
            raise
        return Page("experiment.html", found.name, facts | around(site, view, None, error), 400)


def kept(experiment: Experiment) -> str:
    """Return what the retention policy of an experiment says, in a few words."""
    policy = parse_policy(experiment.tags, experiment.name)
    return str(policy) if policy else "all runs"


PAGES: Final[Pages] = {"experiments": experiments, "experiment": experiment}
