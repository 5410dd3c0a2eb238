"""`holdall run compare`: where runs differ."""

from __future__ import annotations

from collections.abc import Sequence

import click

from holdall.surfaces.cli.address import run_argument, run_of
from holdall.surfaces.cli.program import json_option, opened
from holdall.surfaces.cli.run import run
from holdall.surfaces.cli.table import short_ids, show_json, show_table

_KINDS = ("params", "metrics", "tags", "artifacts")


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
    found = store.runs.compare([run_of(store, text) for text in run_ids])
    ids = [one.info.run_id for one in found.runs]
    if as_json:
        show_json({"runs": ids, **{kind: found.of(kind, everything=everything) for kind in _KINDS}})
        return
    short = short_ids(ids)
    show_table(found.table([short[id] for id in ids], everything=everything))
