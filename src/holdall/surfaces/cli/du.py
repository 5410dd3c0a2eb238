"""`holdall store du`: what experiments and runs take, what of it they share, and what deleting them would free."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from holdall.sizes import format_size
from holdall.store import HELD_FOR, Space, Usage
from holdall.surfaces.cli.address import complete_run, experiment_option, experiments_of, run_of
from holdall.surfaces.cli.program import json_option, not_empty, opened
from holdall.surfaces.cli.store import store
from holdall.surfaces.cli.table import counted, short_ids, show_json, show_table
from holdall.surfaces.cli.writer import say
from holdall.terminal import printable

if TYPE_CHECKING:
    from holdall.store import Freed, Holdings, RunUsage, Store

_TWICE: Final = {
    "folded": "of these logs is told again by later checkpoints: small files in it lie in packs by now, too",
    "again": "was stored again though it was there, to keep files in few pieces (size before compression)",
}
_SHARERS: Final = 10  # runs that are named


@store.command("du")
@click.argument("url", required=False, callback=not_empty)
@experiment_option
@click.option(
    "-r",
    "--run",
    "runs",
    multiple=True,
    metavar="RUN",
    callback=not_empty,
    shell_complete=complete_run,
    help="Only this run; repeatable.",
)
@click.option("-s", "--summary", is_flag=True, help="Only experiments, not their runs.")
@click.option("--if-deleted", is_flag=True, help="Show what deleting the chosen runs would free. Deletes nothing.")
@json_option
def du(
    url: str | None,
    experiments: Sequence[str],
    runs: Sequence[str],
    summary: bool,
    if_deleted: bool,
    as_json: bool,
) -> None:
    """Show the space that each experiment and run takes, the largest first; no content is read.

    LOGICAL is the size of the files; STORED the size after deduplication and compression;
    UNIQUE the part of it that no other experiment or run uses; SHARED the part that others use, too.
    Below that, every byte of the bucket is counted once, by what it is for.

    \b
    Example: holdall store du s3://bucket/experiments --summary
    """
    there = opened(url)
    chosen = [found.experiment_id for found in experiments_of(there, experiments)]
    run_ids = [run_of(there, run).id for run in runs]
    if if_deleted:
        _if_deleted(there, chosen, run_ids, as_json=as_json)
        return
    found = there.maintenance.du()
    names = {one.experiment_id: one.name for one in there.experiments.all()}
    if chosen or run_ids:
        found = _only(found, chosen, run_ids)
    if as_json:
        show_json(_document(found, names, summary=summary, whole=not (chosen or run_ids)))
        return
    _show(found, names, summary=summary, whole=not (chosen or run_ids))


def _only(found: Usage, experiment_ids: Collection[str], run_ids: Collection[str]) -> Usage:
    """Return the part of it that was asked for."""
    runs = tuple(run for run in found.runs if run.experiment_id in experiment_ids or run.run_id in run_ids)
    experiments = {id: space for id, space in found.experiments.items() if id in experiment_ids}
    return Usage(found.total, experiments, runs, found.held)


def _document(found: Usage, names: dict[str, str], *, summary: bool, whole: bool) -> dict[str, Any]:
    experiments = [
        {"experiment_id": id, "name": names.get(id, ""), **_space(space)} for id, space in found.experiments.items()
    ]
    runs = [{**asdict(run), "space": None} | _space(run.space) for run in found.runs]
    for run in runs:
        del run["space"]
    told = {"experiments": experiments, "runs": [] if summary else runs}
    held = {**asdict(found.held), "total": found.held.total}
    return {"total": _space(found.total), "held": held, **told} if whole else told


def _space(space: Space) -> dict[str, int]:
    return asdict(space) | {"shared": space.shared}


def _show(found: Usage, names: dict[str, str], *, summary: bool, whole: bool) -> None:
    rows = [["LOGICAL", "STORED", "UNIQUE", "SHARED", "FILES", ""]]
    runs: defaultdict[str, list[RunUsage]] = defaultdict(list)
    for run in found.runs:
        runs[run.experiment_id].append(run)
    ids = short_ids([run.run_id for run in found.runs])
    for id in sorted(
        {*found.experiments, *runs}, key=lambda id: (-found.experiments.get(id, Space()).stored, names.get(id, id))
    ):
        if id in found.experiments:
            rows.append(_row(found.experiments[id], names.get(id, id)))
        mine = sorted([] if summary else runs[id], key=lambda run: (-run.space.stored, run.run_name, run.run_id))
        rows += [_row(run.space, f"  {ids[run.run_id]}  {run.run_name}" + " (deleted)" * run.deleted) for run in mine]
    if whole:
        rows.append(_row(found.total, "all together"))
    show_table(rows, right=range(5), fixed=range(5))
    if whole:
        _show_held(found.held)


def _row(space: Space, name: str) -> list[str]:
    sizes = (space.logical, space.stored, space.unique, space.shared)
    return [*map(format_size, sizes), str(space.files), name]


def _show_held(held: Holdings) -> None:
    """Say what every byte of the bucket is for; kinds of which there are none are left out."""
    say("")
    rows = [[format_size(held.total), f"the whole bucket, {counted(held.objects, 'object')}:"]]
    rows += [[format_size(size), f"  {text}"] for name, text in HELD_FOR.items() if (size := getattr(held, name))]
    show_table(rows, right=[0], fixed=[0])
    for name, text in _TWICE.items():
        if size := getattr(held, name):
            say(f"{format_size(size)} {text}")


def _if_deleted(there: Store, experiment_ids: Sequence[str], run_ids: Sequence[str], *, as_json: bool) -> None:
    if not (experiment_ids or run_ids):
        raise click.UsageError("--if-deleted is about some runs; --run and --experiment choose them")
    found = there.maintenance.freed_by(run_ids, experiment_ids=experiment_ids)
    if as_json:
        show_json(asdict(found) | {"total": found.total})
        return
    _show_freed(found)


def _show_freed(found: Freed) -> None:
    runs = f"{counted(len(found.run_ids), 'run')} {'was' if len(found.run_ids) == 1 else 'were'}"
    rows = [
        [format_size(found.total), f"would come back, a week after {runs} deleted:"],
        [format_size(found.packs), "  packs that nothing else needs"],
        [format_size(found.logs), "  logs"],
        [format_size(found.dead), "would be dead inside packs that other runs need, and stay as long as these do"],
        [format_size(found.shared), "stays, since other runs have it as well"],
    ]
    show_table(rows, right=[0], fixed=[0])
    ids = short_ids([one.run_id for one in found.sharing])
    for one in found.sharing[:_SHARERS]:
        deleted = " (deleted)" * one.deleted
        say(printable(f"shares   {format_size(one.bytes)} with {ids[one.run_id]}  {one.run_name}{deleted}"))
    if (more := len(found.sharing) - _SHARERS) > 0:
        say(f"shares   with {more} more")
    for id in found.pinned:
        say(printable(f"pinned   {id}: something that is registered needs it, so it cannot be purged"))
    for id in found.unknown:
        say(printable(f"unread   {id}: nobody knows what it shares, so nothing is collected until it is mended"))
