"""`holdall model`: find models and look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from holdall.surfaces.cli.program import json_option, not_empty, opened, program
from holdall.surfaces.cli.table import show_json, show_table, when

if TYPE_CHECKING:
    from holdall.store import RegisteredModel


@program.group("model")
def model() -> None:
    """Find, register, inspect, download and serve models.

    \b
    Example: holdall model show models:/fraud@champion
    """


@model.command("list")
@click.argument("filter", required=False, callback=not_empty)
@click.option("-n", "--limit", type=click.IntRange(min=1), help="The largest number of results.")
@json_option
def list_(filter: str | None, limit: int | None, as_json: bool) -> None:
    """List the registered models, or those that match a filter.

    \b
    Example: holdall model list "name LIKE 'fraud%' AND tags.team = 'risk'"
    """
    found = opened().registry.search_models(filter, limit=limit)
    if as_json:
        show_json([model_json(one) for one in found])
    elif found:
        rows = [["MODEL", "LATEST", "ALIASES", "CHANGED", "ABOUT"], *map(_row, found)]
        about = any(row[-1] for row in rows[1:])
        show_table(rows if about else [row[:-1] for row in rows], fixed=[1, 3])


def model_json(found: RegisteredModel) -> dict[str, Any]:
    """Return a registered model as `--json` shows it."""
    return asdict(found)


def aliases_text(aliases: dict[str, str]) -> str:
    """Return the aliases and the versions that they point at, in a line."""
    return " ".join(f"{alias}={version}" for alias, version in sorted(aliases.items()))


def _row(found: RegisteredModel) -> Sequence[str]:
    latest = max((int(version.version) for version in found.latest_versions), default=None)
    changed = when(found.last_updated_timestamp)[:-3]
    return [found.name, str(latest or "-"), aliases_text(found.aliases) or "-", changed, found.description or ""]
