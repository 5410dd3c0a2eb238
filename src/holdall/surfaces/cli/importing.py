"""`holdall import`: bring what other tools keep; planned first, then asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from holdall.sizes import format_size
from holdall.surfaces.cli.program import ask, json_option, not_empty, opened, program
from holdall.surfaces.cli.table import counted, files, show_json
from holdall.surfaces.cli.writer import say, tell
from holdall.terminal import printable

if TYPE_CHECKING:
    from holdall.importing import Brought, MoveReport, Planned

F = TypeVar("F", bound=Callable[..., Any])
_SHOWN = 20  # problems that are shown; all are in the file


@program.group("import")
def import_() -> None:
    """Bring runs, models and files from other tools, with their dates; again, and only what is new is brought.

    \b
    Example: holdall import mlflow --from sqlite:///mlflow.db --dry-run
    """


def import_options(command: F) -> F:
    """Add the options that every import has."""
    dry = click.option("-n", "--dry-run", is_flag=True, help="Only show what would be brought.")
    yes = click.option("--yes", is_flag=True, help="Do not ask.")
    problems = click.option(
        "--problems",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("problems.jsonl"),
        show_default=True,
        help="The file for what is missing, if anything is: a JSON object a line.",
    )
    return dry(yes(problems(json_option(command))))


@import_.command("mlflow")
@click.option("--from", "uri", required=True, callback=not_empty, metavar="URI", help="Its tracking URI or folder.")
@click.option("--registry", callback=not_empty, metavar="URI", help="The URI of its model registry, if it is another.")
@click.option(
    "-e",
    "--experiment",
    "experiments",
    multiple=True,
    callback=not_empty,
    help="Only this experiment, and no registered models; repeatable.",
)
@import_options
def mlflow(
    uri: str,
    registry: str | None,
    experiments: Sequence[str],
    dry_run: bool,
    yes: bool,
    problems: Path,
    as_json: bool,
) -> None:
    """Bring what an MLflow keeps: experiments, runs, logged models, and the registry with its version numbers.

    URI is a folder such as ./mlruns, a database, or a server. Every file is compared with its source. Exit code 1 if
    something is missing. See `holdall guide moving`.

    \b
    Example: holdall import mlflow --from ./mlruns --yes
    """
    from holdall.importing import from_mlflow

    planned = from_mlflow(opened(), uri, registry_uri=registry, experiments=experiments)
    perform(planned, dry_run=dry_run, yes=yes, problems=problems, as_json=as_json)


@import_.command("folder")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-e", "--experiment", callback=not_empty, help="The experiment of the runs.")
@click.option("--each", is_flag=True, help="Each folder in it is a run of its own.")
@click.option("--versioned", is_flag=True, help="Files that change later replace what was brought.")
@import_options
def folder(
    folder: Path,
    experiment: str | None,
    each: bool,
    versioned: bool,
    dry_run: bool,
    yes: bool,
    problems: Path,
    as_json: bool,
) -> None:
    """Bring a folder of files as a run; links in it are followed.

    \b
    Example: holdall import folder trained --each --yes
    """
    from holdall.importing import from_folder

    planned = from_folder(opened(), folder, experiment=experiment, each=each, versioned=versioned)
    perform(planned, dry_run=dry_run, yes=yes, problems=problems, as_json=as_json)


@import_.command("hf-cache")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-e", "--experiment", default="Hugging Face", show_default=True, callback=not_empty)
@import_options
def hf_cache(folder: Path, experiment: str, dry_run: bool, yes: bool, problems: Path, as_json: bool) -> None:
    """Bring a Hugging Face cache: each revision of a model or data set in it as a run.

    \b
    Example: holdall import hf-cache hub --dry-run
    """
    from holdall.importing import from_huggingface_cache

    planned = from_huggingface_cache(opened(), folder, experiment=experiment)
    perform(planned, dry_run=dry_run, yes=yes, problems=problems, as_json=as_json)


@import_.command("trackio")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-p", "--project", "projects", multiple=True, callback=not_empty, help="Only this project; repeatable.")
@import_options
def trackio(folder: Path, projects: Sequence[str], dry_run: bool, yes: bool, problems: Path, as_json: bool) -> None:
    """Bring what Trackio keeps: projects as experiments, with their runs, numbers, media and artifacts.

    \b
    Example: holdall import trackio trackio --dry-run
    """
    from holdall.importing import from_trackio

    planned = from_trackio(opened(), folder, projects=projects)
    perform(planned, dry_run=dry_run, yes=yes, problems=problems, as_json=as_json)


@import_.command("tensorboard")
@click.argument("logdir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-e", "--experiment", callback=not_empty, help="The experiment of the runs.  [default: LOGDIR's name]")
@import_options
def tensorboard(logdir: Path, experiment: str | None, dry_run: bool, yes: bool, problems: Path, as_json: bool) -> None:
    """Bring TensorBoard's logs: each folder with event files as a run, its scalars as measurements.

    \b
    Example: holdall import tensorboard logs --yes
    """
    from holdall.importing import from_tensorboard

    planned = from_tensorboard(opened(), logdir, experiment=experiment)
    perform(planned, dry_run=dry_run, yes=yes, problems=problems, as_json=as_json)


def perform(planned: Planned, *, dry_run: bool, yes: bool, problems: Path, as_json: bool) -> None:
    """Show what an import would bring, ask, and bring it; end with exit code 1 if something is missing."""
    for line in _lines(planned):
        (tell if as_json else say)(printable(line))
    if dry_run:
        if as_json:
            show_json(_document(planned))
        _show_problems(planned, None)
        sys.exit(1 if planned.problems else 0)
    ask(f"Import {counted(planned.runs, 'run')}?", yes=yes)
    report = planned.perform(None if as_json else _tell)
    report.write_problems(problems)
    show_json(asdict(report) | {"complete": report.complete}) if as_json else say(_summary(report))
    _show_problems(report, problems)
    sys.exit(0 if report.complete else 1)


def _lines(planned: Planned) -> Iterator[str]:
    """Yield what an import would bring."""
    yield f"import       {planned.source}"
    yield f"into         {planned.destination}"
    names = ", ".join(planned.experiments[:5]) + ", ..." * (len(planned.experiments) > 5)
    yield f"experiments  {len(planned.experiments)}" + f": {names}" * bool(names)
    facts = [f"{planned.deleted} deleted"] * bool(planned.deleted)
    facts += [f"{planned.without_files} without files"] * bool(planned.without_files)
    yield f"runs         {planned.runs}" + f" ({', '.join(facts)})" * bool(facts)
    yield f"files        {planned.files}, {format_size(planned.bytes)}"
    if planned.models:
        yield f"registry     {counted(planned.models, 'model')}, {counted(planned.versions, 'version')}"


def _document(planned: Planned) -> dict[str, Any]:
    names = ("source", "destination", "experiments", "runs", "deleted", "files", "bytes", "models", "versions")
    return {name: getattr(planned, name) for name in names} | {"problems": [asdict(one) for one in planned.problems]}


def _tell(one: Brought) -> None:
    """Show what became of a run or model, unless nothing was to be done."""
    if one.outcome == "same":
        return
    about = f"{counted(one.versions, 'version')}" if one.what == "model" else files(one.files)
    name = "" if one.what == "model" else f"  {one.name}"
    say(printable(f"{one.outcome:<6}  {one.what} {one.id}{name}  {about}"))


def _summary(report: MoveReport) -> str:
    said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(report.outcomes.items())) or "nothing"
    return f"{said}; {format_size(report.bytes)} at the source, {format_size(report.stored_bytes)} sent"


def _show_problems(found: Planned | MoveReport, file: Path | None) -> None:
    for problem in found.problems[:_SHOWN]:
        tell(printable(f"missing  {problem}"))
    if len(found.problems) > _SHOWN:
        tell(f"missing  ... and {len(found.problems) - _SHOWN} more")
    if found.problems and file is not None:
        tell(printable(f"all of them are in {file}"))
