"""`holdfast store`: make a store, try its bucket, check it, measure it."""

from __future__ import annotations

import sys

import click

from holdfast.surfaces.cli.program import opened, program, show_table, size


@program.group("store")
def store() -> None:
    """Look after a store."""


@store.command("init")
@click.argument("url", required=False)
def init(url: str | None) -> None:
    """Make a store at URL, if its bucket can keep one.

    \b
    Example: holdfast store init s3://bucket/experiments
    """
    for line in opened(url).care.create().lines():
        click.echo(line)


@store.command("doctor")
@click.argument("url", required=False)
def doctor(url: str | None) -> None:
    """Try what the bucket at URL can do; exit code 1 if it is not safe for writing.

    \b
    Example: holdfast store doctor s3://bucket
    """
    report = opened(url).care.doctor()
    for line in report.lines():
        click.echo(line)
    sys.exit(0 if report.safe_for_writing else 1)


@store.command("check")
@click.argument("url", required=False)
@click.option("--quick", is_flag=True, help="Everything but the bytes of chunks and files.")
def check(url: str | None, quick: bool) -> None:
    """Compute every digest of the store anew; exit code 1 if anything is wrong.

    \b
    Example: holdfast store check s3://bucket/experiments --quick
    """
    found = opened(url).care.check(quick=quick)
    click.echo(
        f"{found.runs} runs, {found.entries} log entries, {found.files} files of {size(found.bytes)}; "
        f"{found.packs} packs with {found.blobs} blobs; {found.objects} objects"
    )
    for key in found.orphans:
        click.echo(f"orphan   {key}: no run refers to it, as after a killed upload; the same upload will reuse it")
    for key in found.foreign:
        click.echo(f"foreign  {key}: not holdfast's; left alone")
    for problem in found.problems:
        click.echo(f"{'harmless' if problem.harmless else 'DAMAGE  '} {problem.where}: {problem.detail}")
        for touched in problem.touches:
            click.echo(f"           touches {touched}")
    click.echo("intact" if found.intact else f"{len(found.problems)} problems")
    sys.exit(0 if found.intact else 1)


@store.command("stats")
@click.argument("url", required=False)
def stats(url: str | None) -> None:
    """Show how much the store holds, and how much that takes.

    \b
    Example: holdfast store stats s3://bucket/experiments
    """
    found = opened(url).care.stats()
    show_table(
        [
            ["store", found.store],
            ["runs", str(found.runs)],
            ["logged", f"{size(found.bytes)} in {found.files} files"],
            ["stored", f"{size(found.object_bytes)} in {found.objects} objects"],
            ["  packs", f"{size(found.pack_bytes)} in {found.packs} objects"],
            ["  logs", size(found.log_bytes)],
        ]
    )
