"""`holdall artifact versions`, `delete` and `trim`: what versioned runs held, and giving it up."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from holdall.errors import ArtifactNotFoundError, RunNotVersionedError
from holdall.sizes import format_size
from holdall.surfaces.cli.address import address_of, run_of
from holdall.surfaces.cli.artifact import artifact
from holdall.surfaces.cli.program import ask, json_option, opened
from holdall.surfaces.cli.table import files, show_json, show_table, when
from holdall.surfaces.cli.writer import say, tell

if TYPE_CHECKING:
    from holdall.store import Run, Store


@artifact.command("versions")
@click.argument("run")
@click.argument("path", required=False)
@json_option
def versions(run: str, path: str | None, as_json: bool) -> None:
    """List what a file was and is, the newest first: of RUN the file at PATH, or runs:/RUN_ID/PATH.

    The first column is what `holdall artifact get --version` takes. Only a versioned run has earlier versions.

    \b
    Example: holdall artifact versions RUN_ID last.pt
    """
    chosen, at = _place(opened(), run, path)
    found = chosen.versions(at)
    if as_json:
        show_json([asdict(one) for one in found])
        return
    rows = [
        ("current" if one.version is None else str(one.version), format_size(one.size), one.sha256, when(one.until))
        for one in found
    ]
    show_table([("version", "size", "sha256", "until"), *rows], right=[0, 1], fixed=[0, 1, 2])


@artifact.command("delete")
@click.argument("uri")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(uri: str, yes: bool, as_json: bool) -> None:
    """Take a file, or a directory with all below it, out of a versioned run. Its versions stay until they are trimmed.

    \b
    Example: holdall artifact delete runs:/RUN_ID/checkpoints --yes
    """
    run, path = address_of(opened(), uri)
    if not path:
        raise click.UsageError("name a path: runs:/RUN_ID/PATH")
    _refuse_unversioned(run)
    there = list(run.entries(path))
    if not there:
        raise ArtifactNotFoundError(run.id, path)
    found = [one for one in there if one.kind.name == "FILE"]
    size = sum(one.size for one in found)
    (tell if as_json else say)(f"delete  {files(len(found))}, {format_size(size)}")
    ask(f"Delete {files(len(found))}?", yes=yes)
    run.delete_artifact(path)
    if as_json:
        show_json({"run_id": run.id, "path": path, "files": [one.path for one in found], "bytes": size})


@artifact.command("trim")
@click.argument("uri")
@click.option("--keep-last", type=click.IntRange(min=0), required=True, help="The versions of each file that stay.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def trim(uri: str, keep_last: int, yes: bool, as_json: bool) -> None:
    """End the earlier versions of a file, or of all below a directory or run, but for the newest of each.

    They cannot be read any more, and their space is free after the next `holdall gc`. With 0 nothing stays of what
    was deleted; what a path holds now stays in any case.

    \b
    Example: holdall artifact trim runs:/RUN_ID --keep-last 3 --yes
    """
    run, path = address_of(opened(), uri)
    _refuse_unversioned(run)
    ask(f"Keep only {keep_last} of the versions of each file?", yes=yes)
    run.trim(path, keep_last=keep_last)
    if as_json:
        show_json({"run_id": run.id, "path": path, "kept": keep_last})


def _refuse_unversioned(run: Run) -> None:
    """Raise the error that says that a run's paths never change, before anybody is asked."""
    if not run.state.versioned:
        raise RunNotVersionedError(run.id)


def _place(store: Store, run: str, path: str | None) -> tuple[Run, str]:
    """Return a run, and a path in it, from an address or from both apart."""
    if path is not None:
        return run_of(store, run), path
    found, at = address_of(store, run)
    if not at:
        raise click.UsageError("name a path: RUN_ID PATH, or runs:/RUN_ID/PATH")
    return found, at
