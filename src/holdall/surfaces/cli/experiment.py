"""`holdall experiment`: the names that runs are grouped under."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import click

from holdall.surfaces.cli.program import json_option, opened, program
from holdall.surfaces.cli.table import show_json, show_table, when


@program.group("experiment")
def experiment() -> None:
    """List experiments.

    \b
    Example: holdall experiment list
    """


@experiment.command("list")
@click.option("--all", "everything", is_flag=True, help="Include deleted ones.")
@json_option
def list_(everything: bool, as_json: bool) -> None:
    """List the experiments, with the number of their runs.

    \b
    Example: holdall experiment list --all
    """
    store = opened()
    found = store.experiments.search(stage=None if everything else "active")
    runs = Counter(id[:8] for id in store.maintenance.run_ids())  # a run's id begins like its experiment's
    if as_json:
        show_json([asdict(one) | {"runs": runs[one.experiment_id[:8]]} for one in found])
        return
    rows = [["NAME", "ID", "RUNS", "CREATED", "TAGS"]]
    for one in found:
        tags = " ".join(f"{key}={value}" for key, value in sorted(one.tags.items()))
        stage = " (deleted)" * (one.lifecycle_stage == "deleted")
        count = str(runs[one.experiment_id[:8]])
        rows.append([one.name + stage, one.experiment_id, count, when(one.creation_time), tags])
    show_table(rows, right=[2], fixed=[1, 2, 3])
