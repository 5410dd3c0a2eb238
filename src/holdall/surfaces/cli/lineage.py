"""`holdall artifact lineage` and `holdall run lineage`: what something was made of, and what was made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from holdall.surfaces.cli.address import complete_run, run_of, uri_of
from holdall.surfaces.cli.artifact import artifact
from holdall.surfaces.cli.program import json_option, opened
from holdall.surfaces.cli.run import run
from holdall.surfaces.cli.table import show_json
from holdall.surfaces.cli.writer import say, tell
from holdall.terminal import printable

if TYPE_CHECKING:
    from holdall.store import Lineage, LineageNode

_depth = click.option("--depth", type=click.IntRange(min=1), default=10, show_default=True, help="Runs in a row.")
_direction = click.option(
    "--direction", type=click.Choice(["both", "upstream", "downstream"]), default="both", help="Which way to look."
)
_CUT = "there is more: look deeper with --depth, or from something nearer; or some of it cannot be read"


@artifact.command("lineage")
@click.argument("uri")
@_depth
@_direction
@json_option
def of_artifact(uri: str, depth: int, direction: str, as_json: bool) -> None:
    """Show what a file, directory or model was made of, and which runs read it, or equal content.

    \b
    Example: holdall artifact lineage models:/fraud@champion
    """
    store = opened()
    address = uri if uri.startswith("models:/") else uri_of(store, uri)
    found = store.artifacts.lineage(address, depth=depth, direction=direction)  # type: ignore[arg-type]
    _show(found, as_json=as_json)


@run.command("lineage")
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@_depth
@_direction
@click.option("--openlineage", is_flag=True, help="Print the run's events as OpenLineage has them, one a line.")
@click.option("--job", help="What OpenLineage calls the job.  [default: the experiment's name]")
@json_option
def of_run(run_id: str, depth: int, direction: str, openlineage: bool, job: str | None, as_json: bool) -> None:
    """Show what a run read, was given and refers to, and which runs read what it holds.

    \b
    Example: holdall run lineage RUN_ID --openlineage
    """
    store = opened()
    chosen = run_of(store, run_id)
    if openlineage:
        name = job or store.experiments.get(chosen.record.info.experiment_id).name
        for event in chosen.openlineage(job=name):
            say(json.dumps(event))
        return
    found = store.artifacts.lineage(f"runs:/{chosen.id}", depth=depth, direction=direction)  # type: ignore[arg-type]
    _show(found, as_json=as_json)


def _show(found: Lineage, *, as_json: bool) -> None:
    if as_json:
        show_json(found.to_dictionary())
        return
    say(printable(f"{found.artifact}  {found.digest}"))
    for node in found.upstream:
        _show_lines(node, "made by", 1, upstream=True)
    for node in found.downstream:
        _show_lines(node, "read by", 1, upstream=False)
    if not found.complete:
        tell(_CUT)


def _show_lines(node: LineageNode, word: str, level: int, *, upstream: bool) -> None:
    say(printable(f"{'  ' * level}{_line(node, word, upstream=upstream)}"))
    for below in node.nodes:
        _show_lines(below, _word(below, upstream=upstream), level + 1, upstream=upstream)


def _word(node: LineageNode, *, upstream: bool) -> str:
    if not upstream:
        return "read by"
    return {"artifact": "read", "run": "made by", "missing": "made by", "data set": "given"}.get(node.kind, "refers to")


def _line(node: LineageNode, word: str, *, upstream: bool) -> str:
    return " ".join(filter(None, [word, *_parts(node, upstream=upstream), "(see above)" if node.again else ""]))


def _parts(node: LineageNode, *, upstream: bool) -> Iterator[str]:
    match node.kind:
        case "run":
            yield f"{node.run_id} {node.name} {node.status}"
            yield "" if upstream else f"as {node.uri}"
        case "missing":
            yield f"{node.run_id}, which is not there"
        case "data set":
            yield f"{node.name} ({node.digest}) {node.uri}"
        case "elsewhere":
            yield f"{node.uri} at {node.name}"
        case _:
            yield node.uri
            yield node.digest or ""
