"""`holdfast artifact`: log, list and fetch what runs hold."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from holdfast.surfaces.cli.program import opened, program, show_table, size


@program.group("artifact")
def artifact() -> None:
    """Log, list and fetch artifacts."""


@artifact.command("log")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--run", "run_id", help="The run to log to; a new one if not given.")
@click.option("--to", "directory", help="The directory of the run to put it in.")
def log(path: Path, run_id: str | None, directory: str | None) -> None:
    """Log a file, or a folder under its own name, and print its address.

    \b
    Example: holdfast artifact log model.pt --to models
    """
    runs = opened().runs
    run = runs.resume(run_id) if run_id else runs.start()
    run.log_artifact(path, directory)
    if not run_id:
        run.finish()
    click.echo("/".join(part for part in (f"runs:/{run.id}", directory, path.resolve().name) if part))


@artifact.command("list")
@click.argument("uri")
def list_(uri: str) -> None:
    """List what is directly in a directory of a run.

    \b
    Example: holdfast artifact list runs:/RUN_ID/models
    """
    rows = [
        [size(f.file_size) if f.file_size is not None else "-", f.path + "/" * f.is_dir]
        for f in opened().artifacts.list(uri)
    ]
    if rows:
        show_table(rows, right=[0])


@artifact.command("get")
@click.argument("uri")
@click.option(
    "-d", "--to", "destination", type=click.Path(path_type=Path), default=Path(), help="The folder to put it in."
)
def get(uri: str, destination: Path) -> None:
    """Fetch a file, or all that a directory of a run holds; every byte is verified.

    \b
    Example: holdfast artifact get runs:/RUN_ID/models -d fetched
    """
    click.echo(opened().artifacts.download(uri, destination))


@artifact.command("cat")
@click.argument("uri")
def cat(uri: str) -> None:
    """Write a file to the standard output.

    \b
    Example: holdfast artifact cat runs:/RUN_ID/config.yaml
    """
    with opened().artifacts.open(uri) as file:
        shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
