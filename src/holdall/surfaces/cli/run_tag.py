"""`holdall run tag`: say something of a run, or take it back."""

from __future__ import annotations

import click

from holdall.surfaces.cli.address import run_argument, run_of
from holdall.surfaces.cli.program import json_option, not_empty, opened
from holdall.surfaces.cli.run import run
from holdall.surfaces.cli.table import show_json


@run.command("tag")
@run_argument()
@click.argument("key", callback=not_empty)
@click.argument("value", required=False)
@click.option("--delete", is_flag=True, help="Remove it.")
@json_option
def tag(run_id: str, key: str, value: str | None, delete: bool, as_json: bool) -> None:
    """Set a tag of a run, or remove it; `holdall.keep` keeps a run from being deleted by a policy, or purged.

    \b
    Example: holdall run tag RUN_ID holdall.keep yes
    """
    if (value is None) != delete:
        raise click.UsageError("give a VALUE, or --delete")
    found = run_of(opened(), run_id)
    found.set_tags({key: value})
    found.flush()
    if as_json:
        show_json({"run_id": found.id, "tags": dict(found.data.tags)})
