"""`holdall run start`, `run log` and `run end`: one run, written to by the steps of a pipeline.

Steps are programs of their own, so the run's id travels between them: by `HOLDALL_RUN_ID`, which every verb takes for
the run that none names, or by a key that each of them can compute, such as the number of the pipeline's execution.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from holdall.settings import read_settings
from holdall.store import Run, Store
from holdall.surfaces.cli.address import complete_experiment, complete_run, run_of
from holdall.surfaces.cli.program import json_option, not_empty, opened
from holdall.surfaces.cli.run import run
from holdall.surfaces.cli.table import show_json
from holdall.surfaces.cli.writer import say

run_option = click.option(
    "--run",
    "run_id",
    callback=not_empty,
    shell_complete=complete_run,
    help="The run; the one that HOLDALL_RUN_ID names if not given.",
)


def run_meant(store: Store, run_id: str | None) -> Run:
    """Return the run that an option names, or else the environment. Raises: UsageError, if neither does."""
    if found := run_id or read_settings().run_id:
        return run_of(store, found)
    raise click.UsageError("which run? Give --run RUN_ID, or set HOLDALL_RUN_ID: `holdall run start` prints one")


def _pairs(what: str, given: Sequence[str]) -> list[tuple[str, str]]:
    """Return `KEY=VALUE` texts as pairs. Raises: UsageError."""
    if wrong := [text for text in given if text.find("=") < 1]:
        raise click.UsageError(f"--{what} takes KEY=VALUE, not {wrong[0]!r}")
    return [(key, value) for key, _, value in (text.partition("=") for text in given)]


@run.command("start")
@click.option(
    "-e", "--experiment", callback=not_empty, shell_complete=complete_experiment, help="The experiment of the run."
)
@click.option("--name", callback=not_empty, help="The name of the run.")
@click.option(
    "--key", callback=not_empty, help="What names the run: a second start with the same key goes on with the first's."
)
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of a new run; repeatable.")
@click.option("--versioned", is_flag=True, help="Files of the new run may be replaced and removed later.")
@json_option
def start(
    experiment: str | None, name: str | None, key: str | None, tags: Sequence[str], versioned: bool, as_json: bool
) -> None:
    """Start a run, and print its id; it goes on until `holdall run end`.

    \b
    Example: holdall run start -e nightly --key "execution 7"
    """
    store, settings = opened(), read_settings()
    experiment, name = experiment or settings.experiment, name or settings.run_name
    said, paths = dict(_pairs("tag", tags)), "versioned" if versioned else None
    if key is None:
        found = store.runs.start(experiment=experiment, name=name, tags=said, paths=paths)  # type: ignore[arg-type]
    else:
        found = store.runs.ensure(key, experiment=experiment, name=name, tags=said, paths=paths)  # type: ignore[arg-type]
        if found.info.status != "RUNNING":  # a pipeline that is repeated goes on with what was ended
            store.runs.resume(found.id)
    show_json({"run_id": found.id}) if as_json else say(found.id)


@run.command("log")
@run_option
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="A parameter; repeatable.")
@click.option("--metric", "metrics", multiple=True, metavar="KEY=NUMBER", help="A measurement; repeatable.")
@click.option("--step", type=int, help="Where in the training the measurements were taken; 0 if not given.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag; repeatable.")
def log(
    run_id: str | None, params: Sequence[str], metrics: Sequence[str], step: int | None, tags: Sequence[str]
) -> None:
    """Log parameters, measurements and tags of a run: all of them or none.

    \b
    Example: holdall run log --param rate=0.1 --metric loss=0.25 --metric accuracy=0.9 --step 3
    """
    if not (params or metrics or tags):
        raise click.UsageError("nothing to log: give --param, --metric or --tag")
    points = [(key, _number(key, value), step, None) for key, value in _pairs("metric", metrics)]
    said = {"params": _pairs("param", params), "tags": _pairs("tag", tags)}  # what is mistyped asks nothing of a store
    run_meant(opened(), run_id).log_batch(metrics=points, **said)


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise click.UsageError(f"--metric {key}={text}: {text!r} is no number") from None


@run.command("end")
@run_option
@click.option("--status", type=click.Choice(["FINISHED", "FAILED", "KILLED"], case_sensitive=False), default="FINISHED")
def end(run_id: str | None, status: str) -> None:
    """End a run.

    \b
    Example: holdall run end --status FAILED
    """
    run_meant(opened(), run_id).finish(status.upper())
