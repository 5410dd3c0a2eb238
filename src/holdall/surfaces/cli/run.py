"""`holdall run`: find runs, look at them, delete them and take that back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from holdall.sizes import format_size
from holdall.store import RESTORABLE, Experiment, RunRecord
from holdall.surfaces.cli.address import experiment_option, experiments_of, run_argument, run_of
from holdall.surfaces.cli.program import ask, json_option, opened, program
from holdall.surfaces.cli.table import (
    cut,
    files,
    lasted,
    number,
    short_ids,
    show_json,
    show_table,
    when,
)
from holdall.surfaces.cli.writer import say, tell
from holdall.terminal import printable

_RUN_NAME, _PARENT = "mlflow.runName", "mlflow.parentRunId"
_LONGEST = 200  # columns of a run's name, to a file or pipe, too


@program.group("run")
def run() -> None:
    """Start, find, show, compare, delete and purge runs.

    \b
    Example: holdall run list
    """


def _chosen(command: Any) -> Any:
    """Add the options of a command that shows some of the runs."""
    options = [
        experiment_option,
        click.option(
            "--order-by", multiple=True, metavar="CLAUSE", help="The order, such as 'metrics.loss ASC'; repeatable."
        ),
        click.option("-n", "--limit", type=click.IntRange(min=1), help="The largest number of results."),
        click.option("--deleted", "stage", flag_value="deleted", help="Only deleted ones."),
        click.option("--all", "stage", flag_value="all", help="Include deleted ones."),
        json_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@run.command("list")
@_chosen
def list_(as_json: bool, **choice: Any) -> None:
    """List runs, the latest first.

    \b
    Example: holdall run list --experiment digits --limit 10
    """
    _show_runs("", as_json=as_json, **choice)


@run.command("search")
@click.argument("filter")
@_chosen
def search(filter: str, as_json: bool, **choice: Any) -> None:
    """List the runs that match a filter; `holdall guide search` explains the grammar.

    \b
    Example: holdall run search "metrics.loss < 0.1 and params.model = 'forest'" --order-by "metrics.loss"
    """
    _show_runs(filter, as_json=as_json, **choice)


@run.command("manifest")
@run_argument()
@click.option("--digest", is_flag=True, help="Only the digest of the manifest.")
@json_option
def manifest(run_id: str, digest: bool, as_json: bool) -> None:
    """Print the SHA-256 of each file of a run, for `sha256sum -c`; exit code 1 if some cannot be read.

    \b
    Example: holdall run manifest RUN_ID | (cd fetched && sha256sum -c)
    """
    found = run_of(opened(), run_id)._at_one_look()
    if as_json:
        show_json({"run_id": found.id, "digest": found.manifest_digest, "files": found.manifest})
        return
    if digest:
        say(found.manifest_digest)
        return
    text, incomplete = found._readable_manifest_text
    say(text, end="")
    if incomplete:
        raise incomplete


@run.command("delete")
@run_argument("run_ids", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(run_ids: Sequence[str], yes: bool, as_json: bool) -> None:
    """Delete runs. They stay readable for seven days, in which `holdall run restore` restores them.

    After that the next `holdall gc` purges them, and frees the space of what nothing else needs.

    \b
    Example: holdall run delete RUN_ID --yes
    """
    store = opened()
    runs = {found.id: found for found in (run_of(store, text) for text in run_ids)}
    states = {id: found.state for id, found in runs.items()}
    going = [id for id, state in states.items() if not state.deleted]
    for id, state in states.items():
        said = "delete" if id in going else "deleted already"
        named = f"{state.tags.get(_RUN_NAME, '')}, {state.status}, {files(state.files)}, {format_size(state.bytes)}"
        (tell if as_json else say)(printable(f"{said}  {id}  {named}"))
    if going:
        ask(f"Delete {len(going)} run{'s' * (len(going) > 1)}?", yes=yes)
    for id in going:
        runs[id].delete()
    if as_json:
        show_json({"deleted": going, "restorable_until": restorable_until()})
    elif going:
        say(f"`holdall run restore` restores {'it' if len(going) == 1 else 'them'} until {told_until()}")
        for id in going:
            if models := sorted(set(states[id].pins.values())):
                say(printable(f"{id} is kept all the same while {', '.join(models)} has a version of it"))


@run.command("restore")
@run_argument("run_ids", nargs=-1, required=True)
@json_option
def restore(run_ids: Sequence[str], as_json: bool) -> None:
    """Restore runs that were deleted.

    \b
    Example: holdall run restore RUN_ID
    """
    store = opened()
    runs = [run_of(store, text) for text in run_ids]
    gone = [found for found in runs if found.state.deleted]
    for found in gone:
        found.restore()
    if as_json:
        show_json({"restored": [found.id for found in gone]})
        return
    for found in runs:
        say(f"{'restored' if found in gone else 'not deleted'}  {found.id}")


def restorable_until() -> int:
    """Return until when what is deleted now can be restored at least, in ms since 1970 UTC."""
    return int(time.time() * 1000) + RESTORABLE


def told_until() -> str:
    """Return the same in words, with what comes then."""
    return f"{when(restorable_until())}; then the next `holdall gc` frees the space"


def record_json(record: RunRecord) -> dict[str, Any]:
    """Return a run as `--json` shows it."""
    return asdict(record.info) | {"artifact_uri": record.info.artifact_uri} | asdict(record.data)


def _show_runs(
    filter: str,
    *,
    experiments: Sequence[str],
    order_by: Sequence[str],
    limit: int | None,
    stage: str | None,
    as_json: bool,
) -> None:
    store = opened()
    there = store.experiments.all() if experiments else None
    where = [found.experiment_id for found in experiments_of(store, experiments, there)]
    shown = {"deleted": "deleted", "all": None}.get(stage or "", "active")
    records = store.runs.search(
        filter, experiments=where or None, order_by=list(order_by) or None, limit=limit, stage=shown
    )
    if as_json:
        show_json([record_json(record) for record in records])
    elif records:
        _show_records(records, store.experiments.all() if there is None else there)


def _show_records(records: Sequence[RunRecord], experiments: Sequence[Experiment]) -> None:
    names = {found.experiment_id: found.name for found in experiments}
    ids = short_ids([record.info.run_id for record in records])
    called = {record.info.run_id: cut(record.info.run_name, _LONGEST) for record in records}
    rows = [["RUN", "NAME", "EXPERIMENT", "STATUS", "STARTED", "LASTED", "METRICS"]]
    for record in records:
        info = record.info
        metrics = " ".join(f"{key}={number(value)}" for key, value in sorted(record.data.metrics.items()))
        status = info.status + " (deleted)" * (info.lifecycle_stage == "deleted")
        experiment = names.get(info.experiment_id, info.experiment_id)
        times = [when(info.start_time)[:-3], lasted(info.start_time, info.end_time).removesuffix(" so far")]
        parent = record.data.tags.get(_PARENT, "")
        name = called[info.run_id] + f" (part of {called.get(parent) or parent})" * bool(parent)
        rows.append([ids[info.run_id], name, experiment, status, *times, metrics])
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    show_table(rows, fixed=[0, 4, 5])
