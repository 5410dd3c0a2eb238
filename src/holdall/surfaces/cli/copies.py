"""`holdall store copy` and `holdall store bundle`: a store, or parts of it, into another one, or into a file."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from holdall.sizes import format_size
from holdall.store import ENGINES, ModelCopy
from holdall.surfaces.cli.address import experiment_option, run_of
from holdall.surfaces.cli.program import json_option, not_empty, opened_at
from holdall.surfaces.cli.store import store
from holdall.surfaces.cli.table import counted, files, show_json
from holdall.surfaces.cli.writer import cat, say
from holdall.terminal import printable

if TYPE_CHECKING:
    from holdall.store import CopyReport, RunCopy

F = TypeVar("F", bound=Callable[..., Any])


def _what(command: F) -> F:
    """Add the options that say what of a store is meant."""
    some = click.option(
        "--run", "runs", multiple=True, metavar="RUN", callback=not_empty, help="Only this run; repeatable."
    )
    model = click.option(
        "--model",
        "models",
        multiple=True,
        metavar="NAME",
        callback=not_empty,
        help="Only this registered model with its versions, aliases, runs; NAME@ALIAS or NAME/VERSION: that version.",
    )
    return some(experiment_option(model(command)))


@store.command("copy")
@click.argument("source", callback=not_empty)
@click.argument("destination", callback=not_empty)
@_what
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--keep-aliases", is_flag=True, help="Leave the destination's aliases where they are.")
@click.option("--deletions", is_flag=True, help="Delete in DESTINATION, too, what was deleted since it was copied.")
@click.option("--decrypt", is_flag=True, help="Write in the open what SOURCE, which is encrypted, holds.")
@click.option("--no-verify", is_flag=True, help="Read only what is sent, instead of hashing each new file whole.")
@click.option("--engine", type=click.Choice(ENGINES), default="threads", show_default=True, help="What does the work.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Copy so many runs at once.")
@click.option("--source-option", "there", multiple=True, metavar="NAME=VALUE", help="A storage option of SOURCE alone.")
@click.option("--destination-option", "here", multiple=True, metavar="NAME=VALUE", help="One of DESTINATION alone.")
@json_option
def copy(
    source: str,
    destination: str,
    runs: Sequence[str],
    experiments: Sequence[str],
    models: Sequence[str],
    dry_run: bool,
    keep_aliases: bool,
    deletions: bool,
    decrypt: bool,
    no_verify: bool,
    engine: str,
    workers: int | None,
    there: Sequence[str],
    here: Sequence[str],
    as_json: bool,
) -> None:
    """Copy a store, or parts of it, into another one; exit code 1 if something could not be copied.

    Again, and only what is new is sent; what was interrupted is continued. DESTINATION keeps what it has. An encrypted
    SOURCE is copied as it is, and whole, where no key is given (`holdall guide copies`).

    \b
    Example: holdall store copy ./holdall-store s3://bucket/experiments --model fraud@champion
    """
    origin = opened_at(source, there)
    found = origin.maintenance.copy_to(
        opened_at(destination, here),
        runs=[run_of(origin, run).id for run in runs],
        experiments=experiments,
        models=models,
        dry_run=dry_run,
        keep_aliases=keep_aliases,
        deletions=deletions,
        decrypt=decrypt,
        verify=not no_verify,
        engine=engine,
        workers=workers,
        tell=None if as_json else _tell,
    )
    show_json({"complete": found.complete} | asdict(found)) if as_json else _show(found, dry_run=dry_run)
    sys.exit(0 if found.complete else 1)


def _tell(one: RunCopy | ModelCopy) -> None:
    """Show what became of a run or model, unless nothing was to be done."""
    if one.outcome == "same" and not one.detail:
        return
    said = _of_model(one) if isinstance(one, ModelCopy) else _of_run(one)
    say(printable(f"{one.outcome:<8}  {said}" + (f": {one.detail}" if one.detail else "")))


def _of_run(run: RunCopy) -> str:
    return f"run {run.run_id}" + (f"  {files(run.files)} of {format_size(run.bytes)}" if run.files else "")


def _of_model(model: ModelCopy) -> str:
    versions = f"  {counted(model.versions, 'version')}" * bool(model.versions)
    number = versions if model.version is None else f"/{model.version}"
    return f"model {model.name}{number}" + "".join(f"  @{alias}" for alias in model.moved)


def _show(found: CopyReport, *, dry_run: bool) -> None:
    if found.unseen:
        _show_mirror(found, dry_run=dry_run)
        return
    outcomes = Counter(run.outcome for run in found.runs)
    said = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
    sent = sum(run.stored_bytes for run in found.runs)
    size = sum(run.bytes for run in found.runs)
    tail = f"at most {format_size(size)} would be sent" if dry_run else f"{format_size(sent)} sent"
    say(f"{counted(len(found.runs), 'run')}{f' ({said})' if said else ''}, {_models(found)}{tail}")


def _show_mirror(found: CopyReport, *, dry_run: bool) -> None:
    """Show what a copy without a key did: it knows objects, and no runs."""
    for key, why in found.problems.items():
        say(printable(f"{'left out':<8}  {key}: {why}"))
    say(f"unseen    {found.unseen}")
    word = "would be sent" if dry_run else "sent"
    sent = f"{counted(found.sent, 'object')} of {format_size(found.sent_bytes)}"
    say(f"{counted(found.objects, 'object')}, {sent} {word}")


def _models(found: CopyReport) -> str:
    return f"{counted(len(found.models), 'model')}, " if found.models else ""


@store.group("bundle")
def bundle() -> None:
    """Take a store, or parts of it, to a machine without a network: in one file.

    \b
    Example: holdall store bundle write ./holdall-store fraud.zip --model fraud
    """


@bundle.command("write")
@click.argument("source", callback=not_empty)
@click.argument("file", callback=not_empty)
@_what
@click.option("--decrypt", is_flag=True, help="Write in the open what SOURCE, which is encrypted, holds.")
@json_option
def write(
    source: str,
    file: str,
    runs: Sequence[str],
    experiments: Sequence[str],
    models: Sequence[str],
    decrypt: bool,
    as_json: bool,
) -> None:
    """Write a store, or parts of it, into FILE, an uncompressed ZIP that ends in `.zip`; `-`: to the standard output.

    The file opens as a store, to be read: holdall --store FILE run list.

    \b
    Example: holdall store bundle write s3://bucket/experiments fraud.zip --model fraud
    """
    origin = opened_at(source)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "bundle.zip")) if file == "-" else file
        if not path.endswith(".zip"):
            raise click.UsageError(f"{file!r} does not end in .zip, so it would not be known as a bundle")
        found = origin.maintenance.copy_to(
            path,
            runs=[run_of(origin, run).id for run in runs],
            experiments=experiments,
            models=models,
            decrypt=decrypt,
            tell=None if as_json or file == "-" else _tell,
        )
        if file == "-":
            with Path(path).open("rb") as made:
                cat(made)
        else:
            show_json({"complete": found.complete} | asdict(found)) if as_json else _show(found, dry_run=False)
    sys.exit(0 if found.complete else 1)


@bundle.command("read")
@click.argument("file", callback=not_empty)
@click.argument("destination", callback=not_empty)
@click.option("--decrypt", is_flag=True, help="Write in the open what FILE, which is encrypted, holds.")
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done.")
@json_option
def read(file: str, destination: str, decrypt: bool, dry_run: bool, as_json: bool) -> None:
    """Copy what the bundle FILE holds into the store at DESTINATION; again, and only what is new is sent.

    \b
    Example: holdall store bundle read fraud.zip s3://bucket/production
    """
    there = opened_at(destination)
    tell = None if as_json else _tell
    found = opened_at(file).maintenance.copy_to(there, dry_run=dry_run, decrypt=decrypt, tell=tell)
    show_json({"complete": found.complete} | asdict(found)) if as_json else _show(found, dry_run=dry_run)
    sys.exit(0 if found.complete else 1)
