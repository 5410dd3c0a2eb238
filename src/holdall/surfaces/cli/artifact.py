"""`holdall artifact`: log, list, fetch and compare what runs hold."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from holdall.errors import ArtifactNotFoundError, ContentError
from holdall.settings import read_settings
from holdall.sizes import format_size
from holdall.store import Run, contents
from holdall.surfaces.cli.address import address_of, complete_experiment, complete_run, run_of, uri_of
from holdall.surfaces.cli.fetching import fetched_elsewhere, is_there, refuse_to_replace
from holdall.surfaces.cli.listing import rows_of
from holdall.surfaces.cli.program import json_option, not_empty, opened, program
from holdall.surfaces.cli.table import files, show_json, show_table
from holdall.surfaces.cli.writer import cat as write_file
from holdall.surfaces.cli.writer import say, tell


class _Folder(click.Path):
    """A parameter that is a folder, existing or not. Empty text is refused: `Path` would take it for this folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("it is empty", param, ctx)
        return super().convert(value, param, ctx)


version_option = click.option(
    "--version", type=click.IntRange(min=0), help="An earlier version of the file, as `holdall artifact versions` says."
)


@program.group("artifact")
def artifact() -> None:
    """Log, list, fetch and compare artifacts.

    \b
    Example: holdall artifact list runs:/RUN_ID
    """


@artifact.command("log")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--run",
    "run_id",
    callback=not_empty,
    shell_complete=complete_run,
    help="The run to log to; the one that HOLDALL_RUN_ID names, or else a new one, if not given.",
)
@click.option("--to", "directory", callback=not_empty, help="The directory of the run to put it in.")
@click.option(
    "-e",
    "--experiment",
    callback=not_empty,
    shell_complete=complete_experiment,
    help="The experiment of a new run.",
)
@click.option("--name", callback=not_empty, help="The name of a new run.")
@click.option("--versioned", is_flag=True, help="Files of the new run may be replaced and removed later.")
@click.option("--replace", is_flag=True, help="Replace what is there with other content, in a versioned run.")
@click.option("--keep-last", type=click.IntRange(min=1), help="With --replace: the versions of each file that stay.")
@click.option("--follow", is_flag=True, help="Log what links in a folder lead to, instead of links.")
@json_option
def log(
    path: Path,
    run_id: str | None,
    directory: str | None,
    experiment: str | None,
    name: str | None,
    versioned: bool,
    replace: bool,
    keep_last: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Log a file, or a folder under its own name, and print its address.

    \b
    Example: holdall artifact log model.pt --to models
    """
    if run_id and (experiment or name or versioned):
        raise click.UsageError(
            "--experiment, --name and --versioned are for a new run, and --run names one that there is"
        )
    if keep_last and not replace:
        raise click.UsageError("--keep-last is for what may be replaced: give --replace with it")
    if replace and not (run_id or versioned or read_settings().run_id):
        raise click.UsageError("--replace is for a versioned run: name one with --run, or begin one with --versioned")
    store, settings = opened(), read_settings()
    run_id = run_id or (None if experiment or name or versioned else settings.run_id)
    items = Run._items_of(
        path, directory, links="follow" if follow else "keep"
    )  # what is wrong with these is no run's failure
    if run_id:
        run = run_of(store, run_id)
        run._log_items(items, on_conflict="replace" if replace else "error", keep_last=keep_last)
    else:
        run = store.runs.start(
            experiment=experiment or settings.experiment,
            name=name or settings.run_name,
            paths="versioned" if versioned else None,
        )
        _log_all_of(run, items)
    at = path.name if path.name not in ("", "..") else path.resolve().name
    uri = "/".join(part for part in (f"runs:/{run.id}", directory, at) if part)
    show_json({"run_id": run.id, "uri": uri}) if as_json else say(uri)


@artifact.command("list")
@click.argument("uri")
@click.option("-r", "--recursive", is_flag=True, help="Include everything below.")
@json_option
def list_(uri: str, recursive: bool, as_json: bool) -> None:
    """List the files and directories in a directory of a run, with their sizes.

    \b
    Example: holdall artifact list runs:/RUN_ID/models
    """
    run, path = address_of(opened(), uri)
    found = contents(run, path, deep=recursive)
    if as_json:
        show_json(found)
    elif found:
        show_table(rows_of(found), right=[0], fixed=[0])


@artifact.command("get")
@click.argument("uri")
@click.option(
    "-d",
    "--to",
    "destination",
    type=_Folder(path_type=Path),
    default=Path(),
    help="The folder to put it in; created if it does not exist.  [default: the current one]",
)
@click.option(
    "--include", multiple=True, metavar="GLOB", help="Only paths that match this pattern, such as '*.json'; repeatable."
)
@click.option("--exclude", multiple=True, metavar="GLOB", help="Not paths that match this pattern; repeatable.")
@click.option("--references", is_flag=True, help="Also fetch what is elsewhere, in place of what says where it is.")
@click.option("--force", is_flag=True, help="Replace files that are there with other content.")
@version_option
@json_option
def get(
    uri: str,
    destination: Path,
    include: Sequence[str],
    exclude: Sequence[str],
    references: bool,
    force: bool,
    version: int | None,
    as_json: bool,
) -> None:
    """Download a file or a directory of a run; every byte is verified.

    Files keep their paths in the run. Files that exist already with the same content are left as they are.

    \b
    Example: holdall artifact get runs:/RUN_ID/models -d fetched --exclude '*.tmp'
    """
    run, path = address_of(opened(), uri)
    run = run._at_one_look()
    place = destination / path
    elsewhere = partial(fetched_elsewhere, run, path, destination, include, exclude, version, force=force)
    if references and elsewhere(all_below=True):
        show_json({"path": str(place)}) if as_json else say(str(place))
        return
    try:
        wanted = run._select(path or None, include=include, exclude=exclude, version=version)
    except ArtifactNotFoundError:
        if not elsewhere(all_below=False):
            raise
        show_json({"path": str(place)}) if as_json else say(str(place))
        return
    missing = [one for one in wanted.entries if not is_there(one, destination)]
    if not force:
        refuse_to_replace(missing, destination)
    run._fetch_selected(wanted.but(missing), destination)
    fetched = [one for one in missing if one.kind.name == "FILE"]
    tell(f"fetched {files(len(fetched))}, {format_size(sum(one.size for one in fetched))}", end="")
    kept = sum(one.kind.name == "FILE" for one in wanted.entries) - len(fetched)
    tell(f"; {files(kept)} there already" if kept else "")
    show_json({"path": str(place)}) if as_json else say(str(place))


@artifact.command("cat")
@click.argument("uri")
@version_option
def cat(uri: str, version: int | None) -> None:
    """Write a file to the standard output.

    \b
    Example: holdall artifact cat runs:/RUN_ID/config.yaml
    """
    run, path = address_of(opened(), uri)
    if not path:
        raise _no_file(run, path)
    run = run._at_one_look()
    try:
        file = run.open(path, version=version)
    except ArtifactNotFoundError as error:
        found = None if version is not None else next(run.entries(path), None)
        if found is None or (found.path == path and found.kind.name != "DIRECTORY"):
            raise
        raise _no_file(run, path) from error
    with file:
        write_file(file)


@artifact.command("diff")
@click.argument("uri")
@click.argument("other")
@click.option("--text", is_flag=True, help="Show the lines in which text files differ.")
@click.option("--tensors", is_flag=True, help="Show which tensors differ, and by how much: the most changed first.")
@json_option
def diff(uri: str, other: str, text: bool, tensors: bool, as_json: bool) -> None:
    """Show which files OTHER adds, lacks and changes; exit code 1 if any. Only --text and --tensors read files.

    Tensors are those of .safetensors, .pt, .pth, .bin, .ckpt, .npz, .npy and .onnx; of what is the same none is read.

    \b
    Example: holdall artifact diff runs:/RUN_ID/models runs:/OTHER_ID/models
    """
    if text and (as_json or tensors):
        raise click.UsageError("--text is for people, and not for tensors; --json for programs")
    store = opened()
    if tensors:
        changes = store.artifacts.diff_tensors(uri_of(store, uri), uri_of(store, other))
        show_json(changes.to_dictionary()) if as_json else say(str(changes))
        sys.exit(1 if changes else 0)
    found = store.artifacts.diff(uri_of(store, uri), uri_of(store, other))
    if as_json:
        show_json({name: [asdict(one) for one in getattr(found, name)] for name in ("added", "removed", "changed")})
    elif text:
        differing = [one.path for some in (found.removed, found.added, found.changed) for one in some]
        for path in sorted(differing):
            say(found.text(path), end="")
    else:
        say(str(found))
    sys.exit(1 if found else 0)


def _no_file(run: Run, path: str) -> ContentError:
    uri = f"runs:/{run.id}/{path}".rstrip("/")
    error = ContentError(uri, "a file", "it is a directory")
    error.hint = f"`holdall artifact list {uri}` lists it, `holdall artifact get {uri}` fetches it"
    return error


def _log_all_of(run: Run, items: Sequence[Any]) -> None:
    """Log into a new run, and end it as FINISHED or FAILED."""
    try:
        run._log_items(items)
    except BaseException:
        run.finish("FAILED")
        raise
    run.finish()
