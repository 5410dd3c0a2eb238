"""`holdall ui`: pages to look at the store with, in a browser.

No surface knows another. So what serves the pages is handed in by the program, which puts both together.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from holdall.surfaces.cli.program import opener, program
from holdall.surfaces.cli.writer import tell


def attach(serve_ui: Callable[..., int]) -> None:
    """Give the program its verb `ui`. `serve_ui`: `surfaces.web.serve_ui`."""

    @program.command("ui")
    @click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 for all.")
    @click.option(
        "-p",
        "--port",
        default=5050,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="The port; 0 for any free one.",
    )
    @click.option(
        "--allow-changes",
        is_flag=True,
        help="Let tags, descriptions and aliases be changed, and runs deleted and restored.",
    )
    @click.option(
        "--allow-host",
        "allowed_hosts",
        multiple=True,
        metavar="NAME",
        help="A name under which browsers may ask, beside those of this machine.",
    )
    @click.option("--token", "always_token", is_flag=True, help="Ask for a token here on this machine as well.")
    @click.option(
        "--export",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Write the pages into a folder as a static site, and serve nothing.",
    )
    @click.option("--experiment", metavar="NAME", help="Export an experiment: its newest 500 runs.")
    @click.option("--run", metavar="ID", help="Export a run.")
    @click.option("--dry-run", is_flag=True, help="Say what would be exported: how many files and bytes.")
    def ui(**given: Any) -> None:
        """Show the store in a browser: runs, charts, models, space; until SIGTERM or Ctrl-C.

        \b
        Example: holdall ui --port 5050
        Guide: holdall guide ui
        """
        if given["export"] is None and (given["experiment"] or given["run"] or given["dry_run"]):
            raise click.UsageError("--experiment, --run and --dry-run say what of the store --export DIR writes")
        if given["experiment"] and given["run"]:
            raise click.UsageError("either --experiment or --run is exported")
        sys.exit(serve_ui(opener(), say=tell, **given))
