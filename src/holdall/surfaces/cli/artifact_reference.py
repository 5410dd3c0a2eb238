"""`holdall artifact reference`: say in a run where content is, in place of a copy."""

from __future__ import annotations

from dataclasses import asdict

import click

from holdall.sizes import format_size
from holdall.surfaces.cli.artifact import artifact
from holdall.surfaces.cli.program import json_option, not_empty, opened
from holdall.surfaces.cli.run_writing import run_meant, run_option
from holdall.surfaces.cli.table import files, show_json
from holdall.surfaces.cli.writer import say, tell


@artifact.command("reference")
@click.argument("uri")
@run_option
@click.option("--as", "path", callback=not_empty, help="Where it stands in the run.  [default: its own name]")
@click.option("--digest", is_flag=True, help="Read it once for its SHA-256.")
@click.option("--replace", is_flag=True, help="Replace what is referenced there, in a versioned run.")
@json_option
def reference(uri: str, run_id: str | None, path: str | None, digest: bool, replace: bool, as_json: bool) -> None:
    """Say in a run where an object is, or all objects below a prefix, and print the address of what stands for it.

    \b
    Example: holdall artifact reference s3://other/data/ --run RUN_ID --as data
    """
    run = run_meant(opened(), run_id)
    found = run.log_reference(uri, path, digest=digest, on_conflict="replace" if replace else "error")
    tell(f"{files(found.files)}, {format_size(found.size)}, at {found.uri}")
    show_json(asdict(found)) if as_json else say(f"runs:/{run.id}/{found.path}")
