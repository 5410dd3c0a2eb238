"""`holdfast run`: what runs hold."""

from __future__ import annotations

import click

from holdfast.surfaces.cli.program import opened, program


@program.group("run")
def run() -> None:
    """Look at runs."""


@run.command("manifest")
@click.argument("run_id")
@click.option("--digest", is_flag=True, help="Only the digest of the manifest.")
def manifest(run_id: str, digest: bool) -> None:
    """Print what a run holds, as `sha256sum -c` accepts it.

    \b
    Example: holdfast run manifest RUN_ID | (cd fetched && sha256sum -c)
    """
    found = opened().runs.get(run_id)
    click.echo(found.manifest_digest + "\n" if digest else found.manifest_text, nl=False)
