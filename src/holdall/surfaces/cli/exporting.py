"""`holdall export`: write what a store keeps into other tools; planned first, then asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from holdall.sizes import format_size
from holdall.surfaces.cli.program import ask, json_option, not_empty, opened, program
from holdall.surfaces.cli.table import counted, show_json
from holdall.surfaces.cli.writer import say, tell
from holdall.terminal import printable


@program.group("export")
def export() -> None:
    """Write runs and models into other tools; again, and only what is new is written.

    \b
    Example: holdall export mlflow --to sqlite:///mlflow.db --dry-run
    """


@export.command("mlflow")
@click.option("--to", "uri", required=True, callback=not_empty, metavar="URI", help="The MLflow's tracking URI.")
@click.option("--registry", callback=not_empty, metavar="URI", help="The URI of its model registry, if it is another.")
@click.option(
    "-e",
    "--experiment",
    "experiments",
    multiple=True,
    callback=not_empty,
    help="Only this experiment, and no registered models; repeatable.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be written.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--problems",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("problems.jsonl"),
    show_default=True,
    help="The file for what could not be written, if anything: a JSON object a line.",
)
@json_option
def mlflow(
    uri: str,
    registry: str | None,
    experiments: Sequence[str],
    dry_run: bool,
    yes: bool,
    problems: Path,
    as_json: bool,
) -> None:
    """Write experiments, runs, logged models and the registry into an MLflow.

    Exit code 1 if something could not be written. See `holdall guide moving`.

    \b
    Example: holdall export mlflow --to sqlite:///mlflow.db --yes
    """
    from holdall.exporting import to_mlflow

    planned = to_mlflow(opened(), uri, registry_uri=registry, experiments=experiments)
    registered = f", {counted(planned.models, 'registered model')}" if planned.models else ""
    facts = {"export": planned.source, "to": planned.destination, "runs": f"{planned.runs}{registered}"}
    for name, said in facts.items():
        (tell if as_json else say)(printable(f"{name:<8} {said}"))
    if dry_run:
        if as_json:
            show_json({"runs": planned.runs, "models": planned.models, "experiments": planned.experiments})
        return
    ask(f"Export {counted(planned.runs, 'run')}?", yes=yes)
    report = planned.perform(
        None if as_json else lambda one: say(printable(f"{one.outcome:<6}  {one.what} {one.source_id}  {one.name}"))
    )
    report.write_problems(problems)
    said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(report.outcomes.items())) or "nothing"
    show_json(asdict(report) | {"complete": report.complete}) if as_json else say(
        f"{said}; {format_size(report.stored_bytes)} written"
    )
    for problem in report.problems[:20]:
        tell(printable(f"missing  {problem}"))
    sys.exit(0 if report.complete else 1)
