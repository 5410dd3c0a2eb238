"""`holdall store du`: what experiments and runs take, and what of it they share."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import Any

import click

from holdall.sizes import format_size
from holdall.store import RunUsage, Space, Usage
from holdall.surfaces.cli.program import json_option, not_empty, opened
from holdall.surfaces.cli.store import store
from holdall.surfaces.cli.table import short_ids, show_json, show_table
from holdall.surfaces.cli.writer import say


@store.command("du")
@click.argument("url", required=False, callback=not_empty)
@click.option("-s", "--summary", is_flag=True, help="Only experiments, not their runs.")
@json_option
def du(url: str | None, summary: bool, as_json: bool) -> None:
    """Show the space that each experiment and run takes, the largest first; no content is read.

    LOGICAL is the size of the files; STORED the size after deduplication and compression;
    UNIQUE the part of it that no other experiment or run uses; SHARED the part that others use, too.
    The last line is the size of all objects of the store.

    \b
    Example: holdall store du s3://bucket/experiments --summary
    """
    there = opened(url)
    found = there.maintenance.du()
    names = {one.experiment_id: one.name for one in there.experiments.all()}
    if as_json:
        show_json(_document(found, names, summary=summary))
    else:
        _show(found, names, summary=summary)


def _document(found: Usage, names: dict[str, str], *, summary: bool) -> dict[str, Any]:
    experiments = [
        {"experiment_id": id, "name": names.get(id, ""), **_space(space)} for id, space in found.experiments.items()
    ]
    runs = [{**asdict(run), "space": None} | _space(run.space) for run in found.runs]
    for run in runs:
        del run["space"]
    return {
        "total": _space(found.total),
        "held": found.held,
        "experiments": experiments,
        "runs": [] if summary else runs,
    }


def _space(space: Space) -> dict[str, int]:
    return asdict(space) | {"shared": space.shared}


def _show(found: Usage, names: dict[str, str], *, summary: bool) -> None:
    rows = [["LOGICAL", "STORED", "UNIQUE", "SHARED", "FILES", ""]]
    runs: defaultdict[str, list[RunUsage]] = defaultdict(list)
    for run in found.runs:
        runs[run.experiment_id].append(run)
    ids = short_ids([run.run_id for run in found.runs])
    for id, space in sorted(found.experiments.items(), key=lambda pair: -pair[1].stored):
        rows.append(_row(space, names.get(id, id)))
        mine = sorted([] if summary else runs[id], key=lambda run: -run.space.stored)
        rows += [_row(run.space, f"  {ids[run.run_id]}  {run.run_name}" + " (deleted)" * run.deleted) for run in mine]
    rows.append(_row(found.total, "all together"))
    show_table(rows, right=range(5), fixed=range(5))
    say(f"{format_size(found.held)} held: with logs, trees, what is there twice, and what no run refers to")


def _row(space: Space, name: str) -> list[str]:
    sizes = (space.logical, space.stored, space.unique, space.shared)
    return [*map(format_size, sizes), str(space.files), name]
