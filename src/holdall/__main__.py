"""The `holdall` program: assembles the command line's nouns and the demo."""

from __future__ import annotations

import click

from holdall.demo import show as show_demo
from holdall.surfaces import serving, web
from holdall.surfaces.cli import (
    artifact,
    artifact_reference,
    artifact_versions,
    auditing,
    compare,
    copies,
    credentials,
    du,
    experiment,
    exporting,
    gc,
    guide,
    importing,
    lineage,
    model,
    model_change,
    model_files,
    model_show,
    policy,
    purging,
    run,
    run_tag,
    run_writing,
    sharing,
    show,
    signing,
    store,
    store_health,
    store_key,
    ui,
)
from holdall.surfaces.cli import serving as serving_verbs
from holdall.surfaces.cli.program import program

__all__ = [
    "artifact",
    "artifact_reference",
    "artifact_versions",
    "auditing",
    "compare",
    "copies",
    "credentials",
    "du",
    "experiment",
    "exporting",
    "gc",
    "guide",
    "importing",
    "lineage",
    "main",
    "model",
    "model_change",
    "model_files",
    "model_show",
    "policy",
    "program",
    "purging",
    "run",
    "run_tag",
    "run_writing",
    "sharing",
    "show",
    "signing",
    "store",
    "store_health",
    "store_key",
    "ui",
]

serving_verbs.attach(serving.serve, serving.predict)
ui.attach(web.serve_ui)


@program.command("demo")
@click.option("--s3", is_flag=True, help="Use an S3 server that the demo starts, instead of ./holdall-store.")
@click.pass_context
def demo(ctx: click.Context, s3: bool) -> None:
    """Train two small models, log what comes out, and fetch it back.

    \b
    Example: holdall demo --s3
    """
    url = ctx.parent.params["url"] if ctx.parent else None
    show_demo(url=url, s3=s3)


def main() -> None:
    """Run the program."""
    program(prog_name="holdall")


if __name__ == "__main__":
    main()
