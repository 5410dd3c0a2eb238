"""`holdall run compare`: where runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from holdall.sizes import format_size
from holdall.store import side_by_side
from holdall.surfaces.cli.address import run_argument, run_of
from holdall.surfaces.cli.listing import listed
from holdall.surfaces.cli.program import json_option, opened
from holdall.surfaces.cli.run import run
from holdall.surfaces.cli.table import number, short_ids, show_json, show_table

_KINDS = ("params", "metrics", "tags")
_NAME = "mlflow.runName"  # stands above its column


@run.command("compare")
@run_argument("run_ids", nargs=-1, required=True)
@click.option("--all", "everything", is_flag=True, help="Also show what is the same.")
@json_option
def compare(run_ids: Sequence[str], everything: bool, as_json: bool) -> None:
    """Show the parameters, last metrics, tags and artifacts in which runs differ.

    \b
    Example: holdall run compare RUN_ID OTHER_ID
    """
    if len(run_ids) < 2:
        raise click.UsageError("it takes two runs to compare")
    store = opened()
    runs = [run_of(store, text)._at_one_look() for text in run_ids]
    records = side_by_side(lambda found: found.record, runs)
    sides: dict[str, list[Mapping[str, Any]]] = {
        kind: [getattr(record.data, kind) for record in records] for kind in _KINDS
    }
    held = side_by_side(lambda found: listed(found, "", deep=True), runs)
    sides["artifacts"] = [{one["path"]: one for one in artifacts} for artifacts in held]
    found = {kind: _differing(some, everything=everything) for kind, some in sides.items()}
    if as_json:
        show_json({"runs": [one.id for one in runs], **found})
        return
    ids = short_ids([one.id for one in runs])
    rows = [["", *(record.info.run_name for record in records)], ["", *(ids[one.id] for one in runs)]]
    for kind, differing in found.items():
        shown = {key: values for key, values in differing.items() if key != _NAME}
        rows += [[kind, *[""] * len(runs)]] * bool(shown)
        rows += [[f"  {key}", *map(_cell, values)] for key, values in shown.items()]
    show_table(rows)


def _differing(sides: Sequence[Mapping[str, Any]], *, everything: bool) -> dict[str, list[Any]]:
    """Return the values of each side for the keys in which they differ; None where a side has no value."""
    keys = sorted({key for side in sides for key in side})
    found = {key: [side.get(key) for side in sides] for key in keys}
    return {key: values for key, values in found.items() if everything or any(v != values[0] for v in values)}


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return number(value)
    if not isinstance(value, dict):
        return str(value)
    if value["kind"] == "file":
        return f"{format_size(value['bytes'])} {value['sha256'][:8]}{' executable' if value['executable'] else ''}"
    return f"link to {value['target']}" if value["kind"] == "link" else "directory"
