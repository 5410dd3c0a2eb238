"""Registered models: all of them, and one with its versions, aliases and deployments.

Nothing is asked for each row: versions come from the model's log, which is read once, and what is known of their
runs from the index in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from holdall.store import AliasMove, Deployment, ModelVersion, RegisteredModel, RunSummary, beside, record_of
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.page import Page, Pages
from holdall.surfaces.web.site import Site

_ROWS: Final = 100
_MOVES: Final = 200


def models(site: Site, query: Query) -> Page:
    """Draw the registered models whose names have some words, and that match a filter."""
    words, wanted = query.text("q").lower().split(), query.text("filter")
    found = [
        model for model in site.store.registry.search_models(wanted or None) if all(w in _text(model) for w in words)
    ]
    page = query.count("page", 1, most=10_000)
    start = max(page - 1, 0) * _ROWS
    facts = {
        "q": query.text("q"),
        "filter": wanted,
        "models": [(model, newest(model)) for model in found[start : start + _ROWS]],
        "total": len(found),
        "start": start,
        "next": page + 1 if start + _ROWS < len(found) else None,
        "before": page - 1 if start else None,
    }
    return Page("models.html", "Models", facts)


def newest(model: RegisteredModel) -> ModelVersion | None:
    """Return the version with the highest number."""
    return max(model.latest_versions, key=lambda version: int(version.version), default=None)


def _text(model: RegisteredModel) -> str:
    return " ".join([model.name, model.description or "", *model.tags, *model.tags.values(), *model.aliases]).lower()


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version, with what its run says.

    Attributes:
        run: Its run; None where the index does not know it.
        datasets: What the run was given.
        before: The address of the version before it; None of the first one.
    """

    version: ModelVersion
    run: RunSummary | None
    datasets: Sequence[str]
    deployments: Sequence[Deployment]
    before: str | None

    @property
    def uri(self) -> str:
        """Return its address."""
        return uri_of(self.version)

    @property
    def before_number(self) -> str:
        """Return the number of the version before it."""
        return (self.before or "").rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Step:
    """A move of an alias: from which version to which; None is none."""

    move: AliasMove
    came_from: str | None


def model(site: Site, query: Query) -> Page:
    """Draw a registered model."""
    name = query.text("name")
    registry = site.store.registry
    with beside(lambda: versions_of(site, name)) as listed, beside(lambda: registry.alias_history(name)) as moved:
        found, versions, moves = registry.get_model(name), listed(), moved()
    page = query.count("page", 1, most=10_000)
    start = max(page - 1, 0) * _ROWS
    steps = steps_of(moves)
    facts = {
        "model": found,
        "rows": rows_of(site, versions, start),
        "total": len(versions),
        "numbers": [(version.version, uri_of(version)) for version in versions[:_ROWS]],
        "steps": steps[:_MOVES],
        "more_steps": max(len(steps) - _MOVES, 0),
        "since": {step.move.alias: step.move.timestamp for step in reversed(steps)},
        "stages": any(version.current_stage != "None" for version in versions),
        "next": page + 1 if start + _ROWS < len(versions) else None,
        "before": page - 1 if start else None,
    }
    return Page("model.html", name, facts)


def steps_of(moves: Iterable[AliasMove]) -> list[Step]:
    """Return the moves of a model's aliases, the latest first, each with where the alias was before."""
    at: dict[str, str | None] = {}
    steps = []
    for move in moves:
        steps.append(Step(move, at.get(move.alias)))
        at[move.alias] = move.version
    return steps[::-1]


def rows_of(site: Site, versions: Sequence[ModelVersion], start: int) -> list[VersionRow]:
    """Return a part of a model's versions, the newest first, with what the index knows of their runs.

    Cost: that of the index, where it is not loaded yet.
    """
    some = versions[start : start + _ROWS]
    if any(site.index.get(version.run_id) is None for version in some):
        site.index.page(limit=0)
    before = [*versions[start + 1 : start + _ROWS + 1], None]
    return [_row(site, version, earlier) for version, earlier in zip(some, before, strict=False)]


def _row(site: Site, version: ModelVersion, earlier: ModelVersion | None) -> VersionRow:
    run, before = site.index.get(version.run_id), uri_of(earlier) if earlier else None
    if run is None:
        return VersionRow(version, None, (), (), before)
    datasets = list(dict.fromkeys(one.dataset.name for one in record_of(run).inputs.dataset_inputs))
    return VersionRow(version, run, datasets, site.store.deployments.told_by(run.tags, version.path), before)


def uri_of(version: ModelVersion) -> str:
    """Return the address of a version."""
    return f"models:/{version.name}/{version.version}"


def versions_of(site: Site, name: str, least: str = "") -> list[ModelVersion]:
    """Return the versions of a model, the newest first. `least`: a condition more. Cost: two listings."""
    quoted = name.replace("'", "''")
    return site.store.registry.search_versions(f"name = '{quoted}'{least}", order_by=["version_number DESC"])


PAGES: Final[Pages] = {"models": models, "model": model}
